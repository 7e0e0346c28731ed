"""What can be asked of a scene: meanings, their true answers, and their words."""

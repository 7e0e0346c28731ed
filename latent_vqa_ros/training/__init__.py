"""The stages that turn a dataset into a bundle."""

"""Image towers: what turns pixels into the activations that others read."""

"""The simulated worlds, workcell and wide: scenes, their truth, and questions about them."""

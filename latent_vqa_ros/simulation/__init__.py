"""The simulated workcell: scenes settled by physics, their truth, and questions about it."""

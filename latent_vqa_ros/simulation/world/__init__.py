"""What stands where in the workcell and how it looks: plans, geometry, pictures, the camera."""

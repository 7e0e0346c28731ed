"""ROS programs that the demo and the tests use; the node needs none of them."""

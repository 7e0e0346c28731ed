"""What turns a frame and a question into an answer; knows neither ROS nor torch."""

"""Questions of a robot's own, learnt on it from a few frames and judged before they count.

Imports numpy, OpenCV and PyYAML; refuses to know ROS, torch and what executes a graph.
"""

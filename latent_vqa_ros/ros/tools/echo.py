"""A process that sends back every std_msgs/String: what the middleware alone costs.

    python3 -m latent_vqa_ros.ros.tools.echo --ros-args -r __ns:=/somewhere

Topics: `ping` in, `pong` out, both reliable with depth 10.
"""

from __future__ import annotations

import rclpy
from rclpy.executors import ExternalShutdownException
from std_msgs.msg import String

DEPTH = 10


def main() -> None:
    """Echo until SIGINT or SIGTERM."""
    rclpy.init()
    node = rclpy.create_node('echo')
    publisher = node.create_publisher(String, 'pong', DEPTH)
    node.create_subscription(String, 'ping', publisher.publish, DEPTH)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        if rclpy.ok():  # type: ignore[attr-defined]
            rclpy.shutdown()


if __name__ == '__main__':
    main()

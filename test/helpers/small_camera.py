"""A process that publishes small best-effort frames until it is killed.

    python3 small_camera.py NAMESPACE TOPIC
"""

import sys
import time

import numpy
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

PERIOD = 0.05  # s


def main() -> None:
    """Publish until killed."""
    rclpy.init()
    node = rclpy.create_node('camera', namespace=sys.argv[1])
    publisher = node.create_publisher(Image, sys.argv[2], qos_profile_sensor_data)
    frame = Image(height=64, width=64, encoding='rgb8', step=192,
                  data=numpy.full(64 * 192, 200, numpy.uint8).tobytes())
    print('publishing', flush=True)
    while True:
        frame.header.stamp.sec, frame.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
        publisher.publish(frame)
        time.sleep(PERIOD)


if __name__ == '__main__':
    main()

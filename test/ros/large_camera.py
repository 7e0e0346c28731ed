"""A process that shows 1280x720 bgr8 frames, best effort, and asks about ten of them.

    python3 large_camera.py NAMESPACE

Prints the status of each answer about a frame; run with the profile that is to be tested.
"""

import json
import sys
import time

import numpy as np
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import String

LIMIT = 60.0  # s


def main() -> None:
    rclpy.init()
    node = rclpy.create_node('camera', namespace=sys.argv[1])
    images = node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
    questions = node.create_publisher(String, 'question', 10)
    found: list[str] = []
    details: list[dict] = []
    node.create_subscription(
        String, 'answer/detail', lambda msg: details.append(json.loads(msg.data)), 10)
    frame = Image(height=720, width=1280, encoding='bgr8', step=3840,
                  data=np.zeros(720 * 3840, np.uint8).tobytes())
    end = time.monotonic() + LIMIT
    while len(found) < 10 and time.monotonic() < end:
        frame.header.stamp = node.get_clock().now().to_msg()
        images.publish(frame)
        rclpy.spin_once(node, timeout_sec=0.03)
        questions.publish(String(data='what color is the shape?'))
        rclpy.spin_once(node, timeout_sec=0.2)
        found += [d['status'] for d in details if d['status'] not in ('no_image', 'inactive')]
        details.clear()
    print(*found[:10])
    rclpy.shutdown()


if __name__ == '__main__':
    main()

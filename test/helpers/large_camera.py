"""A process that shows 1280x720 bgr8 frames once each, best effort, and asks about each of them.

    python3 large_camera.py NAMESPACE

Prints how many of the 20 frames were answered about and how many of those came back annotated; run
it with the transports to be tested.
"""

import json
import sys
import time

import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import String

from helpers.node_harness import picture

FRAMES, START, PATIENCE = 20, 60.0, 10.0  # frames, s until the node is found, s per frame


class Camera:
    def __init__(self) -> None:
        self.node = rclpy.create_node('camera', namespace=sys.argv[1])
        self.images = self.node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
        self.questions = self.node.create_publisher(String, 'question', 10)
        self.detail: dict = {}
        self.node.create_subscription(String, 'answer/detail', self.on_detail, 10)
        self.annotated: list = []
        self.node.create_subscription(
            Image, 'image_annotated', lambda msg: self.annotated.append(msg.header.stamp),
            qos_profile_sensor_data)
        self.frame = Image(height=720, width=1280, encoding='bgr8', step=3840,
                           data=picture(720, 1280).tobytes())

    def on_detail(self, message: String) -> None:
        self.detail = json.loads(message.data)

    def ask_until(self, done, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            self.questions.publish(String(data='what color is the shape?'))
            rclpy.spin_once(self.node, timeout_sec=0.1)
        return done()

    def arrives(self) -> bool:
        """Publish one frame, once; return whether the node answers about it."""
        stamp = self.frame.header.stamp = self.node.get_clock().now().to_msg()
        self.images.publish(self.frame)
        seen = {'sec': stamp.sec, 'nanosec': stamp.nanosec}
        return self.ask_until(lambda: self.detail.get('stamp') == seen, PATIENCE)

    def comes_back(self) -> bool:
        """Return whether the frame that was answered about comes annotated, soon after."""
        end = time.monotonic() + PATIENCE
        while self.frame.header.stamp not in self.annotated and time.monotonic() < end:
            rclpy.spin_once(self.node, timeout_sec=0.1)
        return self.frame.header.stamp in self.annotated


def main() -> None:
    rclpy.init()
    camera = Camera()
    camera.ask_until(lambda: camera.detail and camera.images.get_subscription_count(), START)
    first = time.monotonic() + START
    while not camera.annotated and time.monotonic() < first:  # until both ways are there
        camera.arrives()
    found = [(camera.arrives(), camera.comes_back()) for _ in range(FRAMES)]
    print(*map(sum, zip(*found, strict=True)))
    rclpy.shutdown()


if __name__ == '__main__':
    main()

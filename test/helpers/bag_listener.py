"""A subscriber in its own process: prints one JSON line per message of a replayed bag.

    python3 bag_listener.py reliable|best_effort

It says "ready" once its subscriptions stand, and ends when its standard input is closed.
"""

from __future__ import annotations

import json
import sys
import threading
import zlib

import rclpy
from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

CHOICES = {'reliable': ReliabilityPolicy.RELIABLE, 'best_effort': ReliabilityPolicy.BEST_EFFORT}


def tell(topic: str, stamp_ns: int, content: bytes) -> None:
    print(json.dumps([topic, stamp_ns, zlib.crc32(content)]), flush=True)


def nanoseconds(stamp: Time) -> int:
    return int(stamp.sec * 10**9 + stamp.nanosec)


def wait_for_end(closed: threading.Event) -> None:
    sys.stdin.read()
    closed.set()


def main() -> None:
    qos = QoSProfile(depth=10, reliability=CHOICES[sys.argv[1]])
    closed = threading.Event()
    threading.Thread(target=wait_for_end, args=[closed], daemon=True).start()
    rclpy.init()
    node = rclpy.create_node('listener')
    try:
        node.create_subscription(Image, '/image_raw', lambda message: tell(
            '/image_raw', nanoseconds(message.header.stamp), bytes(message.data)), qos)
        node.create_subscription(
            String, '/truth', lambda message: tell('/truth', 0, message.data.encode()), qos)
        node.create_subscription(
            Clock, '/clock', lambda message: tell('/clock', nanoseconds(message.clock), b''), 10)
        print('"ready"', flush=True)
        while not closed.is_set():
            rclpy.spin_once(node, timeout_sec=0.1)
    finally:
        node.destroy_node()
        if rclpy.ok():
            rclpy.shutdown()


if __name__ == '__main__':
    main()

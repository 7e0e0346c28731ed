"""A camera: publishes one bgr8 scene at a rate, best effort; run it as a process of its own.

    python test/performance/camera.py NAMESPACE --rate 30 --size 1280x720

Prints how many frames it has published and the time in s, once a second. With --faults every
50th frame is broken (each time in another way), and --silent S --every T makes it fall silent for
S seconds at the end of each T seconds. The environment chooses the transport.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

import rclpy
from faults.frames import RAW
from faults.rig import image, picture
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header

BROKEN_EVERY = 50  # frames


def main() -> None:
    """Publish until SIGINT or SIGTERM."""
    args = options()
    stop: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.append(1))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('camera', namespace=args.namespace)
    publisher = node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
    width, height = map(int, args.size.split('x'))
    frame = image(Header(frame_id='camera'), picture(height, width))
    start = told = time.monotonic()
    number = 0
    while not stop:
        due = start + number / args.rate
        time.sleep(max(0.0, due - time.monotonic()))
        number += 1
        if not (args.silent and (due - start) % args.every > args.every - args.silent):
            publisher.publish(make(frame, number, args.faults))
        if time.monotonic() - told >= 1.0:
            told = time.monotonic()
            print(number, told, flush=True)
    node.destroy_node()
    rclpy.try_shutdown()


def make(frame: Image, number: int, faults: bool) -> Image:
    """Return the frame with the present time, every BROKEN_EVERY-th a broken one."""
    sec, nanosec = divmod(time.time_ns(), 10**9)
    frame.header.stamp.sec, frame.header.stamp.nanosec = sec, nanosec
    if not faults or number % BROKEN_EVERY:
        return frame
    broken = list(RAW.values())
    return broken[number // BROKEN_EVERY % len(broken)](frame.header)[1]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('namespace')
    parser.add_argument('--rate', type=float, default=30.0, help='frames a second')
    parser.add_argument('--size', default='640x480', metavar='WIDTHxHEIGHT')
    parser.add_argument('--faults', action='store_true', help='mix in broken frames')
    parser.add_argument('--silent', type=float, default=0.0, metavar='S', help='seconds')
    parser.add_argument('--every', type=float, default=60.0, metavar='T', help='seconds')
    return parser.parse_args()


if __name__ == '__main__':
    main()

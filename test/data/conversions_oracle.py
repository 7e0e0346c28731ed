"""Convert messages with the cv_bridge of this interpreter, beside ours, for test_conversions.

Run: PYTHONPATH=<repository> /usr/bin/python3 conversions_oracle.py < messages.json > rgb.json.
Reads a list of {height, width, encoding, is_bigendian, step, row_bytes, data (hex)}. Writes for
each {bridge, raw, node}: hex of RGB by cv_bridge (null: it refuses), by core's raw_to_rgb and by
ros/conversions.image_to_rgb under this interpreter's NumPy and OpenCV.
"""

import json
import sys

from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import Image

from latent_vqa_ros.core.image_formats import raw_to_rgb
from latent_vqa_ros.ros.conversions import image_to_rgb, working_cv_bridge


def image(message, step, data):
    return Image(
        height=message['height'], width=message['width'], encoding=message['encoding'],
        is_bigendian=message['is_bigendian'], step=step, data=data,
    )  # fmt: skip


def answer(message):
    data, step, row = bytes.fromhex(message['data']), message['step'], message['row_bytes']
    # Debian's cv_bridge (1.16) takes no padding in Python: it gets the rows without it.
    tight = b''.join(data[y * step : y * step + row] for y in range(message['height']))
    padded = image(message, step, data)
    try:
        bridge = CvBridge().imgmsg_to_cv2(image(message, row, tight), 'rgb8').tobytes().hex()
    except CvBridgeError:
        bridge = None
    return {
        'bridge': bridge,
        'raw': raw_to_rgb(padded).tobytes().hex(),
        'node': image_to_rgb(padded).tobytes().hex(),
    }


assert working_cv_bridge() is not None, 'the self check refuses this cv_bridge'
json.dump([answer(message) for message in json.load(sys.stdin)], sys.stdout)

"""ROS image and point cloud messages ↔ RGB arrays, through cv_bridge and sensor_msgs_py if usable.

The core's checks come first and its conversion is always there, so neither the pixels nor what is
refused depends on which of the two optional packages a robot has. Refuses to know nodes.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from latent_vqa_ros.core import image_formats
from latent_vqa_ros.core.image_formats import CloudLike, ImageLike, Pixels, Rgb

# cv_bridge is asked for these only: it converts them to rgb8 as we do (a test compares
# each that the installed one knows). It calls 8UC* "not a color format" and knows no nv12, nv21.
CV_BRIDGE_ENCODINGS = frozenset(
    [
        'rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', 'rgb16', 'bgr16', 'rgba16', 'bgra16', 'mono16',
        'yuv422', 'yuv422_yuy2', 'bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8',
    ]
)
PROBE = """
from types import SimpleNamespace
from cv_bridge import CvBridge
CvBridge().imgmsg_to_cv2(SimpleNamespace(
    height=2, width=2, encoding='bgr8', is_bigendian=0, step=6, data=bytes(12)), 'rgb8')
"""
PROBE_SECONDS = 20


def image_to_pixels(msg: ImageLike) -> Pixels:
    """Return pixels and the code that makes them RGB after a resize, as a Frame wants them.

    The common packed encodings are not copied at all (`image_formats.raw_to_view`, 40 times
    faster than cv_bridge for 640x480 bgr8); the others go through `image_to_rgb`.
    """
    if msg.encoding in image_formats.DEFERRED:
        return image_formats.raw_to_view(msg)
    return image_to_rgb(msg), None


def image_to_rgb(msg: ImageLike) -> Rgb:
    """Return the fresh uint8 (height, width, 3) RGB array of a sensor_msgs/Image.

    Through cv_bridge where it works, else `image_formats.raw_to_rgb`: same pixels, and the same
    `ImageError` for a bad message.
    """
    row_bytes = image_formats.check_image(msg)
    # Padded rows are ours: cv_bridge shears them where step is no multiple of the pixel size.
    suits = msg.encoding in CV_BRIDGE_ENCODINGS and msg.step == row_bytes
    bridge = working_cv_bridge() if suits else None
    if bridge is None:
        return image_formats.raw_to_rgb(msg)
    try:
        return _checked(bridge.imgmsg_to_cv2(msg, 'rgb8'), msg.height, msg.width)
    except Exception:  # its errors differ by version; the frame passed our checks, so ours does it
        return image_formats.raw_to_rgb(msg)


@lru_cache(maxsize=1)
def working_cv_bridge() -> Any | None:
    """Return a CvBridge that passed a self check, or None. Decided once per process.

    cv_bridge built for NumPy 1 can end the process under NumPy 2, so there a child process tries
    first (about 0.5 s: call it while configuring, not at the first frame).
    """
    if importlib.util.find_spec('cv_bridge') is None:
        return None
    if int(np.__version__.split('.')[0]) >= 2 and not _child_survives():
        return None
    try:
        return _checked_cv_bridge()
    except (Exception, SystemExit):  # a broken binary extension may raise anything
        return None


def _checked_cv_bridge() -> Any:
    """Import cv_bridge and convert 2 x 2 pixels; raises whatever goes wrong."""
    from cv_bridge import CvBridge

    bridge = CvBridge()
    bgr = bytes(range(12))
    message = SimpleNamespace(
        height=2, width=2, encoding='bgr8', is_bigendian=0, step=6, data=bgr
    )
    rgb = _checked(bridge.imgmsg_to_cv2(message, 'rgb8'), 2, 2)
    if not np.array_equal(rgb, image_formats.raw_to_rgb(message)):
        raise ValueError('cv_bridge gives other pixels')
    return bridge


def _child_survives() -> bool:
    try:
        child = subprocess.run(
            [sys.executable, '-c', PROBE], capture_output=True, timeout=PROBE_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return child.returncode == 0


def _checked(rgb: Any, height: int, width: int) -> Rgb:
    if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
        raise ValueError(f'cv_bridge returned {rgb.dtype} {rgb.shape}')
    return np.ascontiguousarray(rgb)


def cloud_to_rgb(msg: CloudLike) -> Rgb:
    """Return the (height, width, 3) colours of an organized sensor_msgs/PointCloud2.

    Through sensor_msgs_py where it is installed and right, else `image_formats.cloud_to_rgb`; it
    ignores row padding, and for big-endian clouds it swaps the message's own bytes. It is shown
    the colour field alone: it lists all `count` elements of every field, for hours if they are
    many, and fails at fields that do not fit.
    """
    field = image_formats.check_cloud(msg)
    if msg.is_bigendian or msg.row_step != msg.width * msg.point_step:
        return image_formats.cloud_to_rgb(msg)
    try:
        from sensor_msgs.msg import PointCloud2, PointField
        from sensor_msgs_py import point_cloud2

        color = PointField(name='rgb', offset=field.offset, datatype=field.datatype, count=1)
        cloud = PointCloud2(height=msg.height, width=msg.width, fields=[color], data=msg.data,
                            point_step=msg.point_step, row_step=msg.row_step)
        points = point_cloud2.read_points(cloud, field_names=['rgb'])['rgb']
        packed: Rgb = np.ascontiguousarray(points).view(np.uint8)  # not its own reshape: (w, h)
        return packed.reshape(msg.height, msg.width, 4)[:, :, 2::-1].copy()
    except Exception:  # not there, or another version: the cloud passed our checks, so ours does
        return image_formats.cloud_to_rgb(msg)

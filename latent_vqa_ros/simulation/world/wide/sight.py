"""What a camera sees of a thing: can its shape be told, is it in the picture."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.wide.items import Item

Floats = NDArray[np.float64]

# Degrees between a thing's axis and the line of sight within which its shape can be told.
TELLS = {'cube': (0, 90), 'ball': (0, 90), 'cylinder': (17, 75), 'cone': (24, 90),
         'mug': (18, 70), 'bowl': (15, 70)}
HANDLE = math.cos(math.radians(35))  # a mug's handle does not point to or from the camera
MARGIN = 0.01  # share of the picture around a thing that is wholly in it
NEAREST = 0.04  # metres before the lens


def tells_its_shape(item: Item, camera: Camera) -> bool:
    """Return whether the line of sight shows its shape for what it is."""
    sight = camera.position - item.position
    sight /= np.linalg.norm(sight)
    tilt = math.degrees(math.acos(min(abs(float(sight @ item.axis())), 1.0)))
    least, most = TELLS[item.shape]
    if not least <= tilt <= most:
        return False
    level = math.hypot(sight[0], sight[1])
    handle = sight[0] * math.cos(item.yaw) + sight[1] * math.sin(item.yaw)
    return item.shape != 'mug' or level < 0.3 or abs(handle) / level < HANDLE


def in_picture(item: Item, camera: Camera) -> bool:
    """Return whether the whole thing lies in the picture, with a margin."""
    return inside(item.outline, camera, MARGIN)


def centred(item: Item, camera: Camera) -> bool:
    """Return whether the middle of the thing lies in the picture, and all of it in or near it."""
    return inside(np.asarray(item.position)[None], camera, 0.0) \
        and inside(item.outline, camera, -1.0)


def inside(points: Floats, camera: Camera, margin: float) -> bool:
    """Return whether points (n, 3) lie in the picture, this share of it from its border."""
    if camera.depth(points).min() < NEAREST:  # what is behind the lens has no place in a picture
        return False
    shares = camera.project(points, 1) / (camera.aspect, 1)
    return bool(shares.min() > margin and shares.max() < 1 - margin)

"""What a camera sees of a thing: can its shape be told, is it in the picture."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.wide.items import Item

Floats = NDArray[np.float64]

# Degrees between a thing's axis and the line of sight within which its shape can be told.
TELLS = {'cube': (0, 90), 'ball': (0, 90), 'cylinder': (17, 82), 'cone': (24, 90),
         'mug': (22, 70), 'bowl': (22, 70)}
ROLLED = 85  # degrees, the most for a lying cylinder, whose rounding shows
SIDE = 0.5  # of a cylinder's radius: how much of its side is seen beside its end, at least
TIP = 1.3  # radii of a cone's foot from its middle that its tip is seen at, at least
CONE_RISE, CYLINDER_RISE = 2.4 / 1.15, 2.2 / 0.9  # height by radius, at scale 1
HANDLE = math.cos(math.radians(35))  # a mug's handle does not point to or from the camera
MARGIN = 0.01  # share of the picture around a thing that is wholly in it
NEAREST = 0.04  # metres before the lens


def tells_its_shape(item: Item, camera: Camera) -> bool:
    """Return whether the line of sight shows its shape for what it is."""
    sight = camera.position - item.position
    sight /= np.linalg.norm(sight)
    tilt = math.degrees(math.acos(min(abs(float(sight @ item.axis())), 1.0)))
    least, most = TELLS[item.shape]
    if not least <= tilt <= (ROLLED if item.lying else most):
        return False
    rise = math.tan(math.radians(min(tilt, 89.0))) * item.stretch[2] / item.stretch[0]
    if item.shape == 'cone' and rise * CONE_RISE < TIP \
            or item.shape == 'cylinder' and rise * CYLINDER_RISE < SIDE:
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

"""Turns a settled workcell and its owners-of-pixels picture into the truth of the scene.

Also says which scenes are too ambiguous to be asked about: an object that is neither clearly
seen nor clearly hidden, and an open gripper in front of an object that it does not hold.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.truth import MIN_VISIBLE, Scene, Thing
from latent_vqa_ros.simulation.world import meshes
from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.layout import (
    EDGE_NEAR,
    FINGER,
    TRAY,
    Gripper,
    Layout,
    Placed,
    Tray,
)
from latent_vqa_ros.simulation.world.workcell import GRIPPER_PIXEL, TRAY_PIXEL

Floats = NDArray[np.float64]
Owners = NDArray[np.int8]

UNCLEAR = (MIN_VISIBLE - 0.1, MIN_VISIBLE + 0.1)  # visible shares that no scene may have
FINE = 4  # outlines are counted on a grid so many times finer than the picture
SHOWN = 0.3  # share of the tray or of the fingers that must be seen for them to be visible
BETWEEN = 0.12  # share of an object that may be seen between the fingers of an open gripper


def observe(seed: int, split: str, layout: Layout, positions: Floats, camera: Camera,
            owners: Owners) -> Scene | None:
    """Return the truth; None when the scene is ambiguous.

    ``positions`` (things, 3) are the settled places in the world, ``owners`` (H, W) from render.
    """
    size = owners.shape[0]
    settled = [replace(thing, position=(float(x), float(y), float(z)))
               for thing, (x, y, z) in zip(layout.things, positions, strict=True)]
    rows, columns = np.nonzero(owners >= 0)
    seen = owners[rows, columns]
    things = tuple(see(thing, camera, len(owners), rows[seen == i], columns[seen == i])
                   for i, thing in enumerate(settled))
    if any(UNCLEAR[0] < thing.visible < UNCLEAR[1] for thing in things):
        return None
    if layout.gripper and not any(thing.held for thing in things) \
            and between_fingers(layout.gripper, camera, owners, len(things)):
        return None
    return Scene(seed, split, size, size, things,
                 layout.tray is not None and tray_seen(layout.tray, camera, owners) > SHOWN,
                 layout.gripper is not None
                 and gripper_seen(layout.gripper, camera, owners) > SHOWN)


def see(thing: Placed, camera: Camera, size: int, rows: NDArray[np.int64],
         columns: NDArray[np.int64]) -> Thing:
    """Return the truth of an object that is seen at these pixels of a picture of ``size`` rows."""
    pixels = camera.project(np.asarray(thing.position)[None], size)[0]
    box, center = (0, 0, 0, 0), (float(pixels[0]), float(pixels[1]))
    if len(rows):
        x, y = int(columns.min()), int(rows.min())
        box = (x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1)
        center = (round(float(columns.mean()) + 0.5, 2), round(float(rows.mean()) + 0.5, 2))
    x_m, y_m, z_m = (round(value, 4) for value in camera.ground(np.asarray(thing.position)))
    share = min(len(rows) / own_pixels(thing, camera, size), 1.0)
    on_table = not thing.held and not thing.in_tray
    return Thing(thing.shape, thing.color, thing.size, (x_m, y_m, z_m), round(share, 3), box,
                 center, thing.on_top_of, thing.in_tray, thing.held,
                 on_table and thing.edge_distance() < EDGE_NEAR)


def own_pixels(thing: Placed, camera: Camera, size: int) -> float:
    """Return how many pixels the object would cover if nothing stood before it.

    The union of the projected hulls of its parts, also where it leaves the picture.
    """
    return _area([camera.project(thing.world(part), size) for part in meshes.parts(thing.shape)])


def _area(parts: list[Floats]) -> float:
    """Return the pixels (any fraction) that the union of convex point sets (n, 2) covers."""
    hulls = [cv2.convexHull(part.astype(np.float32))[:, 0] for part in parts]
    if len(hulls) == 1:
        return max(float(cv2.contourArea(hulls[0])), 1.0)
    low = np.min([hull.min(0) for hull in hulls], axis=0)
    high = np.max([hull.max(0) for hull in hulls], axis=0)
    width, height = (int(v) for v in np.ceil((high - low) * FINE) + 2)
    canvas = np.zeros((height, width), np.uint8)
    for hull in hulls:
        cv2.fillConvexPoly(canvas, np.round((hull - low) * FINE * 16 - 8).astype(np.int32), 1,
                           lineType=cv2.LINE_8, shift=4)
    return max(float(canvas.sum()) / FINE**2, 1.0)


def tray_seen(tray: Tray, camera: Camera, owners: Owners) -> float:
    """Return the share of the tray that is seen."""
    c, s = math.cos(tray.yaw), math.sin(tray.yaw)
    corners = np.array([[tray.x + c * a - s * b, tray.y + s * a + c * b, 0.01]
                        for a in (-TRAY[0], TRAY[0]) for b in (-TRAY[1], TRAY[1])])
    return _share([corners], camera, owners == TRAY_PIXEL)


def finger(gripper: Gripper, side: float) -> Floats:
    """Return the corners (8, 3) of a finger (side -1 or 1) in the world."""
    middle = side * (gripper.opening / 2 + FINGER[0])
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    return _in_world(gripper, signs * FINGER + (middle, 0, FINGER[2]))


def _in_world(gripper: Gripper, points: Floats) -> Floats:
    c, s = math.cos(gripper.yaw), math.sin(gripper.yaw)
    turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])  # for rows
    return np.asarray(points @ turn + (gripper.x, gripper.y, gripper.z))


def gripper_seen(gripper: Gripper, camera: Camera, owners: Owners) -> float:
    """Return the share of the fingers that is seen."""
    fingers = [finger(gripper, -1), finger(gripper, 1)]
    return _share(fingers, camera, owners == GRIPPER_PIXEL)


def _share(parts: list[Floats], camera: Camera, seen: NDArray[np.bool_]) -> float:
    """Return the share of the outlines of world points that is in the picture and seen."""
    outlines = [camera.project(part, len(seen)) for part in parts]
    mask = np.zeros(seen.shape, np.uint8)
    for outline in outlines:
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(outline - 0.5).astype(np.int32)), 1)
    return float((seen & (mask > 0)).sum()) / _area(outlines)


def between_fingers(gripper: Gripper, camera: Camera, owners: Owners, count: int) -> bool:
    """Return whether an object is seen where an object held by the gripper would be."""
    corners = np.concatenate([finger(gripper, -1), finger(gripper, 1)])
    corners[:, 2] -= 0.01
    mask = np.zeros(owners.shape, np.uint8)
    outline = np.round(camera.project(corners, len(owners)) - 0.5).astype(np.int32)
    cv2.fillConvexPoly(mask, cv2.convexHull(outline), 1)
    inside = np.bincount(owners[(owners >= 0) & (mask > 0)], minlength=count)
    return bool((inside > BETWEEN * np.bincount(owners[owners >= 0], minlength=count)).any())

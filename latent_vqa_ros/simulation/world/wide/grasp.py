"""Draws a gripper that holds a thing of the wide world, or nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.layout import FINGER, Gripper
from latent_vqa_ros.simulation.world.wide.framing import Setting
from latent_vqa_ros.simulation.world.wide.items import Item
from latent_vqa_ros.simulation.world.wide.sight import (
    MARGIN,
    in_picture,
    inside,
    tells_its_shape,
)

Rng = np.random.Generator

SHARE = 0.7  # of the scenes in which there is room for a gripper
STEEP = 66  # degrees: from higher up, stacks and grippers look flat


def draw_gripper(rng: Rng, todo: Sequence[Item],
                 setting: Setting) -> tuple[Gripper | None, Item | None]:
    """Return a gripper, holding the first thing or nothing; now and then."""
    camera = setting.camera
    if setting.width < 0.26 or camera.elevation > STEEP or rng.random() > SHARE:
        return None, None
    dark = float(rng.uniform(0.04, 0.6))
    rgb = (dark, dark * float(rng.uniform(0.9, 1.1)), dark * float(rng.uniform(0.9, 1.1)))
    yaw = math.radians(camera.azimuth + rng.uniform(-30, 30))
    low = rng.uniform(0.05, 0.12)
    at = camera.ground_at(rng.uniform((0.25, 0.35), (0.75, 0.7)), float(low))
    if at is None:
        return None, None
    x, y = float(at[0]), float(at[1])
    if todo and rng.random() < 0.6:
        held = _grasped(todo[0], (x, y, float(low)), yaw, camera)
        closed = None if held is None else _closed(rng, held, yaw, rgb)
        if closed is not None and _fingers_in_picture(closed, camera):
            return closed, held
    gripper = Gripper(x, y, float(low + rng.uniform(0.04, 0.08)), yaw,
                      float(rng.uniform(0.05, 0.12)), rgb)
    return (gripper, None) if _fingers_in_picture(gripper, camera) else (None, None)


def _grasped(item: Item, at: tuple[float, float, float], yaw: float,
             camera: Camera) -> Item | None:
    """Return the thing between the fingers; None where nobody could tell what it is there."""
    if item.shape in ('mug', 'bowl') or item.shape == 'cylinder' and camera.elevation > 45:
        return None
    x, y, low = at
    upright = replace(item, lying=False)
    held = replace(upright, position=(x, y, low + upright.height / 2), yaw=yaw, held=True)
    tells = tells_its_shape(held, camera) and in_picture(held, camera)
    return held if tells and half_width(held, 0.0) < 0.055 else None


def _closed(rng: Rng, held: Item, yaw: float, rgb: tuple[float, float, float]) -> Gripper | None:
    x, y, z = held.position
    half = held.height / 2
    below = float(rng.uniform(0.1, 0.6)) * min(2 * FINGER[2] - 0.003 - half, 0.6 * half)
    if below <= 0:
        return None
    return Gripper(x, y, z - below, yaw, 2 * (half_width(held, -below) + 0.0002), rgb)


def half_width(item: Item, z: float) -> float:
    """Return half the metres between fingers that close on it, tips at z from its middle."""
    form, wide = item.form, item.stretch[0] * item.metres
    if item.shape == 'cone':
        tall = form.half_height * item.metres
        return 1.15 * wide * (tall - z) / (2 * tall)
    return {'cube': 1.0, 'ball': 1.1, 'cylinder': 0.9}.get(item.shape, 1.4) * wide


def _fingers_in_picture(gripper: Gripper, camera: Camera) -> bool:
    reach = gripper.opening / 2 + 2 * FINGER[0]
    tips = np.array([(gripper.x + side * reach * math.cos(gripper.yaw),
                      gripper.y + side * reach * math.sin(gripper.yaw), gripper.z + up)
                     for side in (-1, 1) for up in (0.0, 2 * FINGER[2])])
    return inside(tips, camera, MARGIN)


def below(item: Item, gripper: Gripper | None) -> bool:
    """Return whether a thing that stands stays clear of the gripper."""
    if gripper is None or item.position[2] + item.height / 2 < gripper.z - 0.005:
        return True
    apart = math.dist(item.position[:2], (gripper.x, gripper.y))
    return apart > item.reach + gripper.opening / 2 + 2 * FINGER[0] + 0.02

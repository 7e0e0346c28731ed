"""A pinhole camera over the table: where it stands and where points fall in its picture.

World: metres, origin at the middle of the table's top, z up. Ground frame of a camera: x right,
y away from it, z up from the table top, origin on the table's plane below the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Where the camera looks from; angles in degrees, ``fovy`` over the picture's height."""

    target: tuple[float, float, float]
    azimuth: float  # 0: from the front, looking along +y; positive: turned to the left
    elevation: float  # above the horizon
    distance: float
    fovy: float
    roll: float
    aspect: float = 1.0  # width of the picture by its height

    @cached_property
    def axes(self) -> Floats:
        """Rows: the camera's right, up and backward directions in the world, (3, 3)."""
        a, e, r = (math.radians(v) for v in (self.azimuth, self.elevation, self.roll))
        right = np.array([math.cos(a), math.sin(a), 0.0])
        away = np.array([-math.sin(a), math.cos(a), 0.0])
        level = np.array([0.0, 0.0, 1.0])
        back = -math.cos(e) * away + math.sin(e) * level
        up = math.sin(e) * away + math.cos(e) * level
        turned = math.cos(r) * right + math.sin(r) * up
        return np.stack([turned, np.cross(back, turned), back])

    @cached_property
    def position(self) -> Floats:
        """Return the place of the lens in the world, (3,)."""
        return np.asarray(self.target + self.distance * self.axes[2])

    def project(self, points_world: Floats, height: int) -> Floats:
        """Return pixels (n, 2) of world points (n, 3) in a picture of ``height`` rows.

        x grows to the right, y down.
        """
        seen = (points_world - self.position) @ self.axes.T
        focal = height / (2 * math.tan(math.radians(self.fovy) / 2))
        middle = np.array([height * self.aspect, height]) / 2
        return np.asarray(middle + focal * seen[:, :2] / -seen[:, 2:] * (1, -1))

    def depth(self, points_world: Floats) -> Floats:
        """Return how far world points (n, 3) lie before the lens, (n,) metres along its axis."""
        return np.asarray((self.position - points_world) @ self.axes[2])

    def ground_at(self, share: Floats, z: float) -> Floats | None:
        """Return the world point (3,) at height z that is seen at a share (2,) of the picture.

        None where the ray meets that height nowhere before the camera.
        """
        reach = 2 * math.tan(math.radians(self.fovy) / 2)
        x, y = (share[0] - 0.5) * reach * self.aspect, (0.5 - share[1]) * reach
        ray = np.array([x, y, -1.0]) @ self.axes
        if ray[2] > -0.05:
            return None
        return np.asarray(self.position + (z - self.position[2]) / ray[2] * ray)

    def ground(self, point_world: Floats) -> tuple[float, float, float]:
        """Return a world point (3,) in the camera's ground frame."""
        a = math.radians(self.azimuth)
        x, y = point_world[:2] - self.position[:2]
        return (float(x * math.cos(a) + y * math.sin(a)),
                float(-x * math.sin(a) + y * math.cos(a)), float(point_world[2]))

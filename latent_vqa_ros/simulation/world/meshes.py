"""The six shapes: their dimensions, triangle meshes, and the points that make their outline.

All shapes are given at scale 1 (the half-width of the cube), upright, with the origin at half
height. ``points(shape) * scale`` is in metres. Knows neither MuJoCo nor colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mesh = tuple[Floats, NDArray[np.int64]]  # vertices (v, 3), triangles (f, 3)

SIDES = 24  # of everything that is round
MESHED = ('cone', 'mug', 'bowl')  # no primitives in MuJoCo
TURNED = {  # outer radius and height, from bottom to top, of what a lathe could make
    'cylinder': ((0.9, -1.1), (0.9, 1.1)),
    'cone': ((1.15, -1.2), (0.0, 1.2)),
    'mug': ((0.86, -1.05), (0.9, 1.05)),
    'bowl': ((0.7, -0.6), (1.06, -0.28), (1.3, 0.1), (1.42, 0.6)),
}
HOLLOWS = {  # the inner wall, from top to bottom
    'mug': ((0.72, 1.05), (0.68, -0.85), (0.0, -0.85)),
    'bowl': ((1.27, 0.6), (1.12, 0.1), (0.85, -0.25), (0.5, -0.42), (0.0, -0.42)),
}
HANDLE = (0.46, 0.15)  # radius of the mug's handle, and of its round bar
HANDLE_AT = 0.86


@dataclass(frozen=True)
class Form:
    """Dimensions of a shape at scale 1."""

    half_height: float
    reach: float  # radius of the upright circle about the axis that holds all of it
    foot: float  # half side of the square it stands on; 0 for a ball
    flat_top: bool  # another object can stand on it


FORMS = {
    'cube': Form(1.0, math.sqrt(2), 1.0, True),
    'ball': Form(1.1, 1.1, 0.0, False),
    'cylinder': Form(1.1, 0.9, 0.9 / math.sqrt(2), True),
    'cone': Form(1.2, 1.15, 1.15 / math.sqrt(2), False),
    'mug': Form(1.05, HANDLE_AT + sum(HANDLE), 0.86 / math.sqrt(2), False),
    'bowl': Form(0.6, 1.42, 0.7 / math.sqrt(2), False),
}


def ring(radius: float, z: float, sides: int = SIDES) -> Floats:
    """Return points (sides, 3) on a level circle."""
    angles = np.arange(sides) * (2 * math.pi / sides)
    return np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(sides, z)], axis=1)


def lathe(profile: tuple[tuple[float, float], ...], sides: int = SIDES) -> Mesh:
    """Turn a profile of (radius, z), seen counter-clockwise from outside, into triangles."""
    rings = [np.array([[0.0, 0.0, z]]) if radius == 0 else ring(radius, z, sides)
             for radius, z in profile]
    starts = np.cumsum([0] + [len(points) for points in rings])
    triangles = []
    for lower, upper, first, second in zip(rings, rings[1:], starts, starts[1:], strict=False):
        for i in range(sides):
            j = (i + 1) % sides
            if len(lower) > 1:
                triangles.append((first + i, first + j, second + j % len(upper)))
            if len(upper) > 1:
                triangles.append((first + i % len(lower), second + j, second + i))
    return np.concatenate(rings), np.array(triangles)


def handle_rings(steps: int = 7, sides: int = 6) -> list[Floats]:
    """Return the rings of a half torus that stands out from the mug along x."""
    bend, bar = HANDLE
    rings = []
    for angle in np.linspace(-math.pi / 2, math.pi / 2, steps):
        around = np.arange(sides) * (2 * math.pi / sides)
        away = bend + bar * np.cos(around)
        rings.append(np.stack([HANDLE_AT - bar / 2 + away * math.cos(angle),
                               bar * np.sin(around),
                               1.35 * away * math.sin(angle)], axis=1))
    return rings


def _tube(rings: list[Floats]) -> Mesh:
    sides = len(rings[0])
    triangles = []
    for step in range(len(rings) - 1):
        for i in range(sides):
            j = (i + 1) % sides
            a, b, c, d = (step * sides + i, step * sides + j,
                          (step + 1) * sides + j, (step + 1) * sides + i)
            triangles += [(a, c, b), (a, d, c)]
    return np.concatenate(rings), np.array(triangles)


def _join(first: Mesh, second: Mesh) -> Mesh:
    return (np.concatenate([first[0], second[0]]),
            np.concatenate([first[1], second[1] + len(first[0])]))


@cache
def mesh(shape: str) -> Mesh:
    """Return the triangles of a cone, mug or bowl at scale 1, counter-clockwise from outside."""
    outside = TURNED[shape]
    turned = lathe(((0.0, outside[0][1]), *outside, *HOLLOWS.get(shape, ())))
    return _join(turned, _tube(handle_rings())) if shape == 'mug' else turned


@cache
def parts(shape: str) -> tuple[Floats, ...]:
    """Return point sets (n, 3) at scale 1; the outline is the union of their convex hulls.

    It holds for cameras above the rim of mugs and bowls, where a hollow shows its own inside.
    """
    if shape == 'cube':
        return (np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float),)
    if shape == 'ball':
        levels = np.linspace(-math.pi / 2, math.pi / 2, 11)
        return (1.1 * np.concatenate([ring(math.cos(a), math.sin(a)) for a in levels]),)
    body = np.concatenate([ring(radius, z) for radius, z in TURNED[shape]])
    if shape != 'mug':
        return (body,)
    rings = handle_rings()
    return (body, *(np.concatenate(pair) for pair in zip(rings, rings[1:], strict=False)))


@cache
def points(shape: str) -> Floats:
    """Return all outline points (n, 3) at scale 1."""
    return np.concatenate(parts(shape))

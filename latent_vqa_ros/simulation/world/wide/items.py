"""Things as people have them: any size, their own proportions, worn edges, some lying down.

An Item is a layout.Placed whose dimensions are its own; ``solid`` gives its triangles. Knows
neither MuJoCo nor colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world import meshes
from latent_vqa_ros.simulation.world.layout import Placed
from latent_vqa_ros.simulation.world.meshes import FORMS, HOLLOWS, TURNED, Form, ring

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]

SIDES = 28  # of everything that is round
SHARP = math.radians(50)  # an edge with a larger angle is not smoothed over
WORN = (0.02, 0.06, 0.14)  # half widths of a cube's and a cylinder's edges, at scale 1
CORNERS: tuple[Vector, ...] = tuple((x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0)
                                   for z in (-1.0, 1.0))  # of a cube
PROFILES = {'ball': tuple((1.1 * math.cos(a), 1.1 * math.sin(a))
                          for a in np.linspace(-math.pi / 2, math.pi / 2, 17))}


@dataclass(frozen=True)
class Item(Placed):
    """A thing of any size; ``size`` is '' where its scene does not tell small from large."""

    metres: float = 0.03  # per unit of its form
    stretch: Vector = (1.0, 1.0, 1.0)  # along its own axes
    worn: float = WORN[0]
    crooked: Vector = (0.0, 0.0, 0.0)  # slopes of its top along x and y; share by which it narrows
    lying: bool = False  # its axis is level, along ``yaw``
    table: tuple[float, float] = (1.0, 1.0)  # half width and half depth of what it stands on

    @cached_property
    def form(self) -> Form:  # type: ignore[override]
        """Its dimensions at scale 1, as it stands or lies."""
        x, y, z = self.stretch
        form = FORMS[self.shape]
        if self.lying:
            half = TURNED[self.shape][0][0] * y
            return Form(half, math.hypot(form.half_height * z, half), 0.0, False)
        return Form(form.half_height * z, form.reach * max(x, y), form.foot * min(x, y),
                    form.flat_top)

    @property
    def scale(self) -> float:
        """Metres per unit of ``form``."""
        return self.metres

    def upright(self, points: Floats) -> Floats:
        """Return points or normals (n, 3) of its own axes as it stands or lies, not yet turned."""
        return points[:, (2, 1, 0)] * (1, 1, -1) if self.lying else points

    def world(self, points: Floats) -> Floats:
        """Return points (n, 3) given at scale 1 in the world."""
        return super().world(self.upright(points * self.stretch))

    @cached_property
    def outline(self) -> Floats:
        """Return the points (n, 3) in the world that make its outline."""
        return self.world(meshes.points(self.shape))

    def edge_distance(self) -> float:
        """Return metres from its outermost point to the nearest edge of the table."""
        far = np.abs(self.outline[:, :2]).max(0)
        return float((np.array(self.table) - far).min())

    def axis(self) -> Floats:
        """Return the direction of its own upright axis in the world, (3,)."""
        if not self.lying:
            return np.array([0.0, 0.0, 1.0])
        return np.array([math.cos(self.yaw), math.sin(self.yaw), 0.0])


@dataclass(frozen=True)
class Solid:
    """Triangles: vertices and their normals (v, 3), corners (f, 3) counter-clockwise outside."""

    vertices: Floats
    normals: Floats
    triangles: NDArray[np.int64]


def shaped(item: Item) -> Solid:
    """Return the item's triangles in metres, its middle at the origin, not yet turned."""
    base = solid(item.shape, item.worn)
    normals = base.normals / item.stretch
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Solid(item.upright(_cut(base.vertices, item) * item.stretch) * item.metres,
                 item.upright(normals), base.triangles)


def _cut(points: Floats, item: Item) -> Floats:
    """Return a shape's points as ``crooked`` says: its top no longer level, its sides not upright.

    Its foot stays flat. The normals stay: what that changes of the light is not seen.
    """
    x, y, narrow = item.crooked
    share = points[:, 2] / (2 * FORMS[item.shape].half_height)  # -0.5 at the foot, 0.5 at the top
    found = points.copy()
    found[:, :2] *= (1 - narrow * share)[:, None]
    rise = (points[:, 0] * x + points[:, 1] * y) * item.stretch[0] / item.stretch[2]
    found[:, 2] += (share + 0.5) * rise
    return found


@cache
def solid(shape: str, worn: float = WORN[0]) -> Solid:
    """Return a shape at scale 1; ``worn`` changes where its vertices are and not how many."""
    if shape == 'cube':
        return _block(worn)
    if shape == 'mug':
        return _join(_turn(((0.0, -1.05), *TURNED['mug'], *HOLLOWS['mug'])), _handle())
    if shape == 'bowl':
        return _turn(((0.0, -0.6), *TURNED['bowl'], *HOLLOWS['bowl']))
    if shape == 'cone':
        return _turn(((0.0, -1.2), *TURNED['cone']))
    if shape == 'cylinder':
        return _turn(((0.0, -1.1), (0.9 - worn, -1.1), (0.9, -1.1 + worn), (0.9, 1.1 - worn),
                      (0.9 - worn, 1.1), (0.0, 1.1)))
    return _turn(PROFILES[shape])


def _turn(profile: tuple[tuple[float, float], ...]) -> Solid:
    """Turn a profile of (radius, z), from the bottom over the outside, about the upright axis.

    A normal between two pieces is the mean of theirs, each by its length: a narrow bevel takes
    those of the wide sides beside it, which stay flat.
    """
    line = np.array(profile)
    steps = np.diff(line, axis=0)
    outward = np.stack([steps[:, 1], -steps[:, 0]], axis=1)  # of each piece, as long as it is
    rings, normals = [], []
    around = ring(1.0, 0.0, SIDES)
    for index, (radius, z) in enumerate(line):
        before, after = outward[max(index - 1, 0)], outward[min(index, len(outward) - 1)]
        smooth = before @ after > math.cos(SHARP) * np.linalg.norm(before) * np.linalg.norm(after)
        for normal in ((before + after),) if smooth else (before, after):
            normal = normal / np.linalg.norm(normal)
            rings.append(around * (radius, radius, 0) + (0, 0, z))
            normals.append(around * (normal[0], normal[0], 0) + (0, 0, normal[1]))
    return Solid(np.concatenate(rings), np.concatenate(normals), _strips(len(rings), SIDES))


def _strips(rings: int, sides: int) -> NDArray[np.int64]:
    """Return the triangles between neighbouring rings of so many vertices."""
    here = np.arange(sides)
    there = (here + 1) % sides
    found = []
    for low in range(0, (rings - 1) * sides, sides):
        high = low + sides
        found += [np.stack([low + here, low + there, high + there], axis=1),
                  np.stack([low + here, high + there, high + here], axis=1)]
    return np.concatenate(found)


def _handle() -> Solid:
    """Return the mug's handle."""
    rings = meshes.handle_rings()
    normals = [points - points.mean(axis=0) for points in rings]
    return Solid(np.concatenate(rings), _unit(np.concatenate(normals)),
                 _strips(len(rings), len(rings[0])))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _join(first: Solid, second: Solid) -> Solid:
    return Solid(np.concatenate([first.vertices, second.vertices]),
                 np.concatenate([first.normals, second.normals]),
                 np.concatenate([first.triangles, second.triangles + len(first.vertices)]))


def _block(worn: float) -> Solid:
    """Return a cube whose edges are worn off; light runs smoothly over them."""
    vertices: list[Floats] = []
    normals: list[Floats] = []
    index: dict[tuple[int, Vector], int] = {}  # (axis of the side, corner) -> vertex
    for axis, corner in product(range(3), CORNERS):
        index[axis, corner] = len(vertices)
        point = np.array(corner) * (1 - worn)
        point[axis] = corner[axis]
        vertices.append(point)
        normals.append(np.eye(3)[axis] * corner[axis])
    faces: list[tuple[int, ...]] = []
    for axis, side in product(range(3), (-1.0, 1.0)):
        faces.append(tuple(index[axis, c] for c in _square(axis, side)))
    for axis, (a, b) in product(range(3), product((-1.0, 1.0), repeat=2)):  # edges along axis
        first, second = [other for other in range(3) if other != axis]
        ends = []
        for end in (-1.0, 1.0):
            at = [0.0, 0.0, 0.0]
            at[axis], at[first], at[second] = end, a, b
            ends.append((at[0], at[1], at[2]))
        faces.append((index[first, ends[0]], index[first, ends[1]],
                      index[second, ends[1]], index[second, ends[0]]))
    faces += [tuple(index[axis, corner] for axis in range(3)) for corner in CORNERS]
    points = np.array(vertices)
    return Solid(points, np.array(normals), _outwards(points, faces))


def _square(axis: int, side: float) -> list[Vector]:
    """Return the corners of one side of a cube, in order around it."""
    found = []
    for a, b in ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)):
        corner = [a, b]
        corner.insert(axis, side)
        found.append((corner[0], corner[1], corner[2]))
    return found


def _outwards(points: Floats, faces: list[tuple[int, ...]]) -> NDArray[np.int64]:
    """Return the triangles of convex faces about the origin, counter-clockwise from outside."""
    found = []
    for face in faces:
        for second, third in combinations(face[1:], 2):
            if face.index(third) != face.index(second) + 1:
                continue
            a, b, c = points[[face[0], second, third]]
            turned = np.cross(b - a, c - a) @ (a + b + c) < 0
            found.append((face[0], third, second) if turned else (face[0], second, third))
    return np.array(found)

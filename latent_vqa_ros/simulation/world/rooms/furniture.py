"""Furniture, each piece a list of boxes and round parts of random sizes.

A piece stands on z = 0 with its back at y = 0 and its front towards -y, x to its right; metres.
``look`` names a material: parts of one piece with the same look are made of the same, those with
``any`` each of their own; the names of ``paint.GROUPS`` are drawn as these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rng = np.random.Generator
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """A primitive of MuJoCo; ``half`` are its sizes, ``along`` where its z points."""

    kind: str  # box, cylinder, capsule or ellipsoid
    at: Triple
    half: Triple
    look: str
    along: Triple = (0.0, 0.0, 1.0)
    yaw: float = 0.0  # of a box


Piece = list[Part]


def box(at: Triple, size: Triple, look: str, yaw: float = 0.0) -> Part:
    """Return a box; ``at`` is the middle of its lower side, ``size`` its whole extents."""
    return Part('box', (at[0], at[1], at[2] + size[2] / 2),
                (size[0] / 2, size[1] / 2, size[2] / 2), look, yaw=yaw)


def rod(start: Triple, end: Triple, radius: float, look: str, kind: str = 'capsule') -> Part:
    """Return a round part from one point to another."""
    a, b = np.array(start), np.array(end)
    middle, way = (a + b) / 2, b - a
    return Part(kind, _triple(middle), (radius, float(np.linalg.norm(way)) / 2, radius), look,
                _triple(way))


def blob(at: Triple, half: Triple, look: str) -> Part:
    """Return an ellipsoid."""
    return Part('ellipsoid', at, half, look)


def moved(piece: Piece, x: float, y: float, yaw: float, z: float = 0.0) -> Piece:
    """Return a piece turned by yaw and put elsewhere."""
    c, s = math.cos(yaw), math.sin(yaw)

    def turn(v: Triple) -> Triple:
        return c * v[0] - s * v[1], s * v[0] + c * v[1], v[2]

    return [replace(part, at=(turn(part.at)[0] + x, turn(part.at)[1] + y, part.at[2] + z),
                    along=turn(part.along), yaw=part.yaw + yaw) for part in piece]


def _triple(values: Floats) -> Triple:
    return float(values[0]), float(values[1]), float(values[2])


def _legs(wide: float, deep: float, tall: float, thick: float, look: str) -> Piece:
    return [box((x * (wide - thick) / 2, -deep / 2 + y * (deep - thick) / 2, 0),
                (thick, thick, tall), look) for x in (-1, 1) for y in (-1, 1)]


def clutter(rng: Rng, wide: float, deep: float, z: float, most: int) -> Piece:
    """Return things on a top that reaches from y = 0 to -deep."""
    piece: Piece = []
    for _ in range(int(rng.integers(most + 1))):
        x, y = rng.uniform(-0.45, 0.45) * wide, -deep * rng.uniform(0.1, 0.9)
        tall, thick = rng.uniform(0.05, 0.3), rng.uniform(0.03, 0.07)
        kind, yaw = rng.random(), rng.uniform(-0.6, 0.6)
        if kind < 0.3:
            piece.append(rod((x, y, z), (x, y, z + tall), thick, 'any', 'cylinder'))
        elif kind < 0.4:
            piece.append(blob((x, y, z + thick), (thick, thick, thick), 'any'))
        elif kind < 0.6:
            piece.append(box((x, y, z), (0.3, 0.2, rng.uniform(0.005, 0.05)), 'poster', yaw))
        else:
            piece.append(box((x, y, z), (*rng.uniform(0.06, 0.35, 2), tall), 'any', yaw))
    return piece


def table(rng: Rng) -> Piece:
    """Return a table of any height, with things on it."""
    wide, deep, tall = rng.uniform(0.5, 2.2), rng.uniform(0.4, 1.1), rng.uniform(0.4, 0.95)
    thick = rng.uniform(0.03, 0.09)
    return [box((0, -deep / 2, tall - thick), (wide, deep, thick), 'top'),
            *_legs(wide * 0.95, deep * 0.95, tall - thick, thick, 'leg'),
            *clutter(rng, wide, deep, tall, 9)]


def chair(rng: Rng) -> Piece:
    """Return a chair with legs or on a foot, with a back of slats or of one piece."""
    side, seat, back = rng.uniform(0.38, 0.55), rng.uniform(0.4, 0.5), rng.uniform(0.25, 0.6)
    piece = [box((0, -side / 2, seat - 0.06), (side, side, rng.uniform(0.03, 0.1)), 'seat')]
    if rng.random() < 0.6:
        piece += _legs(side, side, seat, 0.035, 'leg')
    else:
        piece.append(rod((0, -side / 2, 0.1), (0, -side / 2, seat), 0.03, 'leg'))
        piece += [rod((0, -side / 2, 0.1), (0.28 * math.cos(a), 0.28 * math.sin(a) - side / 2,
                                            0.04), 0.02, 'leg') for a in np.arange(5) * 1.257]
    if rng.random() < 0.5:
        piece.append(box((0, -0.02, seat + 0.08), (side, 0.05, back), 'seat'))
    else:
        piece += [rod((x, -0.02, seat), (x, 0, seat + back), 0.015, 'leg')
                  for x in np.linspace(-side / 2, side / 2, int(rng.integers(3, 6)))]
        piece.append(box((0, 0, seat + back), (side, 0.03, 0.07), 'leg'))
    return piece


def dining(rng: Rng) -> Piece:
    """Return a table with chairs around it."""
    piece = table(rng)
    wide, deep = 2 * piece[0].half[0], 2 * piece[0].half[1]
    one = chair(rng)
    for place in rng.permutation(4)[:int(rng.integers(1, 5))]:
        angle = place * math.pi / 2
        reach = 0.25 + (wide / 2 if place % 2 else deep / 2)
        piece += moved(one, reach * math.sin(angle), -deep / 2 + reach * math.cos(angle),
                       -angle + rng.normal(0, 0.2))
    return piece


def shelf(rng: Rng) -> Piece:
    """Return shelves, full of books, boxes, things or of nothing."""
    wide, tall, deep = rng.uniform(0.5, 1.8), rng.uniform(0.7, 2.5), rng.uniform(0.22, 0.5)
    count, thick = max(2, round(tall / rng.uniform(0.25, 0.5))), rng.uniform(0.015, 0.04)
    piece = [box((x * wide / 2, -deep / 2, 0), (thick, deep, tall), 'case') for x in (-1, 1)]
    if rng.random() < 0.7:
        piece.append(box((0, -0.01, 0), (wide, 0.01, tall), 'case'))
    step, full = tall / count, rng.random()
    for level in range(count + 1):
        z = min(level * step, tall - thick)
        piece.append(box((0, -deep / 2, z), (wide, deep, thick), 'case'))
        kind = rng.random()
        if level == count or kind > 0.5 + 0.5 * full:
            continue
        if kind < 0.4:
            part = rng.uniform(0.3, 0.97) * wide
            piece.append(box((rng.uniform(-0.5, 0.5) * (wide - part), -deep * 0.45, z + thick),
                             (part, deep * 0.8, step * rng.uniform(0.5, 0.85)), 'books'))
        else:
            piece += clutter(rng, wide, deep, z + thick, 6)
    return piece


def cupboard(rng: Rng) -> Piece:
    """Return a cupboard, a chest of drawers or a wardrobe."""
    wide, tall, deep = rng.uniform(0.4, 2.0), rng.uniform(0.5, 2.3), rng.uniform(0.35, 0.7)
    piece = [box((0, -deep / 2, 0.05), (wide, deep, tall - 0.05), 'panels'),
             box((0, -deep / 2, tall), (wide + 0.04, deep + 0.04, 0.03), 'top')]
    for _ in range(int(rng.integers(0, 6))):
        x, z = rng.uniform(-0.4, 0.4) * wide, rng.uniform(0.2, 0.9) * tall
        piece.append(rod((x, -deep - 0.02, z), (x + 0.06, -deep - 0.02, z), 0.012, 'knob'))
    return piece + (clutter(rng, wide, deep, tall + 0.03, 8) if tall < 1.4 else [])


def kitchen(rng: Rng) -> Piece:
    """Return a row of cupboards with a worktop, things on it, and perhaps cupboards above."""
    wide, deep, tall = rng.uniform(1.2, 3.5), rng.uniform(0.5, 0.7), rng.uniform(0.8, 0.95)
    piece = [box((0, -deep / 2, 0), (wide, deep, tall), 'panels'),
             box((0, -deep / 2, tall), (wide + 0.05, deep + 0.06, 0.04), 'top'),
             *clutter(rng, wide, deep, tall + 0.04, 16)]
    if rng.random() < 0.6:
        piece.append(box((0, -0.17, rng.uniform(1.3, 1.5)), (wide, 0.34, 0.7), 'panels'))
    if rng.random() < 0.5:
        x = rng.uniform(-0.4, 0.4) * wide
        piece += [box((x, -deep / 2, tall + 0.035), (0.5, 0.35, 0.01), 'steel'),
                  rod((x, -0.08, tall), (x, -0.08, tall + 0.3), 0.015, 'steel'),
                  rod((x, -0.08, tall + 0.3), (x, -0.25, tall + 0.3), 0.015, 'steel')]
    if rng.random() < 0.5:
        x = rng.uniform(-0.3, 0.3) * wide
        piece += [box((x, -deep + 0.02, 0.05), (0.6, 0.06, tall - 0.05), 'steel'),
                  box((x, -deep - 0.015, 0.2), (0.45, 0.01, 0.4), 'screen')]
    return piece


def desk(rng: Rng) -> Piece:
    """Return a desk with a screen, a keyboard and a chair."""
    wide, deep, tall = rng.uniform(1, 2), rng.uniform(0.6, 0.9), rng.uniform(0.68, 0.78)
    piece = [box((0, -deep / 2, tall), (wide, deep, 0.03), 'top'),
             *_legs(wide, deep, tall, 0.05, 'leg'), *clutter(rng, wide, deep, tall + 0.03, 10)]
    if rng.random() < 0.5:
        piece.append(box((wide * 0.3, -deep / 2, 0), (0.4, deep * 0.9, tall), 'panels'))
    for x in rng.uniform(-0.35, 0.35, int(rng.integers(0, 3))) * wide:
        size = rng.uniform(0.35, 0.65)
        piece += [box((x, -0.2, tall + 0.12), (size, 0.04, size * 0.6), 'screen'),
                  box((x, -0.2, tall + 0.03), (0.06, 0.04, 0.15), 'leg'),
                  box((x, -deep * 0.65, tall + 0.03), (0.42, 0.14, 0.02), 'keys')]
    if rng.random() < 0.6:
        piece += moved(chair(rng), rng.uniform(-0.3, 0.3), -deep - rng.uniform(0.1, 0.6),
                       math.pi + rng.normal(0, 0.6))
    return piece


def bed(rng: Rng) -> Piece:
    """Return a bed, its head at the wall."""
    wide, long, tall = rng.uniform(0.8, 1.9), rng.uniform(1.8, 2.1), rng.uniform(0.3, 0.65)
    piece = [box((0, -long / 2, 0.05), (wide, long, tall * 0.5), 'frame'),
             box((0, -long / 2, tall * 0.5), (wide * 0.97, long * 0.97, tall * 0.5), 'sheet'),
             box((0, -long * 0.62, tall * 0.6), (wide * 1.03, long * 0.7, tall * 0.45), 'cloth')]
    if rng.random() < 0.7:
        piece.append(box((0, -0.03, 0), (wide * 1.05, 0.06, tall + rng.uniform(0.2, 0.7)),
                         'frame'))
    piece += [blob((x, -0.3, tall + 0.08), (0.3, 0.2, 0.1), 'pillow')
              for x in np.linspace(-0.25, 0.25, int(rng.integers(1, 3))) * wide]
    return piece + [blob((rng.uniform(-0.4, 0.4) * wide, -long * rng.uniform(0.3, 0.9),
                          tall + 0.05), tuple(rng.uniform(0.08, 0.4, 3) * (1, 1, 0.5)), 'any')
                    for _ in range(int(rng.integers(0, 4)))]


def sofa(rng: Rng) -> Piece:
    """Return a sofa or an armchair."""
    seats, deep, tall = int(rng.integers(1, 4)), rng.uniform(0.7, 0.95), rng.uniform(0.35, 0.45)
    wide, back, arm = seats * rng.uniform(0.55, 0.75), rng.uniform(0.3, 0.55), 0.18
    piece = [box((0, -deep / 2, 0.08), (wide, deep, tall - 0.15), 'cloth'),
             box((0, -0.12, 0.1), (wide, 0.24, tall + back - 0.1), 'cloth')]
    for seat in range(seats):
        x = (seat + 0.5) * wide / seats - wide / 2
        piece.append(box((x, -deep / 2 - 0.1, tall - 0.1), (wide / seats * 0.97, deep - 0.2, 0.13),
                         'cushion'))
        piece.append(blob((x, -0.25, tall + back / 2), (wide / seats * 0.45, 0.12, back * 0.55),
                          'cushion'))
    if rng.random() < 0.8:
        piece += [box((x * (wide + arm) / 2, -deep / 2, 0.05), (arm, deep, tall + 0.15), 'cloth')
                  for x in (-1, 1)]
    if rng.random() < 0.4:
        piece.append(blob((rng.uniform(-0.4, 0.4) * wide, -0.4, tall + 0.2), (0.22, 0.1, 0.2),
                          'any'))
    return piece


def appliance(rng: Rng) -> Piece:
    """Return a fridge, a washing machine or a stove."""
    wide, deep, tall = rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.75), rng.uniform(0.8, 1.9)
    piece = [box((0, -deep / 2, 0), (wide, deep, tall), 'white' if rng.random() < 0.7 else 'any')]
    if rng.random() < 0.4:
        piece.append(rod((0, -deep - 0.02, tall * 0.45), (0, -deep, tall * 0.45), wide * 0.33,
                         'screen', 'cylinder'))
        piece.append(box((0, -deep - 0.01, tall * 0.85), (wide * 0.9, 0.01, 0.1), 'any'))
    else:
        piece += [box((0, -deep, tall * rng.uniform(0.5, 0.7)), (wide, 0.02, 0.015), 'dark'),
                  rod((wide * 0.4, -deep - 0.03, tall * 0.35), (wide * 0.4, -deep - 0.03,
                                                                tall * 0.6), 0.015, 'dark')]
        piece += [box((rng.uniform(-0.3, 0.3) * wide, -deep, rng.uniform(0.3, 0.9) * tall),
                      (0.15, 0.01, 0.2), 'poster') for _ in range(int(rng.integers(0, 4)))]
    return piece


def bath(rng: Rng) -> Piece:
    """Return a washbasin with a mirror, or a toilet."""
    if rng.random() < 0.4:
        return [box((0, -0.1, 0.4), (0.4, 0.2, 0.4), 'white'),
                blob((0, -0.4, 0.36), (0.2, 0.28, 0.1), 'white'),
                box((0, -0.35, 0), (0.22, 0.4, 0.34), 'white'),
                rod((0.3, -0.2, 0.7), (0.42, -0.2, 0.7), 0.06, 'white', 'cylinder')]
    wide = rng.uniform(0.5, 1.4)
    return [box((0, -0.25, 0.5), (wide, 0.5, 0.3), 'panels'),
            blob((0, -0.28, 0.82), (0.25, 0.18, 0.05), 'white'),
            rod((0, -0.06, 0.8), (0, -0.18, 0.95), 0.02, 'steel'),
            box((0, -0.01, 1.1), (wide * 0.9, 0.02, rng.uniform(0.6, 0.9)), 'screen'),
            *clutter(rng, wide, 0.5, 0.8, 7)]


def lamp(rng: Rng) -> Piece:
    """Return a floor lamp."""
    tall, wide = rng.uniform(1.2, 1.8), rng.uniform(0.12, 0.25)
    return [rod((0, -0.25, 0), (0, -0.25, 0.03), 0.15, 'foot', 'cylinder'),
            rod((0, -0.25, 0), (0, -0.25, tall), 0.015, 'foot'),
            rod((0, -0.25, tall - 0.1), (0, -0.25, tall + 0.2), wide, 'glow', 'cylinder')]


def plant(rng: Rng) -> Piece:
    """Return a pot with a plant of long leaves or of a stem with round ones."""
    pot, tall = rng.uniform(0.1, 0.25), rng.uniform(0.3, 1.5)
    piece = [rod((0, -0.3, 0), (0, -0.3, pot * 1.6), pot, 'any', 'cylinder')]
    for angle in rng.uniform(0, 2 * math.pi, int(rng.integers(5, 16))):
        up, out = rng.uniform(0.3, 1) * tall, rng.uniform(0.1, 0.5) * tall
        tip = (out * math.cos(angle), -0.3 + out * math.sin(angle), pot + up)
        part = rod((0, -0.3, pot * 1.5), tip, rng.uniform(0.02, 0.06) * tall + 0.01, 'leaf',
                   'ellipsoid')
        flat = (part.half[0], part.half[0] / 3, part.half[1])
        piece.append(replace(part, half=flat))
    return piece


def cartons(rng: Rng) -> Piece:
    """Return boxes, one on another or beside it, bags and bins."""
    piece: Piece = []
    for _ in range(int(rng.integers(1, 5))):
        x, z = rng.uniform(-0.7, 0.7), 0.0
        for _ in range(int(rng.integers(1, 4))):
            size = rng.uniform(0.2, 0.6, 3)
            piece.append(box((x, -0.35, z), _triple(size), 'any', rng.uniform(-0.3, 0.3)))
            z += float(size[2])
    if rng.random() < 0.5:
        piece.append(rod((rng.uniform(-1, 1), -0.9, 0), (rng.uniform(-1, 1), -0.9, 0.4), 0.18,
                         'any', 'cylinder'))
    return piece


def frame(rng: Rng) -> Piece:
    """Return a machine or a bicycle: rods, wheels and boxes in any order."""
    points = rng.uniform((-0.8, -0.9, 0.05), (0.8, -0.2, 1.4), (int(rng.integers(4, 9)), 3))
    piece = [rod(_triple(a), _triple(b), rng.uniform(0.01, 0.04), 'bar')
             for a, b in zip(points, points[1:], strict=False)]
    for point in points[:int(rng.integers(0, 3))]:
        x, y, _ = point
        piece.append(rod((x, y, 0.33), (x, y - 0.04, 0.33), 0.32, 'dark', 'cylinder'))
    return piece + [box(_triple(points[-1]), _triple(rng.uniform(0.1, 0.5, 3)), 'any')]


def person(rng: Rng) -> Piece:
    """Return somebody who stands."""
    tall, lean = rng.uniform(1.5, 1.9), rng.uniform(-0.15, 0.15)
    hip, neck = 0.5 * tall, 0.82 * tall
    arms = [rod((s * 0.2, -0.3, neck), (s * rng.uniform(0.2, 0.5), -0.3 - rng.uniform(0, 0.4),
                                        rng.uniform(0.5, 0.9) * tall), 0.05, 'cloth')
            for s in (-1, 1)]
    return [*(rod((s * 0.1, -0.3, 0.05), (s * 0.09, -0.3, hip), 0.08, 'trousers')
              for s in (-1, 1)),
            rod((0, -0.3, hip), (lean, -0.3, neck - 0.1), 0.17, 'cloth'), *arms,
            blob((lean, -0.3, 0.93 * tall), (0.08, 0.1, 0.12), 'skin')]


AT_WALL: tuple[Callable[[Rng], Piece], ...] = (
    shelf, shelf, cupboard, cupboard, kitchen, kitchen, desk, desk, bed, sofa, appliance, bath,
    lamp, plant, cartons, frame, table, chair)
IN_ROOM: tuple[Callable[[Rng], Piece], ...] = (
    dining, dining, table, chair, sofa, desk, cartons, plant, frame, person, shelf, bed)

"""Where furniture stands in a room, what hangs on its walls, and from where a camera sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.rooms import furniture
from latent_vqa_ros.simulation.world.rooms.furniture import (
    Floats,
    Piece,
    Rng,
    blob,
    box,
    moved,
    rod,
)
from latent_vqa_ros.simulation.world.wide import framing

APART = 0.25  # metres between the camera and any thing
TRIES = 60  # places of a camera in one room
FREE = (0.3, 0.6, 0.9)  # metres before the lens that nothing fills


@dataclass(frozen=True)
class Room:
    """A room whose floor's middle is the origin, and a camera in it."""

    size: tuple[float, float, float]
    pieces: tuple[Piece, ...]
    camera: Camera


def draw(rng: Rng) -> Room:
    """Return a furnished room and a camera that stands free in it."""
    while True:
        size = _size(rng)
        walls = [piece for side in range(4) for piece in _wall(rng, side, size)]
        pieces = tuple(walls + _middle(rng, size) + _ceiling(rng, size))
        camera = _camera(rng, size, pieces)
        if camera:
            return Room(size, pieces, camera)


def _size(rng: Rng) -> tuple[float, float, float]:
    kind, tall = rng.random(), rng.uniform(2.2, 3.0)
    if kind < 0.12:
        return rng.uniform(1.3, 2.4), rng.uniform(5, 14), tall  # a corridor
    if kind < 0.27:
        return rng.uniform(6, 14), rng.uniform(6, 14), tall + rng.uniform(0, 1.5)
    return rng.uniform(2.4, 6), rng.uniform(2.6, 6.5), tall


def _wall(rng: Rng, side: int, size: tuple[float, float, float]) -> list[Piece]:
    """Return what stands along a wall and hangs on it."""
    long, out = (size[0], size[1] / 2) if side % 2 == 0 else (size[1], size[0] / 2)
    yaw, found = side * math.pi / 2, []
    corridor, full = min(size[:2]) < 2.4, rng.uniform(0.3, 1)

    def put(piece: Piece, x: float, z: float = 0.0) -> None:
        found.append(moved(piece, x * math.cos(yaw) - out * math.sin(yaw),
                           x * math.sin(yaw) + out * math.cos(yaw), yaw, z))

    x = -long / 2 + 0.1
    while x < long / 2 - 0.4:
        kind = furniture.AT_WALL[int(rng.integers(len(furniture.AT_WALL)))]
        piece = kind(rng)
        wide = 2 * max(abs(part.at[0]) + max(part.half[:2]) for part in piece)
        if rng.random() < full and x + wide < long / 2 and not (corridor and rng.random() < 0.7):
            put(piece, x + wide / 2)
            x += wide
        x += rng.uniform(0.03, 0.6)
    for _ in range(int(rng.integers(0, 3 + int(long)))):
        put(_hung(rng, size[2]), rng.uniform(-0.45, 0.45) * long)
    if rng.random() < 0.5:
        put([box((0, -0.01, 0), (long, 0.02, rng.uniform(0.07, 0.15)), 'skirting')], 0)
    return found


def _hung(rng: Rng, tall: float) -> Piece:
    """Return a picture, a window, a door, a board, a clock or a shelf on a wall."""
    kind = rng.random()
    if kind < 0.4:
        wide, high = rng.uniform(0.2, 1.2), rng.uniform(0.2, 0.9)
        return [box((0, -0.015, rng.uniform(1.1, 1.5)), (wide, 0.03, high), 'poster')]
    if kind < 0.62:
        wide, low = rng.uniform(0.6, 2.4), rng.uniform(0.3, 1.1)
        high = rng.uniform(0.8, max(0.9, tall - low - 0.2))
        piece = [box((0, -0.01, low), (wide, 0.02, high), 'view'),
                 box((0, -0.06, low - 0.04), (wide + 0.1, 0.12, 0.04), 'white')]
        if rng.random() < 0.45:
            piece += [box((x * wide / 2, -0.1, max(low - rng.uniform(0, 0.6), 0.05)),
                          (rng.uniform(0.2, 0.5), 0.1, high + 0.2), 'curtain') for x in (-1, 1)]
        return piece
    if kind < 0.8:
        wide = rng.uniform(0.7, 1.0)
        return [box((0, -0.02, 0), (wide + 0.14, 0.03, 2.1), 'skirting'),
                box((0, -0.03, 0), (wide, 0.04, 2.02), 'panels' if rng.random() < 0.5 else 'any'),
                blob((wide * 0.42, -0.08, 1.0), (0.03, 0.04, 0.03), 'steel')]
    if kind < 0.88:
        at = rng.uniform(1.4, 2.0)
        return [box((0, -0.12, at), (rng.uniform(0.5, 1.4), 0.24, 0.03), 'top'),
                *moved(furniture.clutter(rng, 0.6, 0.2, 0, 5), 0, 0, 0, at + 0.03)]
    if kind < 0.94:
        at = rng.uniform(1.5, 2.1)
        return [rod((0, -0.03, at), (0, 0, at), rng.uniform(0.1, 0.2), 'any', 'cylinder')]
    return [box((x * 0.07, -0.1, 0.12), (0.05, 0.08, 0.6), 'white')
            for x in range(int(rng.integers(5, 12)))]


def _middle(rng: Rng, size: tuple[float, float, float]) -> list[Piece]:
    """Return what stands in the room, and rugs."""
    room = np.array(size[:2]) / 2
    count = int(rng.integers(0, 2 + int(min(size[0] * size[1] / 6, 6))))
    found = []
    for _ in range(count if min(size[:2]) > 2.4 else 0):
        x, y = rng.uniform(-0.65, 0.65, 2) * room
        kind = furniture.IN_ROOM[int(rng.integers(len(furniture.IN_ROOM)))]
        found.append(moved(kind(rng), x, y, rng.uniform(-math.pi, math.pi)))
    for _ in range(int(rng.choice(3, p=(0.6, 0.3, 0.1)))):
        x, y = rng.uniform(-0.5, 0.5, 2) * room
        found.append([box((x, y, 0), (*rng.uniform(0.6, 2.2, 2), 0.01), 'rug',
                          rng.uniform(-0.5, 0.5))])
    return found


def _ceiling(rng: Rng, size: tuple[float, float, float]) -> list[Piece]:
    """Return lamps and beams."""
    top, found = size[2], []
    wide, long = rng.uniform(0.1, 0.8), rng.uniform(0.15, 1.5)
    step = rng.uniform(1.2, 3)
    if rng.random() < 0.6:
        found += [[box((x, y, top - 0.03), (wide, long, 0.06), 'glow')]
                  for x in np.arange(-size[0] / 2 + 0.7, size[0] / 2, step)
                  for y in np.arange(-size[1] / 2 + 0.9, size[1] / 2, step * 1.3)]
    elif rng.random() < 0.6:
        at = top - rng.uniform(0.1, 0.9)
        found.append([blob((0, 0, at), (0.2, 0.2, rng.uniform(0.08, 0.2)), 'glow'),
                      rod((0, 0, at), (0, 0, top), 0.01, 'dark')])
    if rng.random() < 0.15:
        found.append([box((x, 0, top - 0.15), (0.12, size[1], 0.15), 'beam')
                      for x in np.arange(-size[0] / 2 + 0.5, size[0] / 2, 1.0)])
    return found


def _camera(rng: Rng, size: tuple[float, float, float],
            pieces: tuple[Piece, ...]) -> Camera | None:
    """Return a camera that looks at some furniture or anywhere; None where none stands free."""
    parts = [part for piece in pieces for part in piece]
    at = np.array([part.at for part in parts])
    reach = np.array([_reach(part) for part in parts])
    near = rng.random() < 0.3
    for _ in range(TRIES):
        place = rng.uniform(-1, 1, 3) * (size[0] / 2 - 0.2, size[1] / 2 - 0.2, 0)
        place[2] = min(rng.uniform(0.8, 2.0), size[2] - 0.3)
        way = at[int(rng.integers(len(at)))] - place
        if not (0.9 if near else 1.7) < math.hypot(way[0], way[1]) < (2.2 if near else 14):
            continue
        azimuth = math.degrees(math.atan2(-way[0], way[1])) + rng.normal(0, 8)
        toward = -math.degrees(math.atan2(way[2] * rng.uniform(0, 1), math.hypot(way[0], way[1])))
        elevation = float(np.clip(toward + rng.normal(4, 8), -12, 38))
        camera = _lens(rng, place, azimuth, elevation)
        look = -camera.axes[2] + 0.3 * rng.uniform(-1, 1, (4, 1)) * camera.axes[0]
        points = np.concatenate([place[None], *(place + step * look for step in FREE)])
        if not (np.abs(points[:, None] - at) < reach + APART * (points[:, None] == place)
                ).all(axis=-1).any():
            return camera
    return None


def _reach(part: furniture.Part) -> Floats:
    """Return half the extents of a box around a part, whichever way it is turned."""
    if part.kind == 'box':
        c, s = abs(math.cos(part.yaw)), abs(math.sin(part.yaw))
        return np.array([c * part.half[0] + s * part.half[1], s * part.half[0] + c * part.half[1],
                         part.half[2]])
    along = np.abs(np.array(part.along)) / np.linalg.norm(part.along)
    long = part.half[1] if part.kind != 'ellipsoid' else part.half[2]
    return np.asarray(along * long + part.half[0])


def _lens(rng: Rng, place: Floats, azimuth: float, elevation: float) -> Camera:
    aspect, field = framing.draw_aspect(rng), math.radians(rng.uniform(40, 80))
    fovy = math.degrees(2 * math.atan(math.tan(field / 2) / math.sqrt(aspect)))
    roll = rng.normal(0, 3 if rng.random() < 0.85 else 15)
    x, y, z = (float(v) for v in place)
    return Camera((x, y, z), azimuth, elevation, 0.0, fovy, float(roll), aspect)

"""Grey pictures that tables and floors are covered with, drawn once, tinted per scene.

The first TRAIN_TEXTURES belong to training and its twins, the others to the split ``shifted``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SIDE = 128  # pixels


def _noise(rng: np.random.Generator, columns: int, rows: int) -> Floats:
    """Return smooth noise in [-1, 1], (SIDE, SIDE), with so many bumps along each side."""
    coarse = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.float64)


def _wave(rng: np.random.Generator, most: int) -> Floats:
    """Return a wave in [-1, 1] in any direction, with 2 to ``most`` crests along each side."""
    x, y = rng.integers(-most, most + 1), rng.integers(2, most + 1)
    phase = np.add.outer(y * np.arange(SIDE), x * np.arange(SIDE)) * (2 * np.pi / SIDE)
    return np.asarray(np.sin(phase + rng.uniform(0, 2 * np.pi)))


def _triples(rng: np.random.Generator, count: int, reach: int) -> list[NDArray[np.int32]]:
    """Return so many times three points (x, y) that lie near each other."""
    return [(rng.integers(0, SIDE, 2) + rng.integers(-reach, reach + 1, (3, 2))).astype(np.int32)
            for _ in range(count)]


def _plain(rng: np.random.Generator) -> Floats:
    return 0.02 * _noise(rng, 40, 40)


def _clouds(rng: np.random.Generator) -> Floats:
    side = int(rng.integers(3, 8))
    return rng.uniform(0.1, 0.2) * _noise(rng, side, side) + 0.03 * _noise(rng, 60, 60)


def _wood(rng: np.random.Generator) -> Floats:
    return (rng.uniform(0.06, 0.16) * _noise(rng, 4, int(rng.integers(20, 60)))
            + 0.05 * _noise(rng, 12, 100))


def _planks(rng: np.random.Generator) -> Floats:
    wide = int(rng.choice((8, 16, 32)))
    boards = np.tile(np.repeat(rng.uniform(-0.12, 0.12, SIDE // wide), wide)[:, None], (1, SIDE))
    boards[::wide] -= 0.22
    return np.asarray(boards + 0.08 * _noise(rng, 4, 60))


def _stone(rng: np.random.Generator) -> Floats:
    coarse, fine = (int(side) for side in rng.integers((6, 20), (14, 50)))
    return (0.10 * _noise(rng, coarse, coarse) + 0.10 * _noise(rng, fine, fine)
            + 0.06 * _noise(rng, 90, 90))


def _speckles(rng: np.random.Generator) -> Floats:
    specks = rng.random((SIDE, SIDE)) < rng.uniform(0.03, 0.2)
    return np.where(specks, rng.choice((-0.28, 0.15)), 0.0) + 0.03 * _noise(rng, 20, 20)


def _weave(rng: np.random.Generator) -> Floats:
    at = np.sin(np.arange(SIDE) * (2 * np.pi * rng.integers(6, 24) / SIDE))
    return np.asarray(0.12 * np.outer(at, at) + 0.05 * _noise(rng, 50, 50))


def _checks(rng: np.random.Generator) -> Floats:
    at = np.arange(SIDE) // int(rng.choice((8, 16, 32, 64)))
    return np.asarray(rng.uniform(0.1, 0.24) * (np.add.outer(at, at) % 2 - 0.5)
                      + 0.03 * _noise(rng, 40, 40))


def _stripes(rng: np.random.Generator) -> Floats:
    crests = np.sign(_wave(rng, 8))
    return np.asarray(rng.uniform(0.06, 0.17) * crests + 0.03 * _noise(rng, 40, 40))


def _ripples(rng: np.random.Generator) -> Floats:
    return np.asarray(rng.uniform(0.06, 0.16) * _wave(rng, 10) + 0.04 * _noise(rng, 30, 30))


def _plaid(rng: np.random.Generator) -> Floats:
    bands = [rng.uniform(-0.12, 0.12, 16).repeat(SIDE // 16) for _ in range(2)]
    return np.asarray(np.add.outer(*bands) + 0.03 * _noise(rng, 60, 60))


def _tiles(rng: np.random.Generator) -> Floats:
    gap = np.arange(SIDE) % int(rng.choice((16, 32, 64))) < 2
    return np.where(np.logical_or.outer(gap, gap), rng.choice((-0.28, 0.15)), 0.0) \
        + 0.05 * _noise(rng, 20, 20)


def _blots(rng: np.random.Generator) -> Floats:
    side = int(rng.integers(6, 20))
    blots = np.sign(_noise(rng, side, side) - rng.uniform(-0.3, 0.3))
    return np.asarray(rng.uniform(0.05, 0.15) * blots + 0.03 * _noise(rng, 40, 40))


def _scratches(rng: np.random.Generator) -> Floats:
    lines = np.zeros((SIDE, SIDE))
    for at in _triples(rng, int(rng.integers(30, 120)), 24):
        cv2.line(lines, at[0].tolist(), at[1].tolist(), 1.0)
    return float(rng.choice((-0.28, 0.15))) * lines + 0.04 * _noise(rng, 20, 20)


def _terrazzo(rng: np.random.Generator) -> Floats:
    chips = np.zeros((SIDE, SIDE))
    for at in _triples(rng, int(rng.integers(60, 250)), 9):
        cv2.fillConvexPoly(chips, cv2.convexHull(at), float(rng.uniform(-0.2, 0.2)))
    return chips + 0.03 * _noise(rng, 40, 40)


def _lattice(rng: np.random.Generator) -> Floats:
    waves = sum(_wave(rng, 9) for _ in range(3))
    return np.asarray(rng.uniform(0.04, 0.08) * waves + 0.03 * _noise(rng, 40, 40))


def _mosaic(rng: np.random.Generator) -> Floats:
    seeds = rng.uniform(0, SIDE, (int(rng.integers(20, 120)), 2))
    at = np.moveaxis(np.indices((SIDE, SIDE)), 0, -1)[:, :, None]
    nearest = ((at - seeds) ** 2).sum(axis=-1).argmin(axis=-1)
    return np.asarray(rng.uniform(-0.18, 0.18, len(seeds))[nearest] + 0.03 * _noise(rng, 40, 40))


def _diamonds(rng: np.random.Generator) -> Floats:
    row, column = np.indices((SIDE, SIDE))
    side = int(rng.choice((8, 16, 32)))
    shades = (row + column) // side % 2 + (row - column) // side % 2 - 1.0
    return np.asarray(rng.uniform(0.06, 0.14) * shades + 0.03 * _noise(rng, 40, 40))


def _crosses(rng: np.random.Generator) -> Floats:
    step, arm = int(rng.choice((16, 32))), int(rng.integers(2, 4))
    row, column = np.abs(np.indices((SIDE, SIDE)) % step - step // 2)
    cross = (np.minimum(row, column) < arm) & (np.maximum(row, column) < step // 3)
    return np.where(cross, rng.choice((-0.28, 0.15)), 0.0) + 0.03 * _noise(rng, 40, 40)


def _parquet(rng: np.random.Generator) -> Floats:
    side = int(rng.choice((16, 32)))
    row, column = np.indices((SIDE, SIDE))
    upright = (row // side + column // side) % 2 == 1
    strip = np.where(upright, column, row) // (side // 4)
    shades = rng.uniform(-0.14, 0.14, (SIDE // side, SIDE // side, SIDE))
    return np.asarray(shades[row // side, column // side, strip] + 0.05 * _noise(rng, 60, 60))


def _leaves(rng: np.random.Generator) -> Floats:
    leaves = np.zeros((SIDE, SIDE))
    for _ in range(int(rng.integers(40, 160))):
        x, y, long = (int(v) for v in rng.integers((0, 0, 5), (SIDE, SIDE, 16)))
        cv2.ellipse(leaves, (x, y), (long, long // 3), float(rng.uniform(0, 180)), 0, 360,
                    float(rng.uniform(-0.25, 0.2)), -1)
    return leaves + 0.03 * _noise(rng, 40, 40)


def _print(rng: np.random.Generator) -> Floats:
    line = int(rng.choice((8, 16)))
    words = np.repeat(rng.random((SIDE // line, SIDE // 4)) < 0.7, 4, axis=1).repeat(line, axis=0)
    words[np.arange(SIDE) % line >= line // 2] = False
    return np.where(words, rng.choice((-0.28, 0.15)), 0.0) + 0.03 * _noise(rng, 20, 20)


def _cracks(rng: np.random.Generator) -> Floats:
    cracks = np.zeros((SIDE, SIDE))
    for _ in range(int(rng.integers(4, 14))):
        path = rng.integers(0, SIDE, 2) + rng.integers(-6, 7, (60, 2)).cumsum(axis=0)
        cv2.polylines(cracks, [path.astype(np.int32)], False, 1.0, int(rng.integers(1, 3)))
    return float(rng.choice((-0.28, 0.15))) * cracks + 0.08 * _noise(rng, 16, 16)


def _camouflage(rng: np.random.Generator) -> Floats:
    side = int(rng.integers(4, 14))
    shades = np.digitize(_noise(rng, side, side), (-0.3, 0.0, 0.3))
    return np.asarray(rng.uniform(-0.2, 0.2, 4)[shades] + 0.03 * _noise(rng, 60, 60))


def _bricks(rng: np.random.Generator) -> Floats:
    row, column = np.indices((SIDE, SIDE))
    shifted = column + 16 * (row // 16 % 2)
    return np.where((row % 16 < 2) | (shifted % 32 < 2), -0.3, 0.0) + 0.06 * _noise(rng, 30, 30)


def _dots(rng: np.random.Generator) -> Floats:
    row, column = np.indices((SIDE, SIDE)) % 32 - 16
    return np.where(row**2 + column**2 < 60, -0.25, 0.0) + 0.03 * _noise(rng, 40, 40)


def _marble(rng: np.random.Generator) -> Floats:
    slope = np.add.outer(np.arange(SIDE), np.arange(SIDE)) * (2 * np.pi * 3 / SIDE)
    return np.asarray(0.2 * np.sin(slope + 5 * _noise(rng, 5, 5)) ** 3)


def _zigzag(rng: np.random.Generator) -> Floats:
    row, column = np.indices((SIDE, SIDE))
    wave = np.sin((row + np.abs(column % 32 - 16)) * (2 * np.pi * 8 / SIDE))
    return np.asarray(0.16 * np.sign(wave) + 0.03 * _noise(rng, 40, 40))


EACH = 6  # textures of each kind that training has
TRAIN = EACH * (
    _plain, _clouds, _wood, _planks, _stone, _speckles, _weave, _checks, _stripes, _ripples,
    _plaid, _tiles, _blots, _scratches, _terrazzo, _lattice,
    _mosaic, _diamonds, _crosses, _parquet, _leaves, _print, _cracks, _camouflage)
SHIFTED = (_bricks, _dots, _marble, _zigzag)
TRAIN_TEXTURES = range(len(TRAIN))
SHIFTED_TEXTURES = range(len(TRAIN), len(TRAIN) + len(SHIFTED))


def png(index: int) -> bytes:
    """Return a texture as a PNG file, the same bytes at each call."""
    draw = (TRAIN + SHIFTED)[index]
    grey = 0.8 + draw(np.random.default_rng(index))
    return cv2.imencode('.png', np.clip(grey * 255, 0, 255).astype(np.uint8))[1].tobytes()

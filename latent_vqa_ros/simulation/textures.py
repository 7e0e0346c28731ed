"""Grey pictures that tables and floors are covered with, drawn once, tinted per scene.

The first TRAIN_TEXTURES belong to training and its twins, the others to the split ``shifted``.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SIDE = 128  # pixels


def _noise(rng: np.random.Generator, columns: int, rows: int) -> Floats:
    """Return smooth noise in [-1, 1], (SIDE, SIDE), with so many bumps along each side."""
    coarse = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.float64)


def _plain(rng: np.random.Generator) -> Floats:
    return 0.02 * _noise(rng, 40, 40)


def _wood(rng: np.random.Generator) -> Floats:
    return 0.11 * _noise(rng, 4, 42) + 0.05 * _noise(rng, 12, 100)


def _planks(rng: np.random.Generator) -> Floats:
    boards = np.tile(np.repeat(rng.uniform(-0.12, 0.12, 8), SIDE // 8)[:, None], (1, SIDE))
    boards[:: SIDE // 8] -= 0.22
    return np.asarray(boards + 0.08 * _noise(rng, 4, 60))


def _stone(rng: np.random.Generator) -> Floats:
    return 0.10 * _noise(rng, 9, 9) + 0.10 * _noise(rng, 30, 30) + 0.06 * _noise(rng, 90, 90)


def _speckles(rng: np.random.Generator) -> Floats:
    return np.where(rng.random((SIDE, SIDE)) < 0.12, -0.28, 0.0) + 0.03 * _noise(rng, 20, 20)


def _weave(rng: np.random.Generator) -> Floats:
    at = np.arange(SIDE) * (2 * np.pi * 16 / SIDE)
    return np.asarray(0.12 * np.outer(np.sin(at), np.sin(at)) + 0.05 * _noise(rng, 50, 50))


def _checks(rng: np.random.Generator) -> Floats:
    squares = np.add.outer(np.arange(SIDE) // 32, np.arange(SIDE) // 32) % 2
    return np.asarray(0.2 * (squares - 0.5) + 0.03 * _noise(rng, 40, 40))


def _stripes(rng: np.random.Generator) -> Floats:
    wave = np.sin(np.arange(SIDE) * (2 * np.pi * 6 / SIDE))
    return np.asarray(0.15 * np.sign(wave)[None] + 0.03 * _noise(rng, 40, 40))


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


TRAIN: tuple[Callable[[np.random.Generator], Floats], ...] = (
    _plain, _plain, _wood, _wood, _planks, _stone, _speckles, _weave, _checks, _stripes)
SHIFTED: tuple[Callable[[np.random.Generator], Floats], ...] = (_bricks, _dots, _marble, _zigzag)
TRAIN_TEXTURES = range(len(TRAIN))
SHIFTED_TEXTURES = range(len(TRAIN), len(TRAIN) + len(SHIFTED))


def png(index: int) -> bytes:
    """Return a texture as a PNG file, the same bytes at each call."""
    draw = (TRAIN + SHIFTED)[index]
    grey = 0.8 + draw(np.random.default_rng(index))
    return cv2.imencode('.png', np.clip(grey * 255, 0, 255).astype(np.uint8))[1].tobytes()

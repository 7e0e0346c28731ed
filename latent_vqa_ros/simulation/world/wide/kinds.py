"""Drawn pictures of wood, stone, cloth, paper and what else tables, floors and walls are made of.

Each kind draws another picture from another seed, RGB (SIDE, SIDE, 3) in [0, 1]. The kinds of
TRAINED belong to training, those of HELD_OUT to validation and test.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world import textures

Floats = NDArray[np.float32]
Shares = NDArray[np.floating[Any]]
Picture = NDArray[np.uint8]
Rng = np.random.Generator

SIDE = 256  # pixels


def noise(rng: Rng, columns: int, rows: int) -> Floats:
    """Return smooth noise in about [-1, 1], (SIDE, SIDE), with so many bumps along each side."""
    coarse = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)


def rough(rng: Rng, bumps: int, octaves: int = 5, gain: float = 0.6) -> Floats:
    """Return noise of several sizes in about [-1, 1], (SIDE, SIDE)."""
    total = sum(gain ** i * noise(rng, min(bumps << i, SIDE), min(bumps << i, SIDE))
                for i in range(octaves))
    return np.asarray(total * (1 - gain) * 1.4, np.float32)


def color(rng: Rng, hue: tuple[float, float], saturation: tuple[float, float],
          value: tuple[float, float]) -> Floats:
    """Return a colour, (3,) in [0, 1]; hue in degrees."""
    return np.array(colorsys.hsv_to_rgb(rng.uniform(*hue) / 360 % 1, rng.uniform(*saturation),
                                        rng.uniform(*value)), np.float32)


def tone(rng: Rng) -> Floats:
    """Return a colour that tables, floors and walls have: neutral, wooden or of cloth."""
    kind = rng.random()
    if kind < 0.35:
        return color(rng, (0, 360), (0, 0.1), (0.55, 1))
    if kind < 0.5:
        return color(rng, (0, 360), (0, 0.2), (0.03, 0.35))
    if kind < 0.75:
        return color(rng, (15, 42), (0.15, 0.7), (0.25, 0.95))
    return color(rng, (0, 360), (0.1, 0.65), (0.2, 0.95))


def between(first: Floats, second: Floats, share: Shares) -> Floats:
    """Return a picture that goes from one colour to another, (SIDE, SIDE, 3)."""
    return np.asarray(first + (second - first) * np.clip(share, 0, 1)[..., None], np.float32)


def near(rng: Rng, base: Floats, by: float = 0.25) -> Floats:
    """Return a colour like another one."""
    return np.asarray(np.clip(base * (1 + rng.uniform(-by, by))
                              + rng.uniform(-by, by, 3) * 0.25, 0, 1), np.float32)


def _paint(rng: Rng) -> Floats:
    grain = rng.uniform(0, 0.05) * rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    return between(base := tone(rng), near(rng, base, 0.15), 0.5 + 0.5 * rough(rng, 2)) \
        + grain[..., None]


def _plaster(rng: Rng) -> Floats:
    bumps = rough(rng, int(rng.integers(4, 24)), gain=0.8)
    relief = bumps - np.roll(bumps, (1, 1), (0, 1))
    return between(base := tone(rng), near(rng, base), 0.5 + bumps / 2) \
        + rng.uniform(0.1, 0.5) * relief[..., None]


def _wood(rng: Rng) -> Floats:
    base = color(rng, (14, 40), (0.2, 0.7), (0.3, 0.95))
    bend = rough(rng, 2, 3) * rng.uniform(0.5, 3)
    across = np.arange(SIDE, dtype=np.float32)[:, None] * rng.uniform(0.04, 0.25)
    rings = np.sin(across + 3 * bend) * rng.uniform(0.1, 0.5)
    fibre = noise(rng, 6, 200) * 0.4 + noise(rng, 20, 120) * 0.3
    return between(base * rng.uniform(0.45, 0.85), base, 0.6 + rings * 0.5 + fibre * 0.5)


def _boards(rng: Rng) -> Floats:
    board, wide = _wood(rng), int(rng.integers(18, 80))
    row = np.arange(SIDE) // wide
    tint = rng.uniform(0.75, 1.15, row.max() + 1).astype(np.float32)[row]
    for index in range(int(row.max()) + 1):
        board[row == index] = np.roll(board[row == index], int(rng.integers(SIDE)), 1)
    gap = np.where(np.arange(SIDE) % wide < rng.integers(1, 3), rng.uniform(0.2, 0.8), 1.0)
    return np.asarray(board * (tint * gap)[:, None, None], np.float32)


def _granite(rng: Rng) -> Floats:
    picture = np.empty((SIDE, SIDE, 3), np.float32)
    picture[:] = base = tone(rng)
    for _ in range(int(rng.integers(2, 5))):
        bumps = int(rng.integers(20, 120))
        chips = noise(rng, bumps, bumps) > rng.uniform(0.2, 0.7)
        picture[chips] = tone(rng) if rng.random() < 0.4 else near(rng, base, 0.5)
    return picture


def _weave(rng: Rng) -> Floats:
    at = np.arange(SIDE) * (2 * np.pi * rng.integers(16, 64) / SIDE)
    bend, lean = 0.4 * noise(rng, 30, 30), 0.4 * noise(rng, 30, 30)
    threads = np.sin(at + bend) * np.sin(at[:, None] + lean)
    base = tone(rng)
    return between(base * 0.7, base, 0.5 + 0.4 * threads + 0.3 * rough(rng, 40, 3))


def _plaid(rng: Rng) -> Floats:
    picture = np.zeros((SIDE, SIDE, 3), np.float32) + tone(rng)
    for axis in range(2):
        for _ in range(int(rng.integers(1, 4))):
            period = int(rng.choice((32, 64, 128)))
            band = np.arange(SIDE) % period < rng.integers(3, period // 2)
            shade = np.where(band, rng.uniform(0.2, 0.7), 0.0).astype(np.float32)
            shade = shade[:, None, None] if axis else shade[None, :, None]
            picture = picture * (1 - shade) + tone(rng) * shade
    return np.asarray(picture + 0.04 * rough(rng, 50, 3)[..., None], np.float32)


def _flowers(rng: Rng) -> Floats:
    picture = np.zeros((SIDE, SIDE, 3), np.float32) + tone(rng)
    petals = [tone(rng) for _ in range(3)]
    for _ in range(int(rng.integers(10, 60))):
        x, y = (int(v) for v in rng.integers(0, SIDE, 2))
        size, paint = int(rng.integers(4, 22)), petals[int(rng.integers(3))]
        for angle in np.arange(int(rng.integers(1, 7))) * rng.uniform(50, 75):
            at = (int(x + size * np.cos(np.radians(angle))),
                  int(y + size * np.sin(np.radians(angle))))
            cv2.ellipse(picture, at, (size, max(size // 2, 1)), float(angle), 0, 360,
                        near(rng, paint, 0.2).tolist(), -1, cv2.LINE_AA)
    return picture


def _tiles(rng: Rng) -> Floats:
    side, gap = int(rng.choice((32, 64, 128))), int(rng.integers(1, 5))
    row, column = np.indices((SIDE, SIDE))
    base = tone(rng)
    tints = rng.uniform(-0.1, 0.1, (SIDE // side, SIDE // side)).astype(np.float32)
    picture = base + (tints[row // side, column // side] + 0.08 * rough(rng, 8))[..., None]
    picture[(row % side < gap) | (column % side < gap)] = near(rng, base, 0.7)
    return np.asarray(picture, np.float32)


def _text(rng: Rng) -> Floats:
    paper, ink = color(rng, (0, 360), (0, 0.3), (0.7, 1)), color(rng, (0, 360), (0, 0.8), (0, 0.4))
    page = as_bytes(np.zeros((SIDE, SIDE, 3), np.float32) + paper)
    step = int(rng.integers(7, 24))
    for y in range(step, SIDE, step):
        letters = ''.join(chr(int(c)) for c in rng.integers(65, 122, int(rng.integers(3, 60))))
        cv2.putText(page, letters, (int(rng.integers(0, 40)), y), int(rng.integers(0, 4)),
                    step / 34, (255 * ink).tolist(), 1, cv2.LINE_AA)
    return np.asarray(page / np.float32(255), np.float32)


def _mat(rng: Rng) -> Floats:
    picture = np.zeros((SIDE, SIDE, 3), np.float32) + (base := tone(rng))
    lines, step = near(rng, base, 0.8), int(rng.choice((8, 16, 32, 64)))
    picture[::step] = lines
    picture[:, ::step] = lines
    return np.asarray(picture + 0.03 * rough(rng, 60, 2)[..., None], np.float32)


def _concrete(rng: Rng) -> Floats:
    base = color(rng, (0, 360), (0, 0.12), (0.25, 0.8))
    picture = between(base * 0.6, base, 0.6 + 0.4 * rough(rng, 3, 6, 0.75))
    for _ in range(int(rng.integers(0, 40))):
        start = rng.integers(0, SIDE, 2)
        end = start + rng.integers(-60, 61, 2)
        cv2.line(picture, start.tolist(), end.tolist(), near(rng, base, 0.6).tolist(), 1,
                 cv2.LINE_AA)
    return picture


def _brushed(rng: Rng) -> Floats:
    base = color(rng, (0, 360), (0, 0.15), (0.2, 0.9))
    streaks = noise(rng, 3, SIDE) * rng.uniform(0.1, 0.4) + 0.2 * noise(rng, 2, 3)
    return between(base * 0.6, base, 0.7 + streaks)


def _carpet(rng: Rng) -> Floats:
    base = tone(rng)
    tufts = rng.standard_normal((SIDE, SIDE)).astype(np.float32) * rng.uniform(0.1, 0.35)
    return between(base * 0.4, base, 0.6 + cv2.GaussianBlur(tufts, (0, 0), 0.8)
                   + 0.25 * rough(rng, 6, 3))


def _stripes(rng: Rng) -> Floats:
    picture = np.zeros((SIDE, SIDE, 3), np.float32)
    edges = np.sort(rng.integers(0, 64, int(rng.integers(1, 6))))
    shades = [tone(rng) for _ in range(len(edges) + 1)]
    picture[:] = np.array(shades)[np.searchsorted(edges, np.arange(SIDE) % 64)][:, None]
    return np.asarray(picture + 0.04 * rough(rng, 30, 3)[..., None], np.float32)


def _leather(rng: Rng) -> Floats:
    base = color(rng, (0, 50), (0.1, 0.7), (0.05, 0.6))
    cells = np.abs(rough(rng, 24, 3))
    return between(base * 0.5, base * 1.2, 0.2 + 1.6 * cells)


def _collage(rng: Rng) -> Floats:
    picture = np.zeros((SIDE, SIDE, 3), np.float32) + tone(rng)
    for _ in range(int(rng.integers(3, 14))):
        x, y, w, h = (int(v) for v in rng.integers((-40, -40, 20, 20), (SIDE, SIDE, 140, 140)))
        corners = cv2.boxPoints(((x, y), (w, h), float(rng.uniform(0, 90)))).astype(np.int32)
        cv2.fillConvexPoly(picture, corners, tone(rng).tolist(), cv2.LINE_AA)
    return picture


def grey(index: int, rng: Rng) -> Floats:
    """Return one of the workcell's pictures, in a colour."""
    drawn = cv2.imdecode(np.frombuffer(textures.png(index), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert drawn is not None
    large = cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)[..., None] / 204
    return np.asarray(large * tone(rng), np.float32)


def _veins(rng: Rng) -> Floats:
    base = tone(rng)
    ridges = 1 - np.abs(rough(rng, 4, 5)) * rng.uniform(3, 8)
    return between(base, near(rng, base, 0.8), np.clip(ridges, 0, 1) * rng.uniform(0.3, 1))


def _spots(rng: Rng) -> Floats:
    step = int(rng.choice((16, 32, 64)))
    row, column = np.indices((SIDE, SIDE))
    column = column + (row // step % 2) * (step // 2) * int(rng.integers(2))
    far = (row % step - step / 2) ** 2 + (column % step - step / 2) ** 2
    inside = (far < (step * rng.uniform(0.15, 0.4)) ** 2).astype(np.float32)
    return between(tone(rng), tone(rng), inside) + 0.04 * rough(rng, 40, 3)[..., None]


def _bricks(rng: Rng) -> Floats:
    row, column = np.indices((SIDE, SIDE))
    shifted = column + 32 * (row // 32 % 2)
    base = tone(rng)
    tints = rng.uniform(-0.12, 0.12, (9, 9)).astype(np.float32)[row // 32, shifted // 64 % 4]
    picture = base + (tints + 0.1 * rough(rng, 20, 4))[..., None]
    picture[(row % 32 < 3) | (shifted % 64 < 3)] = near(rng, base, 0.6)
    return np.asarray(picture, np.float32)


def _herringbone(rng: Rng) -> Floats:
    row, column = np.indices((SIDE, SIDE))
    side = int(rng.choice((16, 32)))
    left = (column // side) % 2 == 0
    strip = np.where(left, row + column, row - column) // (side // 2) % 8
    shades = rng.uniform(0.6, 1.1, 8).astype(np.float32)[strip]
    return np.asarray(shades[..., None] * tone(rng) + 0.05 * rough(rng, 30, 3)[..., None])


def _lacquer(rng: Rng) -> Floats:
    y, x = np.indices((SIDE, SIDE)) / SIDE - rng.uniform(0, 1, (2, 1, 1))
    sheen = np.exp(-(x * x + y * y) * rng.uniform(0.5, 6))
    return between(base := tone(rng), np.minimum(base * 1.5, 1), sheen * rng.uniform(0, 0.8))


Kind = Callable[[Rng], Floats]
TRAINED: tuple[Kind, ...] = (
    _paint, _plaster, _wood, _boards, _granite, _weave, _plaid, _flowers, _tiles, _text, _mat,
    _concrete, _brushed, _carpet, _stripes, _leather, _collage)
HELD_OUT: tuple[Kind, ...] = (_lacquer, _veins, _spots, _bricks, _herringbone)


def as_bytes(picture: Floats) -> Picture:
    """Return a picture of values in [0, 1] as bytes."""
    return np.asarray(np.clip(picture * 255, 0, 255), np.uint8)

"""Colours as people name them, and the skins of things: what they are made of, marked and worn.

A skin is a cube map, RGB (6, TEX, TEX, 3): the sides of a box around the thing, in the order of
NORMALS.
"""

from __future__ import annotations

import colorsys
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world import looks
from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.layout import Rgb
from latent_vqa_ros.simulation.world.wide.items import Item
from latent_vqa_ros.simulation.world.wide.surfaces import Bank

Floats = NDArray[np.float32]
Rng = np.random.Generator
Span = tuple[float, float]

TEX = 64  # pixels of a cube map's side
# The cube map's sides as MuJoCo orders them, as normals of the thing's own axes.
NORMALS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
HUES: dict[str, tuple[Span, Span, Span]] = {  # hue in degrees, saturation, value
    'red': ((-14, 9), (0.6, 1.0), (0.45, 1.0)),
    'orange': ((17, 31), (0.72, 1.0), (0.70, 1.0)),
    'yellow': ((45, 63), (0.45, 1.0), (0.72, 1.0)),
    'green': ((74, 158), (0.38, 1.0), (0.22, 0.95)),
    'blue': ((200, 246), (0.5, 1.0), (0.28, 1.0)),
    'purple': ((264, 298), (0.35, 0.9), (0.3, 0.85)),
    'white': ((0, 360), (0.0, 0.07), (0.88, 1.0)),
    'gray': ((0, 360), (0.0, 0.10), (0.3, 0.52)),
}
UNNAMED: tuple[tuple[Span, Span, Span], ...] = (  # brown, cork, pink, turquoise, black
    ((14, 34), (0.4, 0.75), (0.2, 0.5)), ((24, 44), (0.25, 0.5), (0.5, 0.85)),
    ((318, 345), (0.25, 0.6), (0.75, 1.0)), ((168, 188), (0.35, 0.9), (0.3, 0.9)),
    ((0, 360), (0.0, 0.3), (0.09, 0.18)))
_SPAN = (np.arange(TEX, dtype=np.float32) + 0.5) / TEX * 2 - 1
_ACROSS, _DOWN = np.meshgrid(_SPAN, _SPAN)
_ONE = np.ones_like(_ACROSS)
# The direction of each texel from the middle of the thing, (6, TEX, TEX, 3), as OpenGL orders a
# cube map (OpenGL 4.6 core profile, table 8.19), of length 1.
TEXELS = np.stack([np.stack(side, axis=-1) for side in (
    (_ONE, -_DOWN, -_ACROSS), (-_ONE, -_DOWN, _ACROSS), (_ACROSS, _ONE, _DOWN),
    (_ACROSS, -_ONE, -_DOWN), (_ACROSS, -_DOWN, _ONE), (-_ACROSS, -_DOWN, -_ONE))])
TEXELS /= np.linalg.norm(TEXELS, axis=-1, keepdims=True)
SEWN, DIMPLED = 0.25, 0.2  # shares of balls
MOTTLED = 0.3  # share of what is round
STICKERS = 0.28  # share of cubes that have them
LEFT = 0.3  # share of a stickered cube's seen sides that keep its colour


def rgb_of(rng: Rng, color: str) -> Rgb:
    """Return one of the tints that people call by this name; of none of the names for ''."""
    if not color:
        spans = UNNAMED[int(rng.integers(len(UNNAMED)))]
    else:
        spans = (looks.HUES if rng.random() < 0.4 else HUES)[color]
    hue, saturation, value = (float(rng.uniform(*span)) for span in spans)
    return colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)


def skin(rng: Rng, item: Item, camera: Camera, bank: Bank) -> Floats:
    """Return the cube map of a thing, values of 0 to 255."""
    sides = np.empty((6, TEX, TEX, 3), np.float32)
    sides[:] = np.array(item.rgb, np.float32) * 255
    flat = item.shape == 'cube'  # what is round has no side that ends at an edge
    sides *= _material(rng, bank, flat)[..., None]
    sides *= rng.uniform(0.94, 1.06, (6 if flat else 1, 1, 1, 1)).astype(np.float32)
    if not flat and rng.random() < MOTTLED:
        sides *= _mottled(rng)[..., None]
    if item.shape == 'ball':
        sides *= _ball(rng)[..., None]
    if item.shape == 'cube' and rng.random() < STICKERS:
        _stick(rng, sides, item, camera, bank)
    elif rng.random() < 0.2:
        _mark(rng, sides, bank)
    return sides


def _material(rng: Rng, bank: Bank, flat: bool) -> Floats:
    """Return light and shade of what it is made of, (6, TEX, TEX) about 1.

    ``flat``: each side has its own, and edges wear; else one goes all around.
    """
    kind = rng.random()
    if kind < 0.3 or not flat and 0.45 <= kind < 0.55:  # plastic, gloss
        return np.ones((6, TEX, TEX), np.float32)
    if kind < 0.45:  # foam, cork: pores
        fine = rng.standard_normal((6, TEX, TEX)).astype(np.float32)
        return np.asarray(1 - rng.uniform(0.05, 0.3) * (fine > rng.uniform(0.8, 1.8)))
    if kind < 0.55:  # worn: edges lighter or darker
        at = np.abs(np.linspace(-1, 1, TEX, dtype=np.float32))
        edge = np.maximum.outer(at, at) > rng.uniform(0.8, 0.95)
        rubbed = edge & (rng.random((6, TEX, TEX)) < rng.uniform(0.3, 1))
        return np.asarray(1 + rng.uniform(-0.25, 0.3) * rubbed, np.float32)
    grain = bank.grains(rng, TEX) if flat else _around(rng, bank.grains(rng, 2 * TEX)[0])
    if kind < 0.68:  # cork, seams, speckles: dark where the grain is
        return np.where(grain > np.quantile(grain, rng.uniform(0.1, 0.5)), np.float32(1),
                        np.float32(rng.uniform(0.35, 0.8)))
    return np.asarray(np.clip(1 + rng.uniform(0.1, 0.6) * (grain / grain.mean() - 1), 0.4, 1.5))


def _around(rng: Rng, picture: Floats) -> Floats:
    """Return a picture as it goes through a thing along one axis, (6, TEX, TEX), as wood does."""
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0][:, :2].astype(np.float32)
    at = np.rint((TEXELS @ frame + 1) / 2 * (len(picture) - 1)).astype(int)
    return np.asarray(picture[at[..., 0], at[..., 1]])


def _mottled(rng: Rng) -> Floats:
    """Return large soft spots all over a thing, (6, TEX, TEX) about 1, as of leather or dirt."""
    out = np.zeros(TEXELS.shape[:3], np.float32)
    for _ in range(int(rng.integers(4, 20))):
        middle = rng.standard_normal(3)
        near = TEXELS @ (middle / np.linalg.norm(middle)).astype(np.float32) - 1
        out += np.float32(rng.uniform(-1, 1)) * np.exp(near * np.float32(rng.uniform(4, 40)))
    return np.asarray(np.clip(1 + rng.uniform(0.1, 0.35) * out / np.abs(out).max(), 0.5, 1.5))


def _ball(rng: Rng) -> Floats:
    """Return light and shade of a ball, (6, TEX, TEX) about 1: a seam, dimples or neither."""
    kind = rng.random()
    axis = rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    along = np.asarray(TEXELS @ axis, np.float32)
    if kind < SEWN:
        return _seam(rng, along)
    if kind < SEWN + DIMPLED:
        return _dimples(rng, axis)
    return np.ones_like(along)


def _seam(rng: Rng, along: Floats) -> Floats:
    """Return a seam around a ball, with rows of stitches beside it."""
    out = np.ones_like(along)
    wide = rng.uniform(0.02, 0.05)
    out[np.abs(along) < wide] = rng.uniform(0.3, 0.7)
    for _ in range(int(rng.integers(0, 4))):
        row = np.abs(np.abs(along) - rng.uniform(2, 6) * wide) < wide * rng.uniform(0.3, 0.8)
        out[row & (rng.random(along.shape) < rng.uniform(0.5, 1))] *= rng.uniform(0.5, 1.4)
    return out


def _dimples(rng: Rng, light: NDArray[np.float64]) -> Floats:
    """Return small hollows all over a ball, each dark towards the light and bright beyond."""
    count = int(rng.integers(60, 250))
    number = np.arange(count) + 0.5  # Fibonacci's lattice (Swinbank and Purser 2006)
    z, turn = 1 - 2 * number / count, np.pi * (1 + 5 ** 0.5) * number
    level = np.sqrt(1 - z * z)
    middles = np.stack([level * np.cos(turn), level * np.sin(turn), z], axis=1)
    texels = TEXELS.reshape(-1, 3)
    nearest = (texels @ middles.T.astype(np.float32)).argmax(axis=1)
    off = texels - middles[nearest]
    radius = rng.uniform(0.5, 0.9) * np.sqrt(4 / count)
    inside = np.linalg.norm(off, axis=1) < radius
    slope = (off @ light) / radius
    shade = np.where(inside, 1 - rng.uniform(0.15, 0.5) * slope, 1.0)
    return np.asarray(shade.reshape(6, TEX, TEX), np.float32)


def sticker(rng: Rng, width: int, height: int, bank: Bank) -> Floats:
    """Return white paper with a drawing, a picture or letters on it, RGB (height, width, 3)."""
    paper = np.full((height, width, 3), int(rng.integers(215, 256)), np.uint8)
    paper[..., 2] -= np.uint8(rng.integers(0, 28))
    side = max(int(min(width, height) * rng.uniform(0.3, 0.75)), 2)
    top, left = (height - side) // 2, (width - side) // 2
    kind = rng.random()
    if kind < 0.35:
        paper[top:top + side, left:left + side] = bank.photo(rng, side, side)
    elif kind < 0.75:
        for _ in range(int(rng.integers(1, 5))):
            points = rng.uniform(0, side, (int(rng.integers(3, 7)), 2)) + (left, top)
            ink = rng.uniform(0, 220, 3).tolist()
            if rng.random() < 0.5:
                cv2.fillPoly(paper, [points.astype(np.int32)], ink)
            else:
                cv2.polylines(paper, [points.astype(np.int32)], True, ink, int(rng.integers(1, 4)))
    if rng.random() < 0.5:
        letters = ''.join(chr(int(c)) for c in rng.integers(48, 91, int(rng.integers(1, 6))))
        cv2.putText(paper, letters, (2, int(rng.uniform(0.5, 0.98) * height)), 0,
                    float(rng.uniform(0.3, 1.4)), rng.uniform(0, 120, 3).tolist(),
                    int(rng.integers(1, 3)), cv2.LINE_AA)
    return paper.astype(np.float32)


def _stick(rng: Rng, sides: Floats, item: Item, camera: Camera, bank: Bank) -> None:
    """Put stickers on sides of a cube, so that enough of its colour is still seen."""
    for _ in range(8):
        stuck = rng.random(6) < rng.choice((0.35, 0.6))
        if _colored(item, camera, stuck) >= LEFT:
            break
    else:
        return
    rim = int(TEX * rng.uniform(0.02, 0.16))
    for side in np.flatnonzero(stuck):
        paper = sticker(rng, TEX - 2 * rim, TEX - 2 * rim, bank)
        sides[side, rim:TEX - rim, rim:TEX - rim] = np.rot90(paper, int(rng.integers(4)))


def _colored(item: Item, camera: Camera, stuck: NDArray[np.bool_]) -> float:
    """Return the share of a cube's seen sides that has no sticker."""
    sight = camera.position - item.position
    c, s = math.cos(item.yaw), math.sin(item.yaw)
    own = np.array([c * sight[0] + s * sight[1], -s * sight[0] + c * sight[1], sight[2]])
    seen = np.maximum(NORMALS @ own / np.linalg.norm(own), 0)
    return float(seen[~stuck].sum() / seen.sum())


def _mark(rng: Rng, sides: Floats, bank: Bank) -> None:
    """Put small prints, strokes or rings on some sides."""
    ink = rng.uniform(0, 255, 3).tolist()
    for side in rng.permutation(6)[:int(rng.integers(1, 5))]:
        kind, page = rng.random(), np.ascontiguousarray(sides[side])
        if kind < 0.4:
            size = int(rng.integers(8, 26))
            y, x = (int(v) for v in rng.integers(0, TEX - size, 2))
            page[y:y + size, x:x + size] = sticker(rng, size, size, bank)
        elif kind < 0.7:
            cv2.circle(page, (TEX // 2, TEX // 2), int(rng.integers(5, 26)), ink,
                       int(rng.integers(1, 3)), cv2.LINE_AA)
        else:
            cv2.line(page, rng.integers(0, TEX, 2).tolist(), rng.integers(0, TEX, 2).tolist(), ink,
                     int(rng.integers(1, 4)), cv2.LINE_AA)
        sides[side] = page

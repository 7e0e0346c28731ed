"""What any camera does to a picture, more of it than the workcell's: exposure to JPEG.

``clear`` says whether the colours are still those that people would name.
"""

from __future__ import annotations

import colorsys
import math
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.truth import Scene, Thing
from latent_vqa_ros.simulation.world.wide.paint import HUES

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Rng = np.random.Generator

DRIFT = 12  # degrees that a seen hue may leave its name's range
NOISE = 1 << 21  # random numbers that all pictures share
RING = 3  # pixels around a thing that it is compared with
APART = 16.0  # of 255: difference to what surrounds it that a thing needs somewhere


def expose(rng: Rng, light: Floats) -> Image:
    """Return the picture that a camera delivers of this light, RGB (H, W, 3), before JPEG."""
    height, width = light.shape[:2]
    gain = float(np.clip(rng.uniform(75, 190) / max(float(light.mean()), 1), 0.5, 2.4))
    balance = 1 + rng.uniform(-1, 1, 3) * rng.choice((0.04, 0.15))
    light = light * (gain * balance / balance.mean()).astype(np.float32)
    grey = light.mean(axis=-1, keepdims=True)
    light = grey + (light - grey) * np.float32(rng.uniform(0.7, 1.3))
    light = 255 * np.power(np.clip(light, 0, 330) / 255, np.float32(rng.uniform(0.75, 1.3)))
    light *= _shading(rng, width, height)
    if rng.random() < 0.2:
        haze = rng.uniform(0, 0.25)
        light = light * np.float32(1 - haze) + np.float32(255 * haze * rng.uniform(0.5, 1))
    light = _blurred(rng, light)
    if rng.random() < 0.25:  # as telephones sharpen
        light = light + np.float32(rng.uniform(0.2, 1.2)) * (
            light - cv2.GaussianBlur(light, (0, 0), rng.uniform(0.7, 1.5)))
    return np.asarray(np.clip(light + _noise(rng, width, height), 0, 255), np.uint8)


def _shading(rng: Rng, width: int, height: int) -> Floats:
    """Return darker corners and, now and then, light that falls from one side, (H, W, 1)."""
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    shade = 1 - np.float32(rng.uniform(0, 0.18)) * (x * x + y * y)
    if rng.random() < 0.35:
        angle, fall = rng.uniform(0, 2 * math.pi), np.float32(rng.uniform(0, 0.4))
        shade = shade * (1 + fall * (x * math.cos(angle) + y * math.sin(angle)))
    return np.asarray(shade[..., None], np.float32)


def _blurred(rng: Rng, light: Floats) -> Floats:
    """Return it a little out of focus, or moved while the shutter was open."""
    blur = rng.uniform(-0.9, 1.0)
    if blur > 0.2:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), blur), np.float32)
    if rng.random() < 0.1:
        side = int(rng.integers(3, 6))
        kernel = np.zeros((side, side), np.float32)
        cv2.line(kernel, (0, int(rng.integers(side))), (side - 1, int(rng.integers(side))), 1.0)
        light = np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum()), np.float32)
    return light


def _noise(rng: Rng, width: int, height: int) -> Floats:
    """Return grain and, now and then, blotches of colour, (H, W, 3)."""
    strength = np.float32(rng.uniform(0, 8) ** 2 / 8)
    noise = strength * _stretch(rng, (height, width, 3))
    if rng.random() < 0.2:
        coarse = _stretch(rng, (height // 3, width // 3, 3))
        noise += strength * cv2.resize(coarse, (width, height))
    return np.asarray(noise, np.float32)


def _stretch(rng: Rng, shape: tuple[int, int, int]) -> Floats:
    """Return normal noise of a shape: another stretch of what is drawn once."""
    count = math.prod(shape)
    bank = _normal(max(NOISE, 2 * count))
    start = int(rng.integers(len(bank) - count))
    return bank[start:start + count].reshape(shape)


@cache
def _normal(count: int) -> Floats:
    return np.random.default_rng(0).standard_normal(count, np.float32)


def clear(image_hwc: Image, owners: NDArray[np.int8], scene: Scene) -> bool:
    """Return whether each thing is still of its colour, and can be told from what is around it."""
    whites = [_lightness(image_hwc, owners, i) for i, t in scene.counted if t.color == 'white']
    grays = [_lightness(image_hwc, owners, i) for i, t in scene.counted if t.color == 'gray']
    if whites and grays and min(whites) < 1.35 * max(grays):
        return False
    return all(_named(image_hwc[owners == i], thing) and _stands_out(image_hwc, owners, i, thing)
               for i, thing in scene.counted)


def _lightness(image_hwc: Image, owners: NDArray[np.int8], index: int) -> float:
    return float(np.median(image_hwc[owners == index].max(axis=-1)))


def _named(pixels: NDArray[np.uint8], thing: Thing) -> bool:
    """Return whether a person would give these pixels (n, 3) the thing's colour."""
    if not thing.color:
        return True
    values = pixels.astype(np.float32)
    high, chroma = values.max(axis=-1), np.ptp(values, axis=-1)
    if thing.color == 'white':
        return float(np.median(high)) > 120 and float(np.median(chroma)) < 44
    if thing.color == 'gray':
        return float(np.median(chroma)) < 45 and 28 < float(np.median(high)) < 165
    strong = values[np.argsort(-chroma)[:max(5, len(chroma) // 3)]].mean(axis=0)
    spread = float(np.ptp(strong))
    if spread < 34 or spread < 0.18 * float(strong.max()):
        return False
    hue = colorsys.rgb_to_hsv(*(float(v) / 255 for v in strong))[0] * 360
    low, high_hue = HUES[thing.color][0]
    return (hue - low + DRIFT) % 360 <= high_hue - low + 2 * DRIFT


def _stands_out(image_hwc: Image, owners: NDArray[np.int8], index: int, thing: Thing) -> bool:
    """Return whether the thing differs from the ring of pixels around it."""
    x, y, w, h = thing.box
    rows = slice(max(y - RING, 0), y + h + RING)
    columns = slice(max(x - RING, 0), x + w + RING)
    mine = (owners[rows, columns] == index).astype(np.uint8)
    around = cv2.dilate(mine, np.ones((2 * RING + 1, 2 * RING + 1), np.uint8)) > mine
    if not around.any():
        return True
    window = image_hwc[rows, columns].astype(np.float32)
    inside, outside = window[mine > 0], window[around]
    apart = np.abs(inside.mean(axis=0) - outside.mean(axis=0)).max()
    return float(apart) > APART


def encode(image_hwc: Image, quality: int) -> bytes:
    """Return an RGB picture as a JPEG file."""
    bgr = np.ascontiguousarray(image_hwc[..., ::-1])
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()

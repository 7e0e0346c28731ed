"""What any camera does to a picture, more of it than the workcell's: exposure to JPEG.

``clear`` says whether the colours are still those that people would name.
"""

from __future__ import annotations

import colorsys
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.truth import Scene, Thing
from latent_vqa_ros.simulation.world.sensor import normal_noise
from latent_vqa_ros.simulation.world.wide.cell import BEYOND_PIXEL, TABLE_PIXEL
from latent_vqa_ros.simulation.world.wide.paint import HUES

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Rng = np.random.Generator

DRIFT = 4  # degrees (neighbouring names are 8 apart) that a seen hue may leave its name's range
NOISE = 1 << 21  # random numbers that all pictures share
BLUR = 1 / 20  # standard deviation by the smallest thing's pixels, at most
ACROSS, STEP = 4, 20.0  # pixels across the table's edge; OpenCV's CIELAB steps it needs there
BRIGHT = {'orange': 140, 'yellow': 130}  # of 255, at least: darker ones are brown and olive
RING = 3  # pixels around a thing that it is compared with
WHITER = 1.35  # times lighter than gray things that white ones must be seen
BURNT, MOST_BURNT = 251, 0.5  # a pixel's second channel; share of a thing's pixels
APART = 16.0  # of 255: difference to what surrounds it that a thing needs somewhere


def expose(rng: Rng, light: Floats, smallest: int) -> Image:
    """Return the picture that a camera delivers of this light, RGB (H, W, 3), before JPEG.

    What is ``smallest`` in it, in pixels, is not blurred beyond telling.
    """
    height, width = light.shape[:2]
    mean = sum(cv2.mean(light)[:3]) / 3
    gain = float(np.clip(rng.uniform(75, 190) / max(mean, 1), 0.5, 2.4))
    balance = 1 + rng.uniform(-1, 1, 3) * rng.choice((0.04, 0.15))
    light = light * (gain * balance / balance.mean()).astype(np.float32)
    grey = ((light[..., 0] + light[..., 1] + light[..., 2]) / 3)[..., None]
    light = np.clip(grey + (light - grey) * np.float32(rng.uniform(0.7, 1.3)), 0, 330)
    light = np.asarray(255 * np.power(light / 255, rng.uniform(0.75, 1.3)), np.float32)
    light *= _shading(rng, width, height)
    if rng.random() < 0.2:
        haze = rng.uniform(0, 0.25)
        light = light * np.float32(1 - haze) + np.float32(255 * haze * rng.uniform(0.5, 1))
    light = _blurred(rng, light, smallest)
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


def _blurred(rng: Rng, light: Floats, smallest: int) -> Floats:
    """Return it a little out of focus, or moved while the shutter was open."""
    blur = min(rng.uniform(-0.9, 1.2), smallest * BLUR)
    if blur > 0.2:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), blur), np.float32)
    if rng.random() < 0.1 and smallest > 16:
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
    bank = normal_noise(max(NOISE, 2 * count))
    start = int(rng.integers(len(bank) - count))
    return bank[start:start + count].reshape(shape)


def clear(image_hwc: Image, owners: NDArray[np.int8], scene: Scene) -> bool:
    """Return whether each thing is still of its colour, and can be told from what is around it."""
    lightness: dict[str, list[float]] = {'white': [], 'gray': []}
    for index, thing in scene.counted:
        x, y, w, h = thing.box
        rows = slice(max(y - RING, 0), y + h + RING)
        columns = slice(max(x - RING, 0), x + w + RING)
        mine = owners[rows, columns] == index
        window = image_hwc[rows, columns].astype(np.float32)
        if not (_named(window[mine], thing) and _stands_out(window, mine)):
            return False
        if (np.sort(window[mine], axis=-1)[:, 1] > BURNT).mean() > MOST_BURNT:
            return False
        if thing.color in lightness:
            lightness[thing.color].append(float(np.median(window[mine].max(axis=-1))))
    if scene.edge_visible and _step(image_hwc, owners) < STEP:
        return False
    whites, grays = lightness.values()
    return not (whites and grays and min(whites) < WHITER * max(grays))


def _step(image_hwc: Image, owners: NDArray[np.int8]) -> float:
    """Return how the table differs from what is beyond its edge, the median, in CIELAB."""
    lab = cv2.cvtColor(image_hwc, cv2.COLOR_RGB2LAB).astype(np.float32)
    found = []
    for pixels, whose in ((lab, owners), (lab.swapaxes(0, 1), owners.T)):
        near, far = whose[:-ACROSS], whose[ACROSS:]
        both = ((near == TABLE_PIXEL) & (far == BEYOND_PIXEL)) \
            | ((near == BEYOND_PIXEL) & (far == TABLE_PIXEL))
        found.append(np.linalg.norm(pixels[:-ACROSS] - pixels[ACROSS:], axis=-1)[both])
    steps = np.concatenate(found)
    return float(np.median(steps)) if steps.size else 0.0


def _named(values: Floats, thing: Thing) -> bool:
    """Return whether a person would give these pixels (n, 3) the thing's colour."""
    if not thing.color:
        return True
    high = np.maximum(np.maximum(values[:, 0], values[:, 1]), values[:, 2])
    chroma = high - np.minimum(np.minimum(values[:, 0], values[:, 1]), values[:, 2])
    if thing.color == 'white':
        return float(np.median(high)) > 135 and float(np.median(chroma)) < 40
    if thing.color == 'gray':
        return float(np.median(chroma)) < 40 and 50 < float(np.median(high)) < 150
    strong = values[np.argsort(-chroma)[:max(5, len(chroma) // 3)]].mean(axis=0)
    if float(strong.max()) < BRIGHT.get(thing.color, 0):
        return False
    spread = float(np.ptp(strong))
    if spread < 34 or spread < 0.18 * float(strong.max()):
        return False
    hue = colorsys.rgb_to_hsv(*(float(v) / 255 for v in strong))[0] * 360
    low, high_hue = HUES[thing.color][0]
    return (hue - low + DRIFT) % 360 <= high_hue - low + 2 * DRIFT


def _stands_out(window: Floats, mine: NDArray[np.bool_]) -> bool:
    """Return whether a thing, where ``mine``, differs from the ring of pixels around it."""
    inside = mine.astype(np.uint8)
    around = cv2.dilate(inside, np.ones((2 * RING + 1, 2 * RING + 1), np.uint8)) - inside
    if not around.any():
        return True
    apart = np.subtract(cv2.mean(window, inside), cv2.mean(window, around))
    return float(np.abs(apart).max()) > APART


def encode(image_hwc: Image, quality: int) -> bytes:
    """Return an RGB picture as a JPEG file."""
    bgr = np.ascontiguousarray(image_hwc[..., ::-1])
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()

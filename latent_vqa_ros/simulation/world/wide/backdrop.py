"""What is seen behind a table or a hand: a room, out of focus, or any picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world.wide.kinds import SIDE, tone
from latent_vqa_ros.simulation.world.wide.surfaces import Bank

Floats = NDArray[np.float32]
Rng = np.random.Generator


def behind(rng: Rng, light: Floats, beyond: NDArray[np.bool_], bank: Bank) -> Floats:
    """Return the picture, RGB (H, W, 3), with a backdrop where it shows what is ``beyond``."""
    height, width = beyond.shape
    if rng.random() < 0.7:
        scene = room(rng, width, height, bank)
    else:
        scene = bank.photo(rng, width, height).astype(np.float32)
    blur = rng.uniform(-1.5, 7)
    if blur > 0.3:
        scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), blur), np.float32)
    scene *= np.float32(rng.uniform(0.5, 1.2))
    share = cv2.GaussianBlur(beyond.astype(np.float32), (0, 0), 0.6)[..., None]
    return np.asarray(light * (1 - share) + scene * share, np.float32)


def room(rng: Rng, width: int, height: int, bank: Bank) -> Floats:
    """Return walls, a floor, furniture, windows and lamps as flat patches, RGB (H, W, 3)."""
    picture = np.empty((height, width, 3), np.float32)
    horizon = int(height * rng.uniform(0.1, 1.0))
    for rows, ground in ((slice(0, horizon), rng.random() < 0.3),
                         (slice(horizon, height), rng.random() < 0.6)):
        picture[rows] = 255 * tone(rng)
        if ground and rows.stop > rows.start:
            cut = cv2.resize(bank.surface(rng), (width, SIDE))[:rows.stop - rows.start]
            picture[rows.start:rows.start + len(cut)] = cut
    for _ in range(int(rng.integers(2, 16))):
        _furniture(rng, picture, horizon, bank)
    slope = np.linspace(rng.uniform(0.5, 1.3), rng.uniform(0.5, 1.3), width, dtype=np.float32)
    return np.asarray(picture * slope[:, None], np.float32)


def _furniture(rng: Rng, picture: Floats, horizon: int, bank: Bank) -> None:
    """Put one thing of a room into the picture."""
    height, width = picture.shape[:2]
    wide, tall = (int(v) for v in rng.uniform(0.04, 0.45, 2) * (width, height))
    x = int(rng.uniform(-0.1, 1) * width)
    bottom = int(horizon + rng.normal(0.05, 0.2) * height)
    kind, paint = rng.random(), (255 * tone(rng)).tolist()
    if kind < 0.6:
        cv2.rectangle(picture, (x, bottom - tall), (x + wide, bottom), paint, -1)
    elif kind < 0.75:  # a picture, a screen, a shelf full of things
        y, w, h = max(bottom - tall, 0), min(wide, width - max(x, 0)), min(tall, height)
        if w > 4 and h > 4 and y + h <= height:
            picture[y:y + h, max(x, 0):max(x, 0) + w] = bank.photo(rng, w, h)
    elif kind < 0.87:  # legs, frames, cables
        end = (x + int(rng.normal(0, 0.2) * width), bottom - tall)
        cv2.line(picture, (x, bottom), end, paint, int(rng.integers(1, 5)), cv2.LINE_AA)
    else:  # a lamp or a window
        light = [float(v) for v in rng.uniform(200, 300, 3)]
        cv2.ellipse(picture, (x, bottom - tall), (max(wide // 4, 1), max(tall // 4, 1)),
                    0, 0, 360, light, -1, cv2.LINE_AA)

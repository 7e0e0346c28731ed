"""The pictures of surfaces, papers and backdrops: drawn ones, those of sources, and cuts of them.

    bank = Bank('train', sources);  picture = bank.surface(rng)

Drawn once per process from fixed seeds; each scene takes another cut, turn and tint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world import textures
from latent_vqa_ros.simulation.world.wide import kinds
from latent_vqa_ros.simulation.world.wide.kinds import SIDE, Floats, Picture, Rng, as_bytes
from latent_vqa_ros.simulation.world.wide.sources import Sources

EACH = 8  # pictures of each drawn kind
HELD_OUT_PART = 'held_out'


class Bank:
    """All pictures of one part: 'train' or HELD_OUT_PART."""

    def __init__(self, part: str, sources: Sources) -> None:
        held_out = part == HELD_OUT_PART
        drawn = kinds.HELD_OUT if held_out else kinds.TRAINED
        greys = textures.SHIFTED_TEXTURES if held_out else textures.TRAIN_TEXTURES
        self.drawn = [as_bytes(kind(np.random.default_rng([9, held_out, number, index])))
                      for number, kind in enumerate(drawn) for index in range(EACH)]
        self.greys = [as_bytes(kinds.grey(index, np.random.default_rng([8, index])))
                      for index in greys]
        large = (2 * SIDE, 2 * SIDE)
        self.real = [np.asarray(cv2.resize(one, large, interpolation=cv2.INTER_AREA))
                     for one in sources.textures(held_out)]
        self.photos = sources.photos(held_out)
        self.grain = [picture.mean(axis=-1).astype(np.float32) / max(float(picture.mean()), 1)
                      for picture in (*self.drawn, *self.greys)]

    def surface(self, rng: Rng) -> Picture:
        """Return a picture of a surface, RGB (SIDE, SIDE, 3)."""
        kind = rng.random()
        if kind < 0.42:
            picture = _cut(rng, pick(rng, self.drawn), 0.4)
        elif kind < 0.55:
            picture = _cut(rng, pick(rng, self.greys), 0.4)
        elif kind < 0.8 or not self.photos:
            picture = _cut(rng, pick(rng, self.real), 0.25)
        else:
            picture = _cut(rng, pick(rng, self.photos), 0.2)
        return _tinted(rng, _turned(rng, picture))

    def photo(self, rng: Rng, width: int, height: int) -> Picture:
        """Return a cut of any picture, RGB (height, width, 3): a print, a poster, a backdrop.

        Half of them are a user's photographs, where there are any.
        """
        source = pick(rng, self.photos if self.photos and rng.random() < 0.5 else self.drawn)
        return np.asarray(cv2.resize(_cut(rng, source, 0.2), (width, height),
                                     interpolation=cv2.INTER_AREA))

    def grains(self, rng: Rng, side: int) -> Floats:
        """Return six cuts of one texture's light and shade, (6, side, side), about 1."""
        source = pick(rng, self.grain)
        places = rng.integers(0, SIDE - side + 1, (6, 2))
        return np.stack([source[y:y + side, x:x + side] for y, x in places])


def pick(rng: Rng, choices: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return one of them."""
    return choices[int(rng.integers(len(choices)))]


def _cut(rng: Rng, picture: Picture, least: float) -> Picture:
    """Return a square cut of at least this share of its shorter side, SIDE pixels wide."""
    side = int(min(picture.shape[:2]) * rng.uniform(least, 1))
    y, x = (int(rng.integers(0, extent - side + 1)) for extent in picture.shape[:2])
    return np.asarray(cv2.resize(picture[y:y + side, x:x + side], (SIDE, SIDE),
                                 interpolation=cv2.INTER_LINEAR))


def _turned(rng: Rng, picture: Picture) -> Picture:
    turned = np.rot90(picture, int(rng.integers(4)))
    return turned[:, ::-1] if rng.random() < 0.5 else turned


def _tinted(rng: Rng, picture: Picture) -> Picture:
    """Return it lighter or darker, paler or of another tint."""
    light = picture * np.float32(rng.uniform(0.6, 1.25))
    if rng.random() < 0.5:
        light *= kinds.color(rng, (0, 360), (0, 0.35), (0.9, 1.1))
    if rng.random() < 0.3:
        mean, share = np.array(cv2.mean(light)[:3], np.float32), np.float32(rng.uniform(0.1, 0.8))
        light = light * share + mean * (1 - share)
    return np.asarray(np.clip(light, 0, 255), np.uint8)

"""Splits, and which objects a scene has: colours, shapes, sizes, and how it looks.

    rng = scene_rng('train', seed);  kinds = draw_kinds(rng, 'train');  look = draw_look(rng, …)

Splits are disjoint by construction: the split is part of the seed of every random number.
``compositional`` shows in each scene at least one pair of HELD_OUT, the others never do;
``shifted`` differs in looks only (looks.py). Where things stand is drawn by plan.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latent_vqa_ros.simulation.truth import COLORS, SHAPES, SIZES
from latent_vqa_ros.simulation.world import looks
from latent_vqa_ros.simulation.world.layout import Look

SPLITS = ('train', 'val', 'test', 'compositional', 'shifted')
HELD_OUT = (('red', 'bowl'), ('green', 'cone'), ('blue', 'mug'), ('yellow', 'cylinder'),
            ('purple', 'ball'), ('orange', 'cube'))
SHOWN = tuple((color, shape) for color in COLORS for shape in SHAPES
              if (color, shape) not in HELD_OUT)
COUNTS = (0.12, 0.16, 0.18, 0.18, 0.18, 0.18)  # how often a scene has 1 to 6 objects

Kind = tuple[str, str, str]  # colour, shape, size


def scene_rng(split: str, seed: int) -> np.random.Generator:
    """Return the source of everything random in a scene."""
    return np.random.default_rng([SPLITS.index(split), seed])


def draw_look(rng: np.random.Generator, split: str) -> Look:
    """Return a look from the ranges of the split."""
    return looks.draw(rng, looks.SHIFTED if split == 'shifted' else looks.TRAINED)


def draw_kinds(rng: np.random.Generator, split: str) -> list[Kind]:
    """Return colour, shape and size of 1 to 6 objects.

    Some scenes have a theme (one or two colours or shapes), so that counts and repetitions occur.
    """
    pairs = _theme(rng)
    count = int(rng.choice(len(COUNTS), p=COUNTS)) + 1
    chosen = [pairs[int(rng.integers(len(pairs)))] for _ in range(count)]
    if split == 'compositional':
        new = [i for i in range(count) if rng.random() < 0.35] or [int(rng.integers(count))]
        for i in new:
            chosen[i] = HELD_OUT[int(rng.integers(len(HELD_OUT)))]
    return [(color, shape, SIZES[int(rng.integers(2))]) for color, shape in chosen]


def _theme(rng: np.random.Generator) -> Sequence[tuple[str, str]]:
    colors, shapes = list(COLORS), list(SHAPES)
    if rng.random() < 0.3:
        colors = list(rng.choice(COLORS, int(rng.integers(1, 3)), replace=False))
    if rng.random() < 0.3:
        shapes = list(rng.choice(SHAPES, int(rng.integers(1, 3)), replace=False))
    return [pair for pair in SHOWN if pair[0] in colors and pair[1] in shapes] or SHOWN

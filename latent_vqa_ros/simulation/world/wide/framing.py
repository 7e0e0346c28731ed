"""From where the wide world is seen: any distance, height, lens, roll and shape of picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from latent_vqa_ros.simulation.world.camera import Camera

Rng = np.random.Generator

ASPECTS = (1.0, 4 / 3, 16 / 9, 3 / 4, 9 / 16)  # width by height, with the odds of each
ODDS = (0.16, 0.34, 0.2, 0.14, 0.04)  # the rest is anything between
BETWEEN = (0.62, 1.8)
LONGEST = max(*ASPECTS, *BETWEEN)
WIDE = 5.0  # half width in metres of a table that fills the picture
IN_HAND_AT = 0.5  # metres above the table
TURNED = 0.4  # share of things in a hand that are held at any angle


@dataclass(frozen=True)
class Setting:
    """A camera, what it looks at, and how much of it the picture shows."""

    camera: Camera
    width: float  # metres that the picture shows at its target; root of width times height
    table: tuple[float, float]  # half width and half depth
    floor: float  # metres, height of the floor
    in_hand: bool  # one thing in a hand instead of things on the table


def draw(rng: Rng, in_hand: bool) -> Setting:
    """Return a random setting for things on a table, or for one in a hand."""
    aspect = draw_aspect(rng)
    field = math.radians(rng.uniform(30, 75))
    least, most = (0.13, 0.35) if in_hand else (0.15, 0.75)
    width = math.exp(rng.uniform(math.log(least), math.log(most)))
    distance = max(width / 2 / math.tan(field / 2), 0.12)
    width = 2 * distance * math.tan(field / 2)
    elevation = rng.uniform(0, 70) if in_hand else _elevation(rng)
    roll = rng.normal(0, 5 if rng.random() < 0.8 else 20)
    if in_hand and rng.random() < TURNED:
        roll = rng.uniform(-180, 180)
    table = _table(rng, width)
    camera = Camera(_target(rng, width, table, in_hand), float(rng.uniform(-180, 180)),
                    float(elevation), distance,
                    math.degrees(2 * math.atan(math.tan(field / 2) / math.sqrt(aspect))),
                    float(roll), aspect)
    floor = float(rng.choice((-0.04, -0.25, -0.72), p=(0.1, 0.2, 0.7)))
    return Setting(camera, width, table, floor, in_hand)


def draw_aspect(rng: Rng) -> float:
    """Return the width of a picture by its height, as cameras have it."""
    other = rng.uniform(*BETWEEN)
    return float(rng.choice((*ASPECTS, other), p=(*ODDS, 1 - sum(ODDS))))


def _elevation(rng: Rng) -> float:
    """Return degrees above the horizon: mostly as a person or an arm looks at a table."""
    low, high = ((12, 25), (25, 65), (65, 88))[int(rng.choice(3, p=(0.15, 0.62, 0.23)))]
    return float(rng.uniform(low, high))


def _table(rng: Rng, width: float) -> tuple[float, float]:
    if rng.random() < 0.5:
        return WIDE, WIDE
    least = max(0.15, 0.3 * width)
    return float(rng.uniform(least, least + 0.6)), float(rng.uniform(least, least + 0.5))


def _target(rng: Rng, width: float, table: tuple[float, float],
            in_hand: bool) -> tuple[float, float, float]:
    if in_hand:
        x, y, z = rng.uniform(-0.12, 0.12, 3) * width
        return float(x), float(y), IN_HAND_AT + float(z)
    off = rng.uniform(-0.8, 0.8, 2) * np.minimum(table, 0.6)
    return float(off[0]), float(off[1]), float(rng.uniform(0, 0.08) * width)

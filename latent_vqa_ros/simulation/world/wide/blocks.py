"""Building blocks of the wide world: rows, towers and pyramids; cubes and cylinders cut by hand.

Knows nothing of MuJoCo.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world import scenes
from latent_vqa_ros.simulation.world.meshes import FORMS
from latent_vqa_ros.simulation.world.wide.items import Item

Rng = np.random.Generator

BUILT = 0.25  # share of scenes with building blocks
SHAPES = ((('cube',), 0.6), (('cube', 'cylinder'), 0.3), (('cylinder',), 0.1))  # and their odds
SPREAD = 0.03  # of their sizes, which are all alike
STACK_SHARE, ROW_SHARE = 0.4, 0.75  # of those that could stand on another, in a row
BRIDGE_SHARE = 0.8  # of those that could stand on two others
TOUCHING = (1.0, 1.1)  # distance in a row, by the sum of the half widths
ASKEW = 0.03  # radians by which they are turned to each other, as a deviation
CROOKED = 0.4  # share of cubes and cylinders that look cut by hand
LEAN, TAPER = 0.12, 0.12  # of these: slope of the top; narrower at the top or the foot
LEVEL = 0.06  # of a thing's height: tops that differ less carry it together


def kinds(rng: Rng, count: int) -> list[scenes.Kind]:
    """Return so many building blocks in one to four colours, kind after kind."""
    shapes = SHAPES[int(rng.choice(len(SHAPES), p=[odds for _, odds in SHAPES]))][0]
    known = [pair for pair in scenes.SHOWN if pair[1] in shapes]
    colors = rng.choice(sorted({color for color, _ in known}), int(rng.integers(1, 5)),
                        replace=False)
    known = [pair for pair in known if pair[0] in colors]
    rng.shuffle(known)
    drawn = sorted(int(rng.integers(len(known))) for _ in range(count))
    return [(*known[index], 'small') for index in drawn]


def crooked(rng: Rng, shape: str) -> tuple[float, float, float]:
    """Return how far a thing is from its ideal shape, as Item has it."""
    if shape not in ('cube', 'cylinder') or rng.random() > CROOKED:
        return 0.0, 0.0, 0.0
    x, y = rng.uniform(-LEAN, LEAN, 2)
    return float(x), float(y), float(rng.uniform(-TAPER, TAPER))


def rests_on(item: Item, other: Item) -> bool:
    """Return whether a thing stands on another, wholly or in part."""
    gap = item.position[2] - item.height / 2 - other.position[2] - other.height / 2
    return item is not other and abs(gap) < max(LEVEL * item.height, 0.002) \
        and bool(cv2.intersectConvexConvex(
            hull(item.outline[:, :2]), hull(other.outline[:, :2]))[0] > 0)


def on_one_kind(item: Item, done: Sequence[Item]) -> bool:
    """Return whether all that a thing stands on is of one kind, so that it is told on what."""
    if item.on_top_of is None:
        return True
    below = done[item.on_top_of]
    return all((other.shape, other.color) == (below.shape, below.color)
               for other in done if rests_on(item, other))


def levelled(done: Sequence[Item]) -> list[Item]:
    """Return the things, each with a level top where another one stands on it."""
    return [replace(item, crooked=(0.0, 0.0, item.crooked[2]))
            if any(rests_on(other, item) for other in done) else item for item in done]


def hull(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the outline of points (n, 2) on the ground in metres, (m, 1, 2) in millimetres."""
    return np.asarray(cv2.convexHull((points * 1000).astype(np.float32)))


def pairs(done: Sequence[Item], bases: Sequence[int]) -> list[tuple[int, int]]:
    """Return the pairs of these bases that a thing could stand on at once."""
    return [(a, b) for a, b in combinations(bases, 2) if _alike(done[a], done[b])]


def row(done: Sequence[Item], item: Item) -> list[Item]:
    """Return the things that an item could stand in a row with."""
    if item.lying:
        return []
    return [other for other in done if other.on_top_of is None
            and not (other.held or other.in_tray or other.lying)]


def across(rng: Rng, item: Item, done: list[Item], pair: tuple[int, int]) -> Callable[[], Item]:
    """Put the thing on two others of one kind, a hair above, so that it meets neither."""
    first, second = (done[index] for index in pair)

    def draw() -> Item:
        place = (np.array(first.position) + second.position) / 2
        upright = replace(item, on_top_of=pair[0], lying=False,
                          yaw=first.yaw + float(rng.normal(0, ASKEW)))
        top = max(other.position[2] + other.height / 2 for other in (first, second))
        return replace(upright, position=(float(place[0]), float(place[1]),
                                          top + upright.height / 2 + 0.0012))
    return draw


def beside(rng: Rng, item: Item, others: list[Item]) -> Callable[[], Item]:
    """Put the thing side by side with another, so that they nearly touch."""
    def draw() -> Item:
        other = others[int(rng.integers(len(others)))]
        angle = other.yaw + math.pi / 2 * int(rng.integers(4))
        far = (_half_width(item) + _half_width(other)) * rng.uniform(*TOUCHING)
        x, y, _ = other.position
        return replace(item, yaw=other.yaw + float(rng.normal(0, ASKEW)), position=(
            x + far * math.cos(angle), y + far * math.sin(angle), item.height / 2))
    return draw


def _half_width(item: Item) -> float:
    """Return metres from the middle to the side of a cube, or of an upright round thing."""
    flat = FORMS['cube'].foot if item.shape == 'cube' else FORMS[item.shape].reach
    return flat * max(item.stretch[:2]) * item.metres * (1 + abs(item.crooked[2]) / 2)


def _alike(first: Item, second: Item) -> bool:
    """Return whether a thing may stand on both: of one kind, and on the ground."""
    apart = math.dist(first.position[:2], second.position[:2])
    return (first.shape, first.color) == (second.shape, second.color) \
        and first.on_top_of is None and second.on_top_of is None \
        and apart < 1.2 * (_half_width(first) + _half_width(second)) \
        and abs(first.height - second.height) < LEVEL * first.height

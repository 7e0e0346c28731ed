"""Draws where things stand, pile up, lie in the tray and hang in the gripper.

Everything is put where it would come to rest; workcell.py lets physics settle it and refuses
what moved. Knows neither physics nor pixels, but asks the camera what fits into its picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from latent_vqa_ros.simulation.world import looks, meshes
from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.layout import (
    EDGE_FAR,
    EDGE_NEAR,
    FINGER,
    MAX_CLUTTER,
    MAX_THINGS,
    STRETCHED,
    TABLE,
    TRAY,
    TRAY_FLOOR,
    VARIANTS,
    Clutter,
    Gripper,
    Layout,
    Placed,
    Tray,
)

Rng = np.random.Generator
Kind = Sequence[str]  # colour, shape, size

GAP = 0.004  # metres between neighbours, at least
MARGIN = 1.5 / 96  # share of the picture that stays free around an object
TRIES = 40  # places tried for one object
TRAY_SHARE, GRIPPER_SHARE, HOLDING_SHARE = 0.5, 0.55, 0.6
STACK_SHARE = 0.25  # of the objects that find a flat top free
EDGE_SHARE = 0.15
FIELD = 0.88 * np.array(TABLE)  # where the middles of things are drawn
WIDTHS = {'cube': 1.0, 'ball': 1.1, 'cylinder': 0.9, 'mug': 0.9, 'bowl': 1.42}  # half, at scale 1


class Spots(NamedTuple):
    """What limits where things may stand."""

    camera: Camera
    tray: Tray | None


def plan(rng: Rng, kinds: Sequence[Kind], camera: Camera) -> Layout | None:
    """Return where everything stands; None where it did not fit."""
    assert len(kinds) <= MAX_THINGS
    todo = [draw_thing(rng, kinds[i]) for i in rng.permutation(len(kinds))]
    tray = draw_tray(rng) if rng.random() < TRAY_SHARE else None
    done: list[Placed] = []
    gripper = None
    if rng.random() < GRIPPER_SHARE:
        if rng.random() < HOLDING_SHARE:
            gripper, held = hold(rng, todo.pop(), camera)
            done.append(held)
        else:
            gripper = hover(rng, camera)
    in_tray = int(rng.choice((0, 1, 2, 3), p=(0.4, 0.3, 0.2, 0.1))) if tray else 0
    for number, thing in enumerate(todo):
        placed = place(rng, thing, done, Spots(camera, tray), number < in_tray)
        if placed is None:
            return None
        done.append(placed)
    return Layout(tuple(done), tray, gripper, scatter(rng, done, tray))


def draw_thing(rng: Rng, kind: Kind) -> Placed:
    """Return an object of this kind, turned at random and not yet anywhere."""
    color, shape, size = kind
    return Placed(shape, color, size, int(rng.integers(len(VARIANTS))),
                  looks.object_rgb(rng, color), (0.0, 0.0, 0.0),
                  float(rng.uniform(-math.pi, math.pi)))


def draw_tray(rng: Rng) -> Tray:
    """Return a dark or a light tray near the middle of the table."""
    dark = rng.random() < 0.5
    rgb = looks.neutral_rgb(rng, 0.06, 0.14) if dark else looks.neutral_rgb(rng, 0.55, 0.7)
    x, y = rng.uniform((-0.12, -0.10), (0.12, 0.10))
    return Tray(float(x), float(y), float(rng.uniform(-0.4, 0.4)), rgb)


def hold(rng: Rng, thing: Placed, camera: Camera) -> tuple[Gripper, Placed]:
    """Return the gripper with the object between its fingers, above the table, in the picture."""
    half = thing.height / 2
    yaw = math.radians(camera.azimuth + rng.uniform(-30, 30))
    turned = yaw + (math.pi / 2 * (1 - 2 * int(rng.integers(2))) if thing.shape == 'mug' else 0.0)
    for _ in range(TRIES):
        x, y, z = rng.uniform((-0.15, -0.15, 0.05), (0.15, 0.06, 0.12))
        place = (float(x), float(y), float(z) + half)
        held = replace(thing, position=place, yaw=turned, held=True)
        if in_picture(held, camera):
            break
    below = float(rng.uniform(0.3, 0.95)) * min(2 * FINGER[2] - 0.003 - half, 0.6 * half)
    opening = 2 * (half_width(thing, -below) + 0.0002)
    return Gripper(float(x), float(y), float(z) + half - below, yaw, opening,
                   looks.neutral_rgb(rng, 0.05, 0.16)), held


def half_width(thing: Placed, z: float) -> float:
    """Return half the metres between fingers that close on it, tips at z from its middle."""
    if thing.shape == 'cone':
        return 1.15 * (1.2 * thing.scale - z) / 2.4
    return WIDTHS[thing.shape] * thing.scale


def hover(rng: Rng, camera: Camera) -> Gripper:
    """Return an open gripper above the table that holds nothing."""
    x, y, z, opening = rng.uniform((-0.17, -0.13, 0.10, 0.05), (0.17, 0.10, 0.18, 0.12))
    yaw = math.radians(camera.azimuth + rng.uniform(-45, 45))
    return Gripper(float(x), float(y), float(z), yaw, float(opening),
                   looks.neutral_rgb(rng, 0.05, 0.16))


def place(rng: Rng, thing: Placed, done: list[Placed], spots: Spots,
          in_tray: bool) -> Placed | None:
    """Return the object in the tray, on another one, at the edge or elsewhere on the table."""
    tray = spots.tray
    if tray and in_tray:
        return first_free(lambda: lay_in_tray(rng, thing, tray), done, spots)
    bases = [i for i in range(len(done)) if _carries(done, i, thing)]
    if bases and rng.random() < STACK_SHARE:
        base = bases[int(rng.integers(len(bases)))]
        return first_free(lambda: _stacked(rng, thing, done, base), done, spots)
    draw = _at_edge if rng.random() < EDGE_SHARE else _anywhere
    return first_free(lambda: draw(rng, thing), done, spots)


def first_free(draw: Callable[[], Placed | None], done: list[Placed],
               spots: Spots) -> Placed | None:
    """Return the first drawn place that is free, in the picture, and clearly at an edge or not."""
    for _ in range(TRIES):
        thing = draw()
        if thing is None or any(_collide(thing, other) for other in done
                                if thing.on_top_of is None or other is not done[thing.on_top_of]):
            continue
        if not thing.in_tray and thing.on_top_of is None and spots.tray \
                and spots.tray.gap(*thing.position[:2]) < thing.reach + GAP:
            continue
        if _clear_of_doubt(thing) and in_picture(thing, spots.camera):
            return thing
    return None


def _clear_of_doubt(thing: Placed) -> bool:
    x, y, _ = thing.position
    if min(TABLE[0] - abs(x), TABLE[1] - abs(y)) - thing.reach > EDGE_FAR:
        return True  # most are: what follows looks at every point
    edge = thing.edge_distance()
    return 0 <= edge < EDGE_NEAR or edge > EDGE_FAR


def _collide(thing: Placed, other: Placed) -> bool:
    """Return whether their circles meet, and their heights where both stand."""
    apart = math.dist(thing.position[:2], other.position[:2])
    if apart > thing.reach + other.reach + GAP:
        return False
    rise = abs(thing.position[2] - other.position[2])
    return rise < (thing.height + other.height) / 2 + GAP


def _anywhere(rng: Rng, thing: Placed) -> Placed:
    x, y = (2 * rng.random(2) - 1) * FIELD
    return replace(thing, position=(float(x), float(y), thing.height / 2))


def _at_edge(rng: Rng, thing: Placed) -> Placed:
    """Return it within a finger's breadth of one edge."""
    axis, side = int(rng.integers(2)), float(rng.choice((-1, 1)))
    far = float((thing.world(meshes.points(thing.shape))[:, axis] * side).max())
    place = list((2 * rng.random(2) - 1) * FIELD)
    place[axis] = side * (TABLE[axis] - rng.uniform(0.001, EDGE_NEAR - 0.002) - far)
    return replace(thing, position=(float(place[0]), float(place[1]), thing.height / 2))


def lay_in_tray(rng: Rng, thing: Placed, tray: Tray) -> Placed | None:
    """Return the object somewhere in the tray; None where the tray is too small for it."""
    room = (TRAY[0] - thing.reach - 0.002, TRAY[1] - thing.reach - 0.002)
    if min(room) < 0:
        return None
    a, b = (float(v) for v in rng.uniform(-1, 1, 2) * room)
    c, s = math.cos(tray.yaw), math.sin(tray.yaw)
    place = (tray.x + c * a - s * b, tray.y + s * a + c * b, TRAY_FLOOR + thing.height / 2)
    return replace(thing, position=place, in_tray=True)


def _carries(done: list[Placed], index: int, thing: Placed) -> bool:
    """Return whether an object has a free flat top that is wide enough."""
    base = done[index]
    free = not any(other.on_top_of == index for other in done)
    return (free and base.form.flat_top and not base.held and not base.in_tray
            and base.position[2] < 0.07  # not a third on two large ones: they leave the picture
            and thing.form.foot * thing.scale <= 1.05 * base.form.foot * base.scale)


def _stacked(rng: Rng, thing: Placed, done: list[Placed], index: int) -> Placed:
    base = done[index]
    x, y, z = base.position
    dx, dy = rng.normal(0, 0.05 * base.scale, 2)
    yaw = base.yaw + float(rng.normal(0, 0.3))
    return replace(thing, yaw=yaw, on_top_of=index, position=(
        x + float(dx), y + float(dy), z + (base.height + thing.height) / 2))


def in_picture(thing: Placed, camera: Camera) -> bool:
    """Return whether the whole object lies in the picture, with a margin."""
    pixels = camera.project(thing.world(meshes.points(thing.shape)), 1)
    return bool(pixels.min() > MARGIN and pixels.max() < 1 - MARGIN)


def scatter(rng: Rng, done: list[Placed], tray: Tray | None) -> tuple[Clutter, ...]:
    """Return up to four thin things where there is room."""
    found: list[Clutter] = []
    wanted = int(rng.choice(MAX_CLUTTER + 1, p=(0.4, 0.2, 0.2, 0.1, 0.1)))
    for _ in range(6 * wanted):
        thing = _thin(rng)
        if len(found) < wanted and _lies_free(thing, done, tray, found):
            found.append(thing)
    return tuple(found)


def _thin(rng: Rng) -> Clutter:
    kind = ('pen', 'cable', 'card', 'washer')[int(rng.integers(4))]
    length, width = (0.035, 0.018) + rng.random(2) * (0.02, 0.01)
    half = {'pen': (length, 0.0035, 0.0035), 'cable': (1.3 * length, 0.002, 0.002),
            'card': (1.6 * width, width, 0.0006),
            'washer': (width * 0.35, width * 0.35, 0.001)}[kind]
    x, y = (2 * rng.random(2) - 1) * FIELD
    value = (0.04, 0.18) if rng.random() < 0.6 else (0.55, 0.75)
    return Clutter(kind, (float(half[0]), float(half[1]), half[2]), float(x), float(y),
                   float(rng.uniform(-math.pi, math.pi)), looks.neutral_rgb(rng, *value))


def _lies_free(thing: Clutter, done: list[Placed], tray: Tray | None,
               others: list[Clutter]) -> bool:
    spots = [(thing.x + at * thing.half[0] * math.cos(thing.yaw),
              thing.y + at * thing.half[0] * math.sin(thing.yaw)) for at in (-1, -.5, 0, .5, 1)]
    wide = thing.half[1] * (1.0 if thing.kind in STRETCHED else 1.2) + GAP
    return all(
        max(abs(x) - TABLE[0], abs(y) - TABLE[1]) < -wide
        and not (tray and tray.gap(x, y) < wide)
        and all(math.dist((x, y), t.position[:2]) > t.reach + wide for t in done if not t.held)
        and all(math.dist((x, y), (o.x, o.y)) > o.reach + wide for o in others)
        for x, y in spots)

"""Draws what stands where in the wide world, at rest without physics, and only what can be told.

A thing is put only where its shape can be seen for what it is: no cylinder from straight above,
no bowl edge-on, no mug whose handle points at the camera. Knows neither MuJoCo nor colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.layout import TRAY, Gripper, Tray
from latent_vqa_ros.simulation.world.plan import draw_tray, lay_in_tray
from latent_vqa_ros.simulation.world.wide import blocks
from latent_vqa_ros.simulation.world.wide.framing import IN_HAND_AT, Setting
from latent_vqa_ros.simulation.world.wide.grasp import STEEP, below, draw_gripper
from latent_vqa_ros.simulation.world.wide.items import WORN, Item
from latent_vqa_ros.simulation.world.wide.sight import (
    centred,
    in_picture,
    inside,
    tells_its_shape,
)

Floats = NDArray[np.float64]
Rng = np.random.Generator
Kind = Sequence[str]  # colour, shape, size

COUNTS = (0.04, 0.12, 0.17, 0.18, 0.17, 0.16, 0.16)  # how often a scene has 0 to 6 things
TOLD = 0.5  # share of scenes whose things are either small or large
TRAY_SHARE = 0.6  # of the scenes in which there is room for a tray
HUDDLED = 0.35  # share of scenes whose things stand close together, in piles where they can
STACK_SHARE = {False: 0.4, True: 0.65}  # of the things that find a flat top free; huddled: True
BESIDE_SHARE = {False: 0.3, True: 0.85}  # of the others
BESIDE = {False: (0.72, 1.3), True: (0.68, 0.95)}  # distance by the sum of their reaches
LYING = 0.4  # share of cylinders
SQUARE = 0.35  # share of cylinders that are about as high as wide, as toys are
RATIO = (1.6, 2.1)  # of large to small
METRES = (0.009, 0.065)  # half width of a cube
TRIES = 30
TIGHT = 1.002  # neighbours may come so near, by their own outline
NEAR, FAR = 0.02, 0.12  # of the picture's width: at the table's edge, and clearly not


@dataclass(frozen=True)
class Stage:
    """The things of a scene, the tray and the gripper."""

    things: tuple[Item, ...]
    tray: Tray | None = None
    gripper: Gripper | None = None


def plan(rng: Rng, kinds: Sequence[Kind], setting: Setting, built: bool = False) -> Stage | None:
    """Return where everything stands; None where it did not fit.

    ``built``: of blocks of one size, in rows, towers and pyramids.
    """
    todo = draw_items(rng, kinds, setting, built)
    if setting.in_hand:
        return _in_hand(rng, todo[0], setting)
    tray = _tray(rng, setting)
    gripper, held = draw_gripper(rng, todo, setting)
    done = [] if held is None else [held]
    if held is not None:
        todo = todo[1:]
    whole, huddled = rng.random() < 0.65, built or rng.random() < HUDDLED
    in_tray = int(rng.integers(0, 4)) if tray else 0
    for number, item in enumerate(todo):
        placed = _place(rng, item, done, setting, tray, number < in_tray, whole, huddled, built)
        if placed is None or not below(placed, gripper):
            return None
        done.append(placed)
    return Stage(tuple(blocks.levelled(done)), tray, gripper)


def draw_items(rng: Rng, kinds: Sequence[Kind], setting: Setting,
               built: bool = False) -> list[Item]:
    """Return things of these kinds in their own proportions, not yet anywhere.

    Fewer than the kinds where that many would not fit into the picture.
    """
    share = math.exp(rng.uniform(math.log(0.05), math.log(0.2 if setting.in_hand else 0.15)))
    told = not built and rng.random() < TOLD
    ratio = rng.uniform(*RATIO)
    least, most = METRES[0], METRES[1] / (1.1 * ratio if told else 1)
    metres = float(np.clip(share * setting.width, least, most))
    fit = int(0.3 / (2 * metres / setting.width) ** 2)
    spread = blocks.SPREAD if built else rng.uniform(0, 0.5)
    found: list[Item] = []
    alike: dict[str, tuple[float, float, float]] = {}
    for color, shape, size in kinds[:max(fit, 1)]:
        by = (ratio if size == 'large' else 1.0) * rng.uniform(0.96, 1.04) if told \
            else math.exp(rng.uniform(-spread, spread))
        lying = shape == 'cylinder' and rng.random() < LYING
        stretch = _stretch(rng, shape)
        found.append(Item(
            shape, color, size if told else '', 0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0),
            float(rng.uniform(-math.pi, math.pi)), metres=float(np.clip(metres * by, *METRES)),
            stretch=alike.setdefault(shape, stretch) if built else stretch,
            worn=WORN[int(rng.integers(len(WORN)))],
            crooked=blocks.crooked(rng, shape), lying=lying, table=setting.table))
    return found


def _stretch(rng: Rng, shape: str) -> tuple[float, float, float]:
    if shape == 'ball':
        return 1.0, 1.0, 1.0
    if shape == 'cube':
        x, y, z = rng.uniform(0.96, 1.04, 3)
        return float(x), float(y), float(z)
    low, high = {'cylinder': (0.2, 2.2), 'cone': (0.75, 1.6), 'mug': (0.85, 1.2),
                 'bowl': (0.8, 1.2)}[shape]
    if shape == 'cylinder' and rng.random() < SQUARE:
        low, high = 0.7, 1.0
    tall = math.exp(rng.uniform(math.log(low), math.log(high)))
    wide = tall ** -0.3
    return wide, wide, tall * wide


def _in_hand(rng: Rng, item: Item, setting: Setting) -> Stage | None:
    placed = _turned_to_tell(rng, replace(item, position=(0.0, 0.0, IN_HAND_AT)), setting.camera)
    if placed is None or not in_picture(placed, setting.camera):
        return None
    return Stage((placed,))


def _tray(rng: Rng, setting: Setting) -> Tray | None:
    """Return a tray in the picture, now and then; None where it would not fit."""
    if setting.width < 0.3 or rng.random() > TRAY_SHARE:
        return None
    tray = draw_tray(rng)
    at = setting.camera.ground_at(rng.uniform(0.25, 0.75, 2), 0.0)
    room = np.array(setting.table) - math.hypot(*TRAY) - 0.02
    if at is None or (np.abs(at[:2]) > room).any():
        return None
    around = at + math.hypot(*TRAY) * np.array([(x, y, 0) for x in (-1, 1) for y in (-1, 1)])
    if not inside(around, setting.camera, -1.0):
        return None
    return replace(tray, x=float(at[0]), y=float(at[1]), yaw=float(rng.uniform(-3, 3)))


def _place(rng: Rng, item: Item, done: list[Item], setting: Setting, tray: Tray | None,
           in_tray: bool, whole: bool, huddled: bool, built: bool) -> Item | None:
    """Return the thing in the tray, on another, at the edge, beside another or anywhere."""
    camera = setting.camera
    draw: Callable[[], Item | None]
    bases = [i for i in range(len(done)) if _carries(done, i, item, setting)]
    pairs = blocks.pairs(done, bases) if built else []
    row = blocks.row(done, item) if built else []
    if tray is not None and in_tray:
        draw = _laid_in_tray(rng, item, tray)
    elif pairs and rng.random() < blocks.BRIDGE_SHARE:
        draw = blocks.across(rng, item, done, pairs[int(rng.integers(len(pairs)))])
    elif bases and rng.random() < (blocks.STACK_SHARE if built else STACK_SHARE[huddled]):
        base = bases[int(rng.integers(len(bases)))]
        draw = _stacked(rng, item, done[base], base)
    elif row and rng.random() < blocks.ROW_SHARE:
        draw = blocks.beside(rng, item, row)
    elif setting.table[0] < 1 and rng.random() < 0.2:
        draw = _at_edge(rng, item, setting)
    elif done and rng.random() < BESIDE_SHARE[huddled]:
        draw = _beside(rng, item, done, BESIDE[huddled])
    else:
        draw = _anywhere(rng, item, setting)
    for _ in range(TRIES):
        drawn = draw()
        thing = None if drawn is None else _turned_to_tell(rng, drawn, camera)
        if thing is not None and _free(thing, done, tray) and _clear_of_edge(thing, setting) \
                and blocks.on_one_kind(thing, done) \
                and (in_picture(thing, camera) if whole else centred(thing, camera)):
            return thing
    return None


def _laid_in_tray(rng: Rng, item: Item, tray: Tray) -> Callable[[], Item | None]:
    def draw() -> Item | None:
        laid = lay_in_tray(rng, item, tray)
        return None if laid is None else replace(
            item, position=laid.position, in_tray=True)
    return draw


def _stacked(rng: Rng, item: Item, base: Item, index: int) -> Callable[[], Item]:
    def draw() -> Item:
        x, y, z = base.position
        off = 0.3 * base.form.foot * base.metres
        dx, dy = rng.uniform(-off, off, 2)
        upright = replace(item, on_top_of=index, lying=False)
        return replace(upright, position=(x + float(dx), y + float(dy),
                                          z + (base.height + upright.height) / 2))
    return draw


def _at_edge(rng: Rng, item: Item, setting: Setting) -> Callable[[], Item | None]:
    def draw() -> Item | None:
        axis, side = int(rng.integers(2)), float(rng.choice((-1, 1)))
        far = float((item.outline[:, axis] * side).max())
        seen = setting.camera.ground_at(rng.uniform(0.05, 0.95, 2), 0.0)
        if seen is None:
            return None
        place = [float(seen[0]), float(seen[1])]
        place[axis] = side * (setting.table[axis]
                              - rng.uniform(0.05, 0.9) * NEAR * setting.width - far)
        return replace(item, position=(place[0], place[1], item.height / 2))
    return draw


def _beside(rng: Rng, item: Item, done: list[Item],
            apart: tuple[float, float]) -> Callable[[], Item]:
    def draw() -> Item:
        other = done[int(rng.integers(len(done)))]
        angle = rng.uniform(0, 2 * math.pi)
        far = (item.reach + other.reach) * rng.uniform(*apart)
        x, y, _ = other.position
        return replace(item, position=(x + far * math.cos(angle), y + far * math.sin(angle),
                                       item.height / 2))
    return draw


def _anywhere(rng: Rng, item: Item, setting: Setting) -> Callable[[], Item | None]:
    def draw() -> Item | None:
        seen = setting.camera.ground_at(rng.uniform(0, 1, 2), item.height / 2)
        if seen is None:
            return None
        return replace(item, position=(float(seen[0]), float(seen[1]), item.height / 2))
    return draw


def _turned_to_tell(rng: Rng, item: Item, camera: Camera) -> Item | None:
    """Return the thing turned so that its shape can be told; None where no turn does it."""
    for _ in range(4):
        if tells_its_shape(item, camera):
            return item
        item = replace(item, yaw=float(rng.uniform(-math.pi, math.pi)))
    return None


def _free(item: Item, done: list[Item], tray: Tray | None) -> bool:
    for index, other in enumerate(done):
        if item.on_top_of != index and _collide(item, other):
            return False
    apart = item.in_tray or item.on_top_of is not None or tray is None
    return apart or tray is None or tray.gap(*item.position[:2]) > item.reach


def _collide(item: Item, other: Item) -> bool:
    """Return whether their outlines on the ground meet, and their heights."""
    if math.dist(item.position[:2], other.position[:2]) > (item.reach + other.reach) * TIGHT:
        return False
    if abs(item.position[2] - other.position[2]) > (item.height + other.height) / 2 + 0.001:
        return False
    return bool(cv2.intersectConvexConvex(_outline(item), _outline(other))[0] > 0)


def _outline(item: Item) -> NDArray[np.float32]:
    """Return its outline on the ground, a little enlarged, in millimetres."""
    points = item.outline[:, :2]
    middle = points.mean(axis=0)
    return blocks.hull((points - middle) * TIGHT + middle)


def _carries(done: list[Item], index: int, item: Item, setting: Setting) -> bool:
    """Return whether a thing could stand on another, which is not in the tray or at the edge."""
    base = done[index]
    free = not any(blocks.rests_on(other, base) for other in done)
    return (free and base.form.flat_top and not base.held and not base.in_tray
            and setting.camera.elevation < STEEP
            and base.edge_distance() > FAR * setting.width
            and base.position[2] < 4 * base.metres
            and item.form.foot * item.metres <= 1.3 * base.form.foot * base.metres)


def _clear_of_edge(item: Item, setting: Setting) -> bool:
    """Return whether the thing stands on the table, and clearly at its edge or not."""
    if item.on_top_of is not None or item.in_tray:
        return True
    far = FAR * setting.width
    if min(setting.table) - max(map(abs, item.position[:2])) - item.reach > far:
        return True  # most are: what follows looks at every point
    edge = item.edge_distance()
    return 0 <= edge < NEAR * setting.width or edge > far

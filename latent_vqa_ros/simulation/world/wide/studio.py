"""One scene of the wide world from a seed: drawn, looked at, and refused until it is a good one.

    studio = WideStudio(size=160, part='train');  taken = studio.take('train', 7)

The same split, seed, size and sources give the same file on one machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.truth import Scene
from latent_vqa_ros.simulation.world import render, scenes
from latent_vqa_ros.simulation.world.layout import Light
from latent_vqa_ros.simulation.world.wide import (
    backdrop,
    blocks,
    clutter,
    framing,
    paint,
    plan,
    sensor,
)
from latent_vqa_ros.simulation.world.wide.cell import BEYOND_PIXEL, WideCell
from latent_vqa_ros.simulation.world.wide.clutter import Clutter
from latent_vqa_ros.simulation.world.wide.framing import Setting
from latent_vqa_ros.simulation.world.wide.observe import observe
from latent_vqa_ros.simulation.world.wide.plan import Stage
from latent_vqa_ros.simulation.world.wide.sources import Sources
from latent_vqa_ros.simulation.world.wide.surfaces import Bank
from latent_vqa_ros.simulation.world.workcell import GRIPPER_PIXEL

Rng = np.random.Generator

SETS, PLANS = 20, 80  # sets of things tried for one seed, and scenes for each
IN_HAND = 0.12  # share of scenes with one thing in a hand
EXPOSURES = 3  # of one scene, until its colours are clear
SEED = 77  # of the wide world, beside split and seed
UNNAMED = 0.1  # share of things whose colour nobody would name
CONTACT = 0.85  # share of scenes whose light also comes from all sides
SOFT = 2  # pictures, under slightly other lamps, that make soft shadows


@dataclass(frozen=True)
class WideTaken:
    """A picture, RGB (H, W, 3), with its truth and what it was made from."""

    image_hwc: NDArray[np.uint8]
    owners: NDArray[np.int8]  # (H, W): whose pixel it is, as WideCell.owners has it
    scene: Scene
    stage: Stage
    setting: Setting
    quality: int  # of the JPEG

    def file(self) -> tuple[bytes, str]:
        """Return the picture as the camera stores it, and the file's ending."""
        return sensor.encode(self.image_hwc, self.quality), 'jpg'


class WideStudio:
    """The wide world with a camera; ``size`` is the shorter side of its pictures in pixels."""

    def __init__(self, size: int, part: str, sources: Sources | None = None) -> None:
        sources = sources or Sources()
        self.size = size
        self.view, self.cell = render.open_view(lambda: WideCell(sources), size, framing.LONGEST)
        self.bank = Bank(part, sources)

    def take(self, split: str, seed: int) -> WideTaken:
        """Return the picture of a seed; DatasetError if no scene could be made of it."""
        rng = np.random.default_rng([SEED, scenes.SPLITS.index(split), seed])
        for _ in range(SETS):
            in_hand = rng.random() < IN_HAND
            built = not in_hand and rng.random() < blocks.BUILT
            count = 1 if in_hand else int(rng.integers(2, len(plan.COUNTS))) if built \
                else int(rng.choice(len(plan.COUNTS), p=plan.COUNTS))
            kinds = blocks.kinds(rng, count) if built \
                else _some(rng, scenes.draw_kinds(rng, 'train'), count)
            for _ in range(PLANS):
                setting = framing.draw(rng, in_hand)
                stage = plan.plan(rng, kinds, setting, built)
                taken = self._shoot(rng, split, seed, stage, setting) if stage else None
                if taken:
                    return taken
        raise DatasetError(f'no scene could be made of seed {seed} of {split}')

    def _shoot(self, rng: Rng, split: str, seed: int, stage: Stage,
               setting: Setting) -> WideTaken | None:
        """Return the picture of a stage; None where a person could not tell its truth from it."""
        view, cell = self.view, self.cell
        stage = replace(stage, things=tuple(
            replace(item, color=color, rgb=paint.rgb_of(rng, color)) for item in stage.things
            for color in ('' if rng.random() < UNNAMED else item.color,)))
        lying = clutter.scatter(rng, stage, setting, cell.props)
        view.width, view.height = frame(self.size, setting.camera.aspect)
        view.gl.make_current()
        cell.build(stage, lying, setting, view.context)
        view.update()
        owners = view.owners(stage)
        scene = observe(seed, split, stage, setting, owners)
        if scene is None:
            return None
        self._dress(rng, stage, lying, setting)
        light = self._lit(rng, setting)
        if not setting.in_hand and rng.random() < CONTACT:
            light *= _contact(rng, stage, owners, setting)
        if (owners == BEYOND_PIXEL).any() and rng.random() < (0.85 if setting.in_hand else 0.6):
            light = backdrop.behind(rng, light, owners == BEYOND_PIXEL, self.bank)
        smallest = min((min(thing.box[2:]) for _, thing in scene.counted), default=self.size)
        for _ in range(EXPOSURES):
            image = sensor.expose(rng, light, smallest)
            if sensor.clear(image, owners, scene):
                return WideTaken(image, owners, scene, stage, setting, int(rng.integers(35, 97)))
        return None

    def _dress(self, rng: Rng, stage: Stage, lying: Clutter, setting: Setting) -> None:
        """Paint everything."""
        cell, context, bank = self.cell, self.view.context, self.bank
        gloss = float(rng.uniform(0, 0.8)) ** 2
        for index, item in enumerate(stage.things):
            cell.paint_thing(index, paint.skin(rng, item, setting.camera, bank), gloss, context)
        for index, sheet in enumerate(lying.sheets):
            printed = bank.photo(rng, paint.TEX, paint.TEX) if rng.random() < 0.5 \
                else paint.sticker(rng, paint.TEX, paint.TEX, bank)
            page = printed.astype(np.float32)
            if not sheet.printed:
                page = page.mean() * np.ones_like(page) * np.array(clutter.quiet(rng), np.float32)
            cell.paint(f'sheet{index}', np.repeat(page[None], 6, axis=0), context)
        mirror = float(rng.uniform(0.02, 0.14)) if rng.random() < 0.2 else 0.0
        period = setting.width * math.exp(rng.uniform(math.log(0.35), math.log(4)))
        cell.paint_surface('table', bank.surface(rng), 1 / period, mirror, context)
        if setting.table[0] < framing.WIDE:
            cell.paint_surface('floor', bank.surface(rng), float(rng.uniform(0.5, 3)), 0.0,
                               context)

    def _lit(self, rng: Rng, setting: Setting) -> NDArray[np.float32]:
        """Return the light that reaches the camera, RGB (H, W, 3)."""
        warmth = rng.uniform(-0.12, 0.12)
        key = lamp(rng, rng.uniform(28, 88), rng.uniform(0.2, 0.75), warmth, rng.random() < 0.85)
        others = [lamp(rng, rng.uniform(25, 85), rng.uniform(0.05, 0.35), -warmth,
                       rng.random() < 0.15) for _ in range(int(rng.choice(3, p=(0.4, 0.4, 0.2))))]
        ambient, from_camera = rng.uniform(0.2, 0.6), rng.uniform(0, 0.25)
        soft = rng.uniform(0.02, 0.2)
        many = SOFT if key.shadow and rng.random() < 0.4 else 1
        total = np.zeros((self.view.height, self.view.width, 3), np.float32)
        for _ in range(many):
            turned = np.array(key.direction) + (rng.normal(0, soft, 3) if many > 1 else 0)
            direction = (float(turned[0]), float(turned[1]), min(float(turned[2]), -0.2))
            self.cell.light([replace(key, direction=direction), *others], ambient, from_camera,
                            setting, self.view.context)
            self.view.update()
            total += self.view.colors()
        return np.asarray(total / many, np.float32)


def _contact(rng: Rng, stage: Stage, owners: NDArray[np.int8],
             setting: Setting) -> NDArray[np.float32]:
    """Return the share of light, (H, W, 1), that things leave to what they stand on."""
    height, strength = len(owners), np.float32(rng.uniform(0.1, 0.6))
    spread, left = rng.uniform(0.06, 0.3), np.ones(owners.shape, np.float32)
    ground = (owners < 0) & (owners != GRIPPER_PIXEL) & (owners != BEYOND_PIXEL)
    for item in stage.things:
        if item.held:
            continue
        foot = item.outline.copy()
        foot[:, 2] = foot[:, 2].min()
        pixels = setting.camera.project(foot, height)
        mask = np.zeros(owners.shape, np.float32)
        cv2.fillConvexPoly(mask, cv2.convexHull(pixels.round().astype(np.int32)), 1.0)
        size = float(np.ptp(pixels, axis=0).max())
        shade = cv2.GaussianBlur(mask, (0, 0), max(spread * size, 0.5))
        below = [i for i, other in enumerate(stage.things) if blocks.rests_on(item, other)]
        left -= strength * shade * (ground | np.isin(owners, below))
    return np.asarray(np.maximum(left, 0.2)[..., None], np.float32)


def _some(rng: Rng, kinds: list[scenes.Kind], count: int) -> list[scenes.Kind]:
    """Return so many kinds: the first ones, or repeated."""
    return [kinds[index] if index < len(kinds) else kinds[int(rng.integers(len(kinds)))]
            for index in range(count)]


def frame(size: int, aspect: float) -> tuple[int, int]:
    """Return width and height of a picture whose shorter side is ``size``."""
    return (round(size * aspect), size) if aspect >= 1 else (size, round(size / aspect))


def lamp(rng: Rng, height: float, power: float, warmth: float, shadow: bool) -> Light:
    """Return a lamp so many degrees above the horizon, anywhere around."""
    around, up = rng.uniform(0, 2 * math.pi), math.radians(height)
    direction = (-math.cos(around) * math.cos(up), -math.sin(around) * math.cos(up),
                 -math.sin(up))
    return Light(direction, (power * (1 + warmth), power, power * (1 - warmth)), shadow)

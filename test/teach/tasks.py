"""The tasks that teaching is measured on: pictures with an answer and a moment each.

Real ones come from folders with a questions.jsonl that has a ``moment``; simulated ones are drawn:
one camera, one tray, sixty layouts of things, each of them a moment.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from latent_vqa_ros.simulation.world import plan, scenes, sensor
from latent_vqa_ros.simulation.world.layout import TRAY, TRAY_RIM, Layout
from latent_vqa_ros.simulation.world.picture import Studio

LAYOUTS, SIDE = 60, 320
CAMERAS = range(2000, 2008)  # seeds that nothing was chosen on


@dataclass(frozen=True)
class Task:
    """Pictures, answers and moments as numbers; ``train`` None: moments are halved at random."""

    family: str
    name: str
    pictures: list[np.ndarray]
    answer_n: np.ndarray
    moment_n: np.ndarray
    train_n: np.ndarray | None = None
    region: tuple[float, float, float, float] | None = None


def real(folder: Path) -> Task:
    """Read a folder; its own splits are kept."""
    rows = [json.loads(line) for line in (folder / 'questions.jsonl').open()]
    pictures = [cv2.cvtColor(cv2.imread(str(folder / row['image'])), cv2.COLOR_BGR2RGB)
                for row in rows]
    answers, moments = (sorted({str(row[key]) for row in rows}) for key in ('answer', 'moment'))
    return Task(folder.name, folder.name, pictures,
                np.array([answers.index(row['answer']) for row in rows]),
                np.array([moments.index(str(row['moment'])) for row in rows]),
                np.array([row['split'] == 'train' for row in rows]))


def simulated(families=('tray', 'gripper'), cameras=CAMERAS, frames=1) -> Iterator[Task]:
    """Draw, for each camera, whether the tray is empty and whether the gripper holds something.

    Of each layout so many frames are taken, which differ by their noise alone.
    """
    studio = Studio(SIDE)
    for seed in cameras:
        rng = np.random.default_rng(seed)
        look, tray = scenes.draw_look(rng, 'train'), plan.draw_tray(rng)
        for family in families:
            pictures: list[np.ndarray] = []
            while len(pictures) < LAYOUTS * frames:
                answer = len(pictures) // frames % 2
                layout = _layout(rng, family, answer, look.camera, tray)
                taken = layout and studio.shoot(seed, 'train', layout, look)
                if taken:
                    pictures += [taken.image_hwc, *(
                        sensor.expose(studio.view.colors(), replace(look.sensor, seed=again))
                        for again in range(1, frames))]
            yield Task(family, f'{family} {seed}', pictures,
                       np.repeat(np.arange(LAYOUTS) % 2, frames),
                       np.repeat(np.arange(LAYOUTS), frames), None,
                       _box(tray, look.camera) if family == 'tray' else None)


def _layout(rng, family, answer, camera, tray) -> Layout | None:
    """Return a layout for which the answer is true; None where it did not fit."""
    kinds = scenes.draw_kinds(rng, 'train')[:5]
    gripper, done = None, []
    if family == 'tray':
        inside = int(answer) * int(rng.integers(1, 4))
    else:
        inside = int(rng.integers(2))
        if answer:
            gripper, held = plan.hold(rng, plan.draw_thing(rng, kinds.pop()), camera)
            done.append(held)
        else:
            gripper = plan.hover(rng, camera)
    if len(kinds) < inside:
        return None
    for number, kind in enumerate(kinds):
        thing = plan.place(rng, plan.draw_thing(rng, kind), done, plan.Spots(camera, tray),
                           number < inside)
        if thing is None:
            return None
        done.append(thing)
    return Layout(tuple(done), tray, gripper, plan.scatter(rng, done, tray))


def _box(tray, camera) -> tuple[float, float, float, float]:
    """Return the tray's place in the picture as shares, a twentieth larger on each side."""
    half = [side + 2 * TRAY_RIM[0] for side in TRAY]
    c, s = math.cos(tray.yaw), math.sin(tray.yaw)
    corners = np.array([[tray.x + c * a - s * b, tray.y + s * a + c * b, z]
                        for a in (-half[0], half[0]) for b in (-half[1], half[1])
                        for z in (0, .03)])
    points = np.asarray(camera.project(corners, 1))
    low, high = points.min(0), points.max(0)
    more = .05 * (high - low)
    low, high = np.clip(low - more, 0, 1), np.clip(high + more, 0, 1)
    return (*map(float, low), *map(float, high - low))

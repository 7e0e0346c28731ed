"""One scene from a seed: drawn, settled, looked at, and refused until it is a good one.

    camera_man = Studio(size=96);  taken = camera_man.take('train', 7)

The same split, seed and size give the same pixels on one machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.truth import Scene
from latent_vqa_ros.simulation.world import observe, render, scenes, sensor
from latent_vqa_ros.simulation.world.layout import Layout, Look
from latent_vqa_ros.simulation.world.plan import plan
from latent_vqa_ros.simulation.world.workcell import Workcell

PLANS = 40  # placements tried for one set of objects
SETS = 20  # sets of objects tried for one seed


@dataclass(frozen=True)
class Taken:
    """A picture, RGB (size, size, 3), with its truth and what it was made from."""

    image_hwc: NDArray[np.uint8]
    owners: NDArray[np.int8]  # (size, size): whose pixel it is, as render.View.owners gives it
    scene: Scene
    layout: Layout
    look: Look

    def file(self) -> tuple[bytes, str]:
        """Return the picture as the camera stores it, and the file's ending."""
        return sensor.encode(self.image_hwc, self.look.sensor)


class Studio:
    """A workcell with a camera; one per process."""

    def __init__(self, size: int) -> None:
        self.view, self.cell = render.open_view(Workcell, size)

    def take(self, split: str, seed: int) -> Taken:
        """Return the picture of a seed; DatasetError if no scene could be made of it."""
        rng = scenes.scene_rng(split, seed)
        for _ in range(SETS):
            kinds = scenes.draw_kinds(rng, split)
            for _ in range(PLANS):
                look = scenes.draw_look(rng, split)
                layout = plan(rng, kinds, look.camera)
                taken = self.shoot(seed, split, layout, look) if layout else None
                if taken:
                    return taken
        raise DatasetError(f'no scene could be made of seed {seed} of {split}')

    def shoot(self, seed: int, split: str, layout: Layout, look: Look) -> Taken | None:
        """Return the picture of a layout; None if it falls over or is ambiguous."""
        cell, view = self.cell, self.view
        cell.build(layout)
        if not cell.settle(layout):
            return None
        cell.dress(layout, look)
        view.update()
        owners = view.owners(layout)
        positions = cell.positions(len(layout.things))
        scene = observe.observe(seed, split, layout, positions, look.camera, owners)
        if scene is None:
            return None
        return Taken(sensor.expose(view.colors(), look.sensor), owners, scene, layout, look)

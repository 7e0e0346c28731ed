"""Random truths without MuJoCo: enough of a workcell to ask about, made in microseconds."""

from __future__ import annotations

import random
from dataclasses import replace

from latent_vqa_ros.simulation.truth import COLORS, SHAPES, SIZES, Scene, Thing

SIZE = 96  # pixels


def random_scene(seed: int) -> Scene:
    """Return 1 to 6 things, some hidden, stacked, held, in a tray or at the edge."""
    rng = random.Random(seed)
    colors = rng.sample(COLORS, rng.choice((1, 2, 8, 8, 8)))
    shapes = rng.sample(SHAPES, rng.choice((1, 2, 6, 6, 6)))
    tray, gripper = rng.random() < 0.5, rng.random() < 0.55
    things: list[Thing] = []
    for index in range(rng.randint(1, 6)):
        held = gripper and index == 0 and rng.random() < 0.6
        flat = [i for i, t in enumerate(things) if not t.held and t.shape in ('cube', 'cylinder')]
        below = rng.choice(flat) if flat and not held and rng.random() < 0.3 else None
        in_tray = tray and not held and below is None and rng.random() < 0.3
        x, y, z = rng.uniform(-0.2, 0.2), rng.uniform(0.4, 0.8), 0.1 if held else 0.0
        if below is not None:
            x, y, z = things[below].position
            z, in_tray = z + 0.06, things[below].in_tray
        center = (48 + 200 * x + rng.uniform(-3, 3), 120 - 120 * y - 150 * z + rng.uniform(-3, 3))
        things.append(Thing(
            rng.choice(shapes), rng.choice(colors), rng.choice(SIZES), (x, y, z),
            rng.choice((0.0, 0.2, 0.29)) if rng.random() < 0.04 else rng.uniform(0.3, 1.0),
            (int(center[0]) - 4, int(center[1]) - 4, 8, 8), center, below, in_tray, held,
            not held and not in_tray and below is None and rng.random() < 0.15))
    return Scene(seed, 'train', SIZE, SIZE, tuple(things), tray, gripper)


def untold_scene(seed: int) -> Scene:
    """Return a scene as the wide world has them: some sizes, a colour, an edge cannot be told."""
    rng = random.Random(seed)
    scene = random_scene(seed)
    things = list(scene.things)
    if rng.random() < 0.5:
        things = [replace(thing, size='') for thing in things]
    if rng.random() < 0.7:
        index = rng.randrange(len(things))
        things[index] = replace(things[index], color='')
    return replace(scene, world='wide', things=tuple(things), edge_visible=rng.random() < 0.5)

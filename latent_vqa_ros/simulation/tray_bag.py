"""Make the bag that the demo teaches from: one fixed camera over a tray that fills and empties.

    python3 -m latent_vqa_ros.simulation.tray_bag OUT [--seed K]

    /camera/image_raw/compressed   sensor_msgs/CompressedImage, JPEG
    /truth                         std_msgs/String: {"stamp", "scene", "answers"}

Frames come five seconds apart, each with another layout, and empty and filled take turns: each
frame is a moment of its own for teaching. Whether the number of things is even takes turns more
slowly, so that it tells nothing about the tray. The same seed gives the same pictures on one
machine. It knows no model, and not which question can be learnt.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.core.answer import NANO
from latent_vqa_ros.simulation.episode_bag import (
    FRAME_ID,
    IMAGE_TOPIC,
    START_NS,
    TRUTH_TOPIC,
    jpeg,
)
from latent_vqa_ros.simulation.world import plan, scenes
from latent_vqa_ros.simulation.world.layout import Layout, Look, Placed, Tray
from latent_vqa_ros.simulation.world.picture import Studio, Taken
from latent_vqa_ros.simulation.world.render import RenderError

READY, EVEN = 'is the tray ready for the next part?', 'is the number of things even?'
FRAMES, PERIOD_S, SIZE = 36, 5, 224
SEED = 3000
RANGES = 'train'  # of looks and kinds
NOISE_STEP = 7919  # between the sensor's seeds of two frames


def film(studio: Studio, seed: int, frames: int = FRAMES) -> Iterator[Taken]:
    """Yield the pictures of a seed: by turns an empty tray and one with one to three things."""
    rng = np.random.default_rng(seed)
    look, tray = scenes.draw_look(rng, RANGES), plan.draw_tray(rng)
    for frame in range(frames):
        sensor = replace(look.sensor, seed=look.sensor.seed + NOISE_STEP * frame)
        yield _shoot(studio, rng, seed, frame, replace(look, sensor=sensor), tray)


def _shoot(studio: Studio, rng: plan.Rng, seed: int, frame: int, look: Look, tray: Tray) -> Taken:
    """Return a picture in which all that the truth tells of can be seen."""
    while True:
        layout = _layout(rng, look, tray, count=2 + frame // 2 % 2 + 2 * int(rng.integers(2)),
                         inside=frame % 2 * int(rng.integers(1, 4)))
        taken = layout and studio.shoot(seed, 'tray', layout, look)
        if taken and taken.scene.tray_visible and all(t.counts for t in taken.scene.things):
            return taken


def _layout(rng: plan.Rng, look: Look, tray: Tray, count: int, inside: int) -> Layout | None:
    """Return a layout of things, some of them in the tray; None where one did not fit."""
    kinds: list[scenes.Kind] = []
    while len(kinds) < count:
        kinds += scenes.draw_kinds(rng, RANGES)
    done: list[Placed] = []
    for number, kind in enumerate(kinds[:count]):
        thing = plan.place(rng, plan.draw_thing(rng, kind), done, plan.Spots(look.camera, tray),
                           number < inside)
        if thing is None:
            return None
        done.append(thing)
    return Layout(tuple(done), tray, None, plan.scatter(rng, done, tray))


def truth(taken: Taken, stamp_ns: int) -> str:
    """Return the message on /truth."""
    sec, nanosec = divmod(stamp_ns, NANO)
    things = taken.scene.things
    answers = {READY: not any(thing.in_tray for thing in things), EVEN: len(things) % 2 == 0}
    return json.dumps({'stamp': {'sec': sec, 'nanosec': nanosec},
                       'scene': json.loads(taken.scene.to_json()),
                       'answers': {question: 'yes' if yes else 'no'
                                   for question, yes in answers.items()}},
                      separators=(',', ':'))


def record(out: Path, seed: int = SEED) -> None:
    """Write the bag, which must not exist yet; BagError and RenderError."""
    with BagWriter(out) as bag:
        for frame, taken in enumerate(film(Studio(SIZE), seed)):
            stamp_ns = START_NS + frame * PERIOD_S * NANO
            bag.write_compressed(f'{IMAGE_TOPIC}/compressed', stamp_ns, FRAME_ID,
                                 jpeg(taken.image_hwc), 'jpeg')
            bag.write_string(TRUTH_TOPIC, stamp_ns, truth(taken, stamp_ns))


def main() -> int:
    """Parse the arguments and make the bag."""
    parser = argparse.ArgumentParser(description='make the bag that the demo teaches from')
    parser.add_argument('out', type=Path, help='directory to make')
    parser.add_argument('--seed', type=int, default=SEED)
    args = parser.parse_args()
    try:
        record(args.out, args.seed)
    except (BagError, RenderError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())

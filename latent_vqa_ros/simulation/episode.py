"""A scripted episode of the workcell: who stands where at each moment, drawn from a seed.

    script = next(script for script in scripts(seed=1) if sound(workcell, script))
    layout = script.layout(0.4)

A gripper picks an object, carries it over the tray and puts it down there; somebody adds and
removes others; the camera drifts. Time is a share of the episode, 0 to 1. Looks, camera poses and
places come from the ranges of training, the seeds are the episode's own. Knows no pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.truth import SIZES
from latent_vqa_ros.simulation.world import looks, plan
from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.layout import (
    MAX_OPENING,
    Clutter,
    Gripper,
    Layout,
    Look,
    Placed,
    Tray,
)
from latent_vqa_ros.simulation.world.scenes import SHOWN
from latent_vqa_ros.simulation.world.workcell import PENETRATION, Workcell

KEY = 1000  # first of the seed's two numbers; those of scenes.SPLITS count from 0
SCRIPTS = 5000  # drawn for one seed, at most
CHECKED = 480  # moments at which physics and camera look at a script
GOLDEN = (math.sqrt(5) - 1) / 2
DRIFT = 0.3  # of the way from the first camera pose to another one
SPREAD = 0.03  # metres between the object and the open fingers, both sides together
CLEAR = 0.05  # metres above the table from which training shows a held object
NEAR = 0.02  # metres above the object below which open fingers are about to take it
REACH = ((-0.15, -0.15), (0.15, 0.06))  # where training shows held objects, as plan.hold draws

# When the gripper starts, stands above, is down, holds, has lifted, is over the tray, has set
# down, has let go, has risen and is back.
START, ABOVE, DOWN, HELD, LIFTED, OVER, SET, LOOSE, RISEN, BACK = (
    0.05, 0.19, 0.24, 0.26, 0.32, 0.47, 0.53, 0.55, 0.60, 0.72)
COMES, GOES = (0.10, 0.40, 0.84), (0.76, 0.93)  # two onto the table and one into the tray


class Pose(NamedTuple):
    """Where the gripper is at a moment; ``opening`` between the fingers, all in metres."""

    at: float
    x: float
    y: float
    z: float
    opening: float


@dataclass(frozen=True)
class Actor:
    """An object that stands there for a while; ``on_top_of`` counts actors."""

    thing: Placed
    comes: float = -math.inf
    goes: float = math.inf


@dataclass(frozen=True)
class Script:
    """An episode. The first actor is picked where it stands and set down as ``target``."""

    actors: tuple[Actor, ...]
    target: Placed
    poses: tuple[Pose, ...]
    gripper: Gripper
    below: float  # metres from the middle of a held object down to the fingertips
    tray: Tray
    clutter: tuple[Clutter, ...]
    start: Look
    end: Camera

    def layout(self, at: float) -> Layout:
        """Return what stands where at a moment, the gripper and what it holds included."""
        gripper = self.gripper_at(at)
        here = [i for i, actor in enumerate(self.actors) if actor.comes <= at < actor.goes]
        things = [self._picked(at, gripper)]
        for i in here[1:]:
            thing = self.actors[i].thing
            base = None if thing.on_top_of is None else here.index(thing.on_top_of)
            things.append(replace(thing, on_top_of=base))
        return Layout(tuple(things), self.tray, gripper, self.clutter)

    def gripper_at(self, at: float) -> Gripper:
        """Return the gripper between the two poses around a moment, without a jerk."""
        after = next((i for i, pose in enumerate(self.poses) if pose.at > at), len(self.poses) - 1)
        first, second = self.poses[after - 1], self.poses[after]
        step = _smooth((at - first.at) / (second.at - first.at))
        x, y, z, opening = (a + step * (b - a)
                            for a, b in zip(first[1:], second[1:], strict=True))
        return replace(self.gripper, x=x, y=y, z=z, opening=opening)

    def _picked(self, at: float, gripper: Gripper) -> Placed:
        if at < HELD:
            return self.actors[0].thing
        if at >= SET:
            return self.target
        place = (gripper.x, gripper.y, gripper.z + self.below)
        return replace(self.target, position=place, in_tray=False, held=True)

    def ambiguous(self, at: float) -> bool:
        """Return whether the gripper is taking or releasing: training shows no such moment.

        It is when open fingers are at the object, and until the held one hangs clear of the table.
        """
        layout = self.layout(at)
        gripper, thing = self.gripper_at(at), layout.things[0]
        x, y, z = thing.position
        if thing.held:
            return z - thing.height / 2 < CLEAR
        far = math.dist((gripper.x, gripper.y), (x, y))
        return far < thing.reach and gripper.z < z + thing.height / 2 + NEAR

    def look(self, at: float, frame: int) -> Look:
        """Return the look at a moment: the camera drifts, the noise is another in each frame."""
        sensor = replace(self.start.sensor, seed=self.start.sensor.seed + 7919 * frame)
        return replace(self.start, camera=_between(self.start.camera, self.end, _smooth(at)),
                       sensor=sensor)


def scripts(seed: int) -> Iterator[Script]:
    """Yield many episodes of a seed, not yet known to be sound."""
    rng = np.random.default_rng([KEY, seed])
    for _ in range(SCRIPTS):
        script = propose(rng)
        if script:
            yield script


def sound(cell: Workcell, script: Script) -> bool:
    """Return whether at all moments everything stands, keeps apart and is in the picture.

    Overlaps are half as deep as a single picture may have them: there are moments in between.
    """
    for i in range(CHECKED):
        at = i * GOLDEN % 1  # far from all moments before
        layout, camera = script.layout(at), script.look(at, 0).camera
        if not all(plan.in_picture(thing, camera) for thing in layout.things):
            return False
        cell.build(layout)
        if not cell.settle(layout) or cell.deepest(layout) > PENETRATION / 2 or _touches(cell):
            return False
    return True


def _touches(cell: Workcell) -> bool:
    """Return whether a finger is within a millimetre of the tray."""
    return any(cell.mj.mj_geomDistance(cell.model, cell.data, finger, part, 0.01, None) < 0.001
               for finger in cell.gripper_geoms[:2] for part in cell.tray_geoms)


def propose(rng: np.random.Generator) -> Script | None:
    """Draw an episode; None where something found no place."""
    look, tray = looks.draw(rng, looks.TRAINED), plan.draw_tray(rng)
    end = _between(look.camera, _other_camera(rng, look.camera), DRIFT)
    spots = plan.Spots(look.camera, tray)
    first, *others = _draw_things(rng)
    gripper, held = plan.hold(rng, first, _between(look.camera, end, 0.5))
    first = replace(held, position=(*held.position[:2], held.height / 2), held=False)
    target = plan.first_free(lambda: plan.lay_in_tray(rng, first, tray), [], spots)
    if target is None or plan.first_free(lambda: first, [], spots) is None \
            or not _reached(target):
        return None
    actors = _cast(rng, first, target, others, spots)
    if actors is None:
        return None
    clutter = plan.scatter(rng, [actor.thing for actor in actors], tray)
    below = held.position[2] - gripper.z
    rests = [plan.hover(rng, look.camera) for _ in range(2)]
    poses = _motion(held, target, below, gripper.opening, rests)
    return Script(actors, target, poses, gripper, below, tray, clutter, look, end)


def _draw_things(rng: np.random.Generator) -> list[Placed]:
    """Return six or seven objects, no two alike in colour and shape."""
    pairs = rng.permutation(len(SHOWN))[:6 + int(rng.integers(2))]
    return [plan.draw_thing(rng, (*SHOWN[i], SIZES[int(rng.integers(2))])) for i in pairs]


def _cast(rng: np.random.Generator, first: Placed, target: Placed, others: Sequence[Placed],
          spots: plan.Spots) -> tuple[Actor, ...] | None:
    """Return who stands where and when; the last one comes into the tray."""
    taken = [replace(first, held=True)]  # so that nothing is put on it
    tray = spots.tray
    assert tray
    for thing in others[:-1]:
        placed = plan.place(rng, thing, taken, spots, in_tray=False)
        if placed is None:
            return None
        taken.append(placed)
    last = plan.first_free(lambda: plan.lay_in_tray(rng, others[-1], tray), [target], spots)
    if last is None:
        return None
    things = [first, *taken[1:], last]
    bases = {thing.on_top_of for thing in things}
    comes = dict(zip(range(len(things) - len(COMES), len(things)), COMES, strict=True))
    may_go = [i for i in range(1, len(things) - 2) if i not in bases]
    goes = dict(zip(rng.permutation(may_go), GOES, strict=False))
    if len(goes) < len(GOES):
        return None
    return tuple(Actor(thing, comes.get(i, -math.inf), goes.get(i, math.inf))
                 for i, thing in enumerate(things))


def _reached(target: Placed) -> bool:
    """Return whether training shows held objects above this place."""
    return all(low <= v <= high for low, v, high
               in zip(REACH[0], target.position, REACH[1], strict=False))


def _opened(grip: float) -> float:
    return min(grip + SPREAD, MAX_OPENING)


def _motion(held: Placed, target: Placed, below: float, grip: float,
            rests: Sequence[Gripper]) -> tuple[Pose, ...]:
    """Return the gripper's way from one rest over pick and place to another."""
    wide = _opened(grip)
    x, y, high = held.position[0], held.position[1], held.position[2] - below
    low = held.height / 2 - below
    tx, ty = target.position[:2]
    down = target.position[2] - below
    before, after = ((rest.x, rest.y, rest.z, rest.opening) for rest in rests)
    return (
        Pose(0.0, *before), Pose(START, *before), Pose(ABOVE, x, y, high, wide),
        Pose(DOWN, x, y, low, wide), Pose(HELD, x, y, low, grip), Pose(LIFTED, x, y, high, grip),
        Pose(OVER, tx, ty, high, grip), Pose(SET, tx, ty, down, grip),
        Pose(LOOSE, tx, ty, down, wide), Pose(RISEN, tx, ty, high, wide),
        Pose(BACK, *after), Pose(1.0, *after))


def _other_camera(rng: np.random.Generator, camera: Camera) -> Camera:
    """Return another pose of the same lens, from where training looks too."""
    other = looks.draw(rng, looks.TRAINED).camera
    wide = other.distance * math.tan(math.radians(other.fovy) / 2)
    return replace(other, fovy=camera.fovy,
                   distance=wide / math.tan(math.radians(camera.fovy) / 2))


def _between(first: Camera, second: Camera, share: float) -> Camera:
    a, b = _numbers(first), _numbers(second)
    x, y, z, azimuth, elevation, distance, fovy, roll = (float(v) for v in a + share * (b - a))
    return Camera((x, y, z), azimuth, elevation, distance, fovy, roll)


def _numbers(camera: Camera) -> NDArray[np.float64]:
    return np.array([*camera.target, camera.azimuth, camera.elevation, camera.distance,
                     camera.fovy, camera.roll])


def _smooth(step: float) -> float:
    """Return 0 to 1 with no speed at both ends."""
    step = min(max(step, 0.0), 1.0)
    return step * step * (3 - 2 * step)

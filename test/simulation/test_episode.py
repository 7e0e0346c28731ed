"""An episode: an object is picked, carried and put into the tray; nothing does the impossible."""

import math
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest

from latent_vqa_ros.simulation import episode, episode_bag
from latent_vqa_ros.simulation.world import looks, scenes
from latent_vqa_ros.simulation.world.layout import MAX_THINGS
from latent_vqa_ros.simulation.world.workcell import PENETRATION

SEEDS = (1, 2, 6)
MOMENTS = [float(at) for at in np.linspace(0, 1, 241)]  # 24 s at 10 Hz
FRAMES, RATE = 80, 80 / 24


@pytest.fixture(scope='module')
def scripts(studio):
    """Return the episodes of three seeds."""
    return [episode_bag.choose(studio, seed) for seed in SEEDS]


@pytest.fixture(scope='module')
def shots(studio):
    return list(episode_bag.film(studio, SEEDS[0], FRAMES, RATE))


def told(shots, fact):
    """Return whether a fact holds of some object, each change once, ambiguous frames left out."""
    values = [any(getattr(thing, fact) for thing in shot.scene.things)
              for shot in shots if shot.scene]
    return [value for i, value in enumerate(values) if i == 0 or values[i - 1] != value]


def test_what_is_picked_is_held_and_ends_in_the_tray(shots):
    held = {(thing.color, thing.shape) for shot in shots if shot.scene
            for thing in shot.scene.things if thing.held}
    assert len(held) == 1
    assert held <= {(thing.color, thing.shape) for thing in shots[-1].scene.things
                    if thing.in_tray}
    assert told(shots, 'held') == [False, True, False]
    assert told(shots, 'in_tray') == [False, True]


def test_the_same_seed_makes_the_same_pictures(studio, shots):
    again = list(episode_bag.film(studio, SEEDS[0], FRAMES, RATE))
    assert all(np.array_equal(a.image_hwc, b.image_hwc) and a.scene == b.scene
               for a, b in zip(shots, again, strict=True))
    other = next(episode_bag.film(studio, SEEDS[1], FRAMES, RATE))
    assert not np.array_equal(shots[0].image_hwc, other.image_hwc)


def test_each_moment_is_settled_and_nothing_overlaps(studio, scripts):
    for script in scripts:
        for at in MOMENTS[::3]:
            layout = script.layout(at)
            studio.cell.build(layout)
            assert studio.cell.settle(layout), at
            assert studio.cell.deepest(layout) <= PENETRATION


def test_the_gripper_does_not_touch_tray_or_table(studio, scripts):
    cell = studio.cell
    for script in scripts:
        for at in MOMENTS:
            assert script.gripper_at(at).z > 0.003
        for at in MOMENTS[::3]:
            cell.build(script.layout(at))
            cell.mj.mj_kinematics(cell.model, cell.data)
            assert min(cell._distance(finger, part) for finger in cell.gripper_geoms
                       for part in cell.tray_geoms) > 0


def test_what_is_carried_hangs_between_the_fingers_and_moves_smoothly(scripts):
    for script in scripts:
        places = []
        for at in MOMENTS:
            thing, gripper = script.layout(at).things[0], script.gripper_at(at)
            places.append(thing.position)
            if thing.held:
                assert math.dist(thing.position[:2], (gripper.x, gripper.y)) < 1e-9
                assert gripper.z < thing.position[2] < gripper.z + 0.06  # a finger's length
        steps = [math.dist(a, b) for a, b in pairwise(places)]
        assert max(steps) < 0.025  # metres in a tenth of a second
        changes = [abs(a - b) for a, b in pairwise(steps)]
        assert max(changes) < 0.004  # no jerk
        assert sum(steps) > 0.1


def test_objects_are_added_and_removed_one_at_a_time(scripts):
    for script in scripts:
        counts = [len(script.layout(at).things) for at in MOMENTS]
        changes = [b - a for a, b in pairwise(counts) if a != b]
        assert sorted(changes) == [-1, -1, 1, 1, 1]
        assert max(counts) <= MAX_THINGS


def test_what_stands_on_another_does_so_whoever_comes_and_goes():
    stacked = 0
    for script in islice(episode.scripts(0), 60):
        for at in MOMENTS[::12]:
            things = script.layout(at).things
            for thing in things:
                if thing.on_top_of is not None:
                    base = things[thing.on_top_of]
                    rise = thing.position[2] - base.position[2]
                    assert rise == pytest.approx((thing.height + base.height) / 2)
                    stacked += 1
    assert stacked > 100


def test_what_is_not_sound_is_refused(studio, scripts):
    script = scripts[0]
    assert episode.sound(studio.cell, script)
    poses = tuple(pose._replace(opening=0.4 if pose.at == episode.LOOSE else pose.opening)
                  for pose in script.poses)
    assert not episode.sound(studio.cell, replace(script, poses=poses))  # fingers cross the rim
    first, second, *others = script.actors
    x, y, z = second.thing.position
    for place in ((x, y, z + 0.02), (x, y, z - 0.01), script.target.position, (x, y + 2, z)):
        moved = replace(second, thing=replace(second.thing, position=place))
        assert not episode.sound(studio.cell, replace(script, actors=(first, moved, *others)))


def test_the_camera_drifts_slowly_within_the_ranges_of_training(scripts):
    for script in scripts:
        cameras = [script.look(at, 0).camera for at in MOMENTS]
        for camera in cameras:
            (low, high), = looks.TRAINED.azimuth
            assert low <= camera.azimuth <= high
            (low, high), = looks.TRAINED.elevation
            assert low <= camera.elevation <= high
            wide = 2 * camera.distance * math.tan(math.radians(camera.fovy) / 2)
            assert 0.52 <= wide <= 0.60
            assert camera.fovy == pytest.approx(cameras[0].fovy)
        steps = [math.dist(a.position, b.position) for a, b in pairwise(cameras)]
        assert sum(steps) > 0.005
        assert max(steps) < 0.003
        assert script.look(0.5, 1).sensor.seed != script.look(0.5, 2).sensor.seed


def test_objects_are_of_the_pairs_that_training_shows(scripts):
    for script in scripts:
        pairs = [(actor.thing.color, actor.thing.shape) for actor in script.actors]
        assert len(set(pairs)) == len(pairs)
        assert not set(pairs) & set(scenes.HELD_OUT)


def test_the_seeds_are_of_no_split():
    drawn = [np.random.default_rng([key, 5]).random(4).tolist()
             for key in (episode.KEY, *range(len(scenes.SPLITS)))]
    assert drawn[0] not in drawn[1:]
    assert episode_bag.SPLIT not in scenes.SPLITS


def test_taking_and_releasing_are_ambiguous_and_drawn_all_the_same(shots, scripts):
    assert 0 < sum(shot.scene is None for shot in shots) <= 0.3 * len(shots)
    assert all(shot.image_hwc.std() > 5 for shot in shots)
    assert shots[0].scene
    assert shots[-1].scene
    for script in scripts:
        for at in (episode.DOWN, episode.HELD, episode.SET, episode.LOOSE):
            assert script.ambiguous(at)
        for at in (0.0, episode.LIFTED, episode.OVER, 1.0):
            assert not script.ambiguous(at)
    for shot in shots:
        for thing in shot.scene.things if shot.scene else ():
            assert not thing.held or thing.position[2] > episode.CLEAR


def test_the_truth_is_that_of_the_layout(shots):
    for shot in shots:
        if shot.scene:
            assert [(t.color, t.shape, t.held, t.in_tray) for t in shot.scene.things] \
                == [(t.color, t.shape, t.held, t.in_tray) for t in shot.layout.things]

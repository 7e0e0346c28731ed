"""Building blocks: rows, towers, pyramids; and what is not quite a cube or a cylinder."""

import math

import numpy as np
import pytest

from latent_vqa_ros.simulation.world.wide import blocks, framing, plan
from latent_vqa_ros.simulation.world.wide.items import Item, shaped

CUBES = [('red', 'cube', 'small')] * 4 + [('blue', 'cube', 'small')] * 2


def built(scenes, kinds=CUBES):
    """Return the things of so many scenes of building blocks, without the held ones."""
    rng, found = np.random.default_rng(3), []
    while len(found) < scenes:
        stage = plan.plan(rng, kinds, framing.draw(rng, False), built=True)
        if stage:
            found.append([item for item in stage.things if not item.held])
    return found


def below(item, others):
    """Return the things over whose middle or sides a thing stands, no 2 mm above it."""
    bottom = item.position[2] - item.height / 2
    corners = item.world(np.array([(x, y, -1.0) for x in (-1, 0, 1) for y in (-1, 0, 1)]))
    return [other for other in others if other is not item
            and abs(other.position[2] + other.height / 2 - bottom) < 0.0019
            and min(math.dist(corner[:2], other.position[:2]) for corner in corners)
            < 0.9 * other.metres]


def test_what_stands_on_two_blocks_stands_on_two_of_one_kind():
    stood = [below(item, things) for things in built(150) for item in things
             if item.on_top_of is not None]
    bridged = [bases for bases in stood if len(bases) > 1]
    assert len(bridged) > 15
    assert len(stood) - len(bridged) > 15
    for bases in bridged:
        assert len({base.color for base in bases}) == 1, 'which one is it on?'


def test_blocks_are_all_alike_in_size_and_many_stand_side_by_side():
    side_by_side = all_things = 0
    for things in built(60):
        sizes = [item.metres for item in things]
        assert max(sizes) < 1.1 * min(sizes)
        for item in things:
            nearest = min((math.dist(item.position, other.position) for other in things
                           if other is not item), default=math.inf)
            side_by_side += nearest < 2.6 * item.metres
            all_things += 1
    assert side_by_side > 0.6 * all_things


def test_blocks_in_a_row_do_not_meet():
    for things in built(60):
        for item in things:
            for other in things:
                level = abs(item.position[2] - other.position[2]) < 0.5 * item.height
                if other is not item and level:
                    assert math.dist(item.position[:2], other.position[:2]) > 1.92 * min(
                        item.metres, other.metres)


def test_a_lying_cylinder_stands_in_no_row():
    lying = Item('cylinder', 'red', '', 0, (1, 0, 0), (0, 0, 0.02), 0.4, metres=0.02, lying=True)
    cube = Item('cube', 'red', '', 0, (1, 0, 0), (0, 0, 0.02), 0.4, metres=0.02)
    assert blocks.row([lying, cube], cube) == [cube]
    assert blocks.row([cube], lying) == []


@pytest.mark.parametrize('shape', ['cube', 'cylinder'])
def test_a_crooked_thing_has_a_level_foot_and_a_top_that_rises(shape):
    level = Item(shape, 'red', '', 0, (1, 0, 0), (0, 0, 0.02), 0.0, metres=0.02)
    leaning = Item(shape, 'red', '', 0, (1, 0, 0), (0, 0, 0.02), 0.0, metres=0.02,
                   crooked=(0.1, 0.0, 0.1))
    was, now = (shaped(item).vertices for item in (level, leaning))
    foot, top = was[:, 2] == was[:, 2].min(), was[:, 2] == was[:, 2].max()
    assert now[foot, 2] == pytest.approx(was[foot, 2])
    rise = now[top, 2] - was[top, 2]
    assert rise == pytest.approx(0.1 * was[top, 0])
    assert np.ptp(now[foot, 0]) > 1.05 * np.ptp(now[top, 0])


def test_some_cubes_and_cylinders_are_crooked_and_nothing_else_is():
    rng = np.random.default_rng(0)
    for shape, least in (('cube', 0.3), ('cylinder', 0.3), ('ball', 0.0), ('mug', 0.0)):
        share = np.mean([any(blocks.crooked(rng, shape)) for _ in range(300)])
        assert least <= share <= least + 0.2 if least else share == 0


def stands(x, z, color='red', **values):
    return Item('cube', color, '', 0, (1, 0, 0), (x, 0.0, z), 0.0, metres=0.02, **values)


def test_a_thing_rests_on_what_its_foot_touches():
    ground, beside, above = stands(0, 0.02), stands(0.042, 0.02), stands(0.015, 0.06)
    assert blocks.rests_on(above, ground)
    assert blocks.rests_on(above, beside)
    assert not blocks.rests_on(above, stands(0.1, 0.02))
    assert not blocks.rests_on(stands(0, 0.07), ground)
    assert not blocks.rests_on(beside, ground)


def test_a_thing_that_also_rests_on_another_kind_is_refused():
    above = stands(0.015, 0.06, on_top_of=0)
    assert blocks.on_one_kind(above, [stands(0, 0.02), stands(0.042, 0.02)])
    assert not blocks.on_one_kind(above, [stands(0, 0.02), stands(0.042, 0.02, 'blue')])
    assert blocks.on_one_kind(above, [stands(0, 0.02), stands(0.042, 0.01, 'blue')])


def test_what_carries_something_has_a_level_top():
    crooked = {'crooked': (0.1, -0.1, 0.05)}
    things = [stands(0, 0.02, **crooked), stands(0.1, 0.02, **crooked), stands(0.015, 0.06)]
    assert [item.crooked for item in blocks.levelled(things)] == [
        (0, 0, 0.05), (0.1, -0.1, 0.05), (0, 0, 0)]

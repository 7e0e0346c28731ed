"""What stands where: nothing overlaps, everything rests, splits share nothing they must not."""

import math

import numpy as np
import pytest

from latent_vqa_ros.simulation.truth import COLORS, SHAPES, SIZES, Scene
from latent_vqa_ros.simulation.world import looks, meshes, model_xml, plan, scenes, textures
from latent_vqa_ros.simulation.world.layout import EDGE_FAR, EDGE_NEAR, SCALES, VARIANTS, Placed
from latent_vqa_ros.simulation.world.textures import SHIFTED_TEXTURES, TRAIN_TEXTURES

MANY = range(400)


def kinds(split, seed):
    return scenes.draw_kinds(scenes.scene_rng(split, seed), split)


def test_nothing_overlaps_by_more_than_a_millimetre(studio, taken):
    for each in taken:
        studio.cell.build(each.layout)
        assert studio.cell.settle(each.layout)
        assert studio.cell.deepest(each.layout) <= 0.001


def test_an_overlap_is_seen_and_refused(studio):
    cube = Placed('cube', 'red', 'large', 1, (1, 0, 0), (0.0, 0.0, 0.04), 0.0)
    ball = Placed('ball', 'blue', 'small', 1, (0, 0, 1), (0.05, 0.0, 0.0275), 0.0)
    layout = plan.Layout((cube, ball), None, None, ())
    studio.cell.build(layout)
    studio.cell.mj.mj_kinematics(studio.cell.model, studio.cell.data)
    assert studio.cell.deepest(layout) > 0.01
    assert not studio.cell.settle(layout)


def test_shapes_that_meet_beyond_their_stand_ins_are_refused(studio):
    cones = tuple(Placed('cone', 'red', 'large', 1, (1, 0, 0), (x, 0.0, 0.048), 0.0)
                  for x in (-0.0375, 0.0375))  # 17 mm into each other at the foot
    layout = plan.Layout(cones, None, None, ())
    studio.cell.build(layout)
    assert not studio.cell.settle(layout)
    assert studio.cell.data.ncon == 8  # four corners each on the table, none between them


def test_settling_does_not_depend_on_the_scene_before(studio, taken):
    states = []
    for before in (taken[1], taken[2]):
        for each in (before, taken[7]):
            studio.cell.build(each.layout)
            assert studio.cell.settle(each.layout)
        states.append(studio.cell.positions(6).tobytes())
    assert states[0] == states[1]


def test_what_cannot_stand_is_refused(studio):
    floating = Placed('cube', 'red', 'large', 1, (1, 0, 0), (0.0, 0.0, 0.09), 0.0)
    over_the_edge = Placed('cube', 'red', 'large', 1, (1, 0, 0), (0.29, 0.0, 0.04), 0.0)
    for thing in (floating, over_the_edge):
        layout = plan.Layout((thing,), None, None, ())
        studio.cell.build(layout)
        assert not studio.cell.settle(layout)


def test_objects_rest_on_what_the_truth_says_carries_them(taken):
    stacked = 0
    for each in taken:
        for thing, truth in zip(each.layout.things, each.scene.things, strict=True):
            bottom = truth.position[2] - thing.height / 2
            if truth.on_top_of is not None:
                base = each.layout.things[truth.on_top_of]
                top = each.scene.things[truth.on_top_of].position[2] + base.height / 2
                assert bottom == pytest.approx(top, abs=0.001)
                stacked += 1
            elif not truth.held:
                assert -0.001 < bottom < 0.004  # the tray's floor is 3 mm thick
            else:
                assert bottom > 0.04
    assert stacked >= 5


def test_every_kind_of_scene_occurs(taken):
    things = [thing for each in taken for thing in each.scene.things]
    assert {thing.shape for thing in things} == set(SHAPES)
    assert {thing.color for thing in things} == set(COLORS)
    assert {thing.size for thing in things} == set(SIZES)
    assert {len(each.scene.things) for each in taken} == set(range(1, 7))
    for fact in ('held', 'in_tray', 'at_edge'):
        assert sum(getattr(thing, fact) for thing in things) >= 10, fact
    assert 25 <= sum(each.scene.tray_visible for each in taken) <= 75
    assert 25 <= sum(each.scene.gripper_visible for each in taken) <= 75
    assert sum(len(each.layout.clutter) > 0 for each in taken) >= 25


def test_at_the_edge_is_near_it_and_nothing_stands_in_between(taken):
    for each in taken:
        for thing, truth in zip(each.layout.things, each.scene.things, strict=True):
            if not truth.held and not truth.in_tray:
                distance = thing.edge_distance()
                assert distance < EDGE_NEAR if truth.at_edge else distance > EDGE_FAR


def test_large_is_larger_than_small_whoever_made_it():
    assert SCALES['small'] * max(VARIANTS) * 1.3 < SCALES['large'] * min(VARIANTS)


def test_the_same_seed_makes_the_same_plan():
    assert kinds('val', 5) == kinds('val', 5)
    assert len({tuple(kinds(split, 5)) for split in scenes.SPLITS}) == len(scenes.SPLITS)
    assert len({tuple(kinds('train', seed)) for seed in MANY}) > 350


def test_held_out_pairs_are_in_each_compositional_scene_and_in_no_other():
    held_out = set(scenes.HELD_OUT)
    assert len(held_out) == 6
    assert {color for color, _ in held_out} | {shape for _, shape in held_out} \
        == {color for color, _ in held_out} | set(SHAPES)
    for split in scenes.SPLITS:
        shown = [{(color, shape) for color, shape, _ in kinds(split, seed)} for seed in MANY]
        if split == 'compositional':
            assert all(pairs & held_out for pairs in shown)
        else:
            assert set.union(*shown) == set(scenes.SHOWN)


def test_shifted_looks_come_from_ranges_that_training_never_uses():
    assert not set(TRAIN_TEXTURES) & set(SHIFTED_TEXTURES)
    assert not set(textures.TRAIN) & set(textures.SHIFTED)  # not in kind either
    pictures = [textures.png(index) for index in (*TRAIN_TEXTURES, *SHIFTED_TEXTURES)]
    assert len(set(pictures)) == len(pictures) == model_xml.TEXTURES
    for name in ('elevation', 'azimuth', 'fovy', 'light_height', 'warmth', 'tint_hue'):
        for low, high in getattr(looks.TRAINED, name):
            for shifted_low, shifted_high in getattr(looks.SHIFTED, name):
                assert shifted_high < low or high < shifted_low, name
    for split in ('train', 'val', 'test', 'compositional'):
        look = scenes.draw_look(scenes.scene_rng(split, 1), split)
        assert look.table.texture in TRAIN_TEXTURES
    assert scenes.draw_look(scenes.scene_rng('shifted', 1), 'shifted').table.texture \
        in SHIFTED_TEXTURES


def test_truth_survives_its_file(taken):
    for each in taken[:20]:
        assert Scene.from_json(each.scene.to_json()) == each.scene


@pytest.mark.parametrize('shape', meshes.MESHED)
def test_meshes_are_closed_and_face_outwards(shape):
    vertices, triangles = meshes.mesh(shape)
    edges = [(a, b) for t in triangles for a, b in ((t[0], t[1]), (t[1], t[2]), (t[2], t[0]))]
    open_edges = set(edges) - {(b, a) for a, b in edges}
    assert len(open_edges) == (12 if shape == 'mug' else 0)  # the handle's ends are in the mug
    first, second, third = (vertices[triangles[:, i]] for i in range(3))
    assert np.sum(np.cross(first, second) * third) > 0  # six times the volume


@pytest.mark.parametrize('shape', SHAPES)
def test_a_shape_keeps_within_its_reach_and_height(shape):
    form, points = meshes.FORMS[shape], meshes.points(shape)
    assert np.hypot(points[:, 0], points[:, 1]).max() <= form.reach + 1e-9
    assert np.abs(points[:, 2]).max() == pytest.approx(form.half_height, abs=0.02)
    assert form.foot * math.sqrt(2) <= form.reach + 1e-9

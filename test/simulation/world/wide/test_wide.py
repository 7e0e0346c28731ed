"""The wide world: any shape of picture, truth that a person could tell, parts of their own."""

import colorsys
import math

import cv2
import numpy as np
import pytest
from helpers.simulation_oracle import possible_answers

from latent_vqa_ros.simulation.language.balance import Tally
from latent_vqa_ros.simulation.language.captions import captions
from latent_vqa_ros.simulation.language.questions import ask
from latent_vqa_ros.simulation.truth import COLORS, SHAPES, Scene
from latent_vqa_ros.simulation.world import meshes, textures
from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.wide import (
    blocks,
    framing,
    kinds,
    observe,
    paint,
    plan,
    sight,
    sources,
)
from latent_vqa_ros.simulation.world.wide.cell import TABLE_PIXEL
from latent_vqa_ros.simulation.world.wide.clutter import Clutter
from latent_vqa_ros.simulation.world.wide.items import WORN, Item, shaped, solid

SHORT = 96  # conftest.SIZE


def things(taken):
    """Yield (what was taken, index, thing, item) of every thing that may be asked about."""
    for each in taken:
        for index, thing in each.scene.counted:
            yield each, index, thing, each.stage.things[index]


def test_the_same_seed_gives_the_same_file_whatever_was_drawn_before(wide_studio, wide_taken):
    wide_studio.take('train', 501)
    again = wide_studio.take('train', 7)
    assert again.file() == wide_taken[7].file()
    assert again.scene == wide_taken[7].scene


def test_other_seeds_and_splits_give_other_pictures(wide_taken, wide_test_studio):
    files = [each.file()[0] for each in wide_taken]
    files += [wide_test_studio.take(split, 7).file()[0] for split in ('val', 'test')]
    assert len(set(files)) == len(wide_taken) + 2


def test_pictures_have_the_shape_of_the_camera_s_frame(wide_taken):
    shapes = set()
    for each in wide_taken:
        height, width = each.image_hwc.shape[:2]
        assert (each.scene.height, each.scene.width) == each.owners.shape == (height, width)
        assert min(height, width) == SHORT
        assert width / height == pytest.approx(each.setting.camera.aspect, abs=0.01)
        decoded = cv2.imdecode(np.frombuffer(each.file()[0], np.uint8), cv2.IMREAD_COLOR)
        assert decoded.shape == each.image_hwc.shape
        shapes.add(round(width / height, 2))
    assert {1.0, 1.33, 1.78, 0.75} <= shapes
    assert len(shapes) > 6


def test_where_the_camera_says_a_thing_is_it_is_seen(wide_taken):
    apart = []
    for each, index, thing, item in things(wide_taken):
        if thing.visible > 0.95:
            x, y = each.setting.camera.project(np.asarray(item.position)[None],
                                               each.scene.height)[0]
            apart.append(math.hypot(thing.center[0] - x, thing.center[1] - y)
                         / math.hypot(*thing.box[2:]))
        rows, columns = np.nonzero(each.owners == index)
        left, top, width, height = thing.box
        assert (columns.min(), columns.max()) == (left, left + width - 1)
        assert (rows.min(), rows.max()) == (top, top + height - 1)
    assert len(apart) > 60
    assert np.mean(apart) < 0.12
    assert max(apart) < 0.5


def test_every_answer_is_the_only_one_in_all_worlds_that_look_alike(wide_taken):
    tally, asked = Tally(), 0
    for each in wide_taken:
        for question in ask(each.scene, np.random.default_rng(each.scene.seed), 8, tally=tally):
            assert possible_answers(each.scene, question.meaning) == {question.answer}, question
            asked += 1
    assert asked > 5 * len(wide_taken)


def test_every_scene_is_asked_about(wide_taken):
    for each in wide_taken:
        assert ask(each.scene, np.random.default_rng(0), 10)
        assert Scene.from_json(each.scene.to_json()) == each.scene


def test_a_thing_is_clearly_seen_and_large_enough_or_clearly_hidden(wide_taken):
    for each in wide_taken:
        for thing in each.scene.things:
            assert thing.visible < observe.HIDDEN or thing.visible > observe.SEEN
            if thing.counts:
                assert thing.box[2] >= 0.06 * each.scene.width
                assert thing.box[3] >= 0.06 * each.scene.height


def test_no_shape_is_seen_from_where_it_looks_like_another(wide_taken):
    for each, _, thing, item in things(wide_taken):
        line = each.setting.camera.position - item.position
        up = abs(line @ item.axis()) / np.linalg.norm(line)
        if thing.shape in ('cylinder', 'cone', 'bowl', 'mug'):
            assert up < math.cos(math.radians(16)), 'a circle from straight above'
        if thing.shape == 'cone':  # its tip stands out of its foot
            tip, foot = item.world(np.array([[0, 0, 1.2], [0, 0, -1.2]]))
            wide = 1.15 * item.stretch[0] * item.metres
            across = (tip - foot) - (tip - foot) @ line * line / (line @ line)
            assert np.linalg.norm(across) > 1.1 * up * wide
        if thing.shape in ('bowl', 'mug', 'cylinder'):
            most = 71 if thing.shape != 'cylinder' else 86 if item.lying else 83
            least = math.cos(math.radians(most))
            assert up > least, 'a bar from the side'


def test_a_size_is_told_only_where_both_are_seen_and_look_it(wide_taken):
    told = 0
    for each in wide_taken:
        found = {size: [item.metres for thing, item in zip(each.scene.things, each.stage.things,
                                                           strict=True) if thing.size == size]
                 for size in ('small', 'large', '')}
        assert not (found[''] and (found['small'] or found['large']))
        if found['small']:
            assert min(found['large']) > 1.4 * max(found['small'])
            told += 1
    assert told >= 5


def test_a_colour_is_seen_as_it_is_named(wide_taken):
    right = []
    for each, index, thing, _ in things(wide_taken):
        if thing.color and thing.color not in ('white', 'gray'):
            pixels = each.image_hwc[each.owners == index].astype(float)
            strong = pixels[np.argsort(-np.ptp(pixels, axis=1))[:max(len(pixels) // 4, 1)]]
            hue = colorsys.rgb_to_hsv(*strong.mean(axis=0) / 255)[0] * 360
            middles = {name: sum(paint.HUES[name][0]) / 2 for name in COLORS[:6]}
            far = {name: abs((hue - at + 180) % 360 - 180) for name, at in middles.items()}
            right.append(sorted(far, key=far.get).index(thing.color) < 2)
    assert len(right) > 60
    assert np.mean(right) > 0.95


def test_things_do_not_stand_in_each_other_and_rest_on_what_carries_them(wide_taken):
    for each in wide_taken:
        for index, item in enumerate(each.stage.things):
            bottom = item.position[2] - item.height / 2
            if item.on_top_of is not None:
                base = each.stage.things[item.on_top_of]
                below = [other for other in each.stage.things if blocks.rests_on(item, other)]
                assert base in below
                if len(below) == 1:
                    assert bottom == pytest.approx(base.position[2] + base.height / 2)
                    off = math.dist(item.position[:2], base.position[:2])
                    assert off < base.form.foot * base.metres
                assert not base.in_tray
                assert not base.held
                assert base.edge_distance() > plan.FAR * each.setting.width
            elif not item.held and not each.setting.in_hand:
                assert 0 <= bottom < 0.004  # the tray's floor is 3 mm thick
            for other in each.stage.things[:index]:
                apart = math.dist(item.position[:2], other.position[:2])
                level = abs(item.position[2] - other.position[2]) < 0.8 * min(item.height,
                                                                              other.height)
                assert not level or apart > 0.5 * (item.form.foot * item.metres
                                                   + other.form.foot * other.metres)


def test_every_kind_of_scene_occurs(wide_taken):
    scenes = [each.scene for each in wide_taken]
    seen = [thing for _, _, thing, _ in things(wide_taken)]
    assert {thing.shape for thing in seen} == set(SHAPES)
    assert {thing.color for thing in seen} == {*COLORS, ''}
    assert {len(scene.things) for scene in scenes} >= {1, 2, 3, 4, 5, 6}
    assert sum(each.setting.in_hand for each in wide_taken) >= 4
    for fact in ('tray_visible', 'gripper_visible', 'edge_visible'):
        assert 2 <= sum(getattr(scene, fact) for scene in scenes) <= 60, fact
    assert any(item.lying for _, _, _, item in things(wide_taken))
    assert sum((each.owners == TABLE_PIXEL).any() for each in wide_taken) > 60


def test_what_is_in_a_hand_is_not_told_to_be_on_the_table(wide_taken):
    held = [each.scene for each in wide_taken if each.setting.in_hand]
    assert held
    assert not any('on the table' in caption for scene in held for caption in captions(scene))


def test_a_person_s_hand_is_no_gripper_and_nobody_asks_whether_it_is_empty(wide_taken):
    held = [each.scene for each in wide_taken if each.setting.in_hand]
    asked = [question.meaning.kind for scene in held
             for seed in range(40) for question in ask(scene, np.random.default_rng(seed), 10)]
    assert len(asked) > 500
    assert {kind for kind in asked if kind.startswith('gripper')} <= {'gripper_seen'}


def test_training_and_test_share_no_kind_of_texture():
    assert not set(kinds.TRAINED) & set(kinds.HELD_OUT)
    assert not set(textures.TRAIN) & set(textures.SHIFTED)
    assert not set(sources.TEXTURES) & set(sources.HELD_OUT)
    assert len(kinds.TRAINED) >= 15
    assert len(kinds.HELD_OUT) >= 5


def test_test_scenes_are_made_of_other_pictures_than_training(wide_studio, wide_test_studio):
    pictures = [{one.tobytes() for one in (*studio.bank.drawn, *studio.bank.greys,
                                           *studio.bank.real)}
                for studio in (wide_studio, wide_test_studio)]
    assert not pictures[0] & pictures[1]


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('worn', WORN)
def test_solids_face_outwards_and_keep_within_their_reach(shape, worn):
    found = solid(shape, worn)
    assert len(found.vertices) == len(found.normals) == len(solid(shape).vertices)
    first, second, third = (found.vertices[found.triangles[:, i]] for i in range(3))
    assert np.sum(np.cross(first, second) * third) > 0  # six times the volume
    across = np.cross(second - first, third - first)
    lit = np.einsum('ij,ij->i', across, found.normals[found.triangles].mean(axis=1))
    assert (lit > -1e-9).all()  # light falls on the side that is seen
    assert np.linalg.norm(found.normals, axis=1) == pytest.approx(1)


@pytest.mark.parametrize('lying', [False, True])
def test_an_item_s_triangles_are_where_its_outline_is(lying):
    item = Item('cylinder', 'red', '', 0, (1, 0, 0), (0.1, 0.2, 0.03), 0.7, metres=0.02,
                stretch=(0.9, 0.9, 1.5), lying=lying)
    vertices = shaped(item).vertices
    assert vertices[:, 2].max() == pytest.approx(item.height / 2, rel=0.02)
    assert np.hypot(vertices[:, 0], vertices[:, 1]).max() == pytest.approx(item.reach, rel=0.05)
    outline = item.world(np.array([[0, 0, 1.1]]))[0] - item.position
    assert abs(outline @ item.axis()) == pytest.approx(1.1 * 1.5 * 0.02)


def test_settings_cover_heights_lenses_and_shapes_of_pictures():
    rng = np.random.default_rng(0)
    drawn = [framing.draw(rng, False) for _ in range(500)]
    for low, high, value in ((15, 85, lambda s: s.camera.elevation), (0.6, 1.7,
                             lambda s: s.camera.aspect), (0.17, 0.65, lambda s: s.width)):
        values = [value(setting) for setting in drawn]
        assert min(values) < low
        assert max(values) > high
    assert 0.3 < np.mean([setting.table[0] < 1 for setting in drawn]) < 0.7


def test_a_mug_s_handle_never_points_at_the_camera():
    camera = framing.draw(np.random.default_rng(3), True).camera
    line = camera.position - np.array([0, 0, 0.5])
    toward = math.atan2(line[1], line[0])
    mug = Item('mug', 'red', '', 0, (1, 0, 0), (0, 0, 0.5), toward, metres=0.03)
    assert not sight.tells_its_shape(mug, camera)


def test_a_sticker_is_on_the_side_of_a_cube_that_it_was_put_on(wide_studio):
    paints = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)]
    skin = np.zeros((6, paint.TEX, paint.TEX, 3), np.float32)
    skin[:] = np.array(paints)[:, None, None]
    cube = Item('cube', 'red', '', 0, (1, 0, 0), (0, 0, 0.5), 0.0, metres=0.03)
    view, cell = wide_studio.view, wide_studio.cell
    view.width = view.height = SHORT
    for normal, wanted in zip(paint.NORMALS, paints, strict=True):
        azimuth = 0 if normal[2] else math.degrees(math.atan2(normal[0], -normal[1]))
        camera = Camera((0, 0, 0.5), azimuth, 90 * normal[2], 0.3, 30, 0)
        assert camera.axes[2] == pytest.approx(normal, abs=1e-9)
        setting = framing.Setting(camera, 0.2, (0.05, 0.05), -0.7, True)
        view.gl.make_current()
        cell.build(plan.Stage((cube,)), Clutter(), setting, view.context)
        cell.paint_thing(0, skin, 0.0, view.context)
        cell.light((), 1.0, 0.0, setting, view.context)
        view.update()
        assert tuple(view.colors()[SHORT // 2, SHORT // 2]) == wanted


def test_a_thing_s_pixels_and_nothing_else_change_when_it_is_taken_away(wide_studio, wide_taken):
    """The driver draws what the stage says: no thing of the scene before is left over."""
    view, cell = wide_studio.view, wide_studio.cell
    for each in wide_taken[:12]:
        height, width = each.owners.shape
        view.width, view.height = width, height
        view.gl.make_current()
        empty = plan.Stage((), each.stage.tray, each.stage.gripper)
        cell.build(empty, Clutter(), each.setting, view.context)
        view.update()
        assert not (view.owners(empty) >= 0).any()
        cell.build(each.stage, Clutter(), each.setting, view.context)
        view.update()
        alone = view.owners(each.stage)
        for index, thing in enumerate(each.scene.things):
            if thing.visible > 0.95:
                both = ((alone == index) & (each.owners == index)).sum()
                assert both > 0.85 * (alone == index).sum()


def test_nothing_that_is_told_reaches_behind_the_lens(wide_taken):
    for each in wide_taken:
        camera = each.setting.camera
        for item in each.stage.things:
            points = item.world(meshes.points(item.shape))
            assert camera.depth(points).min() > 0.03
            shares = camera.project(points, 1) / (camera.aspect, 1)
            assert -1 < shares.min() <= shares.max() < 2  # so that its area fits into memory


def test_the_longest_picture_is_drawn_up_to_its_border(wide_studio):
    view, cell, size = wide_studio.view, wide_studio.cell, wide_studio.size
    setting = framing.Setting(Camera((0, 0, 0), 0, 60, 0.3, 40, 0), 0.2, (5, 5), -0.7, False)
    cell.build(plan.Stage(()), Clutter(), setting, view.context)
    cell.light((), 1.0, 0.0, setting, view.context)
    longest = max(*framing.ASPECTS, *framing.BETWEEN)
    view.width, view.height = round(longest * size), size
    view.update()
    whole = view.colors()
    view.width = size
    view.update()
    view.colors()  # something else is drawn between
    view.width = round(longest * size)
    view.update()
    assert np.array_equal(view.colors(), whole)
    assert (view.owners(plan.Stage(())) == TABLE_PIXEL).all()
    assert whole[:, -4:].std() < 3 * whole[:, -12:-8].std() + 5
    view.width = round(longest * size) + 1
    with pytest.raises(ValueError, match=f'the view has {round(longest * size)} at most'):
        view.update()

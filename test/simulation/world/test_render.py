"""The picture against the truth: colours, places, shares, determinism, missing libraries."""

import colorsys
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from latent_vqa_ros.simulation.world import looks, observe, plan, render, sensor
from latent_vqa_ros.simulation.world.layout import Placed
from latent_vqa_ros.simulation.world.picture import Studio

MARGIN = 0.03  # metres on the ground, and share of the picture, below which order may differ


def alone(studio, each, index):
    """Return how many pixels an object covers when everything else is taken away."""
    layout = plan.Layout((each.layout.things[index],), None, None, ())
    studio.cell.build(layout)
    studio.cell.dress(layout, each.look)
    studio.view.update()
    return int((studio.view.owners(layout) == 0).sum())


def named(rgb):
    """Return the colour that people would call these bytes, by hue and saturation."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(v / 255 for v in rgb))
    if saturation < 0.33:
        return 'white' if value > 0.5 else 'gray'
    middles = {name: sum(spans[0]) / 2 for name, spans in looks.HUES.items()
               if name not in ('white', 'gray')}
    return min(middles, key=lambda name: abs((hue * 360 - middles[name] + 180) % 360 - 180))


def test_the_same_seed_gives_the_same_pixels_whatever_was_drawn_before(studio, taken):
    studio.take('shifted', 3)
    again = studio.take('train', 7)
    assert np.array_equal(again.image_hwc, taken[7].image_hwc)
    assert again.scene == taken[7].scene
    assert sensor.encode(again.image_hwc, again.look.sensor) \
        == sensor.encode(taken[7].image_hwc, taken[7].look.sensor)


def test_other_seeds_and_splits_give_other_pixels(studio, taken):
    pictures = [each.image_hwc.tobytes() for each in taken]
    pictures += [studio.take(split, 7).image_hwc.tobytes() for split in ('val', 'test')]
    assert len(set(pictures)) == len(taken) + 2


def test_an_object_looks_like_the_colour_it_is_called(taken):
    right, asked = 0, 0
    for each in taken:
        for index, thing in enumerate(each.scene.things):
            mask = each.owners == index
            if thing.visible < 0.8 or mask.sum() < 25:
                continue
            inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3))).astype(bool)
            pixels = each.image_hwc[inside if inside.any() else mask]
            bright = pixels[pixels.sum(1) >= np.percentile(pixels.sum(1), 50)]  # its lit side
            right += named(bright.mean(0)) == thing.color
            asked += 1
    assert asked > 200
    assert right / asked > 0.93


def test_left_in_the_picture_is_left_on_the_ground_and_low_is_near(taken):
    agree = []
    for each in taken:
        seen = [thing for thing in each.scene.things
                if thing.visible > 0.9 and not thing.held and thing.on_top_of is None]
        for first in seen:
            for second in seen:
                x = first.center[0] - second.center[0]
                if second.position[0] - first.position[0] > MARGIN and abs(x) > MARGIN * 96:
                    agree.append(x < 0)
                y = second.center[1] - first.center[1]
                if second.position[1] - first.position[1] > MARGIN and abs(y) > MARGIN * 96:
                    agree.append(y < 0)
    assert len(agree) > 200
    assert np.mean(agree) > 0.97  # the rest are pairs that a rolled camera swaps


def test_boxes_and_centres_hold_what_is_seen(taken):
    for each in taken:
        for index, thing in enumerate(each.scene.things):
            rows, columns = np.nonzero(each.owners == index)
            if len(rows):
                x, y, width, height = thing.box
                assert (columns.min(), columns.max()) == (x, x + width - 1)
                assert (rows.min(), rows.max()) == (y, y + height - 1)
                assert thing.center == pytest.approx(
                    (columns.mean() + 0.5, rows.mean() + 0.5), abs=0.01)
            else:
                assert thing.visible == 0


def test_visible_shares_agree_with_drawing_each_object_alone(studio, taken):
    differences = []
    for each in taken[:40]:
        for index, thing in enumerate(each.scene.things):
            drawn = int((each.owners == index).sum()) / alone(studio, each, index)
            assert 0 <= thing.visible <= 1
            differences.append(abs(min(drawn, 1) - thing.visible))
    assert np.mean(differences) < 0.02
    assert max(differences) < 0.12


def test_no_object_is_neither_seen_nor_hidden(taken):
    shares = [thing.visible for each in taken for thing in each.scene.things]
    assert min(shares) < 0.2
    assert not [share for share in shares if 0.2 < share < 0.4]


def test_what_stands_behind_a_larger_object_is_partly_hidden(studio, taken):
    look = taken[0].look
    away = -look.camera.axes[2][:2] / np.hypot(*look.camera.axes[2][:2])
    front = Placed('cube', 'red', 'large', 1, (0.8, 0, 0), (0.0, -0.05, 0.04), 0.0)
    x, y = np.array(front.position[:2]) + 0.085 * away
    back = Placed('ball', 'blue', 'small', 0, (0, 0, 0.8), (float(x), float(y), 0.0261), 0.0)
    layout = plan.Layout((front, back), None, None, ())
    studio.cell.build(layout)
    assert studio.cell.settle(layout)
    studio.cell.dress(layout, look)
    studio.view.update()
    owners = studio.view.owners(layout)
    shares = [int((owners == i).sum()) / observe.own_pixels(thing, look.camera, 96)
              for i, thing in enumerate(layout.things)]
    assert shares[0] == pytest.approx(1, abs=0.05)
    assert 0 <= shares[1] < 0.9


def test_every_picture_is_exposed_so_that_it_can_be_read(taken):
    for each in taken:
        assert 50 < each.image_hwc.mean() < 190
        assert (each.image_hwc == 255).mean() < 0.1


def test_a_larger_picture_of_a_seed_shows_a_whole_scene():
    large = Studio(160)
    each = large.take('train', 3)
    large.view.close()
    assert each.image_hwc.shape == (160, 160, 3)
    assert each.scene.width == 160


def test_a_missing_osmesa_is_one_line_that_names_the_package(monkeypatch):
    monkeypatch.setenv('MUJOCO_GL', 'osmesa')
    monkeypatch.setattr('ctypes.util.find_library', lambda name: None)
    with pytest.raises(render.RenderError, match='apt-get install libosmesa6') as caught:
        render.choose_gl()
    assert '\n' not in str(caught.value)


def test_a_missing_mujoco_is_one_line_that_names_the_package(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(render.RenderError, match='pip install mujoco'):
        render.choose_gl()


def test_a_gl_that_does_not_work_is_one_line():
    code = ('from latent_vqa_ros.simulation.world.render import RenderError, open_view\n'
            'from latent_vqa_ros.simulation.world.workcell import Workcell\n'
            'try:\n    open_view(Workcell, 96)\nexcept RenderError as error:\n    print(error)')
    env = {**os.environ, 'MUJOCO_GL': 'no_such_gl'}
    done = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True,
                          check=True)
    assert 'MUJOCO_GL=no_such_gl does not work here' in done.stdout
    assert 'libosmesa6' in done.stdout
    assert done.stdout.count('\n') == 1


def test_two_studios_in_one_process_do_not_draw_into_each_other():
    first = Studio(48)
    alone = first.take('train', 3).image_hwc
    second = Studio(32)
    second.take('test', 4)
    assert np.array_equal(first.take('train', 3).image_hwc, alone)
    second.view.close()
    assert np.array_equal(first.take('train', 3).image_hwc, alone)
    first.view.close()

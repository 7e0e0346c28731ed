"""Balls have seams and dimples; an edge of the table that nobody sees is not told."""

import numpy as np
import pytest

from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.wide import framing, paint, plan, sensor
from latent_vqa_ros.simulation.world.wide.cell import BEYOND_PIXEL, TABLE_PIXEL
from latent_vqa_ros.simulation.world.wide.clutter import Clutter
from latent_vqa_ros.simulation.world.wide.items import Item
from latent_vqa_ros.simulation.world.wide.observe import observe

SIDE = 96


@pytest.mark.parametrize(('azimuth', 'elevation'), [(20, 30), (140, 5), (260, 60)])
def test_a_texel_is_seen_in_its_direction_from_the_middle_of_the_ball(wide_studio, azimuth,
                                                                      elevation):
    ball = Item('ball', 'red', '', 0, (1, 0, 0), (0, 0, 0.5), 0.0, metres=0.03)
    camera = Camera((0, 0, 0.5), azimuth, elevation, 0.3, 16, 0)
    setting = framing.Setting(camera, 0.2, (0.05, 0.05), -0.7, True)
    view, cell = wide_studio.view, wide_studio.cell
    view.width = view.height = SIDE
    view.gl.make_current()
    cell.build(plan.Stage((ball,)), Clutter(), setting, view.context)
    cell.paint_thing(0, (paint.TEXELS + 1) / 2 * 255, 0.0, view.context)
    cell.light((), 1.0, 0.0, setting, view.context)
    view.update()
    picture = view.colors()
    directions = np.random.default_rng(0).standard_normal((500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions = directions[directions @ camera.axes[2] > 0.5]
    at = camera.project(np.array(ball.position) + 1.1 * ball.metres * directions, SIDE)
    seen = picture[at[:, 1].astype(int), at[:, 0].astype(int)]
    assert len(seen) > 80
    assert np.abs(seen - (directions + 1) / 2 * 255).mean() < 6


def test_a_quarter_of_the_balls_is_sewn_and_a_fifth_dimpled(monkeypatch):
    monkeypatch.setattr(paint, '_seam', lambda *_: 'seam')
    monkeypatch.setattr(paint, '_dimples', lambda *_: 'dimples')
    balls = [paint._ball(np.random.default_rng(seed)) for seed in range(2000)]
    plain = [each for each in balls if not isinstance(each, str)]
    assert all((each == 1).all() for each in plain)
    drawn = [each for each in balls if isinstance(each, str)]
    assert drawn.count('seam') / 2000 == pytest.approx(0.25, abs=0.03)
    assert drawn.count('dimples') / 2000 == pytest.approx(0.2, abs=0.03)


def edges(sides):
    """Return how much a cube map's outermost texels differ from the nearest of another side."""
    texels, values = paint.TEXELS.reshape(-1, 3), sides.reshape(-1)
    size = np.sort(np.abs(texels), axis=1)
    outer = np.flatnonzero(size[:, 1] > 0.98 * size[:, 2])
    side = np.repeat(np.arange(6), paint.TEX ** 2)[outer]
    near = np.where(side[:, None] != side, texels[outer] @ texels[outer].T, -1).argmax(axis=1)
    return np.abs(values[outer] - values[outer[near]])


@pytest.mark.parametrize(('shape', 'joins'), [('ball', True), ('cylinder', True), ('cube', False)])
def test_the_skin_of_what_is_round_goes_all_around(wide_studio, shape, joins):
    camera = Camera((0, 0, 0), 0, 40, 0.3, 40, 0)
    apart = []
    for seed in range(30):
        item = Item(shape, 'red', '', 0, (1, 1, 1), (0, 0, 0.1), 0.0, metres=0.03)
        sides = paint.skin(np.random.default_rng(seed), item, camera, wide_studio.bank)
        apart.append(np.median(edges(sides.mean(axis=-1))))
    assert (np.mean(np.array(apart) < 4) > 0.7) == joins


def test_spots_are_soft_and_about_one():
    spots = [paint._mottled(np.random.default_rng(seed)) for seed in range(20)]
    assert np.mean([each.mean() for each in spots]) == pytest.approx(1, abs=0.05)
    assert all(each.max() > 1.05 or each.min() < 0.95 for each in spots)
    assert all(np.median(edges(each)) < 0.02 for each in spots)


def test_a_seam_goes_all_around_and_dimples_are_all_over():
    along = paint.TEXELS @ np.array([0.6, 0.0, 0.8], np.float32)
    seam = paint._seam(np.random.default_rng(0), along)
    assert (seam[np.abs(along) < 0.02] < 0.75).all()
    assert (seam[np.abs(along) > 0.4] == 1).all()
    dimples = paint._dimples(np.random.default_rng(0), np.array([0.0, 0.0, 1.0]))
    for side in dimples:  # dark and bright spots on each
        assert side.min() < 0.95
        assert side.max() > 1.05
    assert dimples.mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(('floor', 'told'), [((120, 110, 100), False), ((60, 110, 40), True)])
def test_a_table_is_told_from_the_floor_by_its_colour(floor, told):
    owners = np.full((40, 40), TABLE_PIXEL, np.int8)
    owners[:15] = BEYOND_PIXEL
    picture = np.full((40, 40, 3), (125, 112, 100), np.uint8)
    picture[:15] = floor
    assert (sensor._step(picture, owners) >= sensor.STEP) == told
    assert sensor._step(picture.swapaxes(0, 1), owners.T) == sensor._step(picture, owners)


def test_a_scene_whose_things_are_all_hidden_is_no_truth(wide_taken):
    each = next(each for each in wide_taken if len(each.stage.things) > 1 and not (
        each.setting.in_hand or each.stage.gripper or each.stage.tray))

    def told(owners):
        return observe(each.scene.seed, 'train', each.stage, each.setting, owners)
    assert told(each.owners)
    assert told(np.where(each.owners >= 0, TABLE_PIXEL, each.owners)) is None

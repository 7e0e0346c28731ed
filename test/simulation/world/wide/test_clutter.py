"""What lies about and is none of the shapes: on the table, in quiet colours, cut by the border."""

import cv2
import numpy as np
import pytest

from latent_vqa_ros.simulation.world.wide import clutter, framing, observe, plan
from latent_vqa_ros.simulation.world.wide.clutter import PROP_SIZES, Clutter, Prop
from latent_vqa_ros.simulation.world.wide.sources import Sources


@pytest.mark.parametrize('mesh', range(3))
@pytest.mark.parametrize('size', range(len(PROP_SIZES)))
def test_a_mesh_stands_on_the_table(wide_studio, mesh, size):
    view, cell = wide_studio.view, wide_studio.cell
    setting = framing.draw(np.random.default_rng(0), False)
    view.gl.make_current()
    cell.build(plan.Stage(()), Clutter(props=[Prop(mesh, size, 0.1, 0.0, 0.5)]), setting,
               view.context)
    view.update()
    geom = cell.prop_geoms[0]
    number = int(cell.model.geom_dataid[geom])
    first, count = int(cell.model.mesh_vertadr[number]), int(cell.model.mesh_vertnum[number])
    turn = cell.data.geom_xmat[geom].reshape(3, 3)
    points = cell.model.mesh_vert[first:first + count] @ turn.T + cell.data.geom_xpos[geom]
    assert points[:, 2].min() == pytest.approx(0.0, abs=1e-5)
    assert np.ptp(points, axis=0).max() > 0.5 * PROP_SIZES[size]


def test_meshes_have_colours_that_nobody_would_name():
    for name, _, picture in Sources().meshes():
        drawn = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        saturation = cv2.cvtColor(drawn, cv2.COLOR_BGR2HSV)[..., 1]
        assert np.percentile(saturation, 99) < 80, name


def test_what_the_border_cuts_is_at_the_border_and_clear_of_the_things():
    rng, crossing = np.random.default_rng(4), []
    for _ in range(300):
        setting = framing.draw(rng, False)
        stage = plan.plan(rng, [('red', 'cube', 'small')] * 3, setting)
        if stage is None:
            continue
        lying = Clutter()
        clutter._at_border(rng, lying, stage, setting)
        for bar in lying.bars:
            along = bar.along / np.linalg.norm(bar.along) * bar.half[2]
            ends = np.stack([bar.place + share * along for share in (-1, -0.5, 0, 0.5, 1)])
            at = setting.camera.project(ends, 1) / (setting.camera.aspect, 1)
            seen = ((at > 0) & (at < 1)).all(axis=1)
            crossing.append(seen.any() and not seen.all())
            assert all(np.hypot(*(bar.place - thing.position)[:2]) > thing.reach
                       for thing in stage.things)
            assert stage.tray is None or stage.tray.gap(*bar.place[:2]) > bar.half[2]
    assert len(crossing) > 60
    assert np.mean(crossing) > 0.8


def test_a_thing_from_one_border_to_the_other_is_no_truth(wide_taken):
    thing = next(thing for each in wide_taken for _, thing in each.scene.counted)
    for box, certain in (((10, 20, 60, 50), True), ((0, 20, 96, 50), False),
                         ((10, 0, 60, 96), False), ((0, 0, 60, 50), True)):
        seen = type(thing)(**{**vars(thing), 'visible': 0.9, 'box': box})
        assert observe._certain(seen, 96, 96) is certain

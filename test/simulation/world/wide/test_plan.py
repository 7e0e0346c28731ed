"""What stands where in the wide world, before anything is drawn."""

import math

import numpy as np

from latent_vqa_ros.simulation.world.wide import framing, plan


def test_cylinders_are_flat_and_long_standing_and_lying():
    rng = np.random.default_rng(1)
    found = [plan.draw_items(rng, [('red', 'cylinder', 'small')], framing.draw(rng, False))[0]
             for _ in range(300)]
    by_width = [item.stretch[2] / item.stretch[0] for item in found]
    assert min(by_width) < 0.25
    assert max(by_width) > 2
    assert 90 < sum(item.lying for item in found) < 150


def close(share, monkeypatch):
    """Return how many of 60 scenes of four cubes are close, if this share of them is huddled."""
    monkeypatch.setattr(plan, 'HUDDLED', share)
    rng, found = np.random.default_rng(2), []
    while len(found) < 60:
        stage = plan.plan(rng, [('red', 'cube', 'small')] * 4, framing.draw(rng, False))
        if stage is None or stage.tray or stage.gripper or len(stage.things) < 4:
            continue
        reach = max(item.reach for item in stage.things)
        found.append(max(math.dist(a.position, b.position) for a in stage.things
                         for b in stage.things) < 4 * reach)
    return sum(found)


def test_huddled_things_stand_closer_and_some_scenes_are_huddled(monkeypatch):
    assert 0.2 < plan.HUDDLED < 0.5
    assert close(1.0, monkeypatch) > 1.5 * close(0.0, monkeypatch)

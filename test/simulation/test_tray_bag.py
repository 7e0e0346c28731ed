"""The bag that the demo teaches from is the one that its command makes, and its truth holds."""

import json
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.simulation import tray_bag
from latent_vqa_ros.simulation.episode_bag import START_NS, jpeg
from latent_vqa_ros.simulation.world.picture import Studio

SHIPPED = Path(__file__).resolve().parents[1] / 'data' / 'tray'


@pytest.fixture(scope='module')
def shipped():
    """Return the messages of the shipped bag as topic → list."""
    with BagReader(SHIPPED) as bag:
        return {topic: [bag.deserialize(record) for record in bag if record.topic == topic]
                for topic in ('/camera/image_raw/compressed', '/truth')}


def test_the_shipped_tray_is_what_the_command_makes(shipped):
    # python3 -m latent_vqa_ros.simulation.tray_bag test/data/tray
    assert {len(messages) for messages in shipped.values()} == {tray_bag.FRAMES}
    studio = Studio(tray_bag.SIZE)
    for frame, taken in enumerate(islice(tray_bag.film(studio, tray_bag.SEED), 8)):
        stamp_ns = START_NS + frame * tray_bag.PERIOD_S * 10**9
        assert json.loads(shipped['/truth'][frame].data) == json.loads(
            tray_bag.truth(taken, stamp_ns))
        shipped_hwc = cv2.imdecode(shipped['/camera/image_raw/compressed'][frame].data, 1)
        made_hwc = cv2.imdecode(np.frombuffer(jpeg(taken.image_hwc), np.uint8), 1)
        assert np.abs(shipped_hwc.astype(int) - made_hwc).mean() < 1  # grey level


def test_the_answers_are_those_of_the_scene_and_all_of_it_can_be_seen(shipped):
    for message in shipped['/truth']:
        told = json.loads(message.data)
        things = told['scene']['things']
        inside = sum(thing['in_tray'] for thing in things)
        assert told['answers'] == {tray_bag.READY: 'no' if inside else 'yes',
                                   tray_bag.EVEN: 'no' if len(things) % 2 else 'yes'}
        assert min(thing['visible'] for thing in things) > 0.3
        assert told['scene']['tray_visible']


def test_another_seed_is_another_tray_and_the_bag_is_small():
    first, other = (next(tray_bag.film(Studio(32), seed)) for seed in (1, 2))
    assert (first.image_hwc != other.image_hwc).any()
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 500_000

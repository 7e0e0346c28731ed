"""A bag with a known truth, without drawing: a red cube comes, is held, lies in the tray; and an
answerer that knows that truth and tells it so many frames late."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np

from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.truth import read_scenes
from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.simulation.language.episode_questions import standing
from latent_vqa_ros.simulation.truth import Scene, Thing

SIZE, RATE, START_NS = 32, 10, 10**18
BALL = Thing('ball', 'blue', 'small', (0.1, 0.5, 0.03), 1.0, (4, 4, 5, 5), (6.5, 6.5))
CUBE = {'absent': None, 'table': {}, 'held': {'held': True}, 'tray': {'in_tray': True}}
STORY = ['absent'] * 10 + ['table'] * 10 + ['?'] * 4 + ['held'] * 10 + ['?'] * 2 + ['tray'] * 20


def scene(cube):
    things = [BALL]
    if CUBE[cube] is not None:
        things.append(Thing('cube', 'red', 'large', (0.0, 0.5, 0.04), 1.0, (9, 9, 8, 8),
                            (13.0, 13.0), **CUBE[cube]))
    return Scene(0, 'episode', SIZE, SIZE, tuple(things), True, True)


def write_bag(path, story=STORY, storage='mcap'):
    """Write a picture and its truth per word of the story; '?' is ambiguous."""
    with BagWriter(path, storage) as bag:
        for i, cube in enumerate(story):
            stamp_ns = START_NS + i * 10**9 // RATE
            sec, nanosec = divmod(stamp_ns, 10**9)
            fields = None if cube == '?' else json.loads(scene(cube).to_json())
            bag.write_image('/camera/image_raw', stamp_ns, 'camera',
                            np.full((SIZE, SIZE, 3), (100 + i, 90, 90), np.uint8))
            bag.write_string('/truth', stamp_ns, json.dumps(
                {'stamp': {'sec': sec, 'nanosec': nanosec}, 'scene': fields}))
    return path


class Oracle:
    """Answers with the truth of ``late`` certain frames before; 'wrong' at the first ones."""

    bundle = SimpleNamespace(manifest=SimpleNamespace(name='oracle'))

    def __init__(self, path, late=0):
        with BagReader(path) as bag:
            self.scenes = {stamp: fields and Scene.from_json(json.dumps(fields))
                           for stamp, fields in read_scenes(bag).items()}
        self.asked = {one.text: one for one in standing([s for s in self.scenes.values() if s])}
        self.late, self.told = late, {}

    def respond(self, request, frame, now_ns=0):
        told = self.told.setdefault(request.question, ['wrong'] * self.late)
        truth = self.asked[request.question].truth(self.scenes[frame.stamp_ns])
        if truth is None:
            return Detail(Status.OK, request.question, answer='anything')
        told.append(truth)
        return Detail(Status.OK, request.question, answer=told[-1 - self.late])

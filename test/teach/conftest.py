"""What the tests of teaching share: the shipped encoder, and pictures of two states."""

import cv2
import numpy as np
import pytest

from latent_vqa_ros import backends
from latent_vqa_ros.teach.features import RegionEncoder
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.messages import Message
from latent_vqa_ros.teach.taught import Taught
from latent_vqa_ros.teach.teacher import Taken, Teacher

QUESTION = 'is the lid open?'
SECOND = 1_000_000_000


@pytest.fixture(scope='session')
def encoder():
    return RegionEncoder(lambda: backends.open_features('lite0'))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / 'taught')


@pytest.fixture
def teacher(folder, encoder):
    return Teacher(folder, encoder)


def draw(answer, seed):
    """Return a picture of a box on a table: lid open ('yes'), closed ('no'), or stripes."""
    rng = np.random.default_rng(seed)
    image = np.full((240, 320, 3), rng.integers(150, 190, 3), np.uint8)
    x, y = (int(v) for v in rng.integers((80, 60), (110, 80)))
    if answer == 'yes':
        cv2.ellipse(image, (x + 60, y + 60), (70, 50), 0, 0, 360, (30, 30, 30), -1)
        cv2.circle(image, (x + 60, y + 60), 20, (220, 80, 60), -1)
    elif answer == 'no':
        cv2.rectangle(image, (x, y), (x + 130, y + 110), (200, 170, 60), -1)
        cv2.line(image, (x, y + 55), (x + 130, y + 55), (90, 60, 20), 4)
    else:
        for row in range(0, 240, 24):
            cv2.line(image, (0, row), (319, row), (20, 90, 200), 8)
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def show(teacher, shots=10, moments=3, seed=0, question=QUESTION, **more):
    """Add shots of 'yes' and 'no' in turns, in so many moments each; return the last document."""
    document, at = None, 0
    for moment in range(moments):
        for number, answer in enumerate(('yes', 'no')):
            for shot in range(moment, shots, moments):
                at += SECOND
                document = teacher.do(
                    Message('add', question=question, answer=answer, **more),
                    Taken(draw(answer, 1000 * seed + 100 * number + shot), at))
                assert document['status'] == 'ok', document['reason']
            at += 5 * SECOND
    return document


@pytest.fixture(scope='module')
def taught_path(encoder, tmp_path_factory):
    teacher = Teacher(Folder(tmp_path_factory.mktemp('taught')), encoder)
    show(teacher, region=[0.1, 0.1, 0.8, 0.8])
    assert teacher.do(Message('fit', question=QUESTION))['status'] == 'ok'
    show(teacher, question='is it closed?', region=[0.1, 0.1, 0.8, 0.8])
    assert teacher.do(Message('fit', question='is it closed?'))['status'] == 'ok'
    return teacher.folder.path


@pytest.fixture
def taught(taught_path, encoder):
    return Taught(Folder(taught_path), encoder)

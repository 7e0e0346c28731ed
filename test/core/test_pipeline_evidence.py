"""The pipeline shows where the model looked, in pixels of the frame, and where it does not."""

import numpy as np
import pytest
from helpers import fake_bundle

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core import evidence
from latent_vqa_ros.core.answer import Evidence
from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status

QUESTION = 'Is the red cube above the blue ball?'
HEIGHT, WIDTH = 480, 640


def respond(folder, question=QUESTION, **settings):
    pipeline = open_pipeline(folder, **settings)
    image_hwc = np.full((HEIGHT, WIDTH, 3), (40, 44, 48), np.uint8)
    return pipeline.respond(Request(question), Frame(lambda: (image_hwc, None)))


@pytest.mark.parametrize(('resize', 'boxes'), [
    ('center_crop', [(200, 120, 60, 120), (500, 360, 60, 120)]),
    ('stretch', [(160, 120, 80, 120), (560, 360, 80, 120)]),
    ('letterbox', [(160, 80, 80, 160), (560, 400, 80, 80)])])
def test_each_phrase_of_the_question_has_its_box_in_pixels_of_the_frame(tmp_path, resize, boxes):
    detail = respond(fake_bundle.write_looking(
        tmp_path / 'm', preprocess=PreprocessConfig(resize=resize)))
    assert detail.status is Status.OK
    assert detail.evidence == (Evidence('red cube', boxes[0]), Evidence('blue ball', boxes[1]))
    assert detail.to_dict()['evidence'][0] == {'phrase': 'red cube', 'box': list(boxes[0])}


def test_unsure_answers_have_evidence_too(tmp_path):
    detail = respond(fake_bundle.write_looking(tmp_path / 'm'), min_confidence=1.0)
    assert detail.status is Status.UNSURE
    assert [each.phrase for each in detail.evidence] == ['red cube', 'blue ball']


@pytest.mark.parametrize(('question', 'changes', 'status'), [
    ('what shape is this', {}, Status.OK),  # the word looks nowhere
    ('is this above', {}, Status.OK),
    ('is the red thing above', {}, Status.UNKNOWN_WORDS),
    (QUESTION, {'max_distance': 1.0}, Status.UNFAMILIAR_IMAGE)])
def test_no_box_where_nothing_was_found_or_asked(tmp_path, question, changes, status):
    detail = respond(fake_bundle.write_looking(tmp_path / 'm', **changes), question)
    assert (detail.status, detail.evidence) == (status, ())


@pytest.mark.parametrize('graph', [False, True])
def test_a_bundle_without_evidence_does_none_of_the_work(tmp_path, monkeypatch, graph):
    monkeypatch.setattr(evidence, 'find', None)
    detail = respond(fake_bundle.write(tmp_path / 'm', fake_bundle.answerer(looking=graph)))
    assert (detail.status, detail.evidence) == (Status.OK, ())


def test_a_backend_that_cannot_look_answers_without_evidence(tmp_path):
    pipeline = open_pipeline(fake_bundle.write_looking(tmp_path / 'm'))
    pipeline.backend = open_pipeline(fake_bundle.write(tmp_path / 'blind')).backend
    image_hwc = np.full((HEIGHT, WIDTH, 3), (40, 44, 48), np.uint8)
    detail = pipeline.respond(Request(QUESTION), Frame(lambda: (image_hwc, None)))
    assert (detail.status, detail.evidence) == (Status.OK, ())

"""A taught question takes the road of any other, and leaves the bundle's answers as they were."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers.closed import close
from teach.conftest import QUESTION, draw

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core.image_formats import ImageError
from latent_vqa_ros.core.pipeline import GREY, Frame
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.teach import taught as taught_module
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.messages import Message
from latent_vqa_ros.teach.question import Question, TeachError
from latent_vqa_ros.teach.taught import Taught, pixels_of
from latent_vqa_ros.teach.teacher import Teacher

KNOWN = ('is there a red cube?', 'how many things are there?', 'is there a unicorn?', '')


def broken_disk(*given):
    raise TeachError('too many open files')


@pytest.fixture
def pipeline(taught):
    found = open_pipeline('tabletop')
    found.taught = taught
    return found


def frame(answer, seed=9999, **more):
    pixels = draw(answer, seed)
    return Frame(lambda: (pixels, None), **more)


@pytest.mark.parametrize('answer', ['yes', 'no'])
def test_the_answer_is_the_one_that_was_shown(pipeline, answer):
    detail = pipeline.respond(Request('Is the lid OPEN', id=3), frame(answer, stamp_ns=5), 9)
    document = detail.to_dict()
    assert (document['status'], document['answer'], document['id']) == ('ok', answer, 3)
    assert document['model']['name'] == 'taught/is-the-lid-open'
    assert document['model']['version'] == '1'
    assert len(document['model']['sha256']) == 64
    assert document['evidence'] == [{'phrase': 'Is the lid OPEN', 'box': [32, 24, 256, 192]}]
    assert document['stamp'] == {'sec': 0, 'nanosec': 5}
    assert 'forced' not in document


def test_what_was_never_shown_is_unfamiliar(pipeline):
    detail = pipeline.respond(Request(QUESTION), frame('stripes'))
    assert detail.status.value == 'unfamiliar_image'
    assert 'limit' in detail.reason


def test_statuses_of_frames_are_those_of_any_question(pipeline):
    pipeline.max_age_s = 1

    def broken():
        raise ImageError('half a picture')

    found = [pipeline.respond(Request(QUESTION), asked, 10**10).status.value
             for asked in (None, frame('yes', stamp_ns=1), Frame(broken, stamp_ns=10**10))]
    assert found == ['no_image', 'stale_image', 'bad_image']


def test_below_the_limit_of_the_node_it_is_unsure(pipeline):
    pipeline.min_confidence = 1.0
    detail = pipeline.respond(Request(QUESTION), frame('yes'))
    assert (detail.status.value, detail.answer) == ('unsure', 'yes')


def test_a_limit_of_the_node_never_makes_a_taught_answer_bolder(pipeline, monkeypatch, taught):
    careful = replace(taught.find(QUESTION, ''), min_confidence=1.1)
    monkeypatch.setattr(taught, 'find', lambda *_: careful)
    for limit in (pipeline.min_confidence, 0.1):
        pipeline.min_confidence = limit
        assert pipeline.respond(Request(QUESTION), frame('yes')).status.value == 'unsure'


def named(live, wording='', answer=''):
    """Return a question that has another wording, and another first answer."""
    question = replace(live.known.question, wordings=tuple(filter(None, [wording])))
    answers = (answer or live.version.answers[0], *live.version.answers[1:])
    return replace(live, known=replace(live.known, question=question),
                   version=replace(live.version, answers=answers))


@pytest.mark.parametrize(('names', 'unsure'), [
    ({'wording': 'is the red lid open?'}, True), ({'answer': 'Green'}, True), ({}, False)])
def test_of_a_grey_picture_no_question_about_colours_is_answered(
        pipeline, taught, monkeypatch, names, unsure):
    asked = named(taught.find(QUESTION, ''), **names)
    monkeypatch.setattr(taught, 'find', lambda *_: asked)
    grey = np.dstack([draw('yes', 9999)[..., 1]] * 3)
    detail = pipeline.respond(Request(QUESTION), Frame(lambda: (grey, None), camera='a'))
    assert (detail.status is Status.UNSURE and detail.reason == GREY) == unsure
    assert pipeline.shows_colours('a') != unsure
    if unsure:
        assert len(detail.top) == 2
        pipeline.respond(Request(QUESTION), frame('yes', camera='a'))
        assert pipeline.shows_colours('a')
    assert pipeline.respond(Request(QUESTION), frame('yes')).status is Status.OK


def test_questions_about_one_region_encode_it_once(pipeline):
    seen = frame('no')
    first, second = (pipeline.respond(Request(text), seen) for text in (QUESTION, 'is it closed?'))
    assert (first.encoding_reused, second.encoding_reused) == (False, True)
    assert second.latency_ms.encode is None


def test_the_bundles_answers_are_the_same_bits_with_and_without_taught_ones(pipeline):
    plain = open_pipeline('tabletop')
    for seed in range(10):
        seen = frame('yes' if seed % 2 else 'stripes', seed)
        pipeline.respond(Request(QUESTION), seen)
        for question in KNOWN:
            both = [one.respond(Request(question), seen).to_dict() for one in (plain, pipeline)]
            for document in both:
                del document['latency_ms']
            assert both[0] == both[1]


def test_a_damaged_version_fails_and_is_named_and_is_not_left_to_the_bundle(taught, tmp_path):
    shutil.copytree(taught.folder.path, tmp_path / 'copy')
    version = tmp_path / 'copy' / 'is-the-lid-open' / 'versions' / '1'
    weights = bytearray((version / 'weights.npy').read_bytes())
    weights[-1] ^= 1
    (version / 'weights.npy').write_bytes(weights)
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    pipeline = open_pipeline('tabletop')
    pipeline.taught = copy
    detail = pipeline.respond(Request(QUESTION), frame('yes', 0))
    assert pipeline.respond(Request(QUESTION), None).status is Status.FAILED
    assert (detail.status, detail.answer) == (Status.FAILED, None)
    assert (detail.model[0], 'weights.npy' in detail.reason) == ('taught/is-the-lid-open', True)
    assert pipeline.respond(Request('is it closed?'), frame('yes', 0)).status is not Status.FAILED
    problem, = copy.problems
    assert 'weights.npy' in problem
    Teacher(copy.folder, taught.eye.encoder).do(Message('switch_off', question=QUESTION))
    assert copy.find(QUESTION, '') is None


def test_a_question_that_could_not_be_read_once_is_read_again(taught, monkeypatch):
    monkeypatch.setattr(taught_module, 'AGAIN_S', 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(taught_module, 'load', broken_disk)
        assert 'too many open files' in taught.find(QUESTION, '').broken
    assert taught.find(QUESTION, '').broken == ''
    assert taught.problems == ()


def test_a_text_that_is_taught_for_several_cameras_is_answered_for_none_of_them(
        taught, tmp_path, encoder):
    for camera in ('left', 'right'):
        shutil.copytree(taught.folder.path / 'is-the-lid-open', tmp_path / 'both' / camera)
        path = tmp_path / 'both' / camera / 'question.yaml'
        path.write_text(path.read_text().replace("camera: ''", f'camera: {camera}'))
    both = Taught(Folder(tmp_path / 'both'), encoder)
    found = both.find(QUESTION, '')
    assert found.broken == 'it is taught for several cameras: left, right'
    assert found.identity[0] in ('taught/left', 'taught/right')
    assert both.find(QUESTION, 'right').slug == 'right'
    pipeline = open_pipeline('tabletop')
    pipeline.taught = both
    assert pipeline.respond(Request(QUESTION), frame('yes', 0)).status is Status.FAILED


def test_a_folder_that_nobody_may_enter_fails_alone_and_is_named(taught, tmp_path, monkeypatch):
    shutil.copytree(taught.folder.path, tmp_path / 'copy')
    (tmp_path / 'copy' / 'round').symlink_to('round')  # whoever looks behind it gets an OSError
    close(monkeypatch, 'is-it-closed', 'exists', 'is_dir', 'open')
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    assert not copy.find(QUESTION, '').broken
    assert 'Permission denied' in copy.find('is-it-closed', '').broken
    assert [problem.rpartition(': ')[2] for problem in copy.problems] == ['Permission denied']


def test_another_encoder_is_named_and_answers_nothing(taught, tmp_path):
    shutil.copytree(taught.folder.path, tmp_path / 'copy')
    about = tmp_path / 'copy' / 'is-the-lid-open' / 'versions' / '1' / 'version.json'
    about.write_text(json.dumps({**json.loads(about.read_text()), 'encoder': 'x'}))
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    assert 'fit it again' in copy.find(QUESTION, '').broken
    assert 'fit it again' in copy.problems[0]


def test_what_another_process_switches_off_is_off_at_the_next_question(taught, encoder):
    assert taught.find(QUESTION, '') is not None
    other = Teacher(taught.folder, encoder)
    other.do(Message('switch_off', question=QUESTION))
    assert taught.find(QUESTION, '') is None
    other.do(Message('rollback', question=QUESTION))
    assert taught.find(QUESTION, 'front') is not None


def test_a_region_is_said_in_pixels_of_the_frame():
    assert pixels_of(None, (480, 640)) == (0, 0, 640, 480)
    assert pixels_of((0.25, 0.5, 0.5, 0.25), (480, 640)) == (160, 240, 320, 120)


def test_a_question_that_is_moved_out_or_in_counts_at_the_next_question(taught, tmp_path):
    shutil.copytree(taught.folder.path, tmp_path / 'copy')
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    assert copy.find(QUESTION, '') is not None
    os.rename(tmp_path / 'copy' / 'is-the-lid-open', tmp_path / 'away')
    assert copy.find(QUESTION, '') is None
    os.rename(tmp_path / 'away', tmp_path / 'copy' / 'is-the-lid-open')
    assert copy.find(QUESTION, '') is not None


def test_a_shot_of_one_question_does_not_make_the_others_be_read_again(taught, tmp_path,
                                                                       monkeypatch):
    shutil.copytree(taught.folder.path, tmp_path / 'copy')
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    copy.refresh()
    copy.folder.add(Question('a third?'), 'yes', b'picture', 5)
    again, load = [], taught_module.load
    monkeypatch.setattr(taught_module, 'load', lambda known, eye: (
        again.append(known.slug), load(known, eye))[1])
    assert copy.find(QUESTION, '') is not None
    assert again == ['a-third']

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core.image_formats import ImageError
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status

ASK = Request('what shape is present?', id=4, camera='front')
SECOND = 1_000_000_000


@pytest.fixture
def pipeline():
    return open_pipeline('easy_vqa')


def frame(red_circle, stamp_ns=5 * SECOND, **values):
    return Frame(lambda: (red_circle, None), stamp_ns, frame_id='optical', **values)


@pytest.fixture
def red_circle():
    import cv2
    image = np.full((480, 640, 3), 240, np.uint8)
    cv2.circle(image, (320, 240), 110, (255, 0, 0), -1, cv2.LINE_AA)
    return image


@pytest.mark.parametrize(('question', 'answer'), [
    ('what shape is present?', 'circle'), ('What color is the circle', 'red'),
    ('is there a blue shape?', 'no'), ('is there not a triangle?', 'yes')])
def test_it_answers_about_what_is_in_the_frame(pipeline, red_circle, question, answer):
    detail = pipeline.respond(Request(question), frame(red_circle))
    assert (detail.status, detail.answer) == (Status.OK, answer)


def test_the_answer_carries_stamp_frame_and_id(pipeline, red_circle):
    detail = pipeline.respond(ASK, frame(red_circle), now_ns=7 * SECOND)
    assert (detail.id, detail.camera, detail.stamp_ns, detail.frame_id, detail.image_age_ms) == (
        4, 'front', 5 * SECOND, 'optical', 2000)
    assert detail.model == pipeline.bundle.identity


def test_a_frame_is_decoded_and_encoded_once_for_all_its_questions(pipeline, red_circle):
    calls = []
    counted = Frame(lambda: calls.append(1) or (red_circle, None))
    details = [pipeline.respond(ASK, counted) for _ in range(3)]
    assert len(calls) == 1
    assert [d.encoding_reused for d in details] == [False, True, True]
    assert details[1].latency_ms.encode is None
    assert len({d.confidence for d in details}) == 1


def test_another_frame_is_encoded_anew_even_with_the_same_stamp(pipeline, red_circle):
    pipeline.respond(ASK, frame(red_circle))
    assert not pipeline.respond(ASK, frame(red_circle)).encoding_reused


def test_an_encoding_that_is_held_is_answered_about_after_other_frames(pipeline, red_circle):
    held = pipeline.encode(frame(red_circle))
    before = pipeline.answer(ASK, held)
    pipeline.respond(ASK, frame(np.full_like(red_circle, 240)))
    after = pipeline.answer(ASK, held)
    assert (after.status, after.answer, after.stamp_ns) == (Status.OK, 'circle', 5 * SECOND)
    assert after.top == before.top == pipeline.respond(ASK, held.frame).top
    assert after.encoding_reused
    assert after.latency_ms.encode is None


def test_a_held_encoding_keeps_to_the_rules_of_questions_age_and_familiarity(red_circle):
    pipeline = open_pipeline('easy_vqa', max_age_s=1.0)
    held = pipeline.encode(frame(red_circle))
    assert pipeline.answer(ASK, held, 7 * SECOND).status is Status.STALE_IMAGE
    assert pipeline.answer(Request('?'), held, 5 * SECOND).status is Status.BAD_QUESTION
    pipeline.max_distance = held.distance / 2
    assert pipeline.answer(ASK, held, 5 * SECOND).status is Status.UNFAMILIAR_IMAGE


def test_encoding_what_cannot_be_decoded_raises_for_who_holds_it(pipeline):
    def broken():
        raise ImageError('step 3 is too small')
    with pytest.raises(ImageError, match='step 3'):
        pipeline.encode(Frame(broken))


def test_cameras_keep_their_encodings_apart(pipeline, red_circle):
    front, rear = frame(red_circle, camera='front'), frame(red_circle, camera='rear')
    reused = [pipeline.respond(ASK, f).encoding_reused for f in (front, rear, front, rear)]
    assert reused == [False, False, True, True]


@pytest.mark.parametrize(('request_', 'status', 'said'), [
    (Request('what colour is it?'), Status.UNKNOWN_WORDS, "'color'"),
    (Request('?'), Status.BAD_QUESTION, 'empty'),
    (Request('', error='broken JSON'), Status.BAD_QUESTION, 'broken JSON'),
    (Request('is ' * 30), Status.BAD_QUESTION, 'at most'),
])
def test_a_bad_question_is_answered_before_the_frame_is_touched(pipeline, request_, status, said):
    def fail():
        raise AssertionError('decoded')
    detail = pipeline.respond(request_, Frame(fail))
    assert detail.status is status
    assert said in detail.reason
    assert detail.answer is None


def test_no_frame_is_no_image_with_the_callers_reason(pipeline):
    detail = pipeline.respond(ASK, None, absent='no publisher on /x')
    assert (detail.status, detail.reason) == (Status.NO_IMAGE, 'no publisher on /x')


def test_an_old_frame_is_stale_and_a_fresh_one_is_not(red_circle):
    pipeline = open_pipeline('easy_vqa', max_age_s=1.0)
    assert pipeline.respond(ASK, frame(red_circle), 7 * SECOND).status is Status.STALE_IMAGE
    assert pipeline.respond(ASK, frame(red_circle), 5 * SECOND).status is Status.OK


def test_without_a_stamp_the_age_counts_from_the_arrival(red_circle):
    pipeline = open_pipeline('easy_vqa', max_age_s=1.0)
    arrived = frame(red_circle, 0, received_ns=9 * SECOND)
    assert pipeline.respond(ASK, arrived, 11 * SECOND).status is Status.STALE_IMAGE
    assert pipeline.respond(ASK, arrived, 9 * SECOND).status is Status.OK


def test_a_camera_whose_clock_runs_ahead_goes_stale_when_frames_stop(red_circle):
    pipeline = open_pipeline('easy_vqa', max_age_s=1.0)
    ahead = frame(red_circle, 100 * SECOND, received_ns=9 * SECOND)
    fresh, dead = (pipeline.respond(ASK, ahead, at * SECOND) for at in (9, 11))
    assert (fresh.status, dead.status) == (Status.OK, Status.STALE_IMAGE)
    assert dead.image_age_ms == -89_000  # of the stamp, as ever
    assert '2.0 s old' in dead.reason


def test_a_dead_camera_goes_stale_although_the_wall_clock_was_set_back(red_circle):
    pipeline = open_pipeline('easy_vqa', max_age_s=1.0)
    now_s = time.monotonic()
    taken = {'stamp_ns': 100 * SECOND, 'received_ns': 100 * SECOND}
    fresh, dead = (pipeline.respond(ASK, frame(red_circle, **taken, arrived_s=at_s), 40 * SECOND)
                   for at_s in (now_s, now_s - 60))
    assert (fresh.status, dead.status) == (Status.OK, Status.STALE_IMAGE)
    assert '60.' in dead.reason


def test_an_undecodable_frame_is_a_bad_image_with_its_reason(pipeline, red_circle):
    def broken():
        raise ImageError('step 3 is too small')
    detail = pipeline.respond(ASK, Frame(broken))
    assert (detail.status, detail.reason) == (Status.BAD_IMAGE, 'step 3 is too small')
    assert pipeline.respond(ASK, frame(red_circle)).status is Status.OK


def test_below_the_threshold_the_answer_is_unsure_and_still_told(red_circle):
    pipeline = open_pipeline('easy_vqa', min_confidence=1.0)
    detail = pipeline.respond(ASK, frame(red_circle))
    assert detail.status is Status.UNSURE
    assert detail.top[0][0] == 'circle'
    assert '1' in detail.reason


@pytest.mark.parametrize(('question', 'status'), [
    ('what shape is present?', Status.UNSURE), ('what color is the circle', Status.UNSURE),
    ('is a circle present?', Status.OK)])
def test_a_yes_is_no_answer_to_what_and_which(pipeline, red_circle, question, status):
    logits = np.array([9.0 * (answer == 'yes') for answer in pipeline.bundle.manifest.answers])
    pipeline.backend = SimpleNamespace(encode=pipeline.backend.encode,
                                       answer=lambda *_: (logits, None))
    detail = pipeline.respond(Request(question), frame(red_circle))
    assert (detail.status, detail.top[0][0]) == (status, 'yes')
    assert status is Status.OK or "answered 'yes'" in detail.reason


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_logits_that_are_no_numbers_give_no_answer_and_valid_json(pipeline, red_circle, value):
    logits = np.full(len(pipeline.bundle.manifest.answers), value)
    pipeline.backend = SimpleNamespace(encode=pipeline.backend.encode,
                                       answer=lambda *_: (logits, None))
    detail = pipeline.respond(ASK, frame(red_circle))
    assert detail.status is Status.UNSURE

    def refuse(constant):
        raise AssertionError(f'{constant} is no JSON')
    document = json.loads(detail.to_json(), parse_constant=refuse)
    assert document['confidence'] is None


def test_top_k_bounds_the_list_of_answers(red_circle):
    pipeline = open_pipeline('easy_vqa', top_k=5)
    top = pipeline.respond(ASK, frame(red_circle)).top
    assert len(top) == 5
    assert [p for _, p in top] == sorted((p for _, p in top), reverse=True)


@pytest.mark.parametrize('question', ['is the tray non-empty?', 'is noone there?',
                                      'is nothin in the tray?'])
def test_the_words_that_a_refusal_offers_can_be_asked_with(question):
    pipeline = open_pipeline('tabletop')
    detail = pipeline.respond(Request(question), None)
    assert detail.status is Status.UNKNOWN_WORDS
    offered = detail.reason.partition('(did you mean')[2].split("'")[1::2]
    assert set(offered).isdisjoint(pipeline.bundle.manifest.unasked)

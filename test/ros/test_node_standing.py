"""Standing questions: asked by a timer, published on change or always, changed while running."""

from __future__ import annotations

import gc
import itertools
import re
import shutil
import time
from dataclasses import replace

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import LIMIT, QUESTION, image, until

from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.ros.diagnostics import OK, WARN

RED, BLUE = (0, 0, 255), (255, 0, 0)
STANDING = '{"id": "standing", "question": "what color is the shape?"}'


@pytest.fixture
def seeing(robot):
    """Return an active node that has an image of a red shape and no standing question yet."""
    started = robot(min_confidence=0.0, max_image_age=0.0, standing_rate=50.0)
    started.show_now(colour=RED)
    return started


def count_calls(monkeypatch, target, name):
    """Return a list that grows with each call of a method."""
    calls, method = [], getattr(target, name)

    def counted(*given):
        calls.append(given)
        return method(*given)

    monkeypatch.setattr(target, name, counted)
    return calls


def ticks(node, number):
    """Wait until the standing questions were due that many times more."""
    time.sleep(number / node.vqa.settings.standing_rate)


def test_an_answer_is_published_when_it_changes_and_only_then(seeing):
    seeing.set(standing_questions=[STANDING])
    until(lambda: seeing.answers == ['red'], 'the first answer')
    seeing.show_now(colour=RED)
    ticks(seeing, 10)
    assert seeing.answers == ['red']
    seeing.show_now(colour=BLUE)
    until(lambda: seeing.answers == ['red', 'blue'], 'the changed answer')
    seeing.set(min_confidence=1.0)
    until(lambda: len(seeing.details) == 3, 'the changed status')
    assert [(d['id'], d['status'], d['answer']) for d in seeing.details] == [
        ('standing', 'ok', 'red'), ('standing', 'ok', 'blue'), ('standing', 'unsure', 'blue')]
    assert seeing.answers == ['red', 'blue']


def test_always_publishes_at_each_tick_and_encodes_a_frame_once(seeing):
    seeing.set(standing_publish='always', standing_questions=[STANDING])
    until(lambda: len(seeing.details) >= 10, 'ten details of one frame')
    assert {d['answer'] for d in seeing.details} == {'red'}
    assert [d['encoding_reused'] for d in seeing.details[:10]] == [False] + 9 * [True]


def test_an_unchanged_frame_is_not_answered_about_again(seeing, monkeypatch):
    calls = count_calls(monkeypatch, seeing.vqa.pipeline, 'respond')
    seeing.set(standing_questions=[STANDING, QUESTION])
    until(lambda: len(seeing.details) == 2, 'both answers')
    ticks(seeing, 10)
    assert len(calls) == 2
    seeing.set(top_k=1)  # what an answer depends on has changed
    until(lambda: len(calls) == 4, 'both to be asked again')
    assert len(seeing.details) == 2


def test_a_silent_camera_is_news_once(seeing):
    seeing.set(standing_questions=[STANDING])
    until(lambda: seeing.answers == ['red'], 'the first answer')
    seeing.set(max_image_age=0.01)
    until(lambda: len(seeing.details) == 2, 'stale_image')
    assert seeing.details[-1]['status'] == 'stale_image'
    ticks(seeing, 10)
    assert len(seeing.details) == 2


def test_an_image_that_grows_old_is_news(seeing):
    seeing.set(max_image_age=3.0)
    seeing.show(image(stamp_ns=seeing.now_ns()))
    seeing.set(standing_questions=[STANDING])
    until(lambda: len(seeing.details) == 2, 'ok, then stale_image')
    assert [d['status'] for d in seeing.details] == ['ok', 'stale_image']


def test_without_a_camera_the_reason_comes_once(robot):
    node = robot(standing_rate=50.0)
    node.set(standing_questions=[STANDING])
    until(lambda: node.details, 'no_image')
    ticks(node, 10)
    assert [d['status'] for d in node.details] == ['no_image']


def standing_status(node, level):
    return until(lambda: (found := node.diagnostics.get('standing questions'))
                 and found.level == level and found, f'the status at level {level}')


def test_a_question_that_no_frame_can_answer_is_told_before_one_has_come(robot, capfd):
    node = robot(standing_rate=0.001, diagnostics_period=0.1,
                 standing_questions=['what is this zebra?', STANDING])
    status = standing_status(node, WARN)
    assert status.message.startswith("'what is this zebra?' will get no answer: unknown_words: ")
    assert {pair.key: pair.value for pair in status.values}['questions'] == '2'
    assert not node.details
    logged = [line for line in capfd.readouterr().err.splitlines() if 'standing question' in line]
    assert len(logged) == 1
    assert "'what is this zebra?' will get no answer: unknown_words" in logged[0]


def test_another_model_is_asked_at_once_which_questions_it_can_answer(
        robot, tmp_path, bundle_path):
    other = tmp_path / 'other'
    shutil.copytree(bundle_path, other)
    text = (other / 'manifest.yaml').read_text()
    (other / 'manifest.yaml').write_text(re.sub(r'^- shape$', '- shapeless', text, flags=re.M))
    node = robot(standing_rate=0.001, diagnostics_period=0.1, standing_questions=[STANDING])
    standing_status(node, OK)
    assert node.set(model=str(other))[0].successful
    assert 'shape' in standing_status(node, WARN).message
    assert node.set(model=str(bundle_path))[0].successful
    standing_status(node, OK)


def test_a_question_that_takes_the_place_of_a_hopeless_one_ends_the_warning(robot):
    node = robot(standing_rate=50.0, diagnostics_period=0.1)
    assert 'standing questions' not in node.diagnostics
    node.set(standing_questions=['what is this zebra?', 'what is this unicorn?'])
    until(lambda: standing_status(node, WARN).message.endswith('(and 1 more)'), 'both')
    node.set(standing_questions=[STANDING])
    assert standing_status(node, OK).message == 'asked'


def test_cameras_are_chosen_as_on_the_topic(robot):
    both = robot(cameras=['front', 'rear'], min_confidence=0.0, max_image_age=0.0,
                 standing_rate=20.0)
    both.show(image(1, 'f', colour=RED), 'front', 'front/image_raw')
    both.show(image(1, 'r', colour=BLUE), 'rear', 'rear/image_raw')
    both.set(standing_questions=['@rear what shape is present?', f'@all {QUESTION}'])
    until(lambda: len(both.details) == 3, 'three answers')
    assert [(d['camera'], d['answer']) for d in both.details] == [
        ('rear', 'circle'), ('front', 'red'), ('rear', 'blue')]


def test_questions_are_taken_away_and_come_back_as_news(seeing):
    seeing.set(standing_questions=[STANDING])
    until(lambda: len(seeing.answers) == 1, 'the first answer')
    seeing.set(standing_questions=[QUESTION])
    until(lambda: len(seeing.answers) == 2, 'the other question')
    seeing.set(standing_questions=[''])
    until(lambda: not seeing.vqa.activation._stood, 'an empty round')
    ticks(seeing, 5)
    assert len(seeing.answers) == 2
    seeing.set(standing_questions=[QUESTION])
    until(lambda: len(seeing.answers) == 3, 'the same question again')
    assert seeing.answers == ['red', 'red', 'red']


def test_a_new_rate_counts_from_now(robot):
    node = robot(min_confidence=0.0, max_image_age=0.0, standing_rate=0.001,
                 standing_publish='always', standing_questions=[STANDING])
    node.show_now()
    assert not node.answers
    node.set(standing_rate=100.0)  # the period under way had 1000 s
    until(lambda: len(node.answers) > 3, 'answers at the new rate')


def test_a_node_that_is_disabled_during_a_round_leaves_the_rest_of_it_unasked(seeing, monkeypatch):
    begun, gate = seeing.hold(monkeypatch)
    seeing.set(standing_publish='always',
               standing_questions=[STANDING, 'what shape is in the image?'])
    assert begun.wait(LIMIT)
    seeing.enable(False)
    gate.set()
    until(lambda: seeing.details, 'the answer in hand')
    assert seeing.ask()['status'] == 'inactive'
    assert [d['id'] for d in seeing.details[:-1]] == ['standing']


@pytest.fixture
def held(seeing, monkeypatch):
    """Hold each answer back, with room for one question to wait; see Robot.hold."""
    events = seeing.hold(monkeypatch)
    seeing.set(queue_depth=1)
    return events


def ask_two(node) -> None:
    """Ask two questions, of which one may wait."""
    for number in range(2):
        node.say(f'{{"id": {number}, "question": "{QUESTION}"}}')
    until(lambda: node.details, 'a detail')
    assert [(d['id'], d['status']) for d in node.details] == [(1, 'overloaded')]


def test_a_round_that_waits_takes_no_place_in_the_queue(seeing, held):
    begun, gate = held
    seeing.say(f'{{"id": "first", "question": "{QUESTION}"}}')
    assert begun.wait(LIMIT)
    seeing.set(standing_questions=[STANDING])
    until(lambda: seeing.vqa.activation.worker.waiting == 1, 'the round to wait')
    until(lambda: seeing.vqa.activation.rounds_skipped >= 5, 'ticks to be skipped')
    assert seeing.vqa.activation.worker.waiting == 1
    ask_two(seeing)
    gate.set()
    until(lambda: seeing.detail('standing') and seeing.detail(0), 'all answers')
    assert [d['id'] for d in seeing.details] == [1, 'first', 'standing', 0]


def test_a_slow_round_is_skipped_and_gives_no_place_in_the_queue(seeing, held):
    begun, gate = held
    seeing.set(standing_questions=[STANDING])
    assert begun.wait(LIMIT)
    until(lambda: seeing.vqa.activation.rounds_skipped >= 5, 'ticks to be skipped')
    assert seeing.vqa.activation.worker.waiting == 0
    ask_two(seeing)
    gate.set()
    until(lambda: seeing.detail(0), 'the answer')
    assert [d['id'] for d in seeing.details] == [1, 'standing', 0]


def test_a_disabled_or_inactive_node_asks_nothing(seeing, monkeypatch):
    calls = count_calls(monkeypatch, seeing.vqa.pipeline, 'respond')
    seeing.enable(False)
    seeing.set(standing_questions=[STANDING])
    ticks(seeing, 5)
    assert calls == []
    seeing.enable(True)
    until(lambda: seeing.answers == ['red'], 'an answer')
    assert seeing.transition('deactivate')
    number = len(calls)
    ticks(seeing, 5)
    assert len(calls) == number


def test_all_questions_of_a_round_are_about_one_frame(seeing, monkeypatch):
    newest, stamps = seeing.vqa.activation.source.newest, itertools.count(1)

    def always_newer(camera):
        return replace(newest(camera), stamp_ns=next(stamps))

    monkeypatch.setattr(seeing.vqa.activation.source, 'newest', always_newer)
    seeing.set(standing_publish='always', standing_questions=[
        STANDING, QUESTION, 'is there a red shape?'])
    until(lambda: len(seeing.details) >= 9, 'three rounds')
    rounds = [seeing.details[i:i + 3] for i in (0, 3, 6)]
    assert [len({str(detail['stamp']) for detail in one}) for one in rounds] == [1, 1, 1]
    assert len({str(one[0]['stamp']) for one in rounds}) == 3
    assert [detail['encoding_reused'] for detail in rounds[0][:2]] == [False, True]


def test_a_frame_that_gets_too_old_in_a_round_is_left_for_a_newer_one(robot, monkeypatch):
    seeing = robot(min_confidence=0.0, max_image_age=0.3, standing_publish='always')
    seeing.show_now(colour=RED)
    answerer = seeing.vqa.activation._answerer
    frame = seeing.vqa.activation.source.newest('')
    newer = replace(frame, stamp_ns=frame.stamp_ns + 1)
    monkeypatch.setattr(seeing.vqa.activation.source, 'newest', lambda camera: newer)
    request, settings = Request(QUESTION), seeing.vqa.settings
    monkeypatch.setattr(answerer, '_is_stale', lambda held, settings: False)
    assert answerer._look(request, settings, {'': frame})[0] is frame
    monkeypatch.setattr(answerer, '_is_stale', lambda held, settings: held is frame)
    assert answerer._look(request, settings, {'': frame})[0] is newer


def test_what_a_standing_question_and_a_condition_saw_is_not_kept(robot):
    seeing = robot(min_confidence=0.0, max_image_age=0.0, standing_rate=50.0, conditions=['red'],
                   standing_questions=[STANDING], **{'red.question': QUESTION, 'red.rate': 50.0})
    seeing.show_now(colour=RED)
    until(lambda: seeing.answers == ['red'], 'the first answer')
    activation = seeing.vqa.activation
    until(lambda: activation.conditions.memories['red'].frame, 'the condition')
    first = activation.conditions.memories['red'].frame
    seeing.show_now(colour=BLUE)
    until(lambda: seeing.answers[-1] == 'blue', 'the second answer')
    until(lambda: activation.conditions.memories['red'].frame() is activation.source.newest(''))
    gc.collect()
    assert first() is None

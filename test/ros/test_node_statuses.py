"""Each status over real topics; after each the node still answers a good question."""

from __future__ import annotations

import time

import cv2
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from builtin_interfaces.msg import Time
from helpers.node_harness import LIMIT, QUESTION, image, picture, until
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from latent_vqa_ros.core.image_formats import ImageError

SECOND = 10**9


@pytest.fixture
def seeing(robot):
    """Return an active node that takes every confidence and has an image."""
    started = robot(min_confidence=0.0)
    started.show_now()
    return started


def still_answers(robot) -> None:
    robot.set(min_confidence=0.0, max_image_age=3600.0)
    robot.show_now()
    assert robot.ask()['status'] == 'ok'


def test_a_good_question_is_answered_with_one_word_of_the_bank(seeing):
    detail = seeing.ask()
    assert detail['status'] == 'ok'
    assert detail['question'] == QUESTION
    until(lambda: seeing.answers)
    assert seeing.answers == [detail['answer']]
    assert detail['answer'] in seeing.vqa.pipeline.bundle.manifest.answers
    assert detail['model']['sha256'] == seeing.vqa.pipeline.bundle.sha256


def test_a_doubtful_answer_is_unsure_and_stays_off_the_answer_topic(seeing):
    seeing.set(min_confidence=1.0)
    detail = seeing.ask()
    assert detail['status'] == 'unsure'
    assert detail['top']
    seeing.set(min_confidence=0)  # an integer is taken for a number
    good = seeing.ask()
    assert good['status'] == 'ok'
    until(lambda: seeing.answers)
    assert seeing.answers == [good['answer']]


def test_unknown_words_are_named_with_the_nearest_known_ones(seeing):
    detail = seeing.ask('what colour is the shape?')
    assert detail['status'] == 'unknown_words'
    assert "'colour'" in detail['reason']
    assert "'color'" in detail['reason']
    still_answers(seeing)


@pytest.mark.parametrize(('text', 'reason'), [
    ('', 'empty'), ('   ', 'empty'), ('x' * 300, '300 characters'), ('y' * 2**20, 'characters'),
    ('{"question": ', 'broken JSON'), ('{"id": [], "question": "q"}', 'id'),
    ('{"question": "what", "camera": "moon"}', 'unknown camera'), ('@moon what', 'unknown camera'),
    ('\x01\x02', 'empty'),
])
def test_a_bad_question_is_answered_with_its_reason(seeing, text, reason):
    detail = seeing.say_and_wait(text)
    assert detail['status'] == 'bad_question'
    assert reason in detail['reason']
    still_answers(seeing)


def test_text_that_is_not_unicode_is_answered(seeing):
    detail = seeing.say_and_wait('{"id": "\\udfff", "question": "what \\ud800"}')
    assert detail['status'] in ('unknown_words', 'bad_question', 'ok')
    still_answers(seeing)


def test_without_a_publisher_no_image_names_the_topic(robot):
    blind = robot()
    detail = blind.ask()
    assert detail['status'] == 'no_image'
    assert f'no publisher on {blind.node.get_namespace()}/image_raw' in detail['reason']
    still_answers(blind)


def test_a_publisher_that_never_sends_is_told_from_none(robot):
    blind = robot()
    blind.node.create_publisher(type(image()), 'image_raw', 10)
    until(lambda: blind.vqa.count_publishers(f'{blind.node.get_namespace()}/image_raw'))
    detail = blind.ask()
    assert detail['status'] == 'no_image'
    assert 'has a publisher, but no frame' in detail['reason']
    assert 'fastdds_large_frames.xml' in detail['reason']
    assert 'FASTDDS_BUILTIN_TRANSPORTS' in detail['reason']
    still_answers(blind)


def test_an_old_image_is_stale(seeing):
    seeing.show(image(stamp_ns=seeing.now_ns() - 60 * SECOND))
    detail = seeing.ask()
    assert detail['status'] == 'stale_image'
    assert detail['image_age_ms'] >= 60e3
    still_answers(seeing)


def test_an_image_without_a_stamp_is_as_old_as_its_arrival(seeing):
    seeing.set(max_image_age=3600.0)
    seeing.show(image(stamp_ns=0))
    detail = seeing.ask()
    assert detail['status'] == 'ok'
    assert 0 <= detail['image_age_ms'] < 3600e3


@pytest.mark.parametrize('wrong', [
    {'encoding': 'made_up'}, {'step': 1}, {'height': 0, 'width': 0, 'step': 0, 'data': b''},
    {'data': b'\x00' * 10}, {'height': 2**31, 'width': 2**31}, {'encoding': ''},
], ids=lambda wrong: next(iter(wrong)))
def test_a_broken_image_is_bad_image(seeing, wrong):
    seeing.show_now(**wrong)
    detail = seeing.ask()
    assert detail['status'] == 'bad_image'
    assert detail['reason']
    assert 'internal' not in detail['reason']
    still_answers(seeing)


@pytest.mark.parametrize('cut', [0, 4, 30, 6000], ids=lambda cut: f'{cut} bytes')
def test_a_message_that_cannot_be_read_is_bad_image_until_a_good_one_comes(robot, cut):
    node = robot(min_confidence=0.0)
    cdr = serialize_message(image())[:cut]

    def refused():
        node.publish(cdr, 'image_raw', kind=Image)
        time.sleep(0.02)
        return node.vqa.activation.source.newest('')
    until(refused, 'the message')
    for _ in range(2):
        detail = node.ask()
        assert detail['status'] == 'bad_image'
        assert detail['reason'].startswith(
            'the message cannot be read as sensor_msgs/msg/Image: ')
        assert 'same version of sensor_msgs' in detail['reason']
    with pytest.raises(ImageError, match='same version of sensor_msgs'):  # for /diagnostics
        node.vqa.activation.source.newest('').is_grey()
    still_answers(node)


def test_compressed_frames_are_answered_about_and_truncated_ones_are_bad(robot):
    seeing = robot(image_transport='compressed', min_confidence=0.0)
    jpeg = cv2.imencode('.jpg', picture())[1].tobytes()
    seeing.show_compressed(jpeg)
    assert seeing.ask()['status'] == 'ok'
    seeing.show_compressed(jpeg[:len(jpeg) // 3])
    assert seeing.ask()['status'] == 'bad_image'
    seeing.show_compressed(jpeg)
    assert seeing.ask()['status'] == 'ok'


def test_a_full_queue_overloads_and_every_question_gets_exactly_one_detail(seeing, monkeypatch):
    seeing.set(queue_depth=2)
    begun, gate = seeing.hold(monkeypatch)
    for number in range(20):  # the first one occupies the worker, two wait
        seeing.say(f'{{"id": {number}, "question": "{QUESTION}"}}')
        assert begun.wait(LIMIT)
    until(lambda: len(seeing.details) == 17, 'the details of dropped questions')
    assert {detail['status'] for detail in seeing.details} == {'overloaded'}
    until(lambda: seeing.diagnostics.get('questions')
          and seeing.diagnostics['questions'].level == b'\x01', 'WARN on /diagnostics')
    gate.set()
    until(lambda: len(seeing.details) == 20, 'one detail per question')
    statuses = [detail['status'] for detail in seeing.details]
    assert statuses.count('ok') == 3
    assert sorted(detail['id'] for detail in seeing.details) == list(range(20))
    still_answers(seeing)


def test_a_question_to_all_cameras_takes_one_place_in_the_queue(robot):
    node = robot(cameras=['a', 'b', 'c'], queue_depth=1)
    node.say(f'@all {QUESTION}')
    until(lambda: len(node.details) == 3, 'one detail per camera')
    assert {detail['status'] for detail in node.details} == {'no_image'}
    assert [detail['camera'] for detail in node.details] == ['a', 'b', 'c']


def test_questions_that_wait_when_the_node_is_disabled_get_inactive(seeing, monkeypatch):
    _, gate = seeing.hold(monkeypatch)
    for number in range(3):
        seeing.say(f'{{"id": {number}, "question": "{QUESTION}"}}')
    until(lambda: seeing.vqa.activation.worker.waiting == 2, 'two questions to wait')
    assert seeing.enable(False)
    gate.set()
    until(lambda: len(seeing.details) == 3, 'three details')
    statuses = {detail['id']: detail['status'] for detail in seeing.details}
    assert statuses == {0: 'ok', 1: 'inactive', 2: 'inactive'}
    assert len(seeing.answers) == 1


def test_a_disabled_node_says_inactive_until_it_is_enabled_again(seeing):
    assert seeing.enable(False)
    detail = seeing.ask()
    assert detail['status'] == 'inactive'
    assert 'enable' in detail['reason']
    assert seeing.vqa.state == 'active'
    assert seeing.enable(True)
    still_answers(seeing)


@pytest.mark.parametrize('where', ['pipeline', 'source', 'models'])
def test_an_error_of_our_own_is_failed_reported_and_survived(seeing, monkeypatch, where):
    def explode(*arguments):
        raise ZeroDivisionError('one\ntwo')
    thing, name = {'pipeline': (seeing.vqa.pipeline, 'respond'),
                   'source': (seeing.vqa.activation.source, 'newest'),
                   'models': (seeing.vqa._models, 'in_use')}[where]
    with monkeypatch.context() as patch:
        patch.setattr(thing, name, explode)
        detail = seeing.ask()
    assert detail['status'] == 'failed'
    assert detail['reason'] == 'internal error: ZeroDivisionError: one two'
    until(lambda: seeing.diagnostics.get('questions')
          and seeing.diagnostics['questions'].level == b'\x02', 'ERROR on /diagnostics')
    still_answers(seeing)
    until(lambda: seeing.diagnostics['questions'].level == b'\x00', 'OK on /diagnostics')


def test_the_answer_carries_the_stamp_and_frame_of_the_newest_image(seeing):
    for number in range(5):
        seeing.publish(image(stamp_ns=1000 + number, frame_id=f'f{number}'), 'image_raw')
    shown = seeing.show_now(frame_id='newest')
    detail = seeing.ask()
    stamp = shown.header.stamp
    assert detail['stamp'] == {'sec': stamp.sec, 'nanosec': stamp.nanosec}
    assert detail['frame_id'] == 'newest'
    assert not detail['encoding_reused']
    assert seeing.ask()['encoding_reused']


def test_two_cameras_are_told_apart(robot):
    both = robot(cameras=['front', 'rear'], min_confidence=0.0)
    both.show(image(both.now_ns(), 'f'), 'front', 'front/image_raw')
    both.show(image(both.now_ns(), 'r'), 'rear', 'rear/image_raw')
    assert both.ask()['frame_id'] == 'f'
    assert both.ask(camera='rear')['frame_id'] == 'r'
    both.details.clear()
    both.say(f'@all {QUESTION}')
    until(lambda: len(both.details) == 2)
    assert [(d['camera'], d['frame_id']) for d in both.details] == [('front', 'f'), ('rear', 'r')]


def test_each_question_gets_one_detail_and_only_ok_puts_a_word_on_answer(seeing):
    texts = [QUESTION, 'what colour', '', QUESTION, '{', f'@all {QUESTION}', 'x' * 999]
    for text in texts:
        seeing.say(text)
    last = seeing.ask()
    assert len(seeing.details) == len(texts) + 1
    assert seeing.details[-1] is last
    ok = [detail['answer'] for detail in seeing.details if detail['status'] == 'ok']
    assert len(ok) == 4
    until(lambda: len(seeing.answers) >= 4)
    assert seeing.answers == ok


def test_with_use_sim_time_the_age_counts_by_the_clock_topic(robot):
    node = robot(use_sim_time=True, min_confidence=0.0, max_image_age=5.0)

    def clock_at(seconds: int) -> None:
        message = Clock(clock=Time(sec=seconds))
        until(lambda: node.publish(message, '/clock') or node.now_ns() == seconds * SECOND)

    clock_at(1000)
    node.show(image(stamp_ns=999 * SECOND))
    detail = node.ask()
    assert (detail['status'], detail['image_age_ms']) == ('ok', 1000.0)
    clock_at(1010)
    assert node.ask()['status'] == 'stale_image'
    node.show(image(stamp_ns=1009 * SECOND))
    assert node.ask()['status'] == 'ok'

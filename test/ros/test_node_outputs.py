"""The annotated image and vision_msgs: made when wanted, and never at the cost of an answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import QUESTION, image, until
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from latent_vqa_ros.core.annotate import BOX_COLOURS
from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros import publishers


@pytest.fixture
def seeing(robot):
    """Return an active node that has an image of any age."""
    started = robot(min_confidence=0.0, max_image_age=0.0)
    started.show(image(stamp_ns=1_000_000_007, frame_id='lens', size=320))
    return started


def watch(node) -> list[Image]:
    """Return a list of the pictures that arrive from now on."""
    pictures: list[Image] = []
    node.node.create_subscription(
        Image, 'image_annotated', pictures.append, qos_profile_sensor_data)
    until(lambda: node.vqa.outputs.picture_wanted, 'the subscription')
    return pictures


def test_before_the_first_question_the_picture_shows_what_the_camera_sees(seeing):
    pictures = watch(seeing)
    until(lambda: pictures, 'a picture without a question')
    assert not seeing.details
    pixels_hwc = np.frombuffer(pictures[-1].data, np.uint8).reshape(320, 320, 3)
    assert tuple(pixels_hwc[160, 160]) == (255, 0, 0)
    assert tuple(pixels_hwc[-1, 0]) == (250, 245, 240)  # no strip at the bottom: no answer
    ask_until_drawn(seeing, pictures)
    answered = [bytes(picture.data[:320 * 3 * 30]) for picture in pictures]
    time.sleep(1.2)  # two periods
    assert bytes(pictures[-1].data[:320 * 3 * 30]) == answered[-1]
    assert len(pictures) <= len(answered) + 1


def test_before_the_first_question_nothing_is_drawn_for_nobody(seeing, monkeypatch):
    drawn = []
    monkeypatch.setattr(publishers, 'annotate',
                        lambda rgb, detail, seen: drawn.append(detail) or rgb)
    time.sleep(1.2)
    assert drawn == []


def test_answers_of_standing_questions_are_shown_though_nobody_asks(robot):
    node = robot(min_confidence=0.0, max_image_age=0.0, standing_questions=[QUESTION])
    node.show(image(stamp_ns=1_000_000_007, frame_id='lens', size=320))
    pictures = watch(node)

    def has_a_strip():
        bottom = np.frombuffer(pictures[-1].data, np.uint8).reshape(320, 320, 3)[-1, 0]
        return tuple(bottom) != (250, 245, 240)
    until(lambda: pictures and has_a_strip(), 'a picture with an answer')


def ask_until_drawn(node, pictures, **question) -> Image:
    """Ask until a picture arrived, as best effort loses some; return it."""
    before = len(pictures)
    until(lambda: node.ask(**question) and len(pictures) > before, 'a picture')
    return pictures[-1]


def test_a_picture_is_drawn_only_while_somebody_looks(seeing, monkeypatch):
    drawn = []
    monkeypatch.setattr(publishers, 'annotate',
                        lambda rgb, detail, seen: drawn.append(detail) or rgb)
    seeing.ask()
    seeing.ask()
    assert drawn == []
    pictures = watch(seeing)
    ask_until_drawn(seeing, pictures)
    assert drawn
    assert drawn[-1].question == QUESTION


def test_the_picture_has_the_header_and_size_of_its_frame_and_shows_the_answer(seeing):
    found = ask_until_drawn(seeing, watch(seeing))
    assert (found.header.stamp.sec, found.header.stamp.nanosec) == (1, 7)
    assert found.header.frame_id == 'lens'
    assert (found.encoding, found.height, found.width, found.step) == ('rgb8', 320, 320, 960)
    pixels_hwc = np.frombuffer(found.data, np.uint8).reshape(320, 320, 3)
    assert tuple(pixels_hwc[160, 160]) == (255, 0, 0)  # the shape, red first
    assert (pixels_hwc[:20] != (250, 245, 240)).any(axis=2).mean() > 0.9  # the strip of text


def test_evidence_is_in_the_detail_and_its_boxes_are_in_the_picture(robot, tmp_path):
    from helpers import fake_bundle

    started = robot(model=str(fake_bundle.write_looking(tmp_path / 'm', max_distance=None)),
                    max_image_age=0.0)
    started.show(image(stamp_ns=1_000_000_007, size=320))
    question = 'is the red cube above the blue ball'
    assert started.ask(question)['evidence'] == [
        {'phrase': 'red cube', 'box': [80, 80, 40, 80]},
        {'phrase': 'blue ball', 'box': [280, 240, 40, 80]}]
    found = ask_until_drawn(started, watch(started), question=question)
    pixels_hwc = np.frombuffer(found.data, np.uint8).reshape(320, 320, 3)
    for column, row, colour in ((80, 120, BOX_COLOURS[0]), (280, 250, BOX_COLOURS[1])):
        assert tuple(pixels_hwc[row, column]) == colour


def grey_frame(width: int, height: int) -> Image:
    pixels = np.full((height, width, 3), 90, np.uint8)
    return image(1_000_000_007, height=height, width=width, step=3 * width, data=pixels.tobytes())


@pytest.mark.parametrize(('resize', 'left'), [
    ('center_crop', 30), ('stretch', 90), ('letterbox', 90)])
def test_what_the_bundle_does_not_see_is_darker_with_and_without_a_question(
        robot, tmp_path, resize, left):
    from helpers import fake_bundle

    rule = PreprocessConfig(resize=resize)
    started = robot(model=str(fake_bundle.write(tmp_path / 'm', preprocess=rule)),
                    max_image_age=0.0)
    started.show(grey_frame(640, 480))
    pictures = watch(started)
    until(lambda: pictures, 'a picture without a question')
    for found in (pictures[-1], ask_until_drawn(started, pictures),
                  ask_until_drawn(started, pictures, question='what is a unicorn?')):
        pixels_hwc = np.frombuffer(found.data, np.uint8).reshape(480, 640, 3)
        assert [pixels_hwc[240, column, 0] for column in (0, 79, 80, 559, 560, 639)] == [
            left, left, 90, 90, left, left]


def test_abstaining_is_drawn_too(seeing):
    pictures = watch(seeing)
    certain = ask_until_drawn(seeing, pictures).data
    seeing.set(min_confidence=1.0)
    until(lambda: ask_until_drawn(seeing, pictures).data != certain, 'another picture')


def test_an_error_in_drawing_costs_no_answer_and_is_reported(seeing, monkeypatch):
    def explode(*arguments):
        raise ZeroDivisionError('no paint')

    watch(seeing)
    with monkeypatch.context() as patch:
        patch.setattr(publishers, 'annotate', explode)
        assert seeing.ask()['status'] == 'ok'
        until(lambda: seeing.diagnostics.get('questions')
              and 'no paint' in seeing.diagnostics['questions'].message
              and seeing.diagnostics['questions'].level == b'\x02', 'ERROR')
        assert seeing.ask()['status'] == 'ok'
        seeing.set(standing_publish='always', standing_questions=[
            '{"id": 1, "question": "what color is the shape?"}',
            '{"id": 2, "question": "what color is the shape?"}'])
        until(lambda: seeing.detail(1) and seeing.detail(2), 'both standing questions')


def test_a_broken_frame_gives_no_picture_and_no_error(seeing):
    pictures = watch(seeing)
    seeing.show_now(encoding='made_up')
    assert seeing.ask()['status'] == 'bad_image'
    seeing.show_now(size=320)
    ask_until_drawn(seeing, pictures)
    assert not seeing.vqa.outputs.statistics.snapshot().failures


@dataclass
class Hypothesis:
    class_id: str = ''
    score: float = 0.0


@dataclass
class Classification:
    header: object = None
    results: list = field(default_factory=list)


def test_a_classification_has_the_header_of_the_image_and_the_best_answers():
    messages = SimpleNamespace(Classification=Classification, ObjectHypothesis=Hypothesis)
    detail = Detail(Status.OK, QUESTION, answer='red', top=(('red', 0.9), ('teal', 0.1)),
                    stamp_ns=2_000_000_003, frame_id='lens')
    made = publishers.classification(detail, messages)
    assert made.results == [Hypothesis('red', 0.9), Hypothesis('teal', 0.1)]
    assert (made.header.stamp.sec, made.header.stamp.nanosec) == (2, 3)
    assert made.header.frame_id == 'lens'


def test_classifications_are_published_for_answers_alone(seeing, monkeypatch):
    sent = []
    messages = SimpleNamespace(Classification=Classification, ObjectHypothesis=Hypothesis)
    monkeypatch.setattr(seeing.vqa.outputs, '_vision', messages)
    monkeypatch.setattr(seeing.vqa.outputs, '_classes', SimpleNamespace(publish=sent.append))
    try:
        answer = seeing.ask()['answer']
        seeing.ask('what colour is it')
        seeing.set(min_confidence=1.0)
        assert seeing.ask()['status'] == 'unsure'
        assert [message.results[0].class_id for message in sent] == [answer]
    finally:
        monkeypatch.undo()


def test_the_real_messages_have_the_fields_that_are_filled():
    messages = publishers.vision_messages()
    if messages is None:
        pytest.skip('vision_msgs is not installed; it comes with a ROS installation')
    detail = Detail(Status.OK, QUESTION, answer='red', top=(('red', 0.9),), stamp_ns=5)
    made = publishers.classification(detail, messages)
    assert made.results[0].class_id == 'red'
    assert made.results[0].score == 0.9


def test_the_same_fault_is_logged_once_a_minute_and_counted_each_time(robot, monkeypatch):
    node = robot(autostart=False)
    outputs, logged, now = node.vqa.outputs, [], [100.0]
    monkeypatch.setattr(outputs, '_logger', SimpleNamespace(error=logged.append))
    monkeypatch.setattr(publishers, 'time', SimpleNamespace(monotonic=lambda: now[0]))
    for seconds in (0, 1, 58, 2):
        now[0] += seconds
        outputs.fail(ValueError('one'))
    outputs.fail(ValueError('another'))
    assert [line.rpartition(' ')[2] for line in logged] == ['one', 'one', 'another']
    for number in range(2 * publishers.MAX_LOGGED):
        outputs.fail(ValueError(str(number)))
    assert len(outputs._logged) <= publishers.MAX_LOGGED

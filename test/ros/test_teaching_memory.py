"""Frames that details were about are remembered, within bounds, until they are corrected."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.pupil import LID

from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros import activation, teaching
from latent_vqa_ros.ros.parameters import Settings
from latent_vqa_ros.teach.messages import Message


def detail(id_, **fields):
    return Detail(Status.OK, LID, id_, **fields)


def test_frames_are_remembered_by_number_and_by_bytes(monkeypatch):
    memory = teaching.Memory()
    frames = [Frame(None, nbytes=10) for _ in range(4)]
    for number, frame in enumerate(frames):
        memory.keep(detail(number), frame, 3)
        memory.keep(detail(f'again {number}'), frame, 3)
    assert memory.about(0) == []
    assert memory.about(1)[0].frame is frames[1]
    assert memory.about('again 3')[0].frame is frames[3]
    monkeypatch.setattr(teaching, 'MAX_REMEMBERED_BYTES', 20)
    memory.keep(detail('x'), frames[3], 3)
    assert memory.about(1) == []
    memory.keep(detail('y'), frames[3], 0)
    assert memory.about('y') == []


def test_the_least_sure_detail_of_each_taught_question_is_offered():
    memory = teaching.Memory()
    twice = Frame(None)
    for number, (confidence, frame) in enumerate((
            (0.9, Frame(None)), (0.6, twice), (0.8, Frame(None)), (0.7, twice))):
        memory.keep(detail(number, confidence=confidence, model=('taught/lid', '1', '')),
                    frame, 10)
    memory.keep(detail(9, confidence=0.1, model=('tabletop', '1', '')), Frame(None), 10)
    assert memory.least_sure() == {'lid': 1}
    memory.label(memory.about(1)[0])
    assert memory.least_sure() == {'lid': 2}  # 3 is about the frame of 1
    assert memory.about(1)


def test_a_detail_without_a_frame_takes_the_place_of_one_with_the_same_id():
    memory = teaching.Memory()
    memory.keep(detail('tray'), Frame(None), 3)
    memory.keep(detail('lid'), Frame(None), 3)
    memory.keep(detail('tray'), None, 3)
    memory.keep(detail(None), None, 3)
    assert (memory.about('tray'), len(memory.about('lid'))) == ([], 1)


def test_a_frame_that_is_not_kept_any_more_is_told_with_both_limits():
    reason = activation._not_one(Message('correct', about='q1'), (), Settings())
    assert reason == ("no frame of a detail with the id 'q1' is kept (remembered_frames 16, and "
                      'at most 16 MiB of frames)')

"""Which frame a message of teaching is about; how many are remembered for corrections."""

from __future__ import annotations

import json

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import QUESTION, until
from helpers.pupil import LID, Pupil
from teach.conftest import show

from latent_vqa_ros import backends
from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros import teaching
from latent_vqa_ros.ros.parameters import Settings
from latent_vqa_ros.teach.features import RegionEncoder
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.messages import Message
from latent_vqa_ros.teach.teacher import Teacher


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


def test_what_conditions_saw_pushes_out_half_of_what_somebody_may_correct_at_most():
    memory = teaching.Memory()
    for number in range(4):
        memory.keep(detail(number), Frame(None), 4)
    for _ in range(5):
        for name in 'abc':
            memory.keep(detail(name), Frame(None), 4, asked=False)
    assert [len(memory.about(each)) for each in (0, 1, 2, 3)] == [0, 0, 1, 1]
    assert [len(memory.about(each)) for each in 'abc'] == [0, 1, 1]
    for number in range(4):
        memory.keep(detail(f'more {number}'), Frame(None), 4)
    assert [len(memory.about(each)) for each in (3, 'b', 'c', 'more 0')] == [0, 1, 1, 0]


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
    reason = teaching.not_one(Message('correct', about='q1'), (), Settings())
    assert reason == ("no frame of a detail with the id 'q1' is kept (remembered_frames 16, and "
                      'at most 16 MiB of frames)')


@pytest.fixture
def pupil(robot, tmp_path):
    return Pupil(robot(taught_folder=str(tmp_path / 'taught'), max_image_age=0.0, queue_depth=1))


def ask(pupil, id_):
    """Ask and do not wait; return a function that says how many details the id has."""
    pupil.robot.say(json.dumps({'id': id_, 'question': QUESTION}))
    return lambda: [one['status'] for one in pupil.robot.details if one['id'] == id_]


@pytest.mark.parametrize('refused', ['inactive', 'inactive since', 'overloaded'])
def test_an_answer_is_not_corrected_in_place_of_a_newer_detail_of_its_id(
        pupil, monkeypatch, refused):
    pupil.look('yes', 1, 1)
    until(ask(pupil, 'tray'), 'the answer')
    begun, gate = pupil.robot.hold(monkeypatch)
    ask(pupil, 'held')
    assert begun.wait(20)
    if refused == 'overloaded':
        ask(pupil, 'fills the queue')
    if refused == 'inactive':
        pupil.robot.enable(False)
    statuses, queue = ask(pupil, 'tray'), pupil.robot.vqa.activation.worker
    if refused == 'inactive since':
        until(lambda: queue.waiting, 'the question in the queue')
        pupil.robot.enable(False)
        gate.set()
    until(lambda: len(statuses()) > 1, 'its detail')
    gate.set()
    assert statuses()[1] == refused.split()[0]
    said = pupil.say(do='correct', about='tray', answer='yes')
    assert (said['status'], said['shots']) == ('refused', {})


@pytest.mark.parametrize('do', ['add', 'try'])
def test_the_frame_that_is_taken_is_the_newest_when_the_message_came(pupil, monkeypatch, do):
    pupil.look('yes', 1, 1)
    taken, hand_on = [], pupil.robot.vqa.activation.teaching.do
    monkeypatch.setattr(pupil.robot.vqa.activation.teaching, 'do', lambda message, frame, *more: (
        taken.append(frame.stamp_ns), hand_on(message, frame, *more)))
    begun, gate = pupil.robot.hold(monkeypatch)
    ask(pupil, 'held')
    assert begun.wait(20)
    pupil.send(do=do, question=LID, **({'answer': 'yes'} if do == 'add' else {}))
    until(lambda: pupil.robot.vqa.activation.worker.waiting, 'the message in the queue')
    pupil.look('no', 2, 2)
    gate.set()
    until(lambda: pupil.documents, 'its document')
    assert taken == [10**9]
    assert do == 'try' or pupil.documents[0]['shot']['stamp'] == {'sec': 1, 'nanosec': 0}


def test_frames_of_messages_that_wait_behind_a_question_take_bounded_memory(pupil, monkeypatch):
    monkeypatch.setattr(teaching, 'MAX_WAITING_BYTES', 2 * 240 * 960)
    pupil.look('yes', 1, 1)
    begun, gate = pupil.robot.hold(monkeypatch)
    ask(pupil, 'held')
    assert begun.wait(20)
    for at in range(3):
        pupil.look('yes', at, 2 + at)
        for _ in range(2):
            pupil.send(do='add', question=LID, answer='yes')
        until(lambda n=2 * at + 2: len(pupil.documents)
              + pupil.robot.vqa.activation.worker.waiting == n, 'their turn')
    assert [one['status'] for one in pupil.documents] == 2 * ['overloaded']
    gate.set()
    until(lambda: len(pupil.documents) == 6, 'those that waited')


def test_a_correction_is_a_shot_of_the_question_that_answered(robot, tmp_path):
    teacher = Teacher(Folder(tmp_path / 'taught'),
                      RegionEncoder(lambda: backends.open_features('lite0')))
    show(teacher)  # for any camera
    assert teacher.do(Message('fit', question=LID))['status'] == 'ok'
    pupil = Pupil(robot(taught_folder=str(tmp_path / 'taught'), max_image_age=0.0,
                        cameras=['front', 'back']))
    for seed, camera in ((7777, 'front'), (7778, 'back')):
        pupil.look('yes', seed, 1000, camera)
    begun = pupil.say(do='add', question=LID, answer='yes', camera='back')
    assert (begun['slug'], begun['camera']) == ('is-the-lid-open-2', 'back')
    pupil.say(do='add', question='is it shut?', answer='no', wordings=[LID])
    assert pupil.documents[-1]['camera'] == 'front'
    for camera in ('front', 'back'):
        pupil.robot.say(json.dumps({'id': camera, 'question': LID, 'camera': camera}))
        until(lambda name=camera: name in [one['id'] for one in pupil.robot.details], camera)
        said = pupil.say(do='correct', about=camera, answer='yes')
        assert (said['status'], said['slug'], said['camera']) == ('ok', 'is-the-lid-open', '')


def test_a_camera_without_a_name_names_none(robot, tmp_path):
    pupil = Pupil(robot(taught_folder=str(tmp_path / 'taught'), max_image_age=0.0,
                        cameras=['front', 'back']))
    for number, camera in enumerate(({}, {'camera': ''}, {'camera': None})):
        pupil.look('yes', number, 1 + number, 'front')
        said = pupil.say(do='add', question=LID, answer='yes', **camera)
        assert (said['slug'], said['camera'], said['shots']) == (
            'is-the-lid-open', 'front', {'yes': 1 + number})


@pytest.mark.parametrize('shot', ['', None])
def test_a_shot_without_a_name_forgets_nothing(pupil, shot):
    pupil.look('yes', 1, 1)
    pupil.say(do='add', question=LID, answer='yes')
    said = pupil.say(do='forget', question=LID, shot=shot)
    assert (said['status'], 'leave it out' in said['reason']) == ('bad_message', True)
    assert pupil.say(do='show', question=LID)['shots'] == {'yes': 1}

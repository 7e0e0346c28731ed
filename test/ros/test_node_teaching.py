"""Teaching over topics: shown, fitted, asked, corrected, rolled back; no answer waits for it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import LIMIT, QUESTION, image, until
from helpers.pupil import LID, SECOND, Pupil
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from teach.conftest import draw

from latent_vqa_ros.core.annotate import UNSEEN
from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros import teaching
from latent_vqa_ros.ros.answering import Answerer
from latent_vqa_ros.ros.diagnostics import OK
from latent_vqa_ros.teach import files
from latent_vqa_ros.teach.learn import Learner


@pytest.fixture
def pupil(robot, tmp_path):
    return Pupil(robot(taught_folder=str(tmp_path / 'taught'), max_image_age=0.0))


@pytest.fixture
def taught(pupil):
    """Return a pupil that knows whether the lid is open, and sees it open."""
    pupil.show()
    assert pupil.say(do='fit', question=LID)['status'] == 'ok'
    pupil.look('yes', 7777, 1000)
    return pupil


def test_a_question_is_shown_fitted_asked_and_switched_off_again(pupil):
    assert pupil.robot.ask(LID)['status'] == 'unknown_words'
    document = pupil.show()
    assert (document['shots'], document['moments']) == ({'yes': 12, 'no': 12},
                                                        {'yes': 3, 'no': 3})
    assert pupil.say(do='fit', question=LID, id=5)['active'] == 1
    for answer in ('yes', 'no'):
        pupil.look(answer, 4242, 2000 + len(answer))
        detail = pupil.robot.ask(LID)
        assert (detail['status'], detail['answer']) == ('ok', answer)
        assert detail['model']['name'] == 'taught/is-the-lid-open'
        assert detail['evidence'][0]['box'] == [0, 0, 320, 240]
    assert pupil.robot.answers == ['yes', 'no']
    assert pupil.say(do='switch_off', question=LID)['active'] is None
    assert pupil.robot.ask(LID)['status'] == 'unknown_words'
    assert pupil.say(do='rollback', question=LID)['active'] == 1
    assert pupil.robot.ask(LID)['answer'] == 'no'


def test_of_a_taught_question_the_picture_has_no_darker_part_and_of_the_models_it_has(taught):
    pictures = []
    taught.robot.node.create_subscription(
        Image, 'image_annotated', pictures.append, qos_profile_sensor_data)
    side_hwc = draw('yes', 7777)[80:160, 10:30]  # between the strips of text

    def side_is(expected_hwc):
        shown_hwc = np.frombuffer(pictures[-1].data, np.uint8).reshape(240, 320, 3)
        return np.array_equal(shown_hwc[80:160, 10:30], expected_hwc)
    for question, expected_hwc in ((LID, side_hwc), (QUESTION, side_hwc // UNSEEN)):
        until(lambda question=question, expected_hwc=expected_hwc: taught.robot.ask(question)
              and pictures and side_is(expected_hwc), f'the picture of {question!r}')


def test_a_trial_is_as_sure_as_an_answer_has_to_be(taught):
    tried = taught.say(do='try', question=LID)['tried']
    assert (tried['status'], tried['answer']) == ('ok', 'yes')
    assert tried['confidence'] < 1
    assert taught.robot.set(min_confidence=1.0)[0].successful
    assert taught.say(do='try', question=LID)['tried']['status'] == 'unsure'
    assert taught.robot.ask(LID)['status'] == 'unsure'


def test_a_trial_looks_through_the_camera_of_its_question(robot, tmp_path):
    pupil = Pupil(robot(taught_folder=str(tmp_path / 'taught'), max_image_age=0.0,
                        cameras=['front', 'back']))
    for number in range(8):
        answer = ('yes', 'no')[number % 2]
        pupil.look(answer, number, 1 + number, 'back')
        assert pupil.say(do='add', question=LID, answer=answer, camera='back')['camera'] == 'back'
    pupil.say(do='fit', question=LID, force=True)
    pupil.look('no', 98, 20, 'front')
    pupil.look('yes', 99, 20, 'back')
    assert pupil.say(do='try', question=LID)['tried']['top'][0][0] == 'yes'
    assert pupil.say(do='try', question=LID, camera='front')['tried']['top'][0][0] == 'no'


def test_a_correction_by_id_counts_at_once(taught):
    taught.look('striped', 1, 3000)
    detail = taught.robot.ask(LID)
    assert detail['status'] == 'unfamiliar_image'
    document = taught.say(do='correct', about=detail['id'], answer='no')
    assert document['shots'] == {'yes': 12, 'no': 13}
    assert document['versions'][-1]['version'] == 2
    assert taught.say(do='correct', about='never asked', answer='no')['status'] == 'refused'


def test_a_detail_that_was_corrected_is_not_offered_to_be_labelled_again(taught):
    taught.look('yes', 77, 3000)
    detail = taught.robot.ask(LID)
    assert taught.say(do='show', question=LID)['next']['about'] == detail['id']
    document = taught.say(do='correct', about=detail['id'], answer='yes')
    assert document['next']['about'] is None


def test_what_was_taught_outlives_the_node_and_a_change_of_the_model(taught, robot, tmp_path,
                                                                     bundle_path):
    assert taught.robot.ask(LID)['answer'] == 'yes'
    taught.robot.set(model=str(bundle_path))
    assert taught.robot.ask(LID)['answer'] == 'yes'
    second = Pupil(robot(taught_folder=str(tmp_path / 'taught'), max_image_age=0.0))
    second.look('no', 31, 1)
    assert second.robot.ask(LID)['answer'] == 'no'
    assert second.say(do='list')['questions'][0]['active'] == 1


def test_the_models_answers_are_the_same_beside_taught_ones(taught, robot):
    plain = robot(max_image_age=0.0)
    message = image(5 * SECOND)
    found = []
    for each in (plain, taught.robot):
        each.show(message)
        found.append(each.ask(QUESTION))
    assert [found[0][key] for key in ('answer', 'top', 'status', 'model')] == [
        found[1][key] for key in ('answer', 'top', 'status', 'model')]


@pytest.fixture
def busy(taught, monkeypatch):
    """Return a taught pupil whose teaching thread fits, and the event that lets it go on."""
    begun, gate, fit = threading.Event(), threading.Event(), Learner.fit

    def slow(*given):
        begun.set()
        gate.wait(LIMIT)
        return fit(*given)

    monkeypatch.setattr(Learner, 'fit', slow)
    taught.send(do='fit', question=LID)
    assert begun.wait(LIMIT)
    yield taught, gate
    gate.set()


def test_questions_are_answered_while_a_head_is_fitted(busy):
    taught, gate = busy
    before = len(taught.documents)
    assert [taught.robot.ask(LID)['answer'] for _ in range(5)] == 5 * ['yes']
    assert taught.robot.ask(QUESTION)['status'] != 'overloaded'
    assert len(taught.documents) == before
    gate.set()
    until(lambda: len(taught.documents) > before, 'the end of the fit')
    assert taught.documents[-1]['active'] == 2


def test_a_correction_that_waits_for_a_fit_keeps_its_frame(busy):
    pupil, gate = busy
    detail = pupil.robot.ask(LID)
    before = len(pupil.documents)
    pupil.send(do='correct', about=detail['id'], answer='no')
    for at in range(20):  # more than are remembered
        pupil.look('no', at, 5000 + at)
        pupil.robot.ask(LID)
    gate.set()
    until(lambda: len(pupil.documents) > before + 1, 'both documents')
    assert pupil.documents[-1]['do'] == 'correct'
    assert pupil.documents[-1]['status'] == 'ok', pupil.documents[-1]['reason']


def test_a_correction_that_waits_for_a_question_keeps_its_frame(taught, monkeypatch):
    detail, activation = taught.robot.ask(LID), taught.robot.vqa.activation
    begun, gate, answer = threading.Event(), threading.Event(), Answerer.answer

    def slow(*given):
        begun.set()
        gate.wait(LIMIT)
        return answer(*given)

    monkeypatch.setattr(Answerer, 'answer', slow)
    before = len(taught.documents)
    taught.robot.say(QUESTION)
    assert begun.wait(LIMIT)
    taught.send(do='correct', about=detail['id'], answer='no')
    until(lambda: activation.worker.waiting, 'the correction in the queue')
    activation.teaching.memory.keep(Detail(Status.OK, LID), Frame(None), 0)  # forgets all
    gate.set()
    until(lambda: len(taught.documents) > before, 'its document')
    assert taught.documents[-1]['status'] == 'ok', taught.documents[-1]['reason']


def test_frames_that_wait_for_a_fit_take_bounded_memory(busy, monkeypatch):
    pupil, gate = busy
    monkeypatch.setattr(teaching, 'MAX_WAITING_BYTES', 3 * 240 * 960)
    before = len(pupil.documents)
    for at in range(5):
        pupil.look('yes', 300 + at, 6000 + at)
        pupil.send(do='add', question=LID, answer='yes', id=at)
        until(lambda n=at: len(pupil.documents) - before == max(0, n - 2) and
              (n > 2 or pupil.robot.vqa.activation.teaching._worker.waiting == n + 1), 'its turn')
    assert [one['status'] for one in pupil.documents[before:]] == 2 * ['overloaded']
    gate.set()
    until(lambda: len(pupil.documents) == before + 6, 'those that waited')
    assert [one['status'] for one in pupil.documents[before + 2:]] == 4 * ['ok']


def test_deactivating_ends_a_fit_and_leaves_no_half_version(taught, monkeypatch):
    begun, features = threading.Event(), Learner.features
    stopping = taught.robot.vqa.activation.teaching

    def slow(learner, *given):
        begun.set()
        until(lambda: stopping._closing, 'the node to deactivate')
        return features(learner, *given)

    before = len(taught.documents)
    with monkeypatch.context() as patched:
        patched.setattr(Learner, 'features', slow)
        taught.send(do='fit', question=LID)
        assert begun.wait(LIMIT)
        assert taught.robot.transition('deactivate')
    until(lambda: len(taught.documents) > before, 'a document')
    assert taught.documents[-1]['status'] == 'inactive'
    assert taught.robot.transition('activate')
    assert [one['version'] for one in taught.say(do='show', question=LID)['versions']] == [1]


def test_a_standing_question_follows_what_is_switched_on_and_off(taught):
    taught.robot.set(standing_questions=[json.dumps({'id': 'stands', 'question': LID})],
                     standing_rate=50.0)
    until(lambda: taught.robot.answers[-1:] == ['yes'], 'its first answer')
    taught.say(do='switch_off', question=LID)
    until(lambda: taught.robot.details[-1]['status'] == 'unknown_words', 'the bundle to answer')
    taught.say(do='rollback', question=LID)
    until(lambda: taught.robot.details[-1]['status'] == 'ok', 'the version before')


def test_messages_that_cannot_be_done_say_why(pupil):
    assert pupil.say(text='{')['status'] == 'bad_message'
    assert pupil.say(do='add', question=LID, answer='yes')['status'] == 'no_image'
    assert 'unknown camera' in pupil.say(
        do='add', question=LID, answer='yes', camera='rear')['reason']
    assert 'no taught question' in pupil.say(do='fit', question='what?')['reason']
    pupil.robot.show(image(SECOND, data=b'half a picture'))
    assert pupil.say(do='add', question=LID, answer='yes')['status'] == 'bad_image'
    pupil.robot.set(max_image_age=1.0)
    assert pupil.say(do='try', question=LID)['status'] == 'stale_image'
    pupil.robot.transition('deactivate')
    assert pupil.say(do='list', id='x')['status'] == 'inactive'


def test_a_full_disk_is_said_on_the_topic_and_in_the_diagnostics(pupil, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    pupil.look('yes', 1, 1)
    with monkeypatch.context() as patched:
        patched.setattr(files.os, 'fsync', full)
        document = pupil.say(do='add', question=LID, answer='yes')
    assert (document['status'], 'No space left' in document['reason']) == ('failed', True)
    until(lambda: 'No space left' in pupil.diagnosed(), 'diagnostics')
    assert pupil.say(do='list')['status'] == 'ok'  # which writes nothing
    teaching = pupil.robot.vqa.activation.teaching
    assert 'No space left' in teaching.failure
    assert pupil.say(do='add', question=LID, answer='yes')['shots'] == {'yes': 1}
    assert teaching.failure == ''


def test_a_camera_that_moved_is_named_in_the_diagnostics(taught):
    taught.robot.set(standing_questions=[LID], standing_rate=50.0)  # published: on change
    recent = taught.robot.vqa.activation.teaching._recent
    for at in range(teaching.RECENT):
        taught.look('striped', at, 4000 + at)
        until(lambda n=at: n < len(next(iter(recent.values()), ())), 'the standing question')
    until(lambda: 'has the camera' in taught.diagnosed(), 'diagnostics')
    assert taught.say(do='forget', question=LID)['status'] == 'ok'
    until(lambda: taught.diagnosed() == 'questions can be taught', 'the end of the warning')


def test_a_broken_question_is_named_before_anything_is_asked(robot, tmp_path):
    (tmp_path / 'taught' / 'lid').mkdir(parents=True)
    (tmp_path / 'taught' / 'lid' / 'question.yaml').write_text('[')
    pupil = Pupil(robot(taught_folder=str(tmp_path / 'taught')))
    until(lambda: 'question.yaml' in pupil.diagnosed(), 'diagnostics')


def test_one_frame_asked_about_again_and_again_is_no_moved_camera(taught):
    taught.look('striped', 5, 4000)
    for _ in range(teaching.RECENT):
        assert taught.robot.ask(LID)['status'] == 'unfamiliar_image'
    assert taught.robot.vqa.activation.teaching.status('x').level == OK


def test_a_node_with_no_folder_teaches_nothing(robot):
    pupil = Pupil(robot())
    assert 'taught_folder' in pupil.say(do='list')['reason']


def test_what_a_condition_saw_can_be_corrected(robot, tmp_path):
    pupil = Pupil(robot(taught_folder=str(tmp_path / 'taught'), max_image_age=0.0,
                        conditions=['lid'], **{'lid.question': LID}))
    pupil.look('yes', 1, 1)
    until(lambda: pupil.robot.vqa.activation.teaching.memory.about('condition lid'), 'a look')
    document = pupil.say(do='correct', about='condition lid', answer='yes')
    assert (document['status'], document['question']) == ('ok', LID)


def test_one_id_of_several_cameras_is_corrected_where_it_is_told(robot, tmp_path):
    pupil = Pupil(robot(taught_folder=str(tmp_path / 'taught'), max_image_age=0.0,
                        cameras=['front', 'back']))
    for camera in ('front', 'back'):
        pupil.robot.show(image(SECOND), camera, f'{camera}/image_raw')
    pupil.robot.say(json.dumps({'id': 1, 'question': LID, 'camera': 'all'}))
    until(lambda: len(pupil.robot.details) == 2, 'both details')
    said = pupil.say(do='correct', about=1, answer='yes')
    assert (said['status'], 'front, back' in said['reason']) == ('refused', True)
    assert pupil.say(do='correct', about=1, answer='yes', camera='front')['camera'] == 'front'


def test_products_of_numpy_have_no_helping_threads_in_the_node():
    code = ('import latent_vqa_ros.ros, numpy, os; a = numpy.ones((900, 900)); a @ a; '
            'print(len(os.listdir("/proc/self/task")))')
    environment = {key: os.environ[key] for key in os.environ if not key.endswith('NUM_THREADS')}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True,
                          env=environment)
    assert done.stdout == '1\n'


def test_the_threads_that_encode_for_answers_have_their_priority(robot, tmp_path):
    pupil = Pupil(robot(taught_folder=str(tmp_path / 'taught'), max_image_age=0.0, num_threads=2))
    pupil.say(do='list')
    pupil.show()
    assert pupil.say(do='fit', question=LID)['status'] == 'ok'
    low = [thread for thread in os.listdir('/proc/self/task')
           if os.getpriority(os.PRIO_PROCESS, int(thread)) >= teaching.NICE]
    assert len(low) == 1

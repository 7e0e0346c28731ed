"""Conditions over real topics: known states only, patience, and a service that looks anew."""

from __future__ import annotations

import json
import shutil
import time

import pytest
import yaml

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import QUESTION, image, until
from helpers.pupil import LID, Pupil
from rclpy.parameter import Parameter
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from latent_vqa_ros.ros import conditions

RED, BLUE = (0, 0, 255), (255, 0, 0)
CONDITION = {'conditions': ['red'], 'red.question': QUESTION, 'red.expected': 'red',
             'red.rate': 50.0}


class Tree:
    """What a behaviour tree sees of the condition `red`."""

    def __init__(self, robot) -> None:
        self.robot, node = robot, robot.node
        self.states: list[bool] = []
        self.details: list[dict] = []
        node.create_subscription(
            Bool, 'conditions/red', lambda msg: self.states.append(msg.data), 1000)
        node.create_subscription(String, 'conditions/red/detail',
                                 lambda msg: self.details.append(json.loads(msg.data)), 1000)
        self.client = node.create_client(Trigger, 'vqa/check/red')

    def check(self):
        """Call the service; return its future."""
        assert self.client.wait_for_service(timeout_sec=10.0)
        return self.client.call_async(Trigger.Request())

    def diagnosed(self, start: str):
        """Return the condition's status once its message starts so."""
        said = self.robot.diagnostics
        until(lambda: 'condition red' in said and said['condition red'].message.startswith(start),
              f'diagnostics that say {start!r}')
        return said['condition red']


def renamed(bundle, folder, word: str, other: str, words: str = 'answers') -> str:
    """Return a copy of a bundle that has another answer, or word, in place of one."""
    shutil.copytree(bundle, folder)
    manifest = yaml.safe_load((folder / 'manifest.yaml').read_text())
    manifest[words] = [other if each == word else each for each in manifest[words]]
    (folder / 'manifest.yaml').write_text(yaml.safe_dump(manifest, sort_keys=False))
    return str(folder)


@pytest.fixture
def tree(robot):
    """Return a function that starts a node with the condition and a tree that listens to it."""
    return lambda **more: Tree(robot(min_confidence=0.0, **{**CONDITION, **more}))


def test_the_condition_follows_what_the_camera_sees(tree):
    seeing = tree(max_image_age=0.0)
    seeing.robot.show_now(colour=RED)
    until(lambda: seeing.states, 'a state')
    assert set(seeing.states) == {True}
    seeing.robot.show_now(colour=BLUE)
    until(lambda: seeing.states[-1] is False, 'the change')
    detail = seeing.details[-1]
    assert detail['answer'] == 'blue'
    assert detail['condition']['holds'] is False
    assert seeing.robot.details == []  # nobody asked on the topic


def test_several_words_may_be_expected(tree):
    seeing = tree(max_image_age=0.0, **{'red.expected': ['red', 'blue']})
    seeing.robot.show_now(colour=BLUE)
    until(lambda: seeing.states, 'a state')
    assert seeing.states[-1] is True


@pytest.mark.parametrize(('when_unknown', 'said'), [
    ('silent', set()), ('false', {False}), ('true', {True})])
def test_an_unknown_state_is_what_the_user_says(tree, when_unknown, said):
    seeing = tree(**{'red.when_unknown': when_unknown})
    until(lambda: len(seeing.details) >= 5, 'looks without a frame')
    assert set(seeing.states) == said
    assert {detail['status'] for detail in seeing.details} == {'no_image'}
    assert {detail['condition']['holds'] for detail in seeing.details} == {None}


def test_what_was_known_becomes_unknown_when_the_camera_dies(tree):
    seeing = tree(max_image_age=0.5)
    seeing.robot.show_now(colour=RED)
    until(lambda: True in seeing.states, 'a state')
    until(lambda: seeing.details[-1]['status'] == 'stale_image', 'the camera to be silent')
    number = len(seeing.states)
    until(lambda: seeing.details[-1]['condition']['in_a_row'] > 5, 'further looks')
    assert len(seeing.states) <= number + 1  # one may have been on its way


def test_a_guess_below_its_own_limit_is_unknown(tree):
    seeing = tree(max_image_age=0.0, **{'red.min_confidence': 1.0})
    seeing.robot.show_now(colour=RED)
    until(lambda: any(d['status'] == 'unsure' for d in seeing.details), 'a look at the frame')
    assert seeing.states == []


def test_one_frame_that_differs_changes_nothing_where_patience_is_asked(tree):
    seeing = tree(max_image_age=0.0, **{'red.hold': 3})
    for colour, state in ((RED, []), (RED, []), (RED, [True]), (BLUE, [True]), (BLUE, [True]),
                          (RED, [True]), (BLUE, [True]), (BLUE, [True]), (BLUE, [True, False])):
        seen = len(seeing.details)
        stamp = seeing.robot.show_now(colour=colour).header.stamp
        until(lambda seen=seen, of=(stamp.sec, stamp.nanosec): [
            d for d in seeing.details[seen:]
            if d['stamp'] and tuple(d['stamp'].values()) == of][3:],
            'four looks at it')
        changes = [s for i, s in enumerate(seeing.states) if not i or s != seeing.states[i - 1]]
        assert changes == state


def test_a_check_waits_for_a_frame_of_after_the_call(tree):
    seeing = tree(max_image_age=0.0, **{'red.rate': 0.001})
    seeing.robot.show_now(colour=RED)
    outcome = seeing.check()
    time.sleep(0.3)
    assert not outcome.done()
    seeing.robot.show(image(seeing.robot.node.get_clock().now().nanoseconds - 10**9, colour=RED))
    time.sleep(0.3)
    assert not outcome.done()  # stamped before the call
    seeing.robot.show_now(colour=BLUE)
    until(outcome.done, 'the answer')
    assert outcome.result().success is False
    assert outcome.result().message.startswith('blue (')
    outcome = seeing.check()
    until(lambda: seeing.robot.show_now(colour=RED) and outcome.done(), 'the answer')
    assert outcome.result().success is True


def test_questions_are_answered_while_a_check_waits(tree):
    seeing = tree(max_image_age=0.0)
    seeing.robot.show_now(colour=RED)
    outcome = seeing.check()
    time.sleep(0.2)
    assert seeing.robot.ask()['status'] == 'ok'
    assert not outcome.done()
    assert seeing.robot.transition('deactivate')
    until(outcome.done, 'the refusal')
    assert outcome.result().message == 'inactive: the node was deactivated'


def test_a_check_without_a_frame_says_so(tree, monkeypatch):
    monkeypatch.setattr(conditions, 'CHECK_LIMIT', 0.2)
    seeing = tree()
    outcome = seeing.check()
    until(outcome.done, 'the end of the wait')
    assert not outcome.result().success
    assert outcome.result().message.startswith('no_image: no image stamped after the call')


def test_a_check_of_a_node_that_is_not_active_is_refused(tree):
    seeing = tree(autostart=False)
    outcome = seeing.check()
    until(outcome.done, 'the refusal')
    assert not outcome.result().success
    assert outcome.result().message.startswith('inactive: ')


def test_checks_of_a_disabled_node_are_refused_without_a_wait(tree, monkeypatch):
    monkeypatch.setattr(conditions, 'CHECK_LIMIT', 1e6)
    seeing = tree(max_image_age=0.0)
    waiting = seeing.check()
    until(lambda: seeing.robot.vqa.activation.conditions._waiting, 'the check to wait')
    seeing.robot.enable(False)
    for outcome in (waiting, seeing.check()):
        said = until(outcome.done, 'the refusal') and outcome.result()
        assert (said.success, said.message) == (False, 'inactive: disabled through ~/enable')


def test_a_check_is_judged_by_what_was_expected_when_it_was_called(tree, monkeypatch):
    seeing = tree(max_image_age=0.0, **{'red.rate': 0.001})
    begun, gate = seeing.robot.hold(monkeypatch)
    outcome = seeing.check()
    until(lambda: seeing.robot.vqa.activation.conditions._waiting, 'the check to wait')
    assert seeing.robot.set(**{'red.expected': ['green']})[0].successful
    seeing.robot.show_now(colour=RED)
    assert begun.wait(20)
    assert seeing.robot.set(**{'red.expected': ['blue']})[0].successful
    gate.set()
    until(outcome.done, 'the answer')
    assert outcome.result().success


def test_a_disabled_node_knows_nothing(tree):
    seeing = tree(max_image_age=0.0, **{'red.when_unknown': 'false'})
    seeing.robot.show_now(colour=RED)
    until(lambda: True in seeing.states, 'a state')
    seeing.robot.enable(False)
    until(lambda: seeing.states[-1] is False, 'the unknown state')
    assert seeing.details[-1]['status'] == 'inactive'


@pytest.mark.parametrize('expected', ['red', ' Red'])
def test_diagnostics_tell_the_state(tree, expected):
    seeing = tree(max_image_age=0.0, **{'red.expected': expected})
    seeing.robot.show_now(colour=RED)
    assert seeing.diagnosed('holds').level == b'\x00'


def test_a_condition_is_changed_while_running(tree):
    seeing = tree(max_image_age=0.0)
    seeing.robot.show_now(colour=RED)
    until(lambda: True in seeing.states, 'a state')
    assert seeing.robot.set(**{'red.expected': ['blue'], 'red.rate': 20.0})[0].successful
    until(lambda: seeing.states[-1] is False, 'the change')


def test_an_answer_is_judged_by_the_words_that_belong_to_its_question(tree, monkeypatch):
    seeing = tree(max_image_age=0.0)
    seeing.robot.show_now(colour=RED)
    begun, gate = seeing.robot.hold(monkeypatch)
    assert begun.wait(20)
    shape = 'what shape is in the image?'
    assert seeing.robot.vqa.set_parameters_atomically([
        Parameter('red.question', value=shape), Parameter('red.expected', value=['circle']),
    ]).successful
    gate.set()
    until(lambda: seeing.details[-1]['question'] == shape, 'a look with the new question')
    assert {detail['condition']['result'] for detail in seeing.details
            if detail['question'] == QUESTION and detail['answer'] == 'red'} == {True}


def hold_red(seeing):
    """Show two red frames, each looked at several times, until the condition holds."""
    for _ in range(2):
        seen = len(seeing.details)
        seeing.robot.show_now(colour=RED)
        until(lambda seen=seen: seeing.details[seen + 3:], 'looks at it')
    until(lambda: True in seeing.states, 'a state')


def test_a_bad_frame_counts_once_however_often_it_is_looked_at(tree):
    seeing = tree(max_image_age=0.0, **{'red.hold': 2})
    hold_red(seeing)
    seeing.robot.show(image(seeing.robot.now_ns(), size=64, step=7))
    until(lambda: [d for d in seeing.details if d['status'] == 'bad_image'][5:], 'looks at it')
    assert {d['condition']['holds'] for d in seeing.details if d['status'] == 'bad_image'} == {
        True}


def test_a_question_that_the_model_no_longer_knows_makes_the_state_unknown_on_an_old_frame(
        tree, bundle_path, tmp_path):
    other = renamed(bundle_path, tmp_path / 'other', 'color', 'hue', 'vocabulary')
    seeing = tree(max_image_age=0.0, **{'red.hold': 2})
    hold_red(seeing)
    assert seeing.robot.set(model=other)[0].successful
    until(lambda: seeing.details[-1]['status'] == 'unknown_words', 'the other model')
    until(lambda: seeing.details[-1]['condition']['holds'] is None, 'the state to be unknown')


def test_other_expected_words_begin_anew(tree):
    seeing = tree(max_image_age=0.0, **{'red.hold': 2})
    hold_red(seeing)
    assert seeing.robot.set(**{'red.expected': ['blue']})[0].successful
    until(lambda: seeing.details[-1]['condition']['holds'] is None, 'the state to be forgotten')


def test_a_word_that_the_model_never_says_is_warned_of(tree):
    seeing = tree(max_image_age=0.0, **{'red.expected': 'rad'})
    seeing.robot.show_now(colour=RED)
    assert seeing.diagnosed("expects 'rad'").level == b'\x01'


def test_the_warning_of_a_word_is_about_the_model_in_use(tree, bundle_path, tmp_path):
    other = renamed(bundle_path, tmp_path / 'other', 'red', 'crimson')
    seeing = tree(max_image_age=0.0, diagnostics_period=0.1)
    seeing.robot.show_now(colour=RED)
    seeing.diagnosed('holds')
    for model, said in ((other, "expects 'red'"), (str(bundle_path), 'holds')):
        assert seeing.robot.set(model=model)[0].successful
        seeing.diagnosed(said)


def test_a_word_that_is_taught_later_is_warned_of_only_until_then(tree, bundle_path, tmp_path):
    model = renamed(bundle_path, tmp_path / 'other', 'yes', 'aye')
    seeing = tree(max_image_age=0.0, diagnostics_period=0.1, model=model,
                  taught_folder=str(tmp_path / 'taught'),
                  **{'red.question': LID, 'red.expected': 'yes'})
    seeing.diagnosed("expects 'yes'")
    pupil = Pupil(seeing.robot)
    pupil.show()
    assert pupil.say(do='fit', question=LID)['active'] == 1
    pupil.look('yes', 7777, 1000)
    seeing.diagnosed('holds')
    seeing.robot.enable(False)  # no model is known at the first look for other words
    assert seeing.robot.set(**{'red.expected': ['yes', 'ja']})[0].successful
    seeing.diagnosed('unknown: inactive')
    seeing.robot.enable(True)
    seeing.diagnosed('holds')


def test_more_checks_than_may_wait_are_refused_and_the_others_answered(tree, monkeypatch):
    monkeypatch.setattr(conditions, 'MAX_CHECKS', 3)
    seeing = tree(max_image_age=0.0, **{'red.rate': 0.001})
    begun, gate = seeing.robot.hold(monkeypatch)
    seeing.robot.show_now(colour=RED)
    seeing.robot.say(QUESTION)
    assert begun.wait(20)
    outcomes = []
    for _ in range(3):
        outcomes += [seeing.check() for _ in range(3)]
        time.sleep(0.2)
        seeing.robot.show_now(colour=RED)
        time.sleep(0.2)
    gate.set()
    until(lambda: seeing.robot.show_now(colour=RED) and all(
        outcome.done() for outcome in outcomes), 'all answers')
    said = [outcome.result().message.partition(' ')[0] for outcome in outcomes]
    assert set(said) == {'red', 'overloaded:'}


def test_each_call_of_a_burst_reaches_the_node(tree, monkeypatch):
    called, check = [], conditions.Conditions.check

    async def counted(self, name):
        called.append(name)
        return await check(self, name)
    monkeypatch.setattr(conditions.Conditions, 'check', counted)
    seeing = tree(max_image_age=0.0)
    seeing.robot.show_now(colour=RED)
    for _ in range(60):
        seeing.check()
    until(lambda: len(called) == 60, 'all calls')
    assert seeing.robot.transition('deactivate')  # while somebody can still be told


def test_a_check_leaves_nothing_behind_in_the_executor(tree):
    seeing = tree(max_image_age=0.0)
    held = []
    for _ in range(4):
        outcome = seeing.check()
        until(lambda found=outcome: seeing.robot.show_now(colour=RED) and found.done(), 'it')
        held.append(len(seeing.robot.vqa.default_callback_group.entities))
    assert held == held[:1] * 4

"""Clocks: stamps in the future, no stamps, simulated time, a clock that jumps back."""

from __future__ import annotations

import json
import time
from functools import partial

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from builtin_interfaces.msg import Time
from helpers.node_harness import QUESTION, image, until
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from std_srvs.srv import Trigger

from latent_vqa_ros.ros import conditions, frame_source

SECOND = 10**9
CONDITION = {'conditions': ['red'], 'red.question': QUESTION, 'red.expected': 'red'}
OK, WARN, STALE = b'\x00', b'\x01', b'\x03'


def await_level(node, level):
    node.diagnostics.clear()
    until(lambda: node.diagnostics.get('camera') and node.diagnostics['camera'].level == level,
          f'the camera at level {level}')
    return node.diagnostics['camera']


def set_clock(node, seconds: float) -> None:
    """Publish a time until the node has it."""
    sec, rest = divmod(round(seconds * SECOND), SECOND)
    message = Clock(clock=Time(sec=sec, nanosec=rest))
    until(lambda: node.publish(message, '/clock') or node.now_ns() == sec * SECOND + rest)


@pytest.fixture
def simulated(robot):
    """Return an active node whose clock is at 1000 s, and a function that sets it."""
    node = robot(use_sim_time=True, min_confidence=0.0, max_image_age=5.0, diagnostics_period=0.1)
    set_clock(node, 1000)
    return node, partial(set_clock, node)


def test_a_stamp_in_the_future_is_told(robot):
    node = robot(min_confidence=0.0, diagnostics_period=0.1)
    node.show(image(stamp_ns=node.now_ns() + 100 * SECOND))
    detail = node.ask()
    assert detail['status'] == 'ok'
    assert -100e3 <= detail['image_age_ms'] < 0
    status = await_level(node, WARN)
    assert 'in the future' in status.message
    assert 'use_sim_time' in status.message
    node.set(max_image_age=3600.0)
    node.show(image(stamp_ns=node.now_ns() + SECOND // 10))
    await_level(node, OK)


def test_a_camera_whose_clock_runs_ahead_goes_stale_when_its_frames_stop(robot):
    node = robot(min_confidence=0.0, max_image_age=0.5, diagnostics_period=0.1)
    node.show(image(stamp_ns=node.now_ns() + 100 * SECOND))
    assert node.ask()['status'] == 'ok'
    await_level(node, STALE)
    assert node.ask()['status'] == 'stale_image'


def test_a_frame_does_not_age_while_simulated_time_stands(simulated):
    node, _ = simulated
    node.set(max_image_age=0.3)
    node.show(image(stamp_ns=1000 * SECOND))
    time.sleep(0.6)
    assert node.ask()['status'] == 'ok'
    assert node.ask()['status'] == 'ok'


def test_a_camera_whose_clock_is_hours_behind_gets_that_reason(robot):
    node = robot(min_confidence=0.0)
    node.show(image(stamp_ns=node.now_ns() - 7200 * SECOND))
    detail = node.ask()
    assert detail['status'] == 'stale_image'
    assert detail['reason'].startswith('the newest image is 7200.')
    assert 's ago: the clocks of camera and node differ; synchronize them' in detail['reason']


def test_without_a_stamp_what_a_frame_waited_in_the_middleware_counts(robot):
    node = robot(min_confidence=0.0, diagnostics_period=3600.0)
    node.show_now()
    seen = []
    node.node.create_subscription(
        type(image()), 'image_raw', lambda message: seen.append(message.header.frame_id), 10)
    until(lambda: node.publish(image(0, 'unstamped'), 'image_raw') or 'unstamped' in seen)
    time.sleep(0.6)
    detail = node.ask()
    assert detail['frame_id'] == 'unstamped'
    assert detail['image_age_ms'] >= 500


def test_a_camera_that_died_is_not_called_a_clock(robot):
    node = robot(min_confidence=0.0, max_image_age=0.5)
    node.show_now()
    time.sleep(0.6)
    assert node.ask()['reason'].endswith('at most 0.5 s are taken; does the camera still run?')


def test_a_dead_camera_goes_stale_without_a_clock_too(robot):
    node = robot(use_sim_time=True, min_confidence=0.0, max_image_age=0.5, diagnostics_period=0.1)
    node.show(image(stamp_ns=5 * SECOND))
    assert node.ask()['status'] == 'ok'
    node.set(max_image_age=30.0)
    assert 'nobody publishes /clock' in await_level(node, WARN).message
    node.set(max_image_age=0.5)
    until(lambda: node.ask()['status'] == 'stale_image', 'the frame to be stale')
    said = await_level(node, STALE).message  # the cause is said first
    assert said.startswith('use_sim_time is set, but nobody publishes /clock: ')
    assert 'the newest image is' in said


def test_a_dead_camera_goes_stale_after_the_clock_has_died(simulated):
    node, _ = simulated
    node.set(max_image_age=0.5)
    node.show(image(stamp_ns=1000 * SECOND))
    time.sleep(0.6)
    assert node.ask()['status'] == 'ok'
    node.stop_publishing('/clock')
    until(lambda: node.ask()['status'] == 'stale_image', 'the frame to be stale')
    assert node.ask()['reason'].endswith('does the camera still run?')


def test_a_frame_is_counted_and_encoded_once_though_the_clock_dies(robot):
    node = robot(use_sim_time=True, min_confidence=0.0, max_image_age=0.0,
                 **{**CONDITION, 'red.hold': 1000, 'red.rate': 50.0})
    looks = []
    node.node.create_subscription(String, 'conditions/red/detail',
                                  lambda message: looks.append(json.loads(message.data)), 1000)

    def found():
        """Return the results in a row and how often a frame was encoded, after some looks."""
        seen = len(looks)
        until(lambda: looks[seen + 10:], 'ten more looks')
        return looks[-1]['condition']['in_a_row'], sum(
            look['status'] == 'ok' and not look['encoding_reused'] for look in looks)

    found()
    set_clock(node, 1000)
    node.show(image(stamp_ns=1000 * SECOND))
    until(lambda: looks[-1]['status'] == 'ok', 'a look at the frame')
    found()  # what was published twice has arrived
    before = found()
    node.stop_publishing('/clock')
    until(lambda: node.vqa.activation.source.clock_is_missing, 'the end of the clock')
    assert found() == before
    assert looks[-1]['status'] == 'ok'


def test_a_check_outlives_a_clock_that_jumps_back(robot):
    node = robot(use_sim_time=True, min_confidence=0.0, max_image_age=0.0,
                 **{**CONDITION, 'red.rate': 0.001})
    client = node.node.create_client(Trigger, 'vqa/check/red')
    assert client.wait_for_service(timeout_sec=10.0)
    set_clock(node, 100)
    outcome = client.call_async(Trigger.Request())
    until(lambda: node.vqa.activation.conditions._waiting, 'the check to wait')
    set_clock(node, 2)
    time.sleep(0.2)
    set_clock(node, 3)
    node.show(image(3 * SECOND))
    until(outcome.done, 'the answer')
    assert outcome.result().success


def test_an_old_stamp_says_that_the_clock_may_be_the_wrong_one(robot):
    node = robot(min_confidence=0.0)
    node.show(image(stamp_ns=5 * SECOND))  # simulated time, seen by a node without use_sim_time
    detail = node.ask()
    assert detail['status'] == 'stale_image'
    assert 'use_sim_time' in detail['reason']


def test_without_a_stamp_the_age_counts_from_arrival_in_simulated_time_too(simulated):
    node, clock_at = simulated
    node.show(image(stamp_ns=0))
    assert 0 <= node.ask()['image_age_ms'] < 1000
    clock_at(1004)
    assert 4000 <= node.ask()['image_age_ms'] < 5000
    clock_at(1010)
    assert node.ask()['status'] == 'stale_image'


def test_after_a_jump_back_no_frame_of_the_former_loop_is_answered_about(simulated):
    node, clock_at = simulated
    node.show(image(stamp_ns=999 * SECOND))
    assert node.ask()['status'] == 'ok'
    clock_at(10)
    detail = node.ask()
    assert detail['status'] == 'no_image'
    node.show(image(stamp_ns=9 * SECOND, frame_id='again'))
    detail = node.ask()
    assert (detail['status'], detail['frame_id']) == ('ok', 'again')
    assert not detail['encoding_reused']


def test_a_frame_without_a_stamp_does_not_survive_a_jump_back(simulated):
    node, clock_at = simulated
    node.show(image(stamp_ns=0))
    clock_at(10)
    assert node.ask()['status'] == 'no_image'


@pytest.mark.parametrize('taken', [False, True])
def test_a_frame_that_comes_before_the_jump_stays_if_it_is_of_the_new_time(simulated, taken):
    node, clock_at = simulated
    node.set(diagnostics_period=3600.0)  # a report would take the frame before the clock jumps
    node.show(image(stamp_ns=999 * SECOND))
    seen = []
    node.node.create_subscription(
        type(image()), 'image_raw', lambda message: seen.append(message.header.frame_id), 10)
    with node.vqa.activation.source._lock:  # nobody takes the frame before the clock has jumped
        until(lambda: node.publish(image(10 * SECOND, 'early'), 'image_raw') or 'early' in seen)
        if not taken:
            node.publish(Clock(clock=Time(sec=10)), '/clock')
    if taken:
        assert node.vqa.activation.source.newest('').frame_id == 'early'
        node.publish(Clock(clock=Time(sec=10)), '/clock')
    until(lambda: node.now_ns() == 10 * SECOND, 'the jump')
    assert node.ask()['frame_id'] == 'early'


def test_a_small_step_back_is_not_a_jump(simulated):
    node, clock_at = simulated
    node.show(image(stamp_ns=999 * SECOND))
    clock_at(999.95)
    assert node.ask()['status'] == 'ok'


def test_a_bag_that_loops_is_answered_about_in_each_loop(simulated):
    node, clock_at = simulated
    for loop in range(3):
        for second in (20, 21, 22):
            clock_at(second)
            node.show(image(second * SECOND, f'{loop}'))
            detail = node.ask()
            assert (detail['status'], detail['image_age_ms']) == ('ok', 0.0)
            assert detail['frame_id'] == f'{loop}'
        clock_at(30)
        await_level(node, STALE)


def test_a_frame_of_the_time_before_that_comes_after_the_jump_is_dropped(simulated):
    node, clock_at = simulated
    clock_at(10)
    seen = []
    node.node.create_subscription(
        type(image()), 'image_raw', lambda message: seen.append(message.header.frame_id), 10)
    until(lambda: node.publish(image(999 * SECOND, 'late'), 'image_raw') or len(seen) > 3)
    assert node.ask()['status'] == 'no_image'
    node.show(image(stamp_ns=5000 * SECOND))  # no time that was: a clock that runs ahead
    assert node.ask()['status'] == 'ok'
    clock_at(998)
    node.show(image(stamp_ns=999 * SECOND))
    assert node.ask()['status'] == 'ok'


def test_a_camera_whose_stamps_run_ahead_is_seen_in_every_loop(simulated, monkeypatch):
    node, clock_at = simulated
    clock_at(10)
    monkeypatch.setattr(frame_source, 'LATE_S', 0.0)  # long after the jump
    node.show(image(stamp_ns=13 * SECOND))
    assert node.ask()['status'] == 'ok'


def test_a_clock_with_another_name_is_found(robot):
    node = robot('/clock:=/sim/clock', use_sim_time=True, min_confidence=0.0)
    message = Clock(clock=Time(sec=1000))
    until(lambda: node.publish(message, '/sim/clock') or node.now_ns() == 1000 * SECOND)
    assert not node.vqa.activation.source.clock_is_missing


@pytest.mark.parametrize('stands', [True, False])
def test_a_check_tells_frames_of_another_clock_from_none(robot, monkeypatch, stands):
    monkeypatch.setattr(conditions, 'CHECK_LIMIT', 1.0)
    node = robot(**CONDITION, max_image_age=0.0)
    node.show_now()
    client = node.node.create_client(Trigger, 'vqa/check/red')
    assert client.wait_for_service(timeout_sec=10.0)
    outcome = client.call_async(Trigger.Request())
    until(lambda: node.vqa.activation.conditions._waiting, 'the check to wait')
    if stands:
        time.sleep(0.7)
        node.show(image(stamp_ns=SECOND))
    until(outcome.done, 'the end of the wait')
    said = outcome.result().message
    assert said.startswith('stale_image: no image stamped after the call')
    assert said.endswith(conditions.CLOCKS) == stands

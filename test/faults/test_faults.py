"""Whatever arrives, the node lives on: each fault over real topics, with the real process.

After each fault the same process answers a good question with ok, each question got exactly one
detail, and stderr has no traceback. The name of the fault is the name of the test.
"""

from __future__ import annotations

import os

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')

from faults import operations, texts
from faults.frames import FRAMES
from faults.stage import Stage

FRAME_FAULTS = [(transport, name) for transport, faults in FRAMES.items() for name in faults]


@pytest.fixture(scope='module')
def theatre(ros, tmp_path_factory):
    """Start the node once for all faults."""
    stage = Stage(tmp_path_factory.mktemp('faults'), f'/faults_{os.getpid()}')
    yield stage
    stage.close()


@pytest.fixture
def stage(theatre):
    theatre.use('raw')
    theatre.asker.show_until_ok()
    return theatre


@pytest.mark.parametrize('name', operations.OPERATIONS)
def test_the_node_survives(stage, name):
    operations.OPERATIONS[name](stage)
    stage.check()


@pytest.mark.parametrize('name', texts.QUESTIONS)
def test_a_broken_question_is_refused_with_a_reason(stage, name):
    content, expected = texts.QUESTIONS[name]
    detail = stage.asker.say(texts.message(content))
    assert detail['status'] in expected, detail
    assert detail['reason'] or detail['status'] == 'ok'
    assert 'internal error' not in detail['reason']
    stage.check()


@pytest.mark.parametrize(('transport', 'name'), FRAME_FAULTS)
def test_a_broken_frame_is_answered_with_its_status(theatre, transport, name):
    theatre.use(transport)
    topic, message, expected = FRAMES[transport][name](theatre.asker.header())
    detail = theatre.asker.see(message, topic)
    assert detail['status'] in expected, detail
    assert detail['reason'] or detail['status'] == 'ok'
    assert 'internal error' not in detail['reason']
    theatre.check()


def test_the_node_survives_kill_9_with_a_respawn(stage):
    operations.kill_and_respawn(stage)
    stage.check()


def test_there_are_the_faults_that_are_claimed():
    assert len(operations.OPERATIONS) + len(texts.QUESTIONS) + len(FRAME_FAULTS) >= 120
    assert {transport for transport, _ in FRAME_FAULTS} == {'raw', 'compressed', 'points'}

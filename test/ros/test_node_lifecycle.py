"""Transitions over the lifecycle services: what is acquired, freed, refused, and never lost."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref

import cv2
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import QUESTION, until
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from latent_vqa_ros.ros import activation


def own_topics(robot) -> list[tuple[str, int]]:
    """Return the topics and services that the node offers or uses, with their number."""
    name, space = 'vqa', robot.node.get_namespace()
    found = [*robot.vqa.get_publisher_names_and_types_by_node(name, space),
             *robot.vqa.get_subscriber_names_and_types_by_node(name, space),
             *robot.vqa.get_service_names_and_types_by_node(name, space)]
    return sorted((topic, len(types)) for topic, types in found)


def test_a_node_that_does_not_answer_says_inactive_and_what_it_waits_for(robot):
    node = robot(autostart=False)
    assert node.vqa.state == 'unconfigured'
    node.greet()
    unconfigured = own_topics(node)
    detail = node.ask()
    assert detail['status'] == 'inactive'
    assert detail['reason'] == 'the node is unconfigured; configure and activate it'
    assert detail['model']['name'] == ''
    assert node.transition('configure')
    detail = node.ask()
    assert (detail['status'], detail['reason']) == (
        'inactive', 'the node is not active; activate it')
    assert detail['model']['name'] == node.vqa.pipeline.bundle.manifest.name
    assert node.transition('activate')
    assert node.ask()['status'] == 'no_image'
    node.set(min_confidence=0.0)
    node.show_now()
    assert node.ask()['status'] == 'ok'
    assert node.transition('deactivate')
    assert node.ask()['status'] == 'inactive'
    assert node.transition('cleanup')
    assert node.ask()['status'] == 'inactive'
    until(lambda: own_topics(node) == unconfigured, 'everything to be given back')


def test_a_node_that_was_shut_down_says_that_it_will_not_come_back(robot):
    node = robot()
    request = ChangeState.Request()
    request.transition.id = Transition.TRANSITION_ACTIVE_SHUTDOWN
    assert node.call(ChangeState, 'vqa/change_state', request).success
    detail = node.ask()
    assert (detail['status'], detail['reason']) == (
        'inactive', 'the node is shut down; start the process again')


def test_deactivating_lets_the_frames_go(robot):
    node = robot(min_confidence=0.0)
    node.show_now()
    assert node.ask()['status'] == 'ok'
    seen = weakref.ref(node.vqa.activation.source.newest(''))
    assert seen() is not None
    assert node.transition('deactivate')
    until(lambda: gc.collect() >= 0 and seen() is None, 'the frame to be gone')


def test_cleanup_gives_the_model_back_and_what_encodes_taught_regions(robot, tmp_path):
    node = robot(taught_folder=str(tmp_path))
    backend, encoder = map(weakref.ref, (node.vqa.pipeline.backend, node.vqa._encoder))
    node.show_now()
    node.ask()
    assert node.transition('deactivate')
    assert node.vqa.activation is None
    assert backend() is not None
    assert node.transition('cleanup')
    until(lambda: gc.collect() >= 0 and backend() is None and encoder() is None)


def test_deactivating_gives_cameras_and_worker_back(robot):
    node, threads = robot(standing_questions=[QUESTION], standing_rate=100.0), threading.enumerate
    activation = weakref.ref(node.vqa.activation)
    assert any(thread.name == 'vqa_worker' for thread in threads())
    assert node.transition('deactivate')
    assert not any(thread.name == 'vqa_worker' for thread in threads())
    until(lambda: not any(topic.endswith('/image_raw') for topic, _ in own_topics(node)))
    until(lambda: gc.collect() >= 0 and activation() is None)  # a callback may still be on its way


def test_configuring_anew_enables_a_disabled_node(robot):
    node = robot()
    assert node.enable(False)
    for name in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert node.transition(name)
    assert node.ask()['status'] == 'no_image'


def test_a_hundred_transitions_leave_nothing_behind(robot):
    node = robot(autostart=False)
    for name in ('configure', 'activate', 'deactivate', 'cleanup'):
        assert node.transition(name)
    until(lambda: not any(topic.endswith('/image_raw') for topic, _ in own_topics(node)))
    before, threads = own_topics(node), threading.active_count()
    for _ in range(25):
        for name in ('configure', 'activate', 'deactivate', 'cleanup'):
            assert node.transition(name)
    assert threading.active_count() == threads, threading.enumerate()
    until(lambda: own_topics(node) == before, 'everything to be given back')
    assert not list(node.vqa.clients)
    assert node.transition('configure')
    assert node.transition('activate')
    node.greet()
    node.set(min_confidence=0.0)
    node.show_now()
    assert node.ask()['status'] == 'ok'


@pytest.fixture
def opencv_threads():
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@pytest.mark.usefixtures('opencv_threads')
def test_opencv_keeps_to_the_threads_of_the_parameter(robot):
    cv2.setNumThreads(5)
    robot(num_threads=2)
    assert cv2.getNumThreads() == 2


def test_questions_that_wait_at_deactivate_get_inactive(robot, monkeypatch):
    node = robot(min_confidence=0.0)
    node.show_now()
    _, gate = node.hold(monkeypatch)
    for number in range(5):
        node.say(f'{{"id": {number}, "question": "{QUESTION}"}}')
    until(lambda: node.vqa.activation.worker.waiting == 4, 'four questions to wait')
    threading.Timer(0.2, gate.set).start()
    assert node.transition('deactivate')
    until(lambda: len(node.details) == 5, 'five details')
    statuses = {detail['id']: detail['status'] for detail in node.details}
    assert statuses == {0: 'ok', 1: 'inactive', 2: 'inactive', 3: 'inactive', 4: 'inactive'}


@pytest.mark.parametrize('break_bundle', ['missing', 'digest', 'manifest'])
def test_a_broken_bundle_fails_configure_with_one_line_and_can_be_repaired(
        robot, bundle_path, tmp_path, break_bundle, capfd):
    broken = tmp_path / 'broken'
    if break_bundle != 'missing':
        broken.mkdir()
        for file in bundle_path.iterdir():
            (broken / file.name).write_bytes(file.read_bytes())
    if break_bundle == 'digest':
        with (broken / 'answerer.onnx').open('r+b') as graph:
            graph.write(b'X')
    if break_bundle == 'manifest':
        (broken / 'manifest.yaml').write_text('schema: 99\n')
    node = robot(model=str(broken))
    assert node.vqa.state == 'unconfigured'
    errors = [line for line in capfd.readouterr().err.splitlines() if 'ERROR' in line]
    assert len(errors) == 1
    assert str(broken) in errors[0]
    until(lambda: node.diagnostics.get('node')
          and node.diagnostics['node'].level == b'\x02', 'ERROR on /diagnostics')
    assert node.diagnostics['node'].message in errors[0]
    detail = node.ask()
    assert (detail['status'], detail['reason']) == (
        'inactive', f'the node is unconfigured: {node.vqa.failure}')
    assert not node.transition('configure')
    assert node.set(model=str(bundle_path))[0].successful
    assert node.transition('configure')
    assert node.transition('activate')
    node.greet()
    assert node.ask()['status'] == 'no_image'


def test_an_impossible_transition_is_refused_and_survived(robot, capfd):
    node = robot()
    assert not node.transition('configure')
    line, = (line for line in capfd.readouterr().err.splitlines() if 'not possible' in line)
    assert 'set autostart to false' in line  # as a lifecycle manager needs
    assert 'bond_timeout to 0.0' in line
    assert node.vqa.state == 'active'
    assert node.ask()['status'] == 'no_image'


def test_the_node_needs_no_torch_and_no_training_code(ros_environment):
    program = ('import sys, latent_vqa_ros.ros.node, latent_vqa_ros.ros.main\n'
               'bad = ("torch", "latent_vqa_ros.model", "latent_vqa_ros.training", "rosbags")\n'
               'print([name for name in sys.modules if name.startswith(bad)])')
    result = subprocess.run([sys.executable, '-c', program], env=ros_environment, check=True,
                            capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == '[]'


def test_an_activation_that_fails_half_way_leaves_nothing_behind(robot, monkeypatch, tmp_path):
    node = robot(autostart=False, taught_folder=str(tmp_path / 'taught'))
    assert node.transition('configure')

    def no_room(*given):
        raise MemoryError('no room')

    threads, before = threading.active_count(), own_topics(node)
    with monkeypatch.context() as now:
        now.setattr(activation, 'Conditions', no_room)
        for _ in range(3):
            assert not node.transition('activate')
    until(lambda: threading.active_count() <= threads, 'its threads to end')
    assert own_topics(node) == before
    assert len(list(node.vqa.timers)) == 1  # the diagnostics'
    assert node.transition('activate')
    assert node.ask()['status'] == 'no_image'

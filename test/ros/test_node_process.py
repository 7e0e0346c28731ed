"""The executable as a real process: signals, bad arguments, a bundle repaired while it runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import QUESTION, Asker, image, until
from std_srvs.srv import Trigger

from latent_vqa_ros.ros import LARGE_FRAMES, TRANSPORT_SETTINGS, main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def asker(ros):
    """Return somebody who asks in the namespace of the process."""
    asker = Asker(f'/process_{os.getpid()}')
    yield asker
    asker.close()


def arguments(asker, model) -> tuple[str, ...]:
    return ('-r', f'__ns:={asker.node.get_namespace()}', '-p', f'model:={model}',
            '-p', 'min_confidence:=0', '-p', 'max_image_age:=0')


def answered(asker) -> dict:
    """Show and ask until the process has answered about a frame."""
    def ok() -> bool:
        asker.publish(image(stamp_ns=1), 'image_raw')
        return asker.ask()['status'] == 'ok'
    until(ok, 'an answer about a frame')
    return asker.details[-1]


def test_a_package_that_does_not_load_is_one_line(start, ros_environment, tmp_path):
    (tmp_path / 'cv2.py').write_text('raise ImportError("libGL.so.1: cannot open")')
    path = os.pathsep.join([str(tmp_path), ros_environment.get('PYTHONPATH', '')])
    process = start(environment={**ros_environment, 'PYTHONPATH': path})
    assert process.wait(20) == 1
    assert process.said().startswith('vqa_node: libGL.so.1: cannot open; rosdep')
    assert len(process.said().splitlines()) == 1


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_node_cleanly(start, asker, bundle_path, number):
    process = start(*arguments(asker, bundle_path), '-p', 'diagnostics_period:=3600.0')
    asker.greet()
    assert answered(asker)['question'] == QUESTION
    process.send_signal(number)
    assert process.wait(20) == 0
    assert 'Traceback' not in process.said()
    assert 'rror' not in process.said()


def test_a_signal_leaves_no_question_without_a_detail(start, asker, bundle_path):
    process = start(*arguments(asker, bundle_path))
    asker.greet()
    assert answered(asker)['question'] == QUESTION
    asker.details.clear()
    process.send_signal(signal.SIGSTOP)  # a busy machine: all wait in the middleware
    for number in range(500):
        asker.say(f'{{"id": "{number}", "question": "{QUESTION}"}}')
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    assert process.wait(20) == 0
    until(lambda: len(asker.details) == 500, 'a detail of each')
    assert {detail['status'] for detail in asker.details} <= {'ok', 'inactive', 'no_image',
                                                              'overloaded', 'stale_image'}


def test_what_a_callback_raises_is_logged_and_does_not_end_the_process():
    class Context:
        def ok(self):
            return True

    class Executor:
        context, calls = Context(), 0

        def spin_once(self):
            self.calls += 1
            if self.calls == 3:
                stop.requested = True
            raise RuntimeError(f'call {self.calls}')

    class Stop:
        requested = False

    class Outputs:
        def fail(self, error):
            failures.append(str(error))

    class Node:
        outputs = Outputs()

    stop, failures = Stop(), []
    main._spin(Executor(), Node(), stop)
    assert failures == ['call 1', 'call 2', 'call 3']


def test_a_signal_while_starting_ends_the_node_cleanly(start, asker, bundle_path):
    def handled(process) -> bool:
        """Return whether the process catches SIGTERM already."""
        lines = Path(f'/proc/{process.pid}/status').read_text().splitlines()
        caught = next(line.split()[1] for line in lines if line.startswith('SigCgt'))
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    process = start(*arguments(asker, bundle_path))
    until(lambda: handled(process), 'the signal handlers')
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert 'Traceback' not in process.said()


def test_a_wrong_parameter_ends_the_start_with_one_line(start):
    for given, reason in (('top_k:=0', 'top_k'), ('top_k:=many', 'top_k'),
                          ('image_qos:=perfect', 'sensor_data, reliable'),
                          ('cameras:=[all]', 'cannot be a camera name'),
                          ('max_image_age:=-1.0', 'max_image_age')):
        process = start('-p', given)
        assert process.wait(30) == 2, process.said()
        lines = process.said().strip().splitlines()
        assert len(lines) == 1, lines
        assert reason in lines[0]


def test_wrong_arguments_end_the_start_with_one_line(start):
    process = start('--made-up')
    assert process.wait(30) == 2
    assert 'Traceback' not in process.said()
    assert 'made-up' in process.said()


def test_a_broken_bundle_leaves_the_process_alive(start, asker, tmp_path):
    process = start(*arguments(asker, tmp_path))
    until(lambda: 'configure failed' in process.said(), 'the error')
    until(lambda: asker.diagnostics.get('node'), 'diagnostics')
    assert asker.diagnostics['node'].level == b'\x02'
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.said().count('ERROR') == 1


def test_an_unknown_parameter_is_named(start, asker, tmp_path):
    process = start(*arguments(asker, tmp_path), '-p', 'max_imge_age:=1.0')
    until(lambda: 'max_imge_age is ignored' in process.said(), 'the warning')


def test_large_frames_arrive_with_the_shipped_profile(ros_environment, start, bundle_path):
    """Camera and node both use the profile: frames of 2.7 MB, each sent once, best effort."""
    environment = without_transports(ros_environment)
    profile = str(ROOT / 'config' / 'fastdds_large_frames.xml')
    environment['FASTRTPS_DEFAULT_PROFILES_FILE'] = profile  # until Fast DDS 2
    environment['FASTDDS_DEFAULT_PROFILES_FILE'] = profile  # from Fast DDS 3
    node = start('-r', '__ns:=/large', '-p', f'model:={bundle_path}',
                 '-p', 'min_confidence:=0', environment=environment)
    said = node.said() + show(environment)
    assert said.splitlines()[-1] == '20 20', said
    assert 'XML' not in said


def test_the_node_s_own_large_pictures_arrive_without_a_setting(
        ros_environment, start, bundle_path):
    environment = without_transports(ros_environment)
    node = start('-r', '__ns:=/large', '-p', f'model:={bundle_path}',
                 '-p', 'min_confidence:=0', environment=environment)
    said = show({**environment, 'FASTDDS_BUILTIN_TRANSPORTS': LARGE_FRAMES})
    assert said.splitlines()[-1] == '20 20', said + node.said()


def without_transports(environment):
    return {name: value for name, value in environment.items() if name not in TRANSPORT_SETTINGS}


def show(environment) -> str:
    """Show frames to the node, each once; return what that printed."""
    path = os.pathsep.join([environment['PYTHONPATH'], str(ROOT / 'test')])
    done = subprocess.run(
        [sys.executable, str(ROOT / 'test' / 'helpers' / 'large_camera.py'), '/large'],
        env={**environment, 'PYTHONPATH': path}, capture_output=True, text=True, timeout=120)
    return done.stderr + done.stdout


def test_the_profile_fits_twice_into_a_container_s_shared_memory():
    text = (ROOT / 'config' / 'fastdds_large_frames.xml').read_text()
    segment, = re.findall(r'<segment_size>(\d+)</segment_size>', text)
    assert 2 * int(segment) < 64 << 20  # Docker's default
    assert int(segment) > 2 * 1920 * 1080 * 3


def test_who_waits_for_a_check_hears_that_the_node_ends(start, asker, bundle_path):
    process = start(*arguments(asker, bundle_path), '-p', 'conditions:=[red]',
                    '-p', f'red.question:={QUESTION}', '-p', 'red.expected:=red')
    client = asker.node.create_client(Trigger, 'vqa/check/red')
    assert client.wait_for_service(timeout_sec=20.0)
    until(lambda: asker.ask()['status'] == 'no_image', 'an active node')
    checks = [client.call_async(Trigger.Request()) for _ in range(3)]
    asker.ask()  # after them
    process.send_signal(signal.SIGINT)
    until(lambda: all(check.done() for check in checks), 'the answers')
    assert {check.result().success for check in checks} == {False}
    assert process.wait(20) == 0


@pytest.mark.parametrize('option', ['--help', '-h'])
def test_help_is_printed_and_no_node_starts(ros_environment, option):
    done = subprocess.run([sys.executable, '-m', 'latent_vqa_ros.ros.main', option],
                          env=ros_environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.startswith('usage: vqa_node')
    assert '--show-args' in done.stdout
    assert done.stderr == ''


def test_an_argument_that_is_none_of_ros_is_refused(ros_environment):
    done = subprocess.run([sys.executable, '-m', 'latent_vqa_ros.ros.main', 'model:=easy_vqa'],
                          env=ros_environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        'vqa_node: model:=easy_vqa is none of its arguments: it takes what stands after '
        '--ros-args; see vqa_node --help']


def test_without_a_home_in_the_environment_the_accounts_own_is_used(start, ros_environment, asker,
                                                                   bundle_path):
    bare = {name: value for name, value in ros_environment.items()
            if name not in ('HOME', 'ROS_HOME', 'ROS_LOG_DIR')}
    start(*arguments(asker, bundle_path), environment=bare)
    asker.greet()


def test_an_account_without_a_home_is_told_what_to_set(monkeypatch):
    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr(main.pwd, 'getpwuid', unknown)
    assert not main._has_home({})
    assert main._has_home({'ROS_LOG_DIR': '/tmp'})
    assert main._has_home({'HOME': '/root'})


def test_lists_may_be_empty_and_a_file_for_another_node_is_told(start, asker, bundle_path,
                                                                tmp_path):
    empty, other = tmp_path / 'empty.yaml', tmp_path / 'other.yaml'
    empty.write_text('/**:\n  ros__parameters:\n    cameras: []\n    standing_questions: []\n')
    other.write_text('vqa_node:\n  ros__parameters:\n    top_k: 9\n')
    process = start(*arguments(asker, bundle_path), '--params-file', str(empty),
                    '--params-file', str(other))
    asker.greet()
    assert asker.ask()['status'] == 'no_image'
    line, = (line for line in process.said().splitlines() if 'yaml' in line)
    assert f'{other} has parameters for /vqa_node and none for {asker.node.get_namespace()}/vqa' \
        in line


def test_without_autostart_the_node_waits_for_transitions(start, asker, bundle_path):
    start(*arguments(asker, bundle_path), '-p', 'autostart:=false')
    asker.greet()
    detail = asker.ask()
    assert (detail['status'], detail['reason']) == (
        'inactive', 'the node is unconfigured; configure and activate it')

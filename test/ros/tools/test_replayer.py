"""A replayed bag arrives whole over real middleware in another process, and ends cleanly."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock

from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.cli import replay as verb
from latent_vqa_ros.ros import LARGE_FRAMES, use_large_frames
from latent_vqa_ros.ros.tools import replayer as replayer_module
from latent_vqa_ros.ros.tools.replayer import message_class

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / 'test' / 'data'
TINY = DATA / 'tiny_bag'
LIMIT = 60  # s, for a process that hangs
VERB = """
import argparse, sys
from latent_vqa_ros.cli import replay
parser = argparse.ArgumentParser()
replay.add_parser(parser.add_subparsers())
args = parser.parse_args()
sys.exit(args.run(args))
"""


@pytest.fixture
def environment(ros_environment: dict[str, str]) -> dict[str, str]:
    """The environment of ROS processes, with Fast DDS's default transports."""
    environ = dict(ros_environment)
    for name in ('FASTDDS_BUILTIN_TRANSPORTS', 'FASTDDS_DEFAULT_PROFILES_FILE',
                 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        environ.pop(name, None)
    return environ


@contextmanager
def bounded(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Kill a process when the block ends, or after LIMIT so that no read waits for ever."""
    watchdog = threading.Timer(LIMIT, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


@contextmanager
def replayer(environment: dict[str, str],
             *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    with bounded(subprocess.Popen(
            [sys.executable, '-c', VERB, 'replay', '--json', *map(str, arguments)], text=True,
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)) as process:
        yield process


@contextmanager
def listener(environment: dict[str, str], reliability: str) -> Iterator[subprocess.Popen[str]]:
    with bounded(subprocess.Popen(
            [sys.executable, str(ROOT / 'test/helpers/bag_listener.py'), reliability], text=True,
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == '"ready"\n'
        yield process


def heard(process: subprocess.Popen[str]) -> list[tuple[str, int, int]]:
    """Close the listener's input and return all that it received, in order."""
    output, _ = process.communicate(timeout=LIMIT)
    return [tuple(json.loads(line)) for line in output.splitlines()]


def contents(bag_path: Path) -> list[tuple[str, int, int]]:
    """Return (topic, header stamp, checksum) of each message, as the listener tells them."""
    told = []
    with BagReader(bag_path) as bag:
        for record in bag:
            message = bag.deserialize(record)
            if record.topic == '/truth':
                told.append(('/truth', 0, zlib.crc32(message.data.encode())))
                continue
            stamp = message.header.stamp
            told.append((record.topic, stamp.sec * 10**9 + stamp.nanosec,
                         zlib.crc32(message.data.tobytes())))
    return told


def test_every_message_arrives_with_its_own_stamp(environment: dict[str, str]) -> None:
    with (listener(environment, 'reliable') as subscriber,
          replayer(environment, TINY, '--rate', '5', '--wait', '30') as replayed):
        output, errors = replayed.communicate(timeout=LIMIT)
        messages = heard(subscriber)
    assert replayed.returncode == 0, errors
    assert sorted(m for m in messages if m[0] != '/clock') == sorted(contents(TINY))
    document = json.loads(output)
    assert document['published'] == {'/image_raw': 3, '/truth': 3}
    assert (document['loops'], document['interrupted']) == (1, False)
    clock = [stamp for topic, stamp, _ in messages if topic == '/clock']
    with BagReader(TINY) as bag:
        assert clock == sorted(clock)
        assert bag.start_ns <= clock[0]
        assert clock[-1] == bag.end_ns


class _Slow:
    """A publisher that takes longer than the bag's pauses; what it was given goes to a list."""

    def __init__(self, sent: list[object], seconds: float) -> None:
        self.sent, self.seconds = sent, seconds

    def publish(self, message: object) -> None:
        time.sleep(self.seconds)
        self.sent.append(message)


def test_the_clock_goes_on_while_the_replay_is_late() -> None:
    sent: list[object] = []
    report = replayer_module.ReplayReport(published={'/image_raw': 0})
    clock = replayer_module._Clock(SimpleNamespace(create_publisher=lambda *_: _Slow(sent, 0)))
    with BagReader(DATA / 'demo_bag') as bag:
        replayer_module._one_pass(bag, {'/image_raw': _Slow(sent, 0.03)}, clock, 1e6,
                                  lambda: False, lambda: None, report)
    kinds = ''.join('c' if isinstance(message, Clock) else 'i' for message in sent)
    assert kinds.count('i') == 20
    assert 'iii' not in kinds, kinds
    ticks = [m.clock.sec * 10**9 + m.clock.nanosec for m in sent if isinstance(m, Clock)]
    assert ticks == sorted(ticks)


def test_ros_that_does_not_start_is_one_line(environment: dict[str, str]) -> None:
    with replayer({**environment, 'ROS_DOMAIN_ID': 'abc'}, TINY, '--wait', '0') as replayed:
        _, errors = replayed.communicate(timeout=LIMIT)
    assert replayed.returncode == 1
    assert [line for line in errors.splitlines() if 'does not start' in line]
    assert 'Traceback' not in errors


def test_large_frames_reach_a_best_effort_subscriber_with_default_transports(
        environment: dict[str, str]) -> None:
    with (listener(environment, 'best_effort') as subscriber,
          replayer(environment, DATA / 'demo_bag', '--rate', '4', '--wait', '30') as replayed):
        _, errors = replayed.communicate(timeout=LIMIT)
        messages = heard(subscriber)
    assert replayed.returncode == 0, errors
    frames = {message for message in messages if message[0] == '/image_raw'}
    assert frames <= set(contents(DATA / 'demo_bag'))
    assert len(frames) >= 18, f'{len(frames)} of 20 frames of 640×480 arrived'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_loop_starts_again_and_a_signal_ends_it_with_exit_0(
        environment: dict[str, str], number: signal.Signals) -> None:
    with (listener(environment, 'reliable') as subscriber,
          replayer(environment, TINY, '--rate', '10', '--loop', '--wait', '30') as replayed):
        last, jumped = 0, False
        assert subscriber.stdout is not None
        while not jumped:
            topic, stamp, _ = json.loads(subscriber.stdout.readline())
            if topic == '/clock':
                last, jumped = stamp, stamp < last
        replayed.send_signal(number)
        output, errors = replayed.communicate(timeout=LIMIT)
    assert replayed.returncode == 0, errors
    assert 'Traceback' not in errors
    document = json.loads(output)
    assert document['interrupted']
    assert document['loops'] >= 1


def bag_with_a_foreign_type(path: Path) -> Path:
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    types = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        thing = writer.add_connection('/thing', 'nowhere_msgs/msg/Thing', msgdef='int32 x\n',
                                      rihs01='RIHS01_0')
        text = writer.add_connection('/truth', 'std_msgs/msg/String', typestore=types)
        writer.write(thing, 1, b'\0\1\0\0\1\0\0\0')
        message = types.types['std_msgs/msg/String'](data='here')
        writer.write(text, 2, types.serialize_cdr(message, 'std_msgs/msg/String'))
    return path


def test_a_type_that_is_not_installed_is_named_once_and_the_rest_is_published(
        environment: dict[str, str], tmp_path: Path) -> None:
    bag = bag_with_a_foreign_type(tmp_path / 'bag')
    with (listener(environment, 'reliable') as subscriber,
          replayer(environment, bag, '--wait', '30') as replayed):
        output, errors = replayed.communicate(timeout=LIMIT)
        messages = heard(subscriber)
    assert replayed.returncode == 0, errors
    assert errors.count('nowhere_msgs/msg/Thing') == 1
    assert Counter(topic for topic, _, _ in messages)['/truth'] == 1
    assert json.loads(output)['left_out'] == {'/thing': 'nowhere_msgs/msg/Thing'}


def test_a_name_that_ros_does_not_take_is_named_and_the_rest_is_published(
        environment: dict[str, str], tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_string('/camera/0/status', 1, 'here')
        bag.write_string('/truth', 2, 'there')
    with replayer(environment, tmp_path / 'bag', '--wait', '0') as replayed:
        output, errors = replayed.communicate(timeout=LIMIT)
    assert replayed.returncode == 0, errors
    assert 'Traceback' not in errors
    assert '/camera/0/status is left out: ' in errors
    document = json.loads(output)
    assert document['left_out'] == {'/camera/0/status': 'std_msgs/msg/String'}
    assert document['published'] == {'/truth': 1}


NODES = ('/question', '/answer', '/robot1/answer/detail', '/teach', '/robot1/teach/detail',
         '/conditions/tray_empty/detail', '/rosout')
OTHERS = ('/truth', '/conditions/tray/empty/why', '/the_answer')


@pytest.mark.parametrize(('given', 'published'), [
    ([], OTHERS), (['--topics', 'question', '/truth'], ('/question', '/truth'))])
def test_what_a_node_was_told_and_said_is_replayed_only_where_it_is_named(
        environment: dict[str, str], tmp_path: Path, given: list[str],
        published: tuple[str, ...]) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for name in (*NODES, *OTHERS):
            bag.write_string(name, 1, 'x')
    with replayer(environment, tmp_path / 'bag', '--wait', '0', *given) as replayed:
        output, errors = replayed.communicate(timeout=LIMIT)
    assert replayed.returncode == 0, errors
    document = json.loads(output)
    assert document['published'] == dict.fromkeys(published, 1)
    assert set(document['left_out']) == {*NODES, *OTHERS} - set(published)
    said = [line for line in errors.splitlines() if 'unless --topics names them' in line]
    assert [line.endswith(', '.join(sorted(NODES))) for line in said] == ([] if given else [True])


@pytest.mark.parametrize(('topic', 'kind', 'own'), [
    ('/image_annotated', 'sensor_msgs/msg/Image', True),
    ('/a/b/image_annotated', 'sensor_msgs/msg/Image', True),
    ('/image_annotated', 'std_msgs/msg/String', False),
    ('/front/image_raw', 'sensor_msgs/msg/Image', False),
    ('/conditions/tray_empty', 'std_msgs/msg/Bool', True),
    ('/answer', 'std_msgs/msg/Int32', False),
    ('/answer/classification', 'vision_msgs/msg/Classification', True),
    ('/diagnostics', 'diagnostic_msgs/msg/DiagnosticArray', True),
    ('/parameter_events', 'rcl_interfaces/msg/ParameterEvent', True)])
def test_a_topic_of_the_node_is_known_by_its_name_and_type(
        topic: str, kind: str, own: bool) -> None:
    assert replayer_module.is_own(topic, kind) is own


@pytest.mark.parametrize(('given', 'says'), [
    ([], 'it holds only what is left out'), (['--topics', 'nothing'], 'has no /nothing; its')])
def test_what_leaves_nothing_to_replay_is_one_line(
        environment: dict[str, str], tmp_path: Path, given: list[str], says: str) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_string('/teach', 1, '{"do": "forget"}')
    with replayer(environment, tmp_path / 'bag', '--wait', '0', *given) as replayed:
        output, errors = replayed.communicate(timeout=LIMIT)
    assert (replayed.returncode, output) == (1, '')
    assert says in errors.splitlines()[-1]


def test_a_bag_that_cannot_be_played_fails_with_one_line(
        environment: dict[str, str], tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'empty') as bag:
        bag.write_string('/clock', 0, 'only a clock')
    for path, says in ((tmp_path / 'empty', 'nothing to publish'), (tmp_path / 'no', 'no such')):
        with replayer(environment, path, '--wait', '0') as replayed:
            output, errors = replayed.communicate(timeout=LIMIT)
        assert (replayed.returncode, output) == (1, '')
        assert says in errors
        assert 'Traceback' not in errors


@pytest.mark.parametrize('arguments', [
    ['bag', '--rate', '0'], ['bag', '--rate', '-1'], ['bag', '--rate', 'nan'],
    ['bag', '--rate', 'fast'], ['bag', '--wait', '-1'], []])
def test_bad_usage_is_exit_2(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    verb.add_parser(parser.add_subparsers())
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(['replay', *arguments])
    assert caught.value.code == 2


def test_a_transport_that_the_user_chose_is_left_alone() -> None:
    empty: dict[str, str] = {}
    assert use_large_frames(empty)
    assert empty == {'FASTDDS_BUILTIN_TRANSPORTS': LARGE_FRAMES}
    for chosen in ({'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'},
                   {'FASTRTPS_DEFAULT_PROFILES_FILE': 'profile.xml'}):
        before = dict(chosen)
        assert not use_large_frames(chosen)
        assert chosen == before


@pytest.mark.parametrize('name', [
    '', 'std_msgs', 'std_msgs/String', 'std_msgs/msg/', 'os/msg/Path', '../msg/A',
    'std_msgs/msg/Nothing', 'nowhere_msgs/msg/Thing'])
def test_a_name_that_is_no_installed_type_gives_none(name: str) -> None:
    assert message_class(name) is None


@pytest.mark.parametrize(('ahead_s', 'told'), [(0, [100, 101, 102]), (90, [10, 11, 12])])
def test_a_bag_that_was_recorded_in_simulation_has_its_own_clock(
        tmp_path: Path, ahead_s: int, told: list[int]) -> None:
    sent: dict[str, list[object]] = {}
    with BagWriter(tmp_path / 'bag') as bag:
        for second in (100, 101, 102):
            clock = Clock()
            clock.clock.sec = second - ahead_s
            bag.write_cdr('/clock', 'rosgraph_msgs/msg/Clock', second * 10**9,
                          serialize_message(clock))
            bag.write_string('/truth', second * 10**9, 'x')
    node = SimpleNamespace(create_publisher=lambda kind, topic, qos: _Slow(
        sent.setdefault(topic, []), 0))
    with BagReader(tmp_path / 'bag') as bag:
        own = replayer_module._has_own_time(bag)
        report = replayer_module.ReplayReport()
        publishers = replayer_module._publishers(node, bag, bag.topics, report, own)
        replayer_module._one_pass(bag, publishers, replayer_module._Clock(node, own), 20,
                                  lambda: False, lambda: None, report)
    ticks = [each if isinstance(each, Clock) else deserialize_message(each, Clock)
             for each in sent['/clock']]
    assert {tick.clock.sec for tick in ticks} == set(told)
    assert ('/clock' in report.left_out) == (not own)

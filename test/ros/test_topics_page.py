"""docs/topics.md says what the node says, and its example asks the real node."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import QUESTION, until  # noqa: E402

from latent_vqa_ros.core.answer import Detail  # noqa: E402
from latent_vqa_ros.core.image_formats import KNOWN_ENCODINGS  # noqa: E402
from latent_vqa_ros.core.statuses import Status  # noqa: E402
from latent_vqa_ros.ros.parameters import TABLE, UNCONFIGURED  # noqa: E402

DOCS = Path(__file__).parents[2] / 'docs'
TEXT = (DOCS / 'topics.md').read_text('utf-8')


def section(title: str) -> str:
    """Return the text below a heading."""
    return TEXT[TEXT.index(f'## {title}'):].split('\n## ')[0]


def first_column(text: str) -> set[str]:
    return set(re.findall(r'`(\w+)`', ' '.join(re.findall(r'^\| (`.*?) \|', text, re.MULTILINE))))


@pytest.fixture(scope='module')
def example():
    spec = importlib.util.spec_from_file_location('ask', DOCS / 'examples' / 'ask.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_have_every_key_and_every_status():
    keys = set(Detail(Status.OK, '', forced=True).to_dict())
    statuses = {status.value for status in Status}
    assert first_column(section('`answer/detail`')) == keys | statuses


def test_every_encoding_is_named():
    text = TEXT[TEXT.index('**Encodings**'):]
    missing = {name for name in KNOWN_ENCODINGS
               if f'`{name}`' not in text and not name.startswith('bayer')
               and f'`{name.replace("16", "8")}`' not in text}
    assert missing == set()
    named = set(re.findall(r'`(\w+)`', text[:text.index('Compressed')]))
    assert {name for name in named if not name.startswith('_')} <= set(KNOWN_ENCODINGS)
    assert {name[6:10] for name in KNOWN_ENCODINGS if name.startswith('bayer')} == set(
        re.findall(r'_(\w{4})8`', text))


def test_the_parameters_that_need_a_new_configuration_are_named():
    named = set(re.findall(r'`(\w+)`', section('Parameters that need').split(' are read ')[0]))
    assert named == {name for name, parameter in TABLE.items()
                     if parameter.metadata['when'] == UNCONFIGURED}


def test_the_keys_of_diagnostics_are_those_that_are_named(robot):
    seeing = robot(diagnostics_period=0.1)
    seeing.show_now()
    seeing.ask()
    until(lambda: 'latency_p50_ms' in keys_of(seeing, 'questions'), 'a latency')
    until(lambda: 'image_age_ms' in keys_of(seeing, 'camera'), 'the camera')
    named = set(re.findall(r'`(\w+)`', section('`/diagnostics`').split('Keys of ')[1]))
    for name in ('node', 'questions', 'camera'):
        keys = {key for key in keys_of(seeing, name) if not key.startswith('status_')}
        assert keys - named == set(), name
        named -= keys | {name}
    assert named <= {'status_'}


def keys_of(robot, name: str) -> set[str]:
    status = robot.diagnostics.get(name)
    return {pair.key for pair in status.values} if status else set()


def test_the_example_returns_the_detail_of_its_own_question(robot, example):
    import rclpy

    seeing = robot(min_confidence=0.0)
    seeing.show_now()
    node = rclpy.create_node('client', namespace=seeing.node.get_namespace())
    try:
        client = example.Client(node)
        for _ in range(3):
            seeing.say(QUESTION)  # somebody else's: without an id
            detail = client.ask('what color is the shape?', timeout_s=20.0)
            assert (detail['status'], detail['answer']) == ('ok', 'red')
            assert detail['id']
        assert client.ask('what is the time?', timeout_s=20.0)['status'] == 'unknown_words'
    finally:
        node.destroy_node()


def test_the_example_without_a_question_says_how_to_use_it(example, capsys):
    assert example.main() == 2
    assert 'usage' in capsys.readouterr().err


def test_the_example_says_in_one_line_that_no_node_answers(ros_environment):
    done = subprocess.run(
        [sys.executable, DOCS / 'examples' / 'ask.py', QUESTION,
         '--ros-args', '-r', '__ns:=/left'], text=True,
        capture_output=True, env=ros_environment, timeout=60)
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.splitlines() == [
        'no answer: does vqa_node run in this namespace and domain?']

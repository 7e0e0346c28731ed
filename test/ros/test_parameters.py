"""One table of parameters: code and YAML agree, all are used, bad values are refused."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

import pytest
import yaml

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from rclpy.parameter import Parameter

from latent_vqa_ros.ros.parameters import (
    LIVE,
    START,
    TABLE,
    UNCONFIGURED,
    Settings,
    as_markdown,
    read_condition,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def node(robot):
    """Return an unconfigured node."""
    return robot(autostart=False)


def test_the_table_is_not_empty_and_each_row_says_when_it_may_change():
    assert len(TABLE) >= 16
    assert {row.metadata['when'] for row in TABLE.values()} == {START, UNCONFIGURED, LIVE}
    assert all(row.metadata['description'] for row in TABLE.values())


def test_the_yaml_file_holds_each_parameter_at_its_default():
    document = yaml.safe_load((ROOT / 'config' / 'vqa.yaml').read_text())
    written = document['/**']['ros__parameters']
    defaults = {row.name: list(row.default) if isinstance(row.default, tuple) else row.default
                for row in TABLE.values()}
    assert written == defaults
    assert {name: type(value) for name, value in written.items()} == {
        name: type(value) for name, value in defaults.items()}


def test_the_documentation_is_made_from_the_table():
    written = (ROOT / 'docs' / 'parameters.md').read_text()
    assert written == as_markdown(), 'make it anew: python3 -m latent_vqa_ros.ros.parameters'
    assert all(f'| `{name}` |' in written for name in TABLE)


def test_each_parameter_is_declared_with_its_description(node):
    for row in TABLE.values():
        descriptor = node.vqa.describe_parameter(row.name)
        assert descriptor.description == row.metadata['description']
        assert bool(descriptor.integer_range or descriptor.floating_point_range) == bool(
            row.metadata['between'])
        assert descriptor.read_only == (row.metadata['when'] == START)


def test_each_declared_parameter_is_read_somewhere():
    code = ''.join(path.read_text() for path in (ROOT / 'latent_vqa_ros' / 'ros').glob('*.py'))
    for name in TABLE:
        read = {'cameras': 'camera_names', 'conditions': 'condition_names'}.get(name, name)
        assert re.search(rf'settings\.{read}\b', code), f'{name} is declared but never read'


@pytest.mark.parametrize(('name', 'value', 'reason'), [
    ('top_k', 0, 'ange'), ('top_k', 'three', 'type'), ('queue_depth', -1, 'ange'),
    ('min_confidence', 1.5, 'ange'), ('min_confidence', 'much', 'expected a number'),
    ('min_confidence', float('nan'), 'ange'), ('min_confidence', True, 'expected a number'),
    ('max_image_age', -1.0, 'ange'), ('max_image_age', -1, 'is not from'),
    ('image_qos', 'best', 'sensor_data, reliable'), ('image_transport', '', 'raw, compressed'),
    ('backend', 'abacus', 'onnxruntime, openvino, torch'), ('model', ' ', 'bundle'),
    ('min_confidence', -0.9, 'or -1'), ('min_confidence', -1e-9, 'or -1'),
    ('cameras', ['', 'rear'], 'without a name'), ('cameras', ['a', 'a'], 'twice'),
    ('cameras', ['all'], 'all'), ('cameras', ['a b'], 'letters'),
    ('autostart', True, 'read-only'), ('diagnostics_period', 0.0, 'ange'),
    ('max_question_length', 10**9, 'ange'), ('num_threads', 0, 'ange'),
    ('standing_rate', 0.0, 'ange'), ('standing_rate', -1, 'is not from'),
    ('standing_publish', 'sometimes', 'on_change, always'),
    ('standing_questions', 'what?', 'list of strings'), ('standing_questions', [1], 'strings'),
    ('standing_questions', ['@moon what?'], 'unknown camera'),
    ('standing_questions', ['what?', '{"question": '], 'broken JSON'),
    ('standing_questions', ['x' * 300], '300 characters'),
    ('max_image_age', float('inf'), 'ange'),
])
def test_a_bad_value_is_refused_with_its_reason_and_nothing_changes(node, name, value, reason):
    before = node.vqa.settings
    result = node.set(**{name: value})[0]
    assert not result.successful
    assert reason in result.reason
    assert name in result.reason or reason == 'type'  # rclpy's own words
    assert node.vqa.settings == before


def test_a_set_with_one_bad_value_changes_nothing(node):
    result = node.vqa.set_parameters_atomically(
        [Parameter('top_k', value=5), Parameter('image_qos', value='none')])
    assert not result.successful
    assert 'image_qos' in result.reason
    assert node.vqa.settings.top_k == 3


def test_an_empty_list_clears_the_standing_questions(node):
    assert node.set(standing_questions=['what?'])[0].successful
    assert node.vqa.settings.standing_questions == ('what?',)
    assert node.set(standing_questions=[])[0].successful
    assert node.vqa.settings.standing_questions == ()


def test_cameras_that_a_standing_question_needs_cannot_go(node):
    both = [Parameter('cameras', value=['front']),
            Parameter('standing_questions', value=['@front what?'])]
    assert node.vqa.set_parameters_atomically(both).successful
    result = node.set(cameras=['rear'])[0]
    assert not result.successful
    assert 'standing_questions' in result.reason
    assert node.vqa.settings.cameras == ('front',)


def test_a_parameter_cannot_be_deleted(node):
    for name in ('max_image_age', 'top_k', 'model', 'standing_questions'):
        assert not node.vqa.set_parameters([Parameter(name)])[0].successful
        assert node.vqa.has_parameter(name)


def test_a_parameter_without_a_name_is_refused(node):
    result = node.set(**{'': 1})[0]
    assert not result.successful
    assert 'name' in result.reason


def test_what_configure_reads_is_refused_while_configured(robot):
    node = robot()
    others = {'backend': 'openvino', 'num_threads': 2, 'cameras': ['front'],
              'image_qos': 'reliable', 'image_transport': 'compressed', 'taught_folder': 'mine'}
    assert others.keys() == {row.name for row in TABLE.values()
                             if row.metadata['when'] == UNCONFIGURED}
    for name, value in others.items():
        result = node.set(**{name: value})[0]
        assert not result.successful
        assert 'clean up' in result.reason


def test_a_file_with_what_stands_already_may_be_loaded_while_configured(robot):
    node = robot()
    same = [Parameter(name, value=node.vqa.get_parameter(name).value) for name in TABLE]
    assert node.vqa.set_parameters_atomically(same).successful
    assert all(each.successful for each in node.vqa.set_parameters(same))
    assert node.vqa.set_parameters_atomically([*same, Parameter('top_k', value=2)]).successful
    assert node.vqa.settings.top_k == 2
    assert not node.vqa.set_parameters_atomically(
        [*same, Parameter('num_threads', value=True)]).successful


def test_a_set_is_seen_whole_or_not_at_all(robot):
    pairs = [{'question': 'is it red?', 'expected': 'yes'},
             {'question': 'what?', 'expected': 'red'}]
    node = robot(autostart=False, conditions=['a'], **{
        f'a.{name}': value for name, value in pairs[0].items()}).vqa
    seen, done = set(), threading.Event()

    def look():
        while not done.is_set():
            now = read_condition(node, 'a')
            seen.add((now.question, now.expected))

    looking, before = threading.Thread(target=look), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    looking.start()
    try:
        for turn in range(300):
            assert node.set_parameters_atomically([
                Parameter(f'a.{name}', value=value)
                for name, value in pairs[(turn + 1) % 2].items()]).successful
    finally:
        done.set()
        looking.join()
        sys.setswitchinterval(before)
    assert seen == {(pair['question'], (pair['expected'],)) for pair in pairs}


def test_live_parameters_take_effect_at_once(robot):
    node = robot(min_confidence=0.0)
    node.show_now()
    node.set(top_k=1)
    assert len(node.ask()['top']) == 1
    node.set(top_k=2)
    assert len(node.ask()['top']) == 2
    node.set(max_question_length=5)
    assert node.ask()['status'] == 'bad_question'


def test_a_number_may_be_given_without_a_point(robot):
    node = robot(max_image_age=7, autostart=False)
    assert node.vqa.settings.max_image_age == 7.0
    assert isinstance(node.vqa.settings.max_image_age, float)


def test_one_camera_without_a_name_is_the_default():
    assert Settings().camera_names == ('',)
    assert Settings(cameras=('front', '', 'rear')).camera_names == ('front', 'rear')

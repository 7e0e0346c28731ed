"""The parameter ``model`` while the node answers: switched between questions, or refused."""

from __future__ import annotations

import shutil
import threading

import pytest
import yaml

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import QUESTION, until
from rclpy.parameter import Parameter


@pytest.fixture
def other(bundle_path, tmp_path):
    """Return the folder of a bundle with another name and version."""
    folder = tmp_path / 'other'
    shutil.copytree(bundle_path, folder)
    manifest = yaml.safe_load((folder / 'manifest.yaml').read_text())
    manifest |= {'name': 'other', 'version': '9.9.9'}
    (folder / 'manifest.yaml').write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder


@pytest.fixture
def seeing(robot):
    """Return an active node that has an image of any age."""
    started = robot(min_confidence=0.0, max_image_age=0.0, queue_depth=1000)
    started.show_now()
    return started


def test_a_stream_of_questions_loses_none_while_the_model_changes(seeing, other, bundle_path):
    stop = threading.Event()
    asked = []

    def stream():
        while not stop.is_set():
            seeing.say(f'{{"id": {len(asked)}, "question": "{QUESTION}"}}')
            asked.append(len(asked))
            stop.wait(0.005)

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        own = yaml.safe_load((bundle_path / 'manifest.yaml').read_text())['name']
        for folder, name in ((other, 'other'), (bundle_path, own), (other, 'other')):
            assert seeing.set(model=str(folder))[0].successful
            until(lambda name=name: seeing.details[-1]['model']['name'] == name,
                  f'answers of {name}')
    finally:
        stop.set()
        thread.join()
    until(lambda: len(seeing.details) >= len(asked), 'a detail of each question')
    assert [detail['id'] for detail in seeing.details] == asked
    assert {detail['status'] for detail in seeing.details} == {'ok'}
    names = [detail['model']['name'] for detail in seeing.details]
    changes = [b for a, b in zip(names, names[1:], strict=False) if a != b]
    assert changes == ['other', own, 'other']


def test_after_a_switch_each_question_is_answered_by_the_new_model(seeing, other):
    before = seeing.ask()
    assert seeing.set(model=str(other))[0].successful
    after = seeing.ask()
    assert (after['model']['name'], after['model']['version']) == ('other', '9.9.9')
    assert after['model']['sha256'] != before['model']['sha256']
    assert (after['answer'], after['encoding_reused']) == (before['answer'], False)
    assert seeing.vqa.state == 'active'


@pytest.mark.parametrize('broken', ['missing', 'digest', 'manifest', 'blank'])
def test_a_bad_model_is_refused_with_its_reason_and_the_present_one_answers_on(
        seeing, other, broken):
    given, reason = str(other), {
        'missing': 'nowhere', 'digest': 'sha256', 'manifest': 'schema', 'blank': 'name'}[broken]
    if broken == 'missing':
        given = str(other / 'nowhere')
    if broken == 'blank':
        given = ''
    if broken == 'digest':
        with (other / 'answerer.onnx').open('r+b') as graph:
            graph.write(b'X')
    if broken == 'manifest':
        (other / 'manifest.yaml').write_text('schema: 99\n')
    before = seeing.vqa.settings
    result = seeing.set(model=given)[0]
    assert not result.successful
    assert result.reason.startswith('model: ')
    assert reason in result.reason
    assert '\n' not in result.reason
    assert seeing.vqa.settings == before
    assert seeing.ask()['model']['name'] != 'other'


def test_a_good_model_beside_a_bad_value_changes_nothing(seeing, other):
    before = seeing.vqa.settings
    for bad in (Parameter('top_k', value=0), Parameter('use_sim_time', value=7)):
        for pair in ([Parameter('model', value=str(other)), bad],
                     [bad, Parameter('model', value=str(other))]):
            assert not seeing.vqa.set_parameters_atomically(pair).successful
            assert seeing.vqa.settings == before
            assert seeing.ask()['model']['name'] != 'other'


def test_the_same_name_reads_a_replaced_bundle_again(robot, other):
    node = robot(model=str(other))
    assert node.ask()['model']['version'] == '9.9.9'
    manifest = (other / 'manifest.yaml').read_text().replace('9.9.9', '10.0.0')
    (other / 'manifest.yaml').write_text(manifest)
    assert node.ask()['model']['version'] == '9.9.9'
    assert node.set(model=str(other))[0].successful
    assert node.ask()['model']['version'] == '10.0.0'


def test_an_inactive_node_takes_a_new_model_and_an_unconfigured_one_checks_it_later(robot, other):
    node = robot(autostart=False)
    assert node.set(model='/nowhere')[0].successful
    assert not node.transition('configure')
    assert node.set(model=str(other))[0].successful
    assert node.transition('configure')
    assert not node.set(model='/nowhere')[0].successful
    assert node.vqa.pipeline.bundle.manifest.name == 'other'

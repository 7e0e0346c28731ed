"""Each parameter of the table changes what the node does: one effect per parameter, seen."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import LIMIT, QUESTION, image, until
from rclpy.qos import ReliabilityPolicy

from latent_vqa_ros.ros.parameters import TABLE

STANDING = {'standing_questions': [QUESTION], 'standing_rate': 50.0, 'min_confidence': 0.0,
            'max_image_age': 0.0}


def model(robot, monkeypatch, bundle_path):
    assert robot().ask()['model']['name'] == 'easy_vqa'
    assert robot(model='tabletop').ask()['model']['name'] == 'tabletop'


def backend(robot, monkeypatch, bundle_path):
    pytest.importorskip('torch', reason='the other backend is torch')
    assert robot().vqa.pipeline.backend.name == 'onnxruntime'
    assert robot(backend='torch').vqa.pipeline.backend.name == 'torch'


def num_threads(robot, monkeypatch, bundle_path):
    onnxruntime = pytest.importorskip('onnxruntime')
    made, session = [], onnxruntime.InferenceSession

    def recorded(graph, options, **rest):
        made.append(options.intra_op_num_threads)
        return session(graph, options, **rest)

    monkeypatch.setattr(onnxruntime, 'InferenceSession', recorded)
    node = robot(num_threads=2)
    assert made == [2, 2]
    assert node.set(model=str(bundle_path))[0].successful  # a live switch loads with it, too
    assert made == [2, 2, 2, 2]
    robot()
    assert made[4:] == [1, 1]


def cameras(robot, monkeypatch, bundle_path):
    node = robot(cameras=['front', 'rear'])
    assert [node.ask(camera=camera)['camera'] for camera in ('front', 'rear')] == ['front', 'rear']
    assert robot().ask(camera='rear')['status'] == 'bad_question'


def image_transport(robot, monkeypatch, bundle_path):
    for transport, topic in (('raw', 'image_raw'), ('compressed', 'image_raw/compressed'),
                             ('points', 'points')):
        node = robot(image_transport=transport)
        assert f'no publisher on {node.node.get_namespace()}/{topic};' in node.ask()['reason']


def image_qos(robot, monkeypatch, bundle_path):
    for qos, kind in (('sensor_data', ReliabilityPolicy.BEST_EFFORT),
                      ('reliable', ReliabilityPolicy.RELIABLE)):
        node = robot(image_qos=qos)
        topic = f'{node.node.get_namespace()}/image_raw'
        until(lambda node=node, topic=topic: node.node.get_subscriptions_info_by_topic(topic))
        found, = node.node.get_subscriptions_info_by_topic(topic)
        assert found.qos_profile.reliability == kind


def max_image_age(robot, monkeypatch, bundle_path):
    node = robot(max_image_age=0.0, min_confidence=0.0)
    node.show(image(stamp_ns=1))
    assert node.ask()['status'] == 'ok'
    node.set(max_image_age=9.0)
    assert node.ask()['status'] == 'stale_image'


def min_confidence(robot, monkeypatch, bundle_path):
    node = robot(min_confidence=1.0, max_image_age=0.0)
    node.show_now()
    assert node.ask()['status'] == 'unsure'
    node.set(min_confidence=0.0)
    assert node.ask()['status'] == 'ok'


def top_k(robot, monkeypatch, bundle_path):
    node = robot(max_image_age=0.0, top_k=5)
    node.show_now()
    assert len(node.ask()['top']) == 5
    node.set(top_k=1)
    assert len(node.ask()['top']) == 1


def queue_depth(robot, monkeypatch, bundle_path):
    node = robot(queue_depth=3)
    begun, gate = node.hold(monkeypatch)
    node.say(QUESTION)
    assert begun.wait(LIMIT)
    for _ in range(8):
        node.say(QUESTION)
    until(lambda: len(node.details) == 5, 'the details of dropped questions')
    assert {detail['status'] for detail in node.details} == {'overloaded'}
    gate.set()
    until(lambda: len(node.details) == 9, 'the others')


def max_question_length(robot, monkeypatch, bundle_path):
    node = robot(max_question_length=30)
    assert node.ask('x' * 31)['status'] == 'bad_question'
    assert node.ask('x' * 30)['status'] == 'unknown_words'


def standing_questions(robot, monkeypatch, bundle_path):
    node = robot(**STANDING)
    node.show_now()
    until(lambda: node.answers, 'an answer that nobody asked for')
    assert node.details[-1]['question'] == QUESTION


def standing_rate(robot, monkeypatch, bundle_path):
    periods = [robot(standing_rate=rate).vqa.activation._timer.timer_period_ns
               for rate in (4.0, 0.5)]
    assert periods == [250_000_000, 2_000_000_000]


def standing_publish(robot, monkeypatch, bundle_path):
    node = robot(**STANDING)
    node.show_now()
    until(lambda: node.answers, 'the first answer')
    node.show_now()
    asked = node.ask()  # by now the second frame was answered about, or will be without news
    assert asked['status'] == 'ok'
    node.set(standing_publish='always')
    until(lambda: len(node.answers) >= 6, 'the same answer again and again')


def conditions(robot, monkeypatch, bundle_path):
    node = robot(conditions=['red'], **{'red.question': QUESTION, 'red.expected': ['red']})
    topic = f'{node.node.get_namespace()}/conditions/red'
    until(lambda: node.node.count_publishers(topic) == 1, 'the condition')


def diagnostics_period(robot, monkeypatch, bundle_path):
    periods = [robot(diagnostics_period=period).vqa._reports.timer_period_ns
               for period in (0.5, 3.0)]
    assert periods == [500_000_000, 3_000_000_000]


def remembered_frames(robot, monkeypatch, bundle_path):
    with TemporaryDirectory() as folder:
        node = robot(taught_folder=folder, remembered_frames=1)
        asked = []
        for _ in range(2):
            node.show_now()
            asked.append(node.ask()['id'])
        kept = [bool(node.vqa.activation.teaching.memory.about(id_)) for id_ in asked]
        assert kept == [False, True]
        assert node.transition('deactivate')


EFFECTS = (model, backend, num_threads, cameras, image_transport, image_qos, max_image_age,
           min_confidence, top_k, queue_depth, max_question_length, standing_questions,
           standing_rate, standing_publish, conditions, diagnostics_period, remembered_frames)
ELSEWHERE = {'autostart',  # read by main: test_node_process.py
             'taught_folder'}  # test_node_teaching.py


def test_every_parameter_has_an_effect_here():
    assert {effect.__name__ for effect in EFFECTS} | ELSEWHERE == set(TABLE)


@pytest.mark.parametrize('effect', EFFECTS, ids=lambda effect: effect.__name__)
def test_the_parameter_changes_what_the_node_does(robot, monkeypatch, bundle_path, effect):
    effect(robot, monkeypatch, bundle_path)

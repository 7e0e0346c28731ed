"""The demo: the real node is asked over real topics, and its report says what happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.cli import demo, demo_report

COMMAND = [sys.executable, '-m', 'latent_vqa_ros.cli.main', 'demo']
QUESTIONS = (('what shape is this?', 'circle'), ('what color is this?', 'red'))
STAMP_NS = 1_700_000_000 * 10**9


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Three 640×480 frames, two questions each."""
    path = tmp_path / 'bag'
    with BagWriter(path) as writer:
        for index in range(3):
            stamp_ns = STAMP_NS + index * 500_000_000
            writer.write_image('/image_raw', stamp_ns, 'camera',
                               np.full((480, 640, 3), 20 + index, np.uint8))
            writer.write_string('/truth', stamp_ns,
                                json.dumps({'image': index, 'questions': QUESTIONS}))
    return path


def plain_environment():
    """Return this shell's environment without the transports or domain that it may have set."""
    return {name: value for name, value in os.environ.items()
            if name not in ('FASTDDS_BUILTIN_TRANSPORTS', 'FASTDDS_DEFAULT_PROFILES_FILE',
                            'FASTRTPS_DEFAULT_PROFILES_FILE', 'ROS_DOMAIN_ID')}


def run_demo(*argv):
    return subprocess.run([*COMMAND, *map(str, argv)], capture_output=True, text=True,
                          check=False, timeout=120, env=plain_environment())


def test_every_question_of_every_frame_is_answered_about_its_frame(bundle, bag, tmp_path):
    done = run_demo('--model', bundle, '--bag', bag, '--out', tmp_path / 'out', '--json')
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document['n'], document['answered'], document['right']) == (6, 6, 6)
    assert [row['frame'] for row in document['rows']] == ['0', '0', '1', '1', '2', '2']
    assert all(row['latency_ms'] > 0 for row in document['rows'])
    assert document['round_trip_ms']['p50'] > 0
    assert document['node_rss_mb'] > 10
    assert document['node_exit'] == 0
    assert cv2.imread(document['picture']).shape == (240 + 2 * 17 + 16, 4 * 336, 3)


def test_a_question_without_an_answer_fails_and_is_shown(bundle, tmp_path):
    path = tmp_path / 'bag'
    with BagWriter(path) as writer:
        writer.write_image('/image_raw', STAMP_NS, 'camera', np.zeros((480, 640, 3), np.uint8))
        writer.write_string('/truth', STAMP_NS, json.dumps(
            {'image': 'x', 'questions': [('what shape is this?', 'circle'), ('colour?', 'red')]}))
    done = run_demo('--model', bundle, '--bag', path, '--out', tmp_path / 'out')
    assert done.returncode == 1
    assert 'answered 1 of 2, right 1' in done.stdout
    assert '[unknown_words]' in done.stdout


def test_a_bag_without_truths_is_one_line(bundle, tmp_path):
    path = tmp_path / 'bag'
    with BagWriter(path) as writer:
        writer.write_string('/other', STAMP_NS, 'text')
    done = run_demo('--model', bundle, '--bag', path, '--out', tmp_path / 'out')
    assert done.returncode == 1
    assert 'no frame on /image_raw with a truth' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_shipped_bag_is_found_and_has_a_hundred_questions():
    frames = demo.read_frames(demo.find_bag())
    assert len(frames) == 20
    assert sum(len(frame.questions) for frame in frames) == 100
    assert all(frame.rgb_hwc.shape == (480, 640, 3) for frame in frames)
    assert len({frame.stamp_ns for frame in frames}) == 20


def test_a_missing_bag_says_how_to_make_one(monkeypatch, tmp_path):
    monkeypatch.setattr('latent_vqa_ros.core.models.share_folders', lambda: [tmp_path])
    with pytest.raises(BagError, match='demo_bag OUT'):
        demo.find_bag()


def test_large_frames_pass_and_the_domain_is_its_own_unless_set():
    code = ('import os; from latent_vqa_ros.cli import demo; demo.prepare_environment(); '
            'print(os.environ["FASTDDS_BUILTIN_TRANSPORTS"], os.environ["ROS_DOMAIN_ID"])')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          check=True, env=plain_environment())
    transports, domain = done.stdout.split()
    assert 'sockets_size' in transports
    assert 1 <= int(domain) <= 100


def test_what_the_user_set_is_kept(monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', '77')
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4')
    demo.prepare_environment()
    assert os.environ['ROS_DOMAIN_ID'] == '77'
    assert os.environ['FASTDDS_BUILTIN_TRANSPORTS'] == 'UDPv4'


def _row(**changes):
    return {'frame': '1', 'question': 'what shape?', 'truth': 'circle', 'status': 'ok',
            'answer': 'circle', 'confidence': 0.9, 'latency_ms': 2.0, 'attempts': 1,
            'encoding_reused': False} | changes


def test_unsure_is_neither_answered_nor_right():
    rows = [_row(), _row(status='unsure'), _row(answer='red'), _row(truth='yes', answer='yes')]
    document = demo_report.summarize(
        rows, {'round_trip_ms': [1.0], 'node_rss_mb': 1.0, 'node_exit': 0})
    assert (document['n'], document['answered'], document['right']) == (4, 3, 2)
    assert document['groups'] == {'shape': {'n': 3, 'right': 1}, 'yes/no': {'n': 1, 'right': 1}}


def test_a_wrong_answer_and_an_unclean_end_are_visible():
    rows = [_row(answer='red'), _row(frame='2')]
    document = demo_report.summarize(
        rows, {'round_trip_ms': [], 'node_rss_mb': 1.0, 'node_exit': -11})
    text = demo_report.render(document | {'picture': 'x.png'})
    assert text.count('<--') == 1
    assert 'exit code -11' in text

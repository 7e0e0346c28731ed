"""The demo: the real node is asked over real topics, and its report says what happened."""

import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.truth import TrueFrame, true_frames
from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.cli import demo, demo_report, demo_teach
from latent_vqa_ros.core.models import find_model

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
                               np.full((480, 640, 3), (20 + index, 15, 15), np.uint8))
            writer.write_string('/truth', stamp_ns,
                                json.dumps({'image': index, 'questions': QUESTIONS}))
    return path


@pytest.fixture
def episode(tmp_path: Path) -> Path:
    """A second of 64×48 JPEG frames at 5 Hz; nothing is certain of the third."""
    path = tmp_path / 'episode'
    jpeg = cv2.imencode('.jpg', np.full((48, 64, 3), (90, 60, 30), np.uint8))[1].tobytes()
    with BagWriter(path) as writer:
        for index in range(6):
            stamp_ns = STAMP_NS + index * 200_000_000
            truth = {'is the red cube above this?': None if index == 2 else 'no',
                     'what is the color?': None if index < 4 else 'blue'}
            writer.write_compressed('/camera/image_raw/compressed', stamp_ns, 'c', jpeg, 'jpeg')
            writer.write_string('/truth', stamp_ns, json.dumps(
                {'stamp': dict(zip(('sec', 'nanosec'), divmod(stamp_ns, 10**9), strict=True)),
                 'scene': None, 'answers': truth}))
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
    assert document['taught'] is None  # with a bag of one's own
    assert [row['time_s'] for row in document['rows']] == [0, 0, 0.5, 0.5, 1, 1]
    assert all(row['latency_ms'] > 0 for row in document['rows'])
    assert document['round_trip_ms']['p50'] > 0
    assert document['node_rss_mb'] > 10
    assert document['node_exit'] == 0
    assert cv2.imread(document['picture']).shape == (240 + 2 * 17 + 16, 4 * 336, 3)


def test_an_episode_is_asked_where_its_truth_is_certain(looking_bundle, episode, tmp_path):
    done = run_demo('--model', looking_bundle, '--bag', episode, '--out', tmp_path / 'out',
                    '--rate', '10', '--json')
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [row['time_s'] for row in document['rows']] == [0, 0.2, 0.6, 0.8, 0.8, 1, 1]
    assert (document['answered'], document['right']) == (7, 5)  # it says red, not blue
    assert {row['answer'] for row in document['rows']} == {'no', 'red'}
    assert [one['phrase'] for one in document['rows'][0]['evidence']] == ['red cube']
    sheet_hwc = cv2.imread(document['picture'])
    assert sheet_hwc.shape == (2 * (240 + 2 * 17 + 16), 4 * 336, 3)
    for left in range(0, 4 * 336, 336):  # the node drew a box, whatever was asked last; BGR
        pink = (sheet_hwc[:248, left:left + 328] == (200, 80, 255)).all(axis=2)
        assert pink.sum() > 100


def test_the_pace_is_that_of_the_bag_times_the_rate():
    shown, due = [], []
    asker = SimpleNamespace(show=shown.append, wait_until=due.append)
    pictures = ((10**18 + i * 10**9, b'%d' % i) for i in range(4))
    assert demo.replay(asker, pictures, [], 4) == ([], {})
    assert shown == [b'0', b'1', b'2', b'3']
    assert np.diff(due) == pytest.approx([0.25] * 3)


def test_of_a_long_bag_only_pictures_asked_about_are_held():
    detail = dict.fromkeys(('status', 'answer', 'confidence', 'encoding_reused', 'evidence'))
    asker = SimpleNamespace(show=len, wait_until=abs, ask=lambda *_: SimpleNamespace(
        detail=detail, milliseconds=1.0, attempts=1))
    pictures = ((i, bytes(10**6)) for i in range(2000))
    tracemalloc.start()
    rows, kept = demo.replay(asker, pictures, [TrueFrame(7, (('what?', 'that'),))], 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**7
    assert list(kept) == [7]
    assert [row['truth'] for row in rows] == ['that']


def test_moments_are_spread_from_the_first_to_the_last_that_is_certain():
    told = (('what?', 'that'),)
    frames = [TrueFrame(i, told if i % 2 else ()) for i in range(20)]
    assert [frame.stamp_ns for frame in demo.spread(frames, 3)] == [1, 9, 19]
    assert [frame.stamp_ns for frame in demo.spread(frames, 1)] == [1]
    assert len(demo.spread(frames, 99)) == 10


def test_a_question_without_an_answer_fails_and_is_shown(bundle, tmp_path):
    path = tmp_path / 'bag'
    with BagWriter(path) as writer:
        writer.write_image('/image_raw', STAMP_NS, 'camera',
                           np.full((480, 640, 3), (0, 0, 9), np.uint8))
        writer.write_string('/truth', STAMP_NS, json.dumps(
            {'image': 'x', 'questions': [('what shape is this?', 'circle'), ('colour?', 'red')]}))
    done = run_demo('--model', bundle, '--bag', path, '--out', tmp_path / 'out')
    assert done.returncode == 1
    assert 'answered 1 of 2, right 1' in done.stdout
    assert '[unknown_words]' in done.stdout


def test_answers_are_told_where_no_picture_came(bundle, bag, tmp_path):
    code = ('from latent_vqa_ros.cli.main import main\n'
            'from latent_vqa_ros.ros.tools import asker\n'
            'def look(*_):\n    raise asker.DemoError("no picture came")\n'
            'asker.Asker.look = look\n'
            f'raise SystemExit(main(["demo", "--model", "{bundle}", "--bag", "{bag}", '
            f'"--out", "{tmp_path / "out"}"]))')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          check=False, timeout=120, env=plain_environment())
    assert done.returncode == 1
    assert 'answered 6 of 6, right 6' in done.stdout
    assert 'picture: none' in done.stdout
    assert 'no picture came; see ' in done.stderr


def test_a_bag_without_truths_is_one_line(bundle, tmp_path):
    path = tmp_path / 'bag'
    with BagWriter(path) as writer:
        writer.write_string('/other', STAMP_NS, 'text')
    done = run_demo('--model', bundle, '--bag', path, '--out', tmp_path / 'out')
    assert done.returncode == 1
    assert 'the bag has no topic with images' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_easy_vqa_answers_right_about_its_own_bag_wherever_it_lies(tmp_path):
    mine = shutil.copytree(find_model('easy_vqa'), tmp_path / 'mine')
    done = run_demo('--model', mine, '--rate', '100', '--moments', '20', '--out', tmp_path,
                    '--json')
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document['n'], document['answered'], document['right']) == (100, 100, 100)


def test_the_default_model_follows_what_happens_in_the_shipped_episode(tmp_path):
    done = run_demo('--rate', '100', '--out', tmp_path, '--json')
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document['answered'] == document['n'] == 48
    assert document['right'] >= 46
    held = [row['answer'] for row in document['rows']
            if row['question'] == 'what is the gripper holding?']
    assert held[0] == held[-1] == 'nothing'
    assert 'cone' in held
    ready, even = document['taught']
    assert ready['before'] == even['before'] == 'unknown_words'  # the model does not know them
    assert ready['judgement']['trusted']
    assert {row['status'] for row in ready['rows']} == {'ok'}
    assert (ready['right'], len(ready['rows'])) == (12, 12)
    assert ready['shots'] == even['shots'] == {'yes': 12, 'no': 12}
    assert even['status'] == 'not_trusted'
    assert 'are needed' in even['reason']
    assert {row['status'] for row in even['rows']} == {'unknown_words'}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'answers.png', 'echo.log', 'node.log']  # what was taught is gone


def _taught(**changes):
    judgement = {'right': 1.0, 'lower_bound': 0.9}
    right = {'status': 'ok', 'answer': 'yes', 'truth': 'yes', 'confidence': 0.99}
    learnt = {'question': 'is it full?', 'before': 'unknown_words', 'status': 'ok', 'reason': '',
              'shots': {'yes': 12, 'no': 12}, 'moments': {'yes': 9, 'no': 8},
              'judgement': judgement, 'rows': [right, right], 'right': 2}
    refused = learnt | {'question': 'is it even?', 'status': 'not_trusted', 'right': 0,
                        'reason': 'right 50 %', 'rows': [right | {'status': 'unknown_words'}]}
    return [learnt | changes, refused]


def test_what_was_taught_is_as_expected_only_where_one_answered_and_the_other_was_refused():
    unsure = {'status': 'unsure', 'answer': 'yes', 'truth': 'yes', 'confidence': 0.5}
    assert demo_teach.as_expected(_taught())
    assert not demo_teach.as_expected(_taught(status='not_trusted'))
    assert not demo_teach.as_expected(_taught(rows=[unsure]))
    assert not demo_teach.as_expected([_taught()[0], _taught()[0]])  # it promised too much
    assert not demo_teach.as_expected([])


def test_the_table_of_the_taught_says_why_one_was_not_switched_on():
    lines = demo_teach.render(_taught()).splitlines()
    assert '12 + 12' in lines[1]
    assert '9 + 8' in lines[1]
    assert lines[1].endswith('2 of 2 right')
    assert lines[2].endswith('[unknown_words]')
    assert lines[3] == '  not switched on: right 50 %'


def test_the_questions_that_are_taught_have_a_truth_in_each_shipped_frame():
    with BagReader(demo.shipped(demo_teach.BAG)) as bag:
        frames = true_frames(bag)
    texts = [lesson.question for lesson in demo_teach.LESSONS]
    assert len(frames) == 36
    assert all([question for question, _ in frame.questions] == texts for frame in frames)
    for part in (frames[:demo_teach.SHOTS], frames[demo_teach.SHOTS:]):
        pairs = Counter(tuple(answer for _, answer in frame.questions) for frame in part)
        assert len(pairs) == 4
        assert len(set(pairs.values())) == 1  # the one tells nothing of the other


def test_the_shipped_episode_is_found_and_tells_of_changes():
    with BagReader(demo.find_bag('any model')) as bag:
        frames = true_frames(bag)
    assert len(frames) == 120
    asked = demo.spread(frames, demo.MOMENTS)
    answers: dict[str, list[str]] = {}
    for frame in asked:
        for question, answer in frame.questions:
            told = answers.setdefault(question, [])
            if told[-1:] != [answer]:
                told.append(answer)
    assert answers['what is the gripper holding?'] == ['nothing', 'cone', 'nothing']
    assert answers['what is in the tray?'] == ['nothing', 'cone', 'several']
    assert answers['is the red cone in the tray?'] == ['no', 'yes']
    assert len(answers) == 6
    assert all(len(told) > 1 for told in answers.values())


def test_a_missing_bag_says_how_to_make_one(monkeypatch, tmp_path):
    monkeypatch.setattr('latent_vqa_ros.core.models.share_folders', lambda: [tmp_path])
    with pytest.raises(BagError, match='simulate bag OUT'):
        demo.find_bag('any model')


@pytest.mark.parametrize('rate', ['0', '-1', 'nan', 'inf', 'fast'])
def test_a_rate_that_makes_no_sense_is_refused(rate):
    done = run_demo('--rate', rate)
    assert done.returncode == 2
    assert 'a number above 0' in done.stderr


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
    return {'time_s': 0.5, 'question': 'what shape?', 'truth': 'circle', 'status': 'ok',
            'answer': 'circle', 'confidence': 0.9, 'latency_ms': 2.0, 'attempts': 1,
            'encoding_reused': False} | changes


def test_unsure_is_neither_answered_nor_right():
    rows = [_row(), _row(status='unsure'), _row(answer='red'), _row(truth='yes', answer='yes')]
    document = demo_report.summarize(
        rows, {'round_trip_ms': [1.0], 'node_rss_mb': 1.0, 'node_exit': 0})
    assert (document['n'], document['answered'], document['right']) == (4, 3, 2)


def test_a_wrong_answer_and_an_unclean_end_are_visible():
    rows = [_row(answer='red'), _row(time_s=2.0)]
    document = demo_report.summarize(
        rows, {'round_trip_ms': [], 'node_rss_mb': 1.0, 'node_exit': -11})
    text = demo_report.render(document | {'picture': 'x.png'})
    assert text.count('<--') == 1
    assert 'what shape?  red → circle' in text
    assert 'exit code -11' in text


def test_the_last_line_opens_the_page_on_the_same_bag(monkeypatch):
    from latent_vqa_ros.cli.main import make_parser

    monkeypatch.setattr(sys, 'argv', ['/somewhere/cli/main.py', 'demo'])
    line = demo.how_to_look(demo.find_bag('tabletop'))
    command, *words = line.partition(': ')[2].split()
    assert command == '.venv/bin/latent_vqa'  # where make demo puts it
    args = make_parser().parse_args(words)
    assert (args.bag / 'metadata.yaml').is_file()

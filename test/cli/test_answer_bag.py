"""The verb answer-bag: its summary, its exit codes, and one line for whatever is wrong."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.cli import main as cli

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / 'test' / 'data' / 'demo_bag'
TINY = ROOT / 'test' / 'data' / 'tiny_bag'
COLOUR = 'what color is the shape?'
EASY_VQA = ('--model', 'easy_vqa')


def test_the_verb_is_known_by_its_name_with_a_hyphen():
    assert 'answer-bag' in cli.VERBS


def test_the_summary_counts_frames_rows_and_statuses(latent_vqa_json, tmp_path):
    out = tmp_path / 'a.csv'
    code, document = latent_vqa_json(
        'answer-bag', TINY, '--question', COLOUR, '--question', 'what colour?', '--out', out,
        *EASY_VQA)
    assert code == 0
    assert document['duration_s'] >= 0
    assert {**document, 'duration_s': 0} == {
        'bag': str(TINY), 'out': str(out), 'frames': 3, 'rows': 6, 'resumed_frames': 0,
        'left_out': [], 'statuses': {'ok': 3, 'unknown_words': 3}, 'topics': {'/image_raw': 3},
        'duration_s': 0}
    assert out.read_text().count('\n') == 7


def test_every_row_says_where_the_model_looked(latent_vqa, looking_bundle, tmp_path):
    for ending in ('csv', 'jsonl'):
        latent_vqa('answer-bag', TINY, '--question', 'is the red cube above the blue ball',
                   '--out', tmp_path / f'a.{ending}', '--model', looking_bundle)
    row = json.loads((tmp_path / 'a.jsonl').read_text().splitlines()[0])
    assert row['evidence'] == [{'phrase': 'red cube', 'box': [16, 16, 8, 16]},
                               {'phrase': 'blue ball', 'box': [56, 48, 8, 16]}]
    with (tmp_path / 'a.csv').open() as file:
        assert next(csv.DictReader(file))['evidence'] == (
            'red cube [16, 16, 8, 16]; blue ball [56, 48, 8, 16]')


def test_the_plain_summary_is_one_line(latent_vqa, tmp_path):
    code, out, _ = latent_vqa(
        'answer-bag', TINY, '--question', COLOUR, '--out', f'{tmp_path}/a_bag/', *EASY_VQA)
    assert code == 0
    assert out.startswith(f'{tmp_path}/a_bag/: 3 rows about 3 frames (3 ok) in ')
    assert (tmp_path / 'a_bag' / 'metadata.yaml').is_file()


def test_a_question_that_cannot_be_answered_is_named_before_the_work(latent_vqa, tmp_path):
    code, _, err = latent_vqa(
        'answer-bag', TINY, '--question', 'what colour?', ' ', '--out', tmp_path / 'a.csv',
        *EASY_VQA)
    assert code == 0
    assert "'what colour?' will get no answer: unknown_words" in err
    assert "'' will get no answer: bad_question" in err


def test_another_model_is_another_job(latent_vqa, bundle, tmp_path):
    rows = []
    for model in ('easy_vqa', bundle):
        code, _, _ = latent_vqa('answer-bag', TINY, '--question', 'what color', '--model', model,
                                '--out', tmp_path / 'a.jsonl')
        assert code == 0
        rows.append(json.loads((tmp_path / 'a.jsonl').read_text().splitlines()[0]))
    assert rows[0]['model'] != rows[1]['model']


def test_every_part_of_the_command_is_part_of_the_job(monkeypatch, latent_vqa, tmp_path, bundle):
    jobs = []

    def note(out, job):
        jobs.append(json.dumps(job, sort_keys=True))
        raise KeyboardInterrupt
    monkeypatch.setattr('latent_vqa_ros.bags.answer_output.open_output', note)
    with BagWriter(tmp_path / 'bag') as bag:
        for camera in 'ab':
            bag.write_image(f'/{camera}/image_raw', 1, '', np.zeros((4, 4, 3), np.uint8))
    base = ['answer-bag', tmp_path / 'bag', '--question', COLOUR, '--out', tmp_path / 'a.csv',
            *EASY_VQA]
    for more in ([], ['--every', 2], ['--question', 'is it red'], ['--model', bundle],
                 ['--topic', 'a/image_raw']):
        assert latent_vqa(*base, *more)[0] == 130
    assert latent_vqa('answer-bag', DEMO, *base[2:])[0] == 130
    assert len(set(jobs)) == 6


def no_bag(where):
    return where / 'nothing'


def text_file(where):
    (where / 'a.mcap').write_text('not a bag')
    return where / 'a.mcap'


def cut_bag(where):
    data = (DEMO / 'demo_bag.mcap').read_bytes()
    (where / 'cut.mcap').write_bytes(data[:len(data) // 2])
    return where / 'cut.mcap'


@pytest.mark.parametrize('make', [no_bag, text_file, cut_bag])
def test_an_unreadable_bag_is_one_line_and_leaves_no_file(latent_vqa, tmp_path, make):
    bag = make(tmp_path)
    code, out, err = latent_vqa(
        'answer-bag', bag, '--question', COLOUR, '--out', tmp_path / 'a.csv', *EASY_VQA)
    assert (code, out) == (1, '')
    assert str(bag) in err
    assert err.count('\n') == 1
    assert not (tmp_path / 'a.csv').exists()


@pytest.mark.parametrize(('more', 'says'), [
    (['--topic', '/truth'], '/truth: std_msgs'),
    (['--topic', '/nowhere'], 'not in the bag'), (['--model', 'nowhere'], "no model 'nowhere'")])
def test_what_cannot_be_done_is_one_clear_line(latent_vqa, tmp_path, more, says):
    code, out, err = latent_vqa(
        'answer-bag', TINY, '--question', COLOUR, '--out', tmp_path / 'a.csv', *EASY_VQA, *more)
    assert (code, out) == (1, '')
    assert says in err.splitlines()[-1]
    assert not (tmp_path / 'a.csv').exists()


@pytest.mark.parametrize('argv', [
    [TINY, '--out', 'a.csv'], [TINY, '--question', COLOUR],
    [TINY, '--question', COLOUR, '--out', 'a.csv', '--every', '0'],
    ['no bag', '--question', COLOUR, '--out', 'a.json']])
def test_bad_usage_exits_with_2(latent_vqa, argv):
    assert latent_vqa('answer-bag', *argv)[0] == 2


def test_a_bag_of_answers_that_is_stopped_leaves_nothing(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        for i in range(5000):
            bag.write_image('/image_raw', i, '', np.full((8, 8, 3), i % 256, np.uint8))
    command = [sys.executable, '-m', 'latent_vqa_ros.cli.main', 'answer-bag', tmp_path / 'bag',
               '--question', COLOUR, '--out', tmp_path / 'answers', *EASY_VQA]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        end = time.monotonic() + 60
        while not list(tmp_path.glob('.answers.partial-*/answers/*.mcap')):
            assert running.poll() is None, running.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.01)
        running.terminate()
        assert running.wait(60) == 128 + signal.SIGTERM
        assert 'Traceback' not in running.stderr.read()
    assert [path.name for path in tmp_path.iterdir()] == ['bag']


def test_progress_is_drawn_on_stderr_where_it_is_a_terminal(tmp_path):
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
    done = subprocess.run(
        [sys.executable, '-m', 'latent_vqa_ros.cli.main', 'answer-bag', str(DEMO), '--question',
         COLOUR, '--out', str(tmp_path / 'a.csv'), '--json', *EASY_VQA],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=writer, check=True)
    os.close(writer)
    drawn = b''
    with suppress(OSError):  # a terminal that nobody holds open any more
        while chunk := os.read(reader, 65536):
            drawn += chunk
    os.close(reader)
    assert b'/40' in drawn
    assert json.loads(done.stdout)['frames'] == 20


def test_topics_that_nobody_meant_are_named_with_the_reason(latent_vqa, tmp_path, caplog):
    caplog.set_level('INFO')
    with BagWriter(tmp_path / 'bag') as bag:
        for topic in ('/front/image_raw', '/image_annotated'):
            bag.write_image(topic, 1, 'c', np.zeros((64, 64, 3), np.uint8))
    ask = ('answer-bag', tmp_path / 'bag', '--question', COLOUR, *EASY_VQA, '--json', '--out')
    code, out, err = latent_vqa(*ask, tmp_path / 'a.csv')
    assert (code, json.loads(out)['left_out']) == (0, ['/image_annotated'])
    assert 'left out unless --topic names them: /image_annotated (image_annotated)' in err
    _, out, _ = latent_vqa(*ask, tmp_path / 'b.csv', '--topic', '/image_annotated')
    assert json.loads(out)['left_out'] == []

"""Answers about a bag on the disk: the same bytes each time, and whole or not there."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.answering import (
    COLOUR,
    DEMO,
    JOB,
    ROOT,
    SHAPE,
    START_NS,
    answer_bag,
    demo_frames,
    rows,
)

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags import answer_output as outputs
from latent_vqa_ros.bags.answer_output import open_output
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.write import BagWriter

RUN = ('import sys; from latent_vqa_ros.bags import answer_output as o; o.CHECKPOINT_S = 0; '
       'from latent_vqa_ros.cli.main import main; sys.exit(main(sys.argv[1:]))')
PEAK = ('import sys; from pathlib import Path; from latent_vqa_ros.cli.main import main; '
        'code = main(sys.argv[1:]); text = Path("/proc/self/status").read_text(); '
        'print([line.split()[1] for line in text.splitlines() if "VmHWM" in line][0]); '
        'sys.exit(code)')


def command(code: str, *argv: object) -> list[str]:
    return [sys.executable, '-c', code, 'answer-bag', '--model', 'easy_vqa', *map(str, argv)]


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    questions = [COLOUR, 'is "it", red\nor not']
    for ending in ('csv', 'jsonl'):
        answer_bag(DEMO, tmp_path / f'a.{ending}', questions)
    with (tmp_path / 'a.csv').open(newline='') as file:
        table = list(csv.DictReader(file))
    documents = rows(tmp_path / 'a.jsonl')
    assert tuple(table[0]) == outputs.COLUMNS
    for row, document in zip(table, documents, strict=True):
        for name in ('topic', 'camera', 'question', 'status', 'reason', 'frame_id'):
            assert row[name] == document[name]
        assert row['answer'] == (document['answer'] or '')
        assert row['confidence'] == str(document['confidence'] or '')
        sec, nanosec = map(int, row['bag_stamp'].split('.'))
        assert {'sec': sec, 'nanosec': nanosec} == document['bag_stamp']


def test_a_new_bag_holds_answer_and_detail_under_the_camera_at_the_frame_s_time(
        tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for index in range(3):
            bag.write_image('/image_raw', START_NS + index, 'a', demo_frames()[index])
            bag.write_image('/front/image_raw', START_NS + index, 'b', demo_frames()[index])
    answer_bag(tmp_path / 'bag', f'{tmp_path}/out/', [COLOUR, 'what colour?'])
    with BagReader(tmp_path / 'out') as bag:
        records = [(record.topic, record.stamp_ns, bag.deserialize(record).data) for record in bag]
        assert set(bag.topics.values()) == {'std_msgs/msg/String'}
        assert set(bag.topics) == {'/answer', '/answer/detail', '/front/answer',
                                   '/front/answer/detail'}
    words = [(stamp, text) for topic, stamp, text in records if topic == '/front/answer']
    assert [stamp for stamp, _ in words] == [START_NS, START_NS + 1, START_NS + 2]
    details = [json.loads(text) for topic, _, text in records if topic == '/front/answer/detail']
    assert [d['status'] for d in details] == ['ok', 'unknown_words'] * 3
    assert [d['answer'] for d in details[::2]] == [text for _, text in words]
    assert details[0]['latency_ms'] == {
        'decode': None, 'encode': None, 'answer': None, 'total': None}


@pytest.mark.parametrize('out', ['o', 'o/', 'o.mcap', 'o.v2/'])
def test_a_folder_name_makes_an_mcap_bag(tmp_path: Path, out: str) -> None:
    answer_bag(DEMO, f'{tmp_path}/{out}')
    assert (tmp_path / out.rstrip('/') / 'metadata.yaml').is_file()
    with pytest.raises(BagError, match='exists already'):
        answer_bag(DEMO, f'{tmp_path}/{out}')


def test_an_interrupted_bag_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        answer_bag(DEMO, f'{tmp_path}/out/', stop_after=5)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='.json is unknown; name a .csv or .jsonl'):
        answer_bag(DEMO, tmp_path / 'a.json')


@pytest.mark.parametrize('ending', ['csv', 'jsonl'])
@pytest.mark.parametrize('stop_after', [0, 1, 7, 19])
def test_an_interrupted_file_goes_on_after_its_last_checkpoint(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str,
        stop_after: int) -> None:
    monkeypatch.setattr(outputs, 'CHECKPOINT_S', 0)
    answer_bag(DEMO, tmp_path / f'whole.{ending}', [COLOUR, SHAPE])
    out = tmp_path / f'out.{ending}'
    with pytest.raises(KeyboardInterrupt):
        answer_bag(DEMO, out, [COLOUR, SHAPE], stop_after=stop_after)
    assert not out.exists()
    with (tmp_path / f'out.{ending}.part').open('ab') as part:
        part.write(b'half rows that no checkpoint covers ' * 1000)
    assert answer_bag(DEMO, out, [COLOUR, SHAPE]) == stop_after
    assert out.read_bytes() == (tmp_path / f'whole.{ending}').read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, f'whole.{ending}']


def test_an_older_file_stays_until_the_new_one_is_whole(
        tmp_path: Path) -> None:
    out = tmp_path / 'a.csv'
    out.write_text('older')
    with pytest.raises(KeyboardInterrupt):
        answer_bag(DEMO, out, stop_after=3)
    assert out.read_text() == 'older'
    answer_bag(DEMO, out)
    assert out.read_text().count('\n') == 21


@pytest.mark.parametrize(('changes', 'word'), [
    ({'bag': 'b'}, 'other bag'), ({'questions': [SHAPE]}, 'other questions'),
    ({'questions': None}, 'other questions'), ({'taught': 'x'}, 'other taught')])
def test_a_part_of_another_job_is_refused_and_kept(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object],
        word: str) -> None:
    monkeypatch.setattr(outputs, 'CHECKPOINT_S', 0)
    with pytest.raises(KeyboardInterrupt):
        answer_bag(DEMO, tmp_path / 'a.csv', stop_after=5)
    before = (tmp_path / 'a.csv.part').read_bytes()
    with pytest.raises(BagError, match=f'{word}.*rm ') as caught, open_output(
            f'{tmp_path}/a.csv',
            {key: value for key, value in (JOB | changes).items() if value is not None}):
        pass
    assert '\n' not in str(caught.value)
    assert (tmp_path / 'a.csv.part').read_bytes() == before
    assert answer_bag(DEMO, tmp_path / 'a.csv') == 5


def test_a_part_of_another_job_without_a_frame_is_in_nobody_s_way(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_output(f'{tmp_path}/a.csv', {'other': 1}):
        raise KeyboardInterrupt
    assert (tmp_path / 'a.csv.part').exists()
    assert answer_bag(DEMO, tmp_path / 'a.csv') == 0
    assert (tmp_path / 'a.csv').read_text().count('\n') == 21


def test_a_bag_that_changed_is_another_bag(tmp_path: Path) -> None:
    seen = []
    for where, index in (('a', 0), ('b', 0), ('b', 1)):
        path = tmp_path / where / str(index)
        with BagWriter(path) as bag:
            bag.write_string('/text', START_NS + index, 'x')
        seen.append(identity(path))
        (path / 'answers.csv.part').write_text('no part of the bag')
        assert identity(path) == seen[-1]
    os.utime(path / '1.mcap', ns=(1, 1))
    seen.append(identity(path))
    assert len({json.dumps(one) for one in seen}) == 4


def identity(path: Path) -> dict[str, object]:
    with BagReader(path) as bag:
        return outputs.bag_identity(bag)


@pytest.mark.parametrize('damage', ['no note', 'broken note', 'shorter'])
def test_a_part_that_cannot_be_trusted_is_refused(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.setattr(outputs, 'CHECKPOINT_S', 0)
    with pytest.raises(KeyboardInterrupt):
        answer_bag(DEMO, tmp_path / 'a.csv', stop_after=5)
    part, note = tmp_path / 'a.csv.part', tmp_path / 'a.csv.part.job'
    if damage == 'no note':
        note.unlink()
    elif damage == 'broken note':
        note.write_text('{"job"')
    else:
        part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(BagError, match='rm .*a.csv.part'):
        answer_bag(DEMO, tmp_path / 'a.csv')


def test_two_processes_do_not_write_one_part(tmp_path: Path) -> None:
    first, second = (open_output(f'{tmp_path}/a.csv', JOB) for _ in range(2))
    with first, pytest.raises(BagError, match='another process'):
        second.__enter__()
    assert (tmp_path / 'a.csv').read_text().startswith('topic,')


@pytest.mark.parametrize('ending', ['csv', 'jsonl'])
def test_a_process_killed_midway_is_resumed_to_the_same_bytes(
        tmp_path: Path, ending: str) -> None:
    with BagWriter(tmp_path / 'bag', 'sqlite3') as bag:
        for index in range(400):
            small_hwc = demo_frames()[index % 20][::4, ::4]
            bag.write_image('/image_raw', START_NS + index, '', small_hwc)
    asked = (tmp_path / 'bag', '--question', COLOUR, SHAPE, '--json', '--out')
    out = tmp_path / f'out.{ending}'
    note = tmp_path / f'out.{ending}.part.job'
    with subprocess.Popen(command(RUN, *asked, out), cwd=ROOT, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            if note.exists() and sum(json.loads(note.read_text())['topics'].values()) >= 20:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    again = subprocess.run(command(RUN, *asked, out), cwd=ROOT, capture_output=True, text=True,
                           check=True)
    document = json.loads(again.stdout)
    assert 20 <= document['resumed_frames'] < 400
    assert (document['frames'], document['rows']) == (400, 800)
    assert sum(document['statuses'].values()) == 800
    whole = tmp_path / f'whole.{ending}'
    subprocess.run(command(RUN, *asked, whole), cwd=ROOT, capture_output=True, check=True)
    assert out.read_bytes() == whole.read_bytes()
    assert not note.exists()


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_memory_does_not_grow_with_the_bag(tmp_path: Path, storage: str) -> None:
    noise, peaks = np.random.default_rng(0), {}
    for count in (5, 330):  # of 0.92 MB that do not compress
        with BagWriter(tmp_path / str(count), storage) as bag:
            for index in range(count):
                rgb_hwc = np.frombuffer(noise.bytes(480 * 640 * 3), np.uint8).reshape(480, 640, 3)
                bag.write_image('/image_raw', START_NS + index, '', rgb_hwc)
        done = subprocess.run(
            command(PEAK, tmp_path / str(count), '--question', COLOUR, '--out',
                    tmp_path / f'{count}.csv'), cwd=ROOT, capture_output=True, text=True,
            check=True)
        peaks[count] = int(done.stdout.splitlines()[-1]) * 1024
    assert sum(path.stat().st_size for path in (tmp_path / '330').iterdir()) > 300e6
    assert (tmp_path / '330.csv').read_text().count('\n') == 331
    assert peaks[330] - peaks[5] < 50e6, peaks


def test_a_job_about_a_file_whose_name_is_no_utf8_is_kept(tmp_path: Path) -> None:
    job = {'bag': 'messe\udce9.mcap'}
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), open_output(f'{tmp_path}/a.csv', job):
            raise KeyboardInterrupt
    with open_output(f'{tmp_path}/a.csv', job):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.csv']


def test_an_answer_that_names_what_is_no_utf8_is_a_line(tmp_path: Path) -> None:
    for line in (outputs.json_line({'reason': 'caf\udce9'}), outputs.csv_line(['caf\udce9'])):
        assert 'caf\ufffd' in line.decode()

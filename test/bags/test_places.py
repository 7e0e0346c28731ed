"""Where bags lie and what lies beside them: odd names, edited metadata, full disks, no index."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from helpers.answering import COLOUR, answer_bag
from rosbags.rosbag2 import reader as rosbags_reader

from latent_vqa_ros.bags import BagError, answer_output, checks
from latent_vqa_ros.bags.answer_output import csv_row, why_not
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.truth import is_bag
from latent_vqa_ros.bags.write import BagWriter

DATA = Path(__file__).resolve().parents[1] / 'data'
TINY = DATA / 'tiny_bag'


@pytest.mark.parametrize('name', ['run#7', 'run?7', 'run%417'])
def test_a_database_is_neither_written_nor_read_where_it_cannot_be_opened(tmp_path, name):
    with pytest.raises(BagError, match=r'one of %\?#; rename it'), BagWriter(
            tmp_path / name, 'sqlite3'):
        pytest.fail('it began')
    assert list(tmp_path.iterdir()) == []
    shutil.copytree(TINY, tmp_path / name)
    with pytest.raises(BagError, match='rename it'), BagReader(tmp_path / name):
        pass
    with BagWriter(tmp_path / f'{name} mcap') as bag:
        bag.write_string('/truth', 1, 'x')
    with BagReader(tmp_path / f'{name} mcap') as bag:
        assert len(list(bag)) == 1


@pytest.mark.parametrize('source', ['tiny_bag', 'demo_bag'])
@pytest.mark.parametrize(('before', 'after'), [
    ('reliability: 1', 'reliability: 2'), ('durability: 2', 'durability: 1'),
    ('depth: 10', 'depth: 1')])
def test_a_qos_that_was_edited_loses_no_message(tmp_path, source, before, after):
    shutil.copytree(DATA / source, tmp_path / 'bag')
    with BagReader(DATA / source) as bag:
        whole = list(bag)
    metadata = tmp_path / 'bag' / 'metadata.yaml'
    head, topic, tail = metadata.read_text().partition('name: /truth')
    assert before in topic + tail
    metadata.write_text(head + topic + tail.replace(before, after))
    with BagReader(tmp_path / 'bag') as bag:
        assert list(bag) == whole


def test_what_lies_beside_a_bag_and_is_not_of_it_does_no_harm(tmp_path):
    shutil.copytree(TINY, tmp_path / 'bag')
    (tmp_path / 'bag' / 'old.db3').write_bytes(b'')
    assert answer_bag(tmp_path / 'bag', tmp_path / 'bag' / 'answers.mcap') == 0
    with BagReader(tmp_path / 'bag') as bag:
        assert len(list(bag)) == 6


def test_a_disk_that_fills_up_under_a_database_is_one_line_and_leaves_nothing(tmp_path):
    def full(*given):
        raise sqlite3.OperationalError('database or disk is full')

    def write():
        with BagWriter(tmp_path / 'bag', 'sqlite3') as bag:
            bag._writer.write = full
            bag.write_string('/truth', 1, 'x')

    with pytest.raises(BagError, match='disk is full'):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_full_folder_for_unpacking_is_not_called_a_broken_bag(monkeypatch):
    def full(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(rosbags_reader.DirectoryReader, 'open', full)
    with pytest.raises(BagError, match=r'No space left .* set TMPDIR') as caught, BagReader(TINY):
        pass
    assert 'broken' not in str(caught.value)


def test_an_mcap_without_an_index_is_told_the_way_out(tmp_path, monkeypatch):
    shutil.copytree(DATA / 'demo_bag', tmp_path / 'bag')
    with BagReader(tmp_path / 'bag') as bag:
        monkeypatch.setattr(bag._reader.storage, 'messages', lambda *given, **more: iter(()))
        with pytest.raises(BagError, match='mcap sort FILE -o NEW'):
            list(bag)
    said = str(checks.explain(Path('x'), ValueError(
        'Unindexed MCAP messages are not in timestamp order. Use an indexed file.')))
    assert 'mcap sort FILE -o NEW' in said


def test_a_folder_with_a_storage_is_a_bag_though_its_metadata_is_gone(tmp_path):
    shutil.copytree(TINY, tmp_path / 'bag')
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    assert is_bag(tmp_path / 'bag')
    (tmp_path / 'bag' / 'questions.jsonl').write_text('')
    assert not is_bag(tmp_path / 'bag')  # data, with a recording beside it
    (tmp_path / 'bag' / 'questions.jsonl').unlink()
    (tmp_path / 'bag' / 'tiny_bag.db3').rename(tmp_path / 'bag' / 'x.txt')
    assert not is_bag(tmp_path / 'bag')


@pytest.mark.parametrize('name', ['-', '', '.csv', 'x/.jsonl', '.mcap'])
def test_what_is_no_name_is_no_output(name):
    assert 'is no name' in why_not(name)


def test_an_output_that_is_a_link_is_written_where_it_leads(tmp_path):
    (tmp_path / 'real.csv').write_text('old')
    (tmp_path / 'link.csv').symlink_to('real.csv')
    answer_bag(TINY, tmp_path / 'link.csv')
    assert (tmp_path / 'link.csv').is_symlink()
    assert len((tmp_path / 'real.csv').read_text().splitlines()) == 4


def test_a_file_system_without_locks_is_not_another_process(tmp_path, monkeypatch):
    def no_locks(*given):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(answer_output.fcntl, 'flock', no_locks)
    with pytest.raises(BagError, match='cannot be locked'):
        answer_bag(TINY, tmp_path / 'a.csv', [COLOUR])


@pytest.mark.parametrize(('sec', 'nanosec', 'text'), [
    (-2, 500_000_000, '-1.500000000'), (-1, 0, '-1.000000000'), (3, 5, '3.000000005'),
    (-1, 999_999_999, '-0.000000001')])
def test_a_stamp_before_1970_is_written_as_a_number(sec, nanosec, text):
    stamp = {'sec': sec, 'nanosec': nanosec}
    row = csv_row(dict.fromkeys(answer_output.COLUMNS) | {
        'stamp': stamp, 'bag_stamp': None, 'top': [], 'evidence': [],
        'model': {'name': 'm', 'version': '1', 'sha256': 'a'}})
    assert row.decode().split(',')[3] == text

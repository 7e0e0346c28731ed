import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import needs

from latent_vqa_ros import datasets
from latent_vqa_ros.datasets import tabletop
from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation import dataset
from latent_vqa_ros.simulation.world.wide.sources import Sources

pytestmark = needs.mujoco
LIMIT = 3


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    """Draw into a cache of its own, without starting processes; return what was drawn when."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        patch.setattr('os.cpu_count', lambda: 1)
        made = []
        patch.setattr(dataset, 'make', lambda out, *rest, make=dataset.make:
                      (made.append(out.name), make(out, *rest))[1])
        asked = [('test',), ('test',), ('compositional', 'wordings')]
        found = [(datasets.load('tabletop', splits, LIMIT), made.copy()) for splits in asked]
        about = {name: json.loads((tabletop.cache() / f'{name}-{LIMIT}' / 'dataset.json')
                                  .read_text()) for name in ('val', 'compositional', 'wordings')}
        assert {path.name for path in tabletop.cache().iterdir()} == set(made)
        yield found, about


def splits(data):
    return [record.split for record in data.records]


def test_only_what_is_asked_for_is_drawn_beside_validation(drawn):
    data, made = drawn[0][0]
    assert made == ['val-3', 'test-3']
    assert splits(data) == ['val'] * LIMIT + ['test'] * LIMIT
    assert data.blind == 'val'


def test_what_was_drawn_is_not_drawn_again(drawn):
    (first, made), (second, then) = drawn[0][:2]
    assert made == then
    assert first == second


def test_further_test_splits_have_their_own_names_and_scenes(drawn):
    data, made = drawn[0][2]
    assert made[2:] == ['compositional-3', 'wordings-3']
    assert set(splits(data)) == {'val', 'compositional', 'wordings'}
    about = drawn[1]
    assert {name: (job['split'], job['held_out_wordings']) for name, job in about.items()} == {
        'val': ('val', False), 'compositional': ('compositional', False),
        'wordings': ('test', True)}
    assert len({split[1] for split in tabletop.SPLITS.values()}) == len(tabletop.SPLITS)


def test_records_say_where_things_are(drawn):
    records = drawn[0][0][0].records
    assert all(record.regions and record.captions for record in records)
    phrases = [phrase for record in records for q in record.questions for phrase in q.phrases]
    assert {phrase.named for phrase in phrases} == {True, False}
    assert all(0 <= share <= 1 for phrase in phrases for share in phrase.center)


def test_a_whole_split_serves_those_who_need_only_some_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    whole = tmp_path / 'latent_vqa_ros' / f'tabletop-{tabletop.VERSIONS["workcell"]}' / 'test'
    whole.mkdir(parents=True)
    assert tabletop.ready('test', LIMIT) == whole


def test_the_first_scenes_of_more_serve_those_who_need_fewer(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr('os.cpu_count', lambda: 1)
    more = tabletop.ready('test', 2 * LIMIT)
    more.with_name(f'test-{LIMIT + 1}.part').mkdir()  # is being drawn
    monkeypatch.setattr(dataset, 'make', lambda out, *rest: out.mkdir())
    assert tabletop.ready('test', LIMIT) == more
    assert tabletop.ready('test', 2 * LIMIT + 1) != more
    monkeypatch.undo()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'other'))
    monkeypatch.setattr('os.cpu_count', lambda: 1)
    first = tabletop.ready('test', LIMIT)
    for name in ('questions', 'captions', 'truth'):
        few, all_ = ((folder / f'{name}.jsonl').read_text() for folder in (first, more))
        assert all_.startswith(few)


def test_a_limit_counts_scenes_also_those_of_which_nothing_is_asked(tmp_path, monkeypatch):
    """Else a recipe's pictures would depend on how many lie in the cache."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr('os.cpu_count', lambda: 1)
    folder = tabletop.ready('val', LIMIT + 1)
    path = folder / 'questions.jsonl'
    lines = path.read_text().splitlines(keepends=True)
    first = json.loads(lines[0])['image']
    path.write_text(''.join(line for line in lines if json.loads(line)['image'] != first))
    found = tabletop.load(('val',), LIMIT).split('val')
    assert [int(record.image.stem) for record in found] == list(range(1, LIMIT))
    assert all(record.regions and record.captions for record in found)


def test_made_ready_nothing_is_left_to_draw(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr('os.cpu_count', lambda: 1)
    datasets.ready('tabletop', LIMIT)
    monkeypatch.setattr(dataset, 'make', None)  # fails where it is called
    found = datasets.load('tabletop', limit=LIMIT)
    assert {name: len(found.split(name)) for name in tabletop.SPLITS} == dict.fromkeys(
        tabletop.SPLITS, LIMIT)


def test_scenes_that_another_process_drew_meanwhile_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr('os.cpu_count', lambda: 1)

    def twice(out, *rest, make=dataset.make):
        make(out, *rest)  # as the other process does
        make(out, *rest)

    monkeypatch.setattr(dataset, 'make', twice)
    assert (tabletop.ready('val', LIMIT) / 'questions.jsonl').is_file()
    monkeypatch.setattr(dataset, 'make', broken)
    with pytest.raises(DatasetError, match='a full disk'):
        tabletop.ready('test', LIMIT)


def broken(*_):
    raise DatasetError('a full disk')


def test_photographs_may_have_names_that_are_not_utf_8(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b'/caf\xe9'))
    folder.mkdir()
    for shade in range(5):
        picture = cv2.imencode('.png', np.full((9, 9, 3), 40 * shade, np.uint8))[1].tobytes()
        (folder / os.fsdecode(b'%d\xe9.png' % shade)).write_bytes(picture)
    assert len(tabletop._mark((str(folder), ''))) == 13
    photos = [one for held_out in (False, True) for one in Sources.of(str(folder), '').photos(
        held_out)]
    assert sorted(int(one[0, 0, 0]) for one in photos) == [0, 40, 80, 120, 160]


def test_the_wide_world_is_a_data_set_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr('os.cpu_count', lambda: 1)
    found = datasets.load('tabletop_wide', ('test',), LIMIT)
    assert found.name == 'tabletop_wide'
    assert splits(found) == ['val'] * LIMIT + ['test'] * LIMIT
    assert {path.name for path in tabletop.cache('wide').iterdir()} == {'val-3', 'test-3'}
    about = json.loads((tabletop.cache('wide') / 'test-3' / 'dataset.json').read_text())
    assert (about['world'], about['size']) == ('wide', tabletop.WIDE_SIZE)
    with pytest.raises(DatasetError, match="tabletop_wide has no split 'shifted'; it has: train"):
        datasets.load('tabletop_wide', ('shifted',), LIMIT)


def test_training_scenes_are_made_with_a_users_photographs_and_others_are_not(
        tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    asked = []
    monkeypatch.setattr(dataset, 'make', lambda out, job, *rest: asked.append((out, job)))
    mine = tmp_path / 'mine'
    mine.mkdir()
    for name in ('desk', 'door', 'floor', 'lamp', 'wall'):
        (mine / f'{name}.jpg').write_bytes(b'1')
    own = (str(mine), '')
    datasets.ready('tabletop_wide', LIMIT, own)
    datasets.ready('tabletop', LIMIT, own)
    assert [job.photos for _, job in asked] == [str(mine), *[''] * (len(asked) - 1)]
    with_mine = asked[0][0]
    asked.clear()
    datasets.ready('tabletop_wide', LIMIT)
    assert asked[0][0].name == f'train-{LIMIT}' != with_mine.name
    asked.clear()
    datasets.ready('tabletop_wide', LIMIT, own)
    assert asked[0][0] == with_mine
    asked.clear()
    (mine / 'Thumbs.db').write_bytes(b'of a file manager')
    datasets.ready('tabletop_wide', LIMIT, own)
    assert asked[0][0] == with_mine
    asked.clear()
    (mine / 'shelf.jpg').write_bytes(b'2')
    datasets.ready('tabletop_wide', LIMIT, own)
    assert asked[0][0] != with_mine  # other photographs, other scenes
    assert [each['licence'] for each in datasets.sources('tabletop_wide', own)] == [
        'MIT', "the user's"]
    with pytest.raises(DatasetError, match='nowhere: no such folder'):
        datasets.ready('tabletop_wide', LIMIT, ('nowhere', ''))
    with pytest.raises(DatasetError, match=r'mine: no meshes \(\.obj\)'):
        datasets.ready('tabletop_wide', LIMIT, ('', str(mine)))

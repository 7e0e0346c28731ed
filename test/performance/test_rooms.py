"""What a network learns without pictures stands beside what it learns with them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from helpers import squares

pytest.importorskip('torch', reason='needs torch: pip install torch')
onnx = pytest.importorskip('onnx', reason='needs onnx: pip install onnx')

from performance import rooms  # noqa: E402

from latent_vqa_ros.training.config import AugmentConfig, load_recipe  # noqa: E402
from latent_vqa_ros.training.data import digest, load_data  # noqa: E402


def test_one_recipe_is_trained_with_pictures_and_without(tmp_path):
    shipped = load_recipe(rooms.RECIPE)
    seen, unseen = (rooms.recipe_of(view, 2, tmp_path) for view in rooms.VIEWS)
    assert seen == replace(shipped, name='pictures_2', seed=2, data=str(tmp_path),
                           threads=1)
    assert unseen == replace(seen, name='grey_2', augment=AugmentConfig(
        mirror=True, noise=0, gain=0, blur=0), preprocess=replace(
        seen.preprocess, height=rooms.SIDE, width=rooms.SIDE))


def test_who_sees_grey_sees_one_picture_and_is_asked_the_same(tmp_path, monkeypatch):
    folder = squares.instead_of_recipe(rooms, tmp_path, monkeypatch)
    data = load_data(rooms.recipe_of('grey', 0, folder))
    grey = rooms.without_pictures(data, tmp_path)
    for split in ('train', 'val', 'test', 'fitted'):
        before, after = getattr(data, split), getattr(grey, split)
        assert {record.image for record in after} == {tmp_path / 'grey.png'}
        assert [record.questions for record in after] == [record.questions for record in before]


def test_a_finished_run_is_told_again_and_one_of_another_recipe_refused(tmp_path, monkeypatch,
                                                                        capsys):
    """With the tower and the learned answers of the recipe, so that these become int8, too."""
    own = load_recipe(rooms.RECIPE)
    monkeypatch.setitem(squares.RECIPE, 'model', {
        **squares.MODEL, 'image_tower': own.model.image_tower,
        'answer_table': own.model.answer_table})
    monkeypatch.setitem(squares.RECIPE, 'preprocess', {
        'height': 64, 'width': 64, 'mean': [0.5] * 3, 'std': [0.5] * 3})
    folder = squares.instead_of_recipe(rooms, tmp_path, monkeypatch)
    out, runs = tmp_path / 'out.json', tmp_path / 'runs'
    monkeypatch.setattr(sys, 'argv', ['rooms.py', str(folder), '--folder', str(runs),
                                      '--out', str(out)])
    assert rooms.main() == 0
    said = capsys.readouterr().out
    assert '| test, left | ' in said
    assert [run['view'] for run in json.loads(out.read_text())['runs']] == list(rooms.VIEWS)
    learned = {view: json.loads((runs / f'{view}_0' / 'run.json').read_text())['content']
               for view in rooms.VIEWS}
    data = load_data(rooms.recipe_of('grey', 0, folder))
    grey = rooms.without_pictures(data, runs / 'grey_0')
    assert learned == {view: digest((*each.train, *each.val))
                       for view, each in zip(rooms.VIEWS, (data, grey), strict=True)}
    graph = onnx.load(runs / 'pictures_0' / 'bundle' / 'image_encoder.onnx').graph
    assert not [node for node in graph.node if node.op_type == 'Clip']  # the range of int8 limits
    monkeypatch.setattr(rooms, 'train', lambda *_: 1 / 0)
    rooms.main()
    assert capsys.readouterr().out == said
    monkeypatch.setattr(rooms, 'SIDE', 128)
    with pytest.raises(SystemExit, match='of another recipe; name another --folder'):
        rooms.main()


def test_the_table_has_mean_and_range_of_the_seeds_beside_both_floors():
    runs = [{'view': view, 'seed': seed, **{split: {
        'accuracy': share, 'blind_accuracy': 0.4,
        'groups': {'color': {'n': 7, 'accuracy': share - 0.1, 'blind': 0.2}}}
        for split in rooms.SPLITS}}
        for view, shares in zip(rooms.VIEWS, ((0.5, 0.7), (0.3, 0.4)), strict=True)
        for seed, share in enumerate(shares)]
    assert rooms.table(runs).splitlines()[4:] == [
        '| test | 7 | 60.0 (50.0 to 70.0) | 35.0 (30.0 to 40.0) | 40.0 |',
        '| test, color | 7 | 50.0 (40.0 to 60.0) | 25.0 (20.0 to 30.0) | 20.0 |']


def test_what_the_documents_say_is_what_was_recorded():
    found = json.loads((rooms.ROOT / 'docs' / 'results' / 'rooms.json').read_text())
    assert found['command'] == 'python test/performance/rooms.py DIR --out docs/results/rooms.json'
    said = (rooms.ROOT / 'docs' / 'experiments.md').read_text()
    for line in rooms.table(found['runs']).splitlines()[2:]:
        assert line in said
    for run in found['runs']:
        assert run['seed'] in rooms.SEEDS

"""Two towers are compared on equal terms; what is finished stays."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace

import pytest
from helpers import squares

pytest.importorskip('torch', reason='needs torch: pip install torch')

from performance import towers  # noqa: E402

from latent_vqa_ros.training import loop  # noqa: E402
from latent_vqa_ros.training.config import load_recipe  # noqa: E402


def test_towers_differ_in_themselves_and_the_rate_of_their_weights_alone():
    shipped = load_recipe(towers.RECIPE)
    random, pretrained = (towers.recipe_of(tower, 2) for tower in towers.TOWERS)
    assert (random.model.image_tower, pretrained.model.image_tower) == towers.TOWERS
    assert pretrained == replace(
        shipped, name=pretrained.name, seed=2, limit=towers.LIMIT, unfamiliar='',
        finetune=replace(shipped.finetune, epochs=towers.EPOCHS['finetune']))
    assert pretrained.finetune.parts
    assert not random.finetune.parts
    assert not random.pretrain.parts
    assert random == replace(
        pretrained, name=random.name, model=random.model,
        pretrain=replace(pretrained.pretrain, parts={}),
        finetune=replace(pretrained.finetune, parts={}))


def test_a_run_that_was_killed_after_its_training_is_measured_and_not_trained_again(
        small, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['towers.py', *small])
    with monkeypatch.context() as killed:
        killed.setattr(towers, 'write_bundle', lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            towers.main()
    with monkeypatch.context() as other:
        other.setattr(towers, 'EPOCHS', {'pretrain': 1, 'finetune': 2})
        with pytest.raises(SystemExit, match='towers.py: .* another finetune; name another'):
            towers.main()
    monkeypatch.setattr(loop, '_train_epoch', lambda *_: 1 / 0)
    assert towers.main() == 0
    assert '| seconds | ' in capsys.readouterr().out


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Let one tower be trained on a few squares; return the arguments."""
    data = squares.instead_of_recipe(towers, tmp_path, monkeypatch, LIMIT=(32,),
                                     EPOCHS=squares.ONCE)
    theirs = shutil.copytree(data, tmp_path / 'photographs')  # as others publish them: no training
    path = theirs / 'questions.jsonl'
    path.write_text(''.join(line for line in path.read_text().splitlines(keepends=True)
                            if json.loads(line)['split'] == 'test'))
    for further in ('captions.jsonl', 'truth.jsonl'):
        (theirs / further).unlink(missing_ok=True)
    return ['--tower', 'conv_stem', '--folder', str(tmp_path / 'runs'),
            '--photographs', str(theirs)]


def test_a_run_tells_what_its_int8_graphs_answer_and_is_not_trained_twice(
        small, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['towers.py', *small])
    assert towers.main() == 0
    said = capsys.readouterr().out
    assert '| simulated, left | ' in said
    assert '| photographs, left | ' in said
    monkeypatch.setattr(towers, 'train', lambda *_: 1 / 0)
    towers.main()
    assert capsys.readouterr().out == said
    monkeypatch.setattr(towers, 'EPOCHS', {'pretrain': 1, 'finetune': 2})
    with pytest.raises(SystemExit, match='of another recipe; name another --folder'):
        towers.main()


def test_the_table_has_mean_and_range_of_each_towers_seeds_beside_the_blind_floor():
    runs = [{'tower': tower, 'seed': seed, 'seconds': 60.0, 'simulated': {
        'accuracy': share, 'blind_accuracy': 0.4,
        'groups': {'color': {'accuracy': share - 0.1, 'blind': 0.2}}}}
        for tower, shares in zip(towers.TOWERS, ((0.5, 0.7), (0.8, 0.9)), strict=True)
        for seed, share in enumerate(shares)]
    assert towers.table(runs).splitlines()[2:] == [
        '| simulated | 60.0 (50.0 to 70.0) | 85.0 (80.0 to 90.0) | 40.0 |',
        '| simulated, color | 50.0 (40.0 to 60.0) | 75.0 (70.0 to 80.0) | 20.0 |',
        '| seconds | 60 | 60 |  |']

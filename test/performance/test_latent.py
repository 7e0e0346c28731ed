"""All designs are compared on equal terms; what is finished stays; the page has the record."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from helpers import squares

pytest.importorskip('torch', reason='needs torch: pip install torch')

from performance import latent  # noqa: E402

from latent_vqa_ros.backends import open_pipeline  # noqa: E402
from latent_vqa_ros.training.config import load_recipe  # noqa: E402


def test_each_placement_has_each_width_and_all_have_three_seeds(tmp_path):
    assert set(latent.DESIGNS.values()) == {(None, 'per_block')} | {
        (r, placement) for placement in ('per_block', 'stem') for r in (64, 32, 16)}
    found = [recipe for _, recipe, _ in latent.runs(tmp_path)]
    assert len({recipe.name for recipe in found}) == 21
    assert {(r.model.latent_dim, r.model.placement, r.seed) for r in found} == {
        (*design, seed) for design in latent.DESIGNS.values() for seed in (0, 1, 2)}
    assert [recipe.seed for recipe in found[:7]] == [0] * 7  # first one seed of each


@pytest.mark.parametrize('design', latent.DESIGNS)
def test_designs_differ_in_their_attention_alone(design):
    shipped, found = load_recipe(latent.RECIPE), latent.recipe_of(design, 2)
    assert found.finetune.epochs < shipped.finetune.epochs
    latent_dim, placement = latent.DESIGNS[design]
    assert found == replace(
        shipped, name=found.name, seed=2, threads=1,
        model=replace(shipped.model, latent_dim=latent_dim, placement=placement),
        pretrain=replace(shipped.pretrain, epochs=3, stop_at=None),
        finetune=replace(shipped.finetune, epochs=2))
    size = latent.instead_of('tabletop', design)
    assert size.preprocess.height * size.preprocess.width > 64 * 64  # more tokens, that is


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Let two designs be trained on a few squares; return the folder of the runs."""
    squares.instead_of_recipe(latent, tmp_path, monkeypatch, EPOCHS=squares.ONCE, DESIGNS={
        'dense': (None, 'per_block'), 'stem 8': (8, 'stem')})
    return tmp_path / 'runs'


def test_a_killed_run_begins_anew_and_a_finished_one_stays(small, monkeypatch):
    out, train, begun = small.parent / 'latent.json', latent.train, []

    def killed(recipe, place):
        begun.append(recipe.name)
        if recipe.name == 'stem_8_0':
            (place / 'half').touch()
            raise KeyboardInterrupt
        return train(recipe, place)

    monkeypatch.setattr(latent, 'train', killed)
    with pytest.raises(KeyboardInterrupt):
        latent.train_missing(small, out)
    first, = json.loads(out.read_text())['runs']
    assert (first['design'], first['groups']['left']['n']) == ('dense', 16)
    assert first['cpu_s'] > 0
    monkeypatch.setattr(latent, 'train', lambda recipe, place: begun.append(recipe.name) or train(
        recipe, place))
    latent.train_missing(small, out)
    assert begun == ['dense_0', 'stem_8_0', 'stem_8_0']
    assert not (small / 'stem_8_0/half').exists()
    runs = json.loads(out.read_text())['runs']
    assert runs[0] == first
    answered = open_pipeline(str(small / 'stem_8_0/bundle')).bundle.manifest
    assert answered.architecture['placement'] == 'stem'


def test_results_of_another_recipe_are_not_mixed_in(small, monkeypatch):
    place = small / 'dense_0'
    place.mkdir(parents=True)
    latent.keep(place / latent.RESULT, {'trained': latent.recipe_of('dense').trains})
    assert latent.runs(small)[0][2] is not None
    monkeypatch.setattr(latent, 'EPOCHS', {'pretrain': 1, 'finetune': 2})
    with pytest.raises(SystemExit, match='of another recipe; name another --folder'):
        latent.runs(small)


def document(shares):
    runs = [{'design': 'dense', 'seed': seed, 'cpu_s': 100 + seed, 'accuracy': share, 'blind': 0.5,
             'groups': {'color': {'accuracy': share, 'blind': 0.25}}}
            for seed, share in enumerate(shares)]
    cost = {'parameters': 500_000, 'macs': 30_000_000, 'block_macs': 9_000_000, 'time': 1.0}
    return {'runs': runs, 'costs': {'sizes': {
        'easy_vqa': {'tokens': 64, 'designs': dict.fromkeys(latent.DESIGNS, cost)}}}}


def test_the_table_has_mean_and_range_of_the_seeds_beside_the_blind_floor():
    lines = latent.table(document([0.9, 0.92, 0.97])).splitlines()
    assert lines[2] == ('| dense | 3 | 93.0 (90.0 to 97.0) | 93.0 (90.0 to 97.0) | 101 | 500 k | '
                        '30.0 M | 9.0 M | 1.00 |')
    assert lines[3].startswith('| per_block 64 | 0 |  |  |  | 500 k |')
    assert lines[-1].startswith('| blind |  | 50.0 | 25.0 |')
    assert len({line.count('|') for line in lines}) == 1


def test_costs_that_are_not_measured_yet_leave_the_table_whole():
    lines = latent.table({**document([0.9]), 'costs': None}).splitlines()
    assert lines[2] == '| dense | 1 | 90.0 | 90.0 | 100 |  |'
    assert len({line.count('|') for line in lines}) == 1


def test_costs_are_told_of_each_design_beside_the_dense_twin(small, monkeypatch):
    monkeypatch.setattr(latent, 'instead_of', lambda size, design: latent.recipe_of(design))
    monkeypatch.setattr(latent, 'SIZES', ('easy_vqa',))
    latent.measure_costs(small, 2)
    told = json.loads((small / latent.COSTS).read_text())['sizes']['easy_vqa']
    assert (told['pixels'], told['tokens']) == ([32, 32], 16)
    dense, stem = (told['designs'][design] for design in latent.DESIGNS)
    assert (dense['time'], dense['encode'], dense['answer']) == (1, 1, 1)
    assert stem['time'] > 0
    for key in ('parameters', 'macs', 'block_macs'):
        assert dense[key] > stem[key]
    assert dense['macs'] > dense['block_macs']


def test_costs_are_counted_before_the_timing(small, monkeypatch):
    monkeypatch.setattr(latent, 'random_bundles', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        latent.measure_costs(small, 2)
    sizes = json.loads((small / latent.COSTS).read_text())['sizes']
    assert sizes['tabletop']['tokens'] > sizes['easy_vqa']['tokens'] == 64
    for size in sizes.values():
        dense, stem = (size['designs'][design] for design in latent.DESIGNS)
        assert dense['block_macs'] > stem['block_macs']
    lines = latent.table({'runs': [], 'costs': {'sizes': sizes}}).splitlines()
    assert len({line.count('|') for line in lines}) == 1


def test_the_page_says_what_was_recorded():
    record = json.loads((latent.ROOT / 'docs/results/latent.json').read_text())
    page = (latent.ROOT / 'docs/latent.md').read_text()
    assert latent.table(record) in page
    assert record['command'] in page
    assert set(record['costs']['sizes']['tabletop']['designs']) == set(latent.DESIGNS)

"""Several recipes that follow each other, as a user runs them."""

import hashlib
import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from helpers import squares
from helpers.command import latent_vqa

pytest.importorskip('torch', reason='needs torch: pip install torch')

from safetensors.torch import load_file, save_file  # noqa: E402

from latent_vqa_ros import datasets  # noqa: E402
from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.config import ConfigError  # noqa: E402
from latent_vqa_ros.core.manifest import WEIGHTS  # noqa: E402
from latent_vqa_ros.core.models import DEFAULT_MODEL, find_model  # noqa: E402
from latent_vqa_ros.training import export  # noqa: E402
from latent_vqa_ros.training.chain import links  # noqa: E402
from latent_vqa_ros.training.config import load_recipe  # noqa: E402
from latent_vqa_ros.training.start import _as_deep_as, identity  # noqa: E402

CHAIN = sorted((Path(__file__).parents[2] / 'config' / 'train').glob('default_[0-9].yaml'))


def write(folder, name, **values):
    path = folder / f'{name}.yaml'
    path.write_text(yaml.safe_dump({**squares.RECIPE, **values}))
    return path


def train(folder, *options):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return latent_vqa('train', *options, '--smoke', '--device', 'cpu')


@pytest.fixture(scope='module')
def chain(tmp_path_factory):
    """Return a folder in which a chain of two was trained, its recipes, and what was printed."""
    folder = tmp_path_factory.mktemp('chain')
    data = squares.write(folder / 'data', {'train': 16, 'val': 8, 'test': 8})
    recipes = [write(folder, 'one', data=str(data)),
               write(folder, 'two', data=str(data), start='runs/one/bundle',
                     preprocess={'height': 32, 'width': 40, 'resize': 'center_crop'})]
    done = train(folder, *recipes, '--out', folder / 'last', '--json')
    assert done.returncode == 0, done.stderr
    return folder, recipes, json.loads(done.stdout)


def test_each_recipe_ends_in_a_bundle_that_the_next_begins_with(chain):
    folder, recipes, documents = chain
    assert [document['model'] for document in documents] == [
        'runs/one_smoke/bundle', str(folder / 'last')]
    assert [document['stages'].keys() for document in documents] == [
        {'pretrain', 'finetune'}, {'finetune'}]
    first, last = (bundle.load(folder / each['model']) for each in documents)
    assert (last.manifest.preprocess.width, first.manifest.preprocess.width) == (40, 32)
    assert last.manifest.training['start'] == identity(first)


def test_a_bundle_tells_the_digests_of_all_that_it_comes_from(chain):
    folder, recipes, documents = chain
    training = bundle.load(folder / documents[1]['model']).manifest.training
    told = [training['before'], training]
    assert 'before' not in told[0]
    assert [each['recipe_sha256'] for each in told] == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in recipes]
    assert [each['recipe'] for each in told] == ['one.yaml', 'two.yaml']
    contents = [json.loads((folder / 'runs' / f'{path.stem}_smoke' / 'run.json').read_text())
                for path in recipes]
    assert [each['data_sha256'] for each in told] == [each['content'] for each in contents]
    assert contents[1]['start_bundle'] == training['start']


def test_what_is_finished_is_left_and_what_is_missing_is_made_again(chain):
    folder, recipes, _ = chain
    written = {path: path.stat().st_mtime_ns for path in folder.rglob('*') if path.is_file()}
    done = train(folder, *recipes, '--out', folder / 'last', '--json')
    assert (done.returncode, done.stdout) == (0, '[]\n')
    assert done.stderr.count('finished, left as it is') == 2
    assert {path: path.stat().st_mtime_ns for path in folder.rglob('*')
            if path.is_file()} == written
    one, two = links([load_recipe(path) for path in recipes], '_smoke')
    one, two = (replace(link, folder=folder / link.folder, out=folder / link.out,
                        recipe=replace(link.recipe, start=link.recipe.start and str(
                            folder / link.recipe.start))) for link in (one, two))
    assert (one.finished, two.finished) == (True, False)  # its bundle lies in another place
    two = replace(two, out=folder / 'last')
    assert two.finished
    assert not replace(two, recipe=replace(two.recipe, seed=1)).finished
    assert not replace(two, recipe=replace(two.recipe, sha256='0')).finished
    assert not replace(two, recipe=replace(two.recipe, start=str(folder / 'last'))).finished
    assert not replace(two, recipe=replace(two.recipe, data='tabletop')).finished


@contextmanager
def changed(path, change):
    kept = path.read_text()
    path.write_text(change(kept))
    try:
        yield
    finally:
        path.write_text(kept)


def copied(chain, tmp_path):
    """Return a copy of what the chain made, which a test may change."""
    folder, recipes, _ = chain
    for name in ('runs', 'last'):
        shutil.copytree(folder / name, tmp_path / name)
    return tmp_path, recipes


def reweigh(path, name):
    """Change a weight of a bundle."""
    weights = load_file(path / WEIGHTS)
    weights[name] += 0.1
    save_file(weights, path / WEIGHTS)
    manifest = bundle.read_manifest(path)[0]
    export.write_manifest(path, manifest, tuple(manifest.files))


def test_a_start_that_was_assembled_anew_is_told_and_nothing_is_trained_again(chain, tmp_path):
    folder, recipes = copied(chain, tmp_path)
    first, run = folder / 'runs' / 'one_smoke' / 'bundle', folder / 'runs' / 'two_smoke'
    before = bundle.load(first).manifest
    anew = replace(before, version='77.0.0', training={**before.training, 'recipe': 'first.yaml'})
    export.write_manifest(first, anew, tuple(before.files))
    kept = (run / 'finetune.safetensors').stat().st_mtime_ns
    done = train(folder, *recipes, '--out', folder / 'last')
    assert done.returncode == 0, done.stderr
    training = bundle.load(folder / 'last').manifest.training
    assert (training['start'], training['before']['recipe']) == (
        identity(bundle.load(first)), 'first.yaml')
    assert training['start'].startswith('squares_smoke 77.0.0 ')
    assert json.loads((run / 'run.json').read_text())['start_bundle'] == training['start']
    assert (run / 'finetune.safetensors').stat().st_mtime_ns == kept
    done = train(folder, *recipes, '--out', folder / 'last')
    assert done.stderr.count('finished, left as it is') == 2


def test_a_finished_training_from_other_weights_is_refused(chain, tmp_path):
    folder, recipes = copied(chain, tmp_path)
    reweigh(folder / 'runs' / 'one_smoke' / 'bundle', 'fusion.blocks.0.block.mlp.0.weight')
    done = train(folder, *recipes, '--out', folder / 'last')
    assert done.returncode == 1
    assert 'two_smoke: holds a training with another start_bundle' in done.stderr


def test_a_link_whose_data_changed_is_not_left_as_it_is(chain):
    folder, recipes, _ = chain

    def other(text):
        first, *others = text.splitlines()
        line = json.loads(first)
        line['answer'] = {'yes': 'no', 'no': 'yes'}[line['answer']]
        return '\n'.join([json.dumps(line), *others])

    with changed(folder / 'data' / 'questions.jsonl', other):
        done = train(folder, *recipes, '--out', folder / 'last')
    assert done.returncode == 1
    assert 'one_smoke: holds a training with another content' in done.stderr


def test_a_training_does_not_go_on_from_another_start(chain, tmp_path):
    folder, recipes = copied(chain, tmp_path)
    (folder / 'runs' / 'two_smoke' / 'finetune.safetensors').unlink()
    reweigh(folder / 'runs' / 'one_smoke' / 'bundle', 'fusion.blocks.0.block.mlp.0.weight')
    path = folder / 'two.yaml'
    path.write_text(recipes[1].read_text().replace('runs/one/', 'runs/one_smoke/'))
    done = train(folder, path)  # alone: a chain looks before it trains
    assert done.returncode == 1
    assert 'holds a training with another start_bundle' in done.stderr


@pytest.mark.parametrize('start', ['', 'models/tabletop', 'runs/two/bundle'])
def test_recipes_that_do_not_follow_each_other_are_no_chain(tmp_path, start):
    recipes = [load_recipe(write(tmp_path, 'one', data='x')),
               load_recipe(write(tmp_path, 'two', data='x', start=start))]
    with pytest.raises(ConfigError, match=r'two\.yaml: start: .*write start: runs/one/bundle'):
        links(recipes)


def test_the_shipped_chain_is_one_from_random_weights_to_its_last_recipe():
    recipes = [load_recipe(path) for path in CHAIN]
    assert [link.folder.name for link in links(recipes)] == [path.stem for path in CHAIN]
    assert (recipes[0].start, recipes[0].model.image_tower) == ('', 'conv_stem')
    assert recipes[0].pretrain.region_weight > 0
    assert [recipe.names for recipe in recipes] == [
        ('tabletop',), *[('tabletop_wide', 'tabletop')] * (len(CHAIN) - 3),
        *[('tabletop_wide_spoken', 'tabletop_spoken')] * 2]
    assert all(_as_deep_as(before.model, after.model) == before.model
               for before, after in pairwise(recipes))
    assert len({recipe.version for recipe in recipes}) == len({
        recipe.seed for recipe in recipes}) == len(CHAIN)


def test_the_default_model_was_made_by_the_chain_that_stands_here():
    found = bundle.load(find_model(DEFAULT_MODEL)).manifest
    told = [found.training]
    while 'before' in told[0]:
        told.insert(0, told[0]['before'])
    recipes = [load_recipe(path) for path in CHAIN]
    assert [each['recipe'] for each in told] == [path.name for path in CHAIN]
    assert [each['recipe_sha256'] for each in told] == [recipe.sha256 for recipe in recipes]
    assert [each['seed'] for each in told] == [recipe.seed for recipe in recipes]
    assert [each['data_versions'] for each in told] == [
        {name: datasets.version(name) for name in recipe.names} for recipe in recipes]
    scenes = {(recipe.names, str(recipe.limit), each['data_sha256'])
              for recipe, each in zip(recipes, told, strict=True)}
    assert len(scenes) == len({scene[:2] for scene in scenes})  # who asks alike got alike
    assert 'start' not in told[0]
    for before, each in pairwise([*zip(recipes, told, strict=True)]):
        assert each[1]['start'].startswith(f'{before[0].name} {before[0].version} (sha256 ')
    assert (found.name, found.version) == (recipes[-1].name, recipes[-1].version)


def test_a_chain_has_no_folder_of_its_own_and_no_two_of_one_name(tmp_path):
    path = write(tmp_path, 'one', data='x', start='runs/one/bundle')
    done = train(tmp_path, path, path, '--folder', 'x')
    assert done.returncode == 2
    assert '--folder: each recipe of a chain has its own' in done.stderr.splitlines()[-1]
    with pytest.raises(ConfigError, match='one name'):
        links([load_recipe(path)] * 2)

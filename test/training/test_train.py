"""The whole recipe, cut down, as a user runs it: every stage, killed and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import squares

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
pytest.importorskip('easy_vqa', reason='needs EasyVQA: pip install easy-vqa')

from latent_vqa_ros import backends  # noqa: E402
from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.config import ConfigError  # noqa: E402
from latent_vqa_ros.datasets.images import Pictures  # noqa: E402
from latent_vqa_ros.datasets.record import DatasetError  # noqa: E402
from latent_vqa_ros.training import loop  # noqa: E402
from latent_vqa_ros.training.batches import Split, augmented_epoch  # noqa: E402
from latent_vqa_ros.training.checkpoint import load_tensors  # noqa: E402
from latent_vqa_ros.training.config import (  # noqa: E402
    AugmentConfig,
    Recipe,
    StageConfig,
    load_recipe,
)
from latent_vqa_ros.training.loop import schedule  # noqa: E402
from latent_vqa_ros.training.train import load_data, train  # noqa: E402

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / 'config' / 'train' / 'easy_vqa.yaml'


def start(folder, *options):
    command = [sys.executable, '-m', 'latent_vqa_ros.cli.main', 'train', str(RECIPE), '--smoke',
               '--folder', str(folder), '--json', *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    out, err = (process := start(folder)).communicate(timeout=300)
    assert process.returncode == 0, err
    return folder, json.loads(out)


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
    whole, _ = finished
    checkpoint = tmp_path / 'finetune.safetensors'
    process = start(tmp_path)
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    about = load_tensors(checkpoint)[1]
    assert (about['epoch'], about['done']) == (1, False)
    _, err = (again := start(tmp_path)).communicate(timeout=300)
    assert again.returncode == 0, err
    for name in ('model.safetensors', 'image_encoder.onnx', 'answerer.onnx'):
        expected = (whole / 'bundle' / name).read_bytes()
        assert (tmp_path / 'bundle' / name).read_bytes() == expected, name
    rows = [json.loads(line) for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()]
    assert [(row['stage'], row['epoch']) for row in rows] == [
        ('pretrain', 0), ('pretrain', 1), ('finetune', 0), ('finetune', 1)]


def test_a_run_folder_is_not_taken_for_another_training(finished):
    folder, _ = finished
    before = (folder / 'bundle' / 'manifest.yaml').read_bytes()
    _, err = (other := start(folder, '--seed', '5')).communicate(timeout=100)
    assert other.returncode == 1
    assert err.splitlines()[-1] == (f'latent_vqa: {folder}: holds a training with another seed; '
                                    'name another --folder, or remove this one')
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


@pytest.mark.parametrize('option', [('--device', 'gpu'), ('--device', 'cuda:99')])
def test_a_device_that_is_not_there_is_one_line(tmp_path, option):
    _, err = (process := start(tmp_path, *option)).communicate(timeout=100)
    assert process.returncode == 1
    assert f"latent_vqa: device '{option[1]}': " in err
    assert 'Traceback' not in err


@pytest.mark.parametrize(('split', 'question', 'answer', 'said'), [
    ('test', 'is it mug', 'yes', "test: 'is it mug': unknown word 'mug'"),
    ('val', 'is it mug', 'yes', "val: 'is it mug': unknown word 'mug'"),
    ('train', '?', 'yes', r"train: '\?': the question is empty"),
    ('train', 'is it red', '>', "answers: '>': the question is empty"),
    ('train', 'is it ' + 'red ' * 20, 'yes', 'at most 15'),
    ('train', 'is it red', 'YES!', "the answers 'YES!' and 'yes' are the same words"),
    ('val', 'is it red', 'red', 'validation answers that training has not: red')])
def test_data_that_cannot_be_asked_is_refused_before_training(tmp_path, split, question, answer,
                                                              said):
    lines = [{'image': name, 'question': 'is it red', 'answer': 'yes', 'split': name}
             for name in ('train', 'val', 'test')]
    lines.append({'image': split, 'question': question, 'answer': answer, 'split': split})
    for name in ('train', 'val', 'test'):
        (tmp_path / name).write_bytes(b'')
    (tmp_path / 'questions.jsonl').write_text('\n'.join(map(json.dumps, lines)))
    with pytest.raises(DatasetError, match=said):
        load_data(Recipe('x', str(tmp_path)))


def asked(folder, *lines):
    """Write a folder of questions about empty files; each is (image, split, question, answer)."""
    rows = [dict(zip(('image', 'split', 'question', 'answer'), line, strict=True))
            for line in lines]
    for row in rows:
        (folder / row['image']).touch()
    (folder / 'questions.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    return str(folder)


def test_what_a_limit_leaves_out_cannot_be_asked(tmp_path):
    lines = [(name, name, 'is it red', 'yes') for name in ('train', 'val', 'test')]
    data = asked(tmp_path, *lines, ('late', 'train', 'is it a zebra', 'maybe'))
    cut, whole = (load_data(Recipe('x', data, limit=limit)) for limit in (1, None))
    assert 'zebra' in whole.tokenizer.vocabulary
    assert cut.tokenizer.vocabulary == ('is', 'it', 'red', 'yes')
    assert (cut.answers, cut.questions) == (('yes',), ('is it red',))
    assert load_data(Recipe('x', data), 1).answers == ('maybe', 'yes')  # --smoke


@pytest.mark.parametrize(('question', 'answer', 'wrong'), [
    ('is a left of b', 'yes', 'is a left of b'), ('is a on the left', 'yes', 'is a on the left'),
    ('is a left of or right of b', 'left', 'left'),
    ('right now is a left of or right of b', 'yes', None), ('is it right that a is', 'yes', None)])
def test_a_question_that_the_mirror_makes_false_is_refused(tmp_path, question, answer, wrong):
    data = asked(tmp_path, *[(name, name, question, answer) for name in ('train', 'val', 'test')])
    assert load_data(Recipe('x', data)).answers == (answer,)
    recipe = Recipe('x', data, augment=AugmentConfig(mirror=True))
    if wrong is None:
        assert load_data(recipe).answers == (answer,)
    else:
        with pytest.raises(DatasetError, match=f"augment.mirror makes '{wrong}' false"):
            load_data(recipe)


def test_a_thing_of_validation_that_training_cannot_name_is_refused_before_training(tmp_path):
    data = squares.write(tmp_path / 'data', {'train': 4, 'val': 4, 'test': 4})
    truth = data / 'truth.jsonl'
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    named = {json.loads(line)['image'] for line in (data / 'questions.jsonl').open()
             if json.loads(line)['split'] == 'val'}
    line = next(line for line in lines if line['image'] in named)
    line['things'][0]['color'] = 'teal'
    truth.write_text('\n'.join(map(json.dumps, lines)))
    with pytest.raises(DatasetError, match="val: '.*teal.*': unknown word 'teal'"):
        load_data(Recipe('x', str(data)))


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


def test_quantize_refuses_a_training_that_is_not_finished(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'latent_vqa_ros.cli.main', 'quantize', str(RECIPE), '--folder',
         str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert 'no finished training' in done.stderr
    assert 'Traceback' not in done.stderr


def test_every_shipped_recipe_is_valid_and_smoke_is_smaller():
    recipes = sorted((ROOT / 'config' / 'train').glob('*.yaml'))
    assert recipes
    for path in recipes:
        recipe = load_recipe(path)
        assert recipe.file == path.name
        assert path.stem.startswith(recipe.name)
        assert recipe.smoke().finetune.epochs <= recipe.finetune.epochs


@pytest.mark.parametrize(('line', 'said'), [
    ('surprise: 1', 'surprise'), ('limit: 0', 'limit'), ('finetune: {epochs: 0}', 'epochs'),
    ('model: {heads: 5}', 'model.heads'), ('preprocess: {height: 60}', 'stride'),
    ('model: 3', 'model'), ('{', 'recipe.yaml'), ('version: 2025-02-30', 'recipe.yaml: day')])
def test_a_wrong_recipe_is_refused_by_its_key(tmp_path, line, said):
    path = tmp_path / 'recipe.yaml'
    path.write_text(f'name: x\ndata: y\n{line}\n')
    with pytest.raises(ConfigError, match=said):
        load_recipe(path)


def test_the_learning_rate_rises_then_falls_to_zero():
    rates = [schedule(step, 100, 0.1) for step in range(101)]
    assert rates[9] == max(rates) == 1
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0, abs=1e-3)


class Killed(Exception):
    pass


def saved_within_an_epoch(folder, task, made, monkeypatch, at):
    """Run a stage that saves after every step, and dies before this step."""
    monkeypatch.setattr(loop, '_SAVE_EVERY', 0.0)
    monkeypatch.setattr(loop, 'schedule', lambda step, total, warmup: (
        schedule(step, total, warmup) if step < at else (_ for _ in ()).throw(Killed)))
    with pytest.raises(Killed):
        loop.run(task(made), made, STAGE, folder, loop.Metrics(folder))
    monkeypatch.undo()


STAGE = StageConfig(epochs=2, batch=1, learning_rate=0.1)


@pytest.mark.parametrize('at', [1, 3, 5])
def test_a_stage_goes_on_in_the_middle_of_an_epoch_to_the_same_weights(tmp_path, monkeypatch, at):
    generator = torch.Generator().manual_seed(7)
    batches = [torch.randn(8, 3, generator=generator) for _ in range(4)]
    given = []

    def task(made):
        return loop.Task('stage', 4, lambda epoch, first: (
            given.append((epoch, step)) or batches[step] + epoch for step in range(first, 4)),
            lambda x: {'loss': made(x).square().mean()}, lambda: {'score': 0.0})

    def model():
        torch.manual_seed(0)
        return torch.nn.Linear(3, 2)

    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    for folder in (whole, cut):
        folder.mkdir()
    expected = model()
    loop.run(task(expected), expected, STAGE, whole, loop.Metrics(whole))
    saved_within_an_epoch(cut, task, model(), monkeypatch, at)
    about = load_tensors(cut / 'stage.safetensors')[1]
    assert (about['epoch'], about['step']) == divmod(at, 4)
    given.clear()
    resumed = model()
    loop.run(task(resumed), resumed, STAGE, cut, loop.Metrics(cut))
    assert given[0] == divmod(at, 4)
    assert torch.equal(resumed.weight, expected.weight)
    rows = [[{**row, 'seconds': 0} for row in loop.Metrics.read(folder)]
            for folder in (whole, cut)]
    assert rows[0] == rows[1]


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
    monkeypatch.setattr(Pictures, 'take', None)
    train(recipe, data, run, torch.device('cpu'))

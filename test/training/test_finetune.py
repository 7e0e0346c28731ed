"""What relations need: coordinates and attention on what is named (docs/experiments.md)."""

import json
from dataclasses import replace

import pytest
import yaml

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
from helpers import squares  # noqa: E402

from latent_vqa_ros.training import finetune, loop, pretrain, run  # noqa: E402
from latent_vqa_ros.training.batches import Split  # noqa: E402
from latent_vqa_ros.training.config import load_recipe  # noqa: E402
from latent_vqa_ros.training.data import load_data  # noqa: E402

CPU = torch.device('cpu')
RELATIONS = 'right_left', 'right_above'


@pytest.fixture(scope='module')
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp('finetune')
    data = squares.write(folder / 'data', {'train': 600, 'val': 100, 'test': 1})
    path = folder / 'squares.yaml'
    path.write_text(yaml.safe_dump({
        **squares.RECIPE, 'data': str(data), 'augment': {'noise': 0, 'gain': 0, 'blur': 0},
        'finetune': {'epochs': 20, 'batch': 32, 'learning_rate': 0.002, 'warmup': 0.1,
                     'grounding_weight': 1.0}}))
    return load_recipe(path)


@pytest.fixture(scope='module')
def data(recipe):
    return load_data(recipe)


def only_relations(records):
    return tuple(replace(record, questions=tuple(
        q for q in record.questions if q.group in ('left', 'above'))) for record in records)


def learn(recipe, data, folder):
    """Return the figures of each epoch."""
    torch.set_num_threads(1)
    model = run.build(recipe, data)
    splits = [Split(records, recipe.preprocess, data.tokenizer, data.answers,
                    model.clip.image_encoder.grid)
              for records in map(only_relations, (data.train, data.val))]
    task = finetune.task(recipe, model, *splits, run.bank_ids(data), data.answers, CPU)
    loop.run(task, model, recipe.finetune, folder, loop.Metrics(folder))
    return [json.loads(line) for line in (folder / 'metrics.jsonl').read_text().splitlines()]


def test_relations_are_learned_with_coordinates_and_not_without(recipe, data, tmp_path):
    (tmp_path / 'with').mkdir()
    (tmp_path / 'without').mkdir()
    seen = learn(replace(recipe, finetune=replace(recipe.finetune, stop_at=0.95)), data,
                 tmp_path / 'with')
    assert min(seen[-1][name] for name in RELATIONS) > 0.9
    blind = learn(replace(recipe, model=replace(recipe.model, coordinates=False),
                          finetune=replace(recipe.finetune, epochs=len(seen))), data,
                  tmp_path / 'without')
    assert max(blind[-1][name] for name in RELATIONS) < 0.75
    assert seen[-1]['grounding_loss'] < 0.1


def test_the_loss_is_the_weighted_sum_of_its_parts(recipe, data):
    recipe = replace(recipe, model=replace(recipe.model, count_dim=4), finetune=replace(
        recipe.finetune, region_weight=0.2, contrastive_weight=0.3, count_weight=0.5))
    model = run.build(recipe, data)
    answers = [{'yes': '1', 'no': '0'}.get(answer, answer) for answer in data.answers]
    split = Split(data.val, recipe.preprocess, data.tokenizer, data.answers,
                  model.clip.image_encoder.grid)
    task = finetune.task(recipe, model, split, split, run.bank_ids(data), answers, CPU)
    parts = task.losses(split.batch(range(4)))
    expected = (parts['answer_loss'] + 0.2 * parts['region_loss']
                + 0.3 * parts['contrastive_loss'] + parts['grounding_loss']
                + 0.5 * parts['count_loss'])
    assert parts['count_loss'] > 0
    assert parts.keys() == {'loss', 'answer_loss', 'region_loss', 'contrastive_loss',
                            'grounding_loss', 'count_loss'}
    assert parts['loss'].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(('asked', 'flags', 'bfloat16'), [
    (True, 'avx2 avx512f avx512_bf16', True), (True, 'asimd bf16', True),
    (True, 'avx2 avx512f avx512_vnni', False), (True, None, False),
    (False, 'avx2 avx512f avx512_bf16', False)])
def test_the_towers_compute_in_bfloat16_where_recipe_and_processor_have_it_and_losses_never(
        recipe, data, asked, flags, bfloat16, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, '_CPU', tmp_path / 'cpuinfo')
    if flags is not None:
        loop._CPU.write_text(f'processor\t: 0\nflags\t\t: fpu {flags} sse2\n')
    recipe = replace(recipe, bfloat16=asked, pretrain=replace(
        recipe.pretrain, region_weight=1.0))
    model = run.build(recipe, data)
    split = Split(data.val, recipe.preprocess, data.tokenizer, data.answers,
                  model.clip.image_encoder.grid)
    seen = {}

    def note(name):
        def hook(module, inputs, output):  # a hook that returned something would change it
            seen.setdefault(name, output.dtype)
        return hook

    for name in ('clip.image_encoder.stem.0.0', 'clip.project_image', 'project_answer',
                 'fusion.blocks.0.cross.compress_query'):
        model.get_submodule(name).register_forward_hook(note(name))
    tasks = (pretrain.task(recipe, model, split, split, CPU),
             finetune.task(recipe, model, split, split, run.bank_ids(data), data.answers, CPU))
    for task in tasks:
        losses = task.losses(split.batch(range(2)))
        assert {value.dtype for value in losses.values()} == {torch.float32}
        assert seen.pop('clip.image_encoder.stem.0.0') == (
            torch.bfloat16 if bfloat16 else torch.float32)
    assert seen == {'clip.project_image': torch.float32, 'project_answer': torch.float32,
                    'fusion.blocks.0.cross.compress_query':
                        torch.bfloat16 if bfloat16 else torch.float32}


def test_the_score_is_the_share_of_right_answers_for_all_and_for_each_group(
        recipe, data, monkeypatch):
    model = run.build(recipe, data)
    split = Split(data.val[:3], recipe.preprocess, data.tokenizer, data.answers,
                  model.clip.image_encoder.grid)
    groups = [q.group for record in split.records for q in record.questions]
    target = torch.zeros(len(groups), dtype=torch.long)
    logits = torch.zeros(len(groups), 2)
    logits[:, 1] = torch.tensor([1.0 if group == 'above' else -1.0 for group in groups])
    monkeypatch.setattr(finetune, 'predict', lambda *_: (logits, target))
    task = finetune.task(recipe, model, split, split, run.bank_ids(data), data.answers, CPU)
    share = groups.count('above') / len(groups)
    assert task.score() == pytest.approx({'score': 1 - share, 'right_above': 0.0,
                                          'right_left': 1.0, 'right_what': 1.0})


def test_predictions_are_of_each_question_in_order_with_its_true_answer(recipe, data,
                                                                        monkeypatch):
    monkeypatch.setattr(finetune, '_EVAL_BATCH', 2)  # the last batch is a short one
    model = run.build(recipe, data).eval()
    split = Split(data.val[:5], recipe.preprocess, data.tokenizer, data.answers,
                  model.clip.image_encoder.grid)
    logits, targets = finetune.predict(model, split, run.bank_ids(data), CPU)
    asked = [question for record in split.records for question in record.questions]
    assert [data.answers[i] for i in targets] == [question.answer for question in asked]
    model.set_bank(run.bank_ids(data))
    with torch.no_grad():
        features, _ = model.encode(torch.from_numpy(split.pictures.take([4])[0]))
        alone = model.answer(features, torch.from_numpy(data.tokenizer.encode(asked[-1].text)))
    assert torch.allclose(logits[-1], alone, atol=1e-4)

from dataclasses import replace

import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros.core.config import ConfigError  # noqa: E402
from latent_vqa_ros.training import loop  # noqa: E402
from latent_vqa_ros.training.checkpoint import load_tensors  # noqa: E402
from latent_vqa_ros.training.config import PartConfig, StageConfig  # noqa: E402
from latent_vqa_ros.training.loop import schedule  # noqa: E402

STAGE = StageConfig(epochs=2, batch=1, learning_rate=0.1)


def test_the_learning_rate_rises_then_falls_to_zero():
    rates = [schedule(step, 100, 0.1) for step in range(101)]
    assert rates[9] == max(rates) == 1
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0, abs=1e-3)


class Killed(Exception):
    pass


def saved_within_an_epoch(folder, task, made, monkeypatch, at, stage):
    """Run a stage that saves after every step, and dies before this step."""
    monkeypatch.setattr(loop, '_SAVE_EVERY', 0.0)
    monkeypatch.setattr(loop, 'schedule', lambda step, total, warmup: (
        schedule(step, total, warmup) if step < at else (_ for _ in ()).throw(Killed)))
    with pytest.raises(Killed):
        loop.run(task(made), made, stage, folder, loop.Metrics(folder))
    monkeypatch.undo()


@pytest.mark.parametrize(('at', 'dropout'), [(1, 0.0), (3, 0.5), (5, 0.5)])
def test_a_stage_goes_on_in_the_middle_of_an_epoch_to_the_same_weights(tmp_path, monkeypatch, at,
                                                                       dropout):
    stage = replace(STAGE, dropout=dropout)
    generator = torch.Generator().manual_seed(7)
    batches = [torch.randn(8, 3, generator=generator) for _ in range(4)]
    given = []

    def task(made):
        return loop.Task('stage', 4, lambda epoch, first: (
            given.append((epoch, step)) or batches[step] + epoch for step in range(first, 4)),
            lambda x: {'loss': made(x).square().mean()}, lambda: {'score': 0.0})

    def model():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Dropout(0.0), torch.nn.Linear(3, 2))

    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    for folder in (whole, cut):
        folder.mkdir()
    expected = model()
    loop.run(task(expected), expected, stage, whole, loop.Metrics(whole))
    saved_within_an_epoch(cut, task, model(), monkeypatch, at, stage)
    about = load_tensors(cut / 'stage.safetensors')[1]
    assert (about['epoch'], about['step']) == divmod(at, 4)
    given.clear()
    resumed = model()
    loop.run(task(resumed), resumed, stage, cut, loop.Metrics(cut))
    assert given[0] == divmod(at, 4)
    assert torch.equal(resumed[1].weight, expected[1].weight)
    rows = [[{**row, 'seconds': 0} for row in loop.Metrics.read(folder)]
            for folder in (whole, cut)]
    assert rows[0] == rows[1]


class Parts(torch.nn.Module):
    """A model whose every weight has a gradient of 1 (0 where ``still``)."""

    def __init__(self, still=False):
        super().__init__()
        self.factor = 0.0 if still else 1.0
        self.tower = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
        self.text = torch.nn.Linear(2, 2)
        for parameter in self.parameters():
            torch.nn.init.ones_(parameter)

    def forward(self, x):
        return self.tower(x).sum() * 0 + self.factor * sum(p.sum() for p in self.parameters())


def one_step(folder, made, **config):
    """Train one step at the full learning rate; return the weights before and after."""
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    task = loop.Task('step', 1, lambda epoch, first: iter([x]),
                     lambda batch: {'loss': made(batch)}, lambda: {'score': 0.0})
    folder.mkdir()
    stage = StageConfig(**{'epochs': 1, 'warmup': 0.0, 'learning_rate': 0.1,
                           'weight_decay': 0.0, **config})
    loop.run(task, made, stage, folder, loop.Metrics(folder))
    return before, made.state_dict()


def test_a_frozen_part_stays_as_it_is_with_its_batch_statistics_and_the_rest_learns(tmp_path):
    made = Parts()
    before, after = one_step(tmp_path / '1', made, parts={'tower': PartConfig(frozen=True)})
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {'text.weight', 'text.bias'}
    assert made.tower[0].weight.grad is None  # nor is its gradient computed, or clipped with
    before, after = one_step(tmp_path / '2', made)  # a later stage without parts trains all
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == set(before)


def test_the_smallest_part_that_fits_decides(tmp_path):
    parts = {'tower': PartConfig(frozen=True), 'tower.1': PartConfig(0.01)}
    before, after = one_step(tmp_path / '1', Parts(), parts=parts)
    steps = {name: float((before[name] - after[name]).abs().max())
             for name in ('tower.0.weight', 'tower.1.weight', 'text.weight')}
    assert steps == pytest.approx({'tower.0.weight': 0, 'tower.1.weight': 0.01,
                                   'text.weight': 0.1})
    assert not torch.equal(before['tower.1.running_mean'], after['tower.1.running_mean'])


def test_a_stage_leaves_out_the_share_of_activations_that_it_says(tmp_path):
    drop, seen = torch.nn.Dropout(0.3), []
    made = torch.nn.Sequential(drop, torch.nn.Linear(1000, 1))
    ones = torch.ones(1, 1000)
    task = loop.Task('stage', 2, lambda epoch, first: iter([ones, ones]), lambda x: (
        seen.append(drop(x)) or {'loss': made(x).sum()}), lambda: {'score': 0.0})
    for dropout in (0.2, 0.0):
        seen.clear()
        (folder := tmp_path / str(dropout)).mkdir()
        loop.run(task, made, StageConfig(epochs=1, dropout=dropout), folder, loop.Metrics(folder))
        shares = [float((x == 0).float().mean()) for x in seen]
        assert shares == pytest.approx([dropout] * 2, abs=0.05 * bool(dropout))
        assert torch.equal(*seen) == (not dropout)  # another part in each step


def test_matrices_decay_and_vectors_do_not(tmp_path):
    before, after = one_step(tmp_path / '1', Parts(still=True), weight_decay=0.5,
                             parts={'tower': PartConfig(0.02)})
    kept = {name: float((after[name] / before[name]).mean()) for name in (
        'text.weight', 'text.bias', 'tower.0.weight', 'tower.1.weight')}
    assert kept == pytest.approx({'text.weight': 1 - 0.1 * 0.5, 'text.bias': 1,
                                  'tower.0.weight': 1 - 0.02 * 0.5, 'tower.1.weight': 1})


def test_a_part_that_the_model_has_not_is_named_with_those_near_it(tmp_path):
    with pytest.raises(ConfigError, match="no part 'towr'; near: tower"):
        one_step(tmp_path / '1', Parts(), parts={'towr': PartConfig(0.1)})
    frozen = {name: PartConfig(frozen=True) for name in ('tower', 'text')}
    with pytest.raises(ConfigError, match='all of the model is frozen'):
        one_step(tmp_path / '2', Parts(), parts=frozen)


def test_a_stage_that_uses_frozen_parts_alone_is_told(tmp_path):
    model = torch.nn.ModuleDict({name: torch.nn.Linear(3, 2) for name in ('clip', 'fusion')})
    task = loop.Task('pretrain', 1, lambda epoch, first: iter([torch.ones(4, 3)]),
                     lambda x: {'loss': model['clip'](x).sum()}, lambda: {'score': 0.0})
    with pytest.raises(ConfigError, match='pretrain: parts: all that this stage trains is frozen'):
        loop.run(task, model, replace(STAGE, parts={'clip': PartConfig(frozen=True)}), tmp_path,
                 loop.Metrics(tmp_path))


def test_a_gradient_is_clipped_to_a_norm_of_one(tmp_path, monkeypatch):
    norms = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, 'step', lambda self, *rest: (
        norms.append(torch.cat([p.grad.flatten() for group in self.param_groups
                                for p in group['params']]).norm().item()), step(self, *rest))[1])
    made = Parts()
    one_step(tmp_path / '1', made)  # sixteen gradients of 1: a norm of 4
    assert norms == pytest.approx([1.0], rel=1e-4)
    # a part that is frozen from now on keeps its last gradient: no other is clipped for it
    one_step(tmp_path / '2', made, parts={'tower': PartConfig(frozen=True)})
    assert norms == pytest.approx([1.0, 1.0], rel=1e-4)


def watched(tmp_path, scores, **config):
    """Train epochs of three steps with these scores; return the model, its metrics and modes."""
    made, modes = torch.nn.Linear(2, 1), []
    stage = StageConfig(**{'epochs': len(scores), 'learning_rate': 0.01, **config})

    def score():
        modes.append(('score', made.training))
        return {'score': scores[len(modes) // 4 - 1], 'more': 0.5}

    def losses(x):
        modes.append(('loss', made.training))
        loss = made(x).square().mean()
        return {'loss': loss, 'one_loss': loss.new_tensor(float(len(modes)))}

    task = loop.Task('stage', 3, lambda epoch, first: iter([torch.ones(1, 2)] * (3 - first)),
                     losses, score)
    tmp_path.mkdir(exist_ok=True)
    loop.run(task, made, stage, tmp_path, loop.Metrics(tmp_path))
    return made, loop.Metrics.read(tmp_path), modes


def test_losses_see_a_model_in_training_and_scores_one_that_is_not(tmp_path):
    made, _, modes = watched(tmp_path, [0.0, 0.0])
    assert modes == [*[('loss', True)] * 3, ('score', False)] * 2
    assert not made.training


def test_metrics_are_means_over_the_steps_of_an_epoch(tmp_path):
    rows = watched(tmp_path, [0.25, 0.75])[1]
    assert [(row['epoch'], row['score'], row['more'], row['one_loss']) for row in rows] == [
        (0, 0.25, 0.5, 2.0), (1, 0.75, 0.5, 6.0)]
    assert all(row['seconds'] > 0 and row['processes'] == 1 for row in rows)


def test_a_stage_ends_at_the_first_score_that_is_good_enough_and_is_then_left(tmp_path):
    rows = watched(tmp_path, [0.1, 0.5, 0.9], stop_at=0.5)[1]
    assert [row['score'] for row in rows] == [0.1, 0.5]
    about = load_tensors(tmp_path / 'stage.safetensors')[1]
    assert (about['epoch'], about['done']) == (2, True)
    before = (tmp_path / 'stage.safetensors').read_bytes()
    assert watched(tmp_path, [0.1, 0.5, 0.9], stop_at=0.5)[2] == []
    assert (tmp_path / 'stage.safetensors').read_bytes() == before


def test_the_schedule_is_that_of_the_whole_stage(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(loop, 'schedule', lambda *given: asked.append(given) or 1.0)
    watched(tmp_path, [0.0, 0.0], warmup=0.3)
    assert asked == [(step, 6, 0.3) for step in range(6)]


def test_an_epoch_that_was_told_of_but_not_saved_is_told_of_once(tmp_path, monkeypatch):
    """As after a kill between the line in metrics.jsonl and the checkpoint."""
    save, saved = loop._save, []
    monkeypatch.setattr(loop, '_save', lambda *rest: (
        saved.append(1), save(*rest) if len(saved) < 2 else (_ for _ in ()).throw(Killed))[1])
    with pytest.raises(Killed):
        watched(tmp_path, [0.1, 0.2, 0.3])
    assert [row['epoch'] for row in loop.Metrics.read(tmp_path)] == [0, 1]
    monkeypatch.undo()
    rows = watched(tmp_path, [0.2, 0.3, 0.4])[1]
    assert [(row['epoch'], row['score']) for row in rows] == [(0, 0.1), (1, 0.2), (2, 0.3)]

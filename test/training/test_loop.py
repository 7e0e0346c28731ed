import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros.training import loop  # noqa: E402
from latent_vqa_ros.training.checkpoint import load_tensors  # noqa: E402
from latent_vqa_ros.training.config import StageConfig  # noqa: E402
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


def saved_within_an_epoch(folder, task, made, monkeypatch, at):
    """Run a stage that saves after every step, and dies before this step."""
    monkeypatch.setattr(loop, '_SAVE_EVERY', 0.0)
    monkeypatch.setattr(loop, 'schedule', lambda step, total, warmup: (
        schedule(step, total, warmup) if step < at else (_ for _ in ()).throw(Killed)))
    with pytest.raises(Killed):
        loop.run(task(made), made, STAGE, folder, loop.Metrics(folder))
    monkeypatch.undo()


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

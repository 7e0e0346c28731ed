"""Two processes on this machine train as one would."""

import json

import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
from helpers import squares  # noqa: E402

from latent_vqa_ros.cli.train import choose  # noqa: E402
from latent_vqa_ros.core.config import PreprocessConfig  # noqa: E402
from latent_vqa_ros.core.tokenizer import Tokenizer  # noqa: E402
from latent_vqa_ros.datasets import folder as adapter  # noqa: E402
from latent_vqa_ros.datasets.record import questions_of  # noqa: E402
from latent_vqa_ros.training import checkpoint, distributed, loop  # noqa: E402
from latent_vqa_ros.training.batches import Split, augmented_epoch  # noqa: E402
from latent_vqa_ros.training.config import AugmentConfig, StageConfig  # noqa: E402
from latent_vqa_ros.training.run import require_finished  # noqa: E402

STAGE = StageConfig(epochs=2, batch=8, learning_rate=0.1, stop_at=0.5)


def model():
    torch.manual_seed(distributed.rank())  # processes that start apart are brought together
    made = torch.nn.Linear(3, 2)
    made.unused = torch.nn.Linear(1, 1)
    return made


def losses(made):
    def of(batch):
        x, target = batch
        return {'loss': (made(x) - target).square().mean()}
    return of


def whole_batch():
    generator = torch.Generator().manual_seed(7)
    return torch.randn(8, 3, generator=generator), torch.randn(8, 2, generator=generator)


def gradients(rank=0, world=1):
    made = model()
    shared = distributed.shared(made, losses(made))
    shared(tuple(each[rank::world] for each in whole_batch()))['loss'].backward()
    return {'weight': made.weight.grad, 'bias': made.bias.grad}


def pictures(data):
    """Return the first bytes of the pictures of each batch of an epoch."""
    records = adapter.load(data).split('train')
    texts = [text for record in records for text in record.captions]
    asked = [q for _, q in questions_of(records)]
    tokenizer = Tokenizer.from_texts(
        ['nothing small', *texts, *(q.text for q in asked)], 10)
    split = Split(records, PreprocessConfig(height=32, width=32), tokenizer,
                  sorted({q.answer for q in asked}), (4, 4))
    calm = AugmentConfig(noise=0, gain=0, blur=0)
    return [[image.numpy().tobytes() for image in batch.image_bhwc]
            for batch in augmented_epoch(split, (1,), 4, calm, torch.device('cpu'))]


def stage(folder):
    """Train a stage whose score only the second process finds good enough to stop."""
    made = model()
    rank, world = distributed.rank(), distributed.world()
    part = tuple(each[rank::world] for each in whole_batch())
    task = loop.Task('stage', 2, lambda epoch, first: iter([part] * (2 - first)), losses(made),
                     lambda: {'score': float(rank)})
    folder.mkdir(exist_ok=True)
    loop.run(task, made, STAGE, folder, loop.Metrics(folder))
    return made.state_dict()


def main(out, data):
    """What each process does, see ``two``."""
    torch.set_num_threads(1)
    with distributed.group(torch.device('cpu')):
        rank, world = distributed.rank(), distributed.world()
        torch.save({'world': world, 'here': distributed.on_this_machine(),
                    'gradients': gradients(rank, world), 'pictures': pictures(data),
                    'weights': stage(out / 'stage'),
                    'first': distributed.first({'score': 0.1, 'of': [rank, 'é' * 9 * rank]})},
                   out / f'{rank}.pt')


def test_more_processes_than_there_are_gpus_train_on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    assert choose(None).type == 'cpu'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return squares.write(tmp_path_factory.mktemp('distributed') / 'data', {'train': 14})


@pytest.fixture(scope='module')
def two(torchrun, data, tmp_path_factory):
    """Return what each of two processes found, and their folder."""
    out = tmp_path_factory.mktemp('two')
    torchrun(__file__, out, data, timeout=280)
    return out, [torch.load(out / f'{rank}.pt') for rank in range(2)]


def test_gradients_of_two_halves_are_those_of_the_whole_batch(two):
    alone = gradients()
    for found in two[1]:
        assert (found['world'], found['here']) == (2, 2)
        for name, gradient in alone.items():
            assert torch.allclose(found['gradients'][name], gradient, atol=1e-6), name


def test_two_processes_share_each_batch_without_a_picture_in_common(two, data):
    first, second = (found['pictures'] for found in two[1])
    whole = pictures(data)
    assert [len(batch) for batch in whole] == [4, 4, 4]
    for mine, other, batch in zip(first, second, whole, strict=True):
        assert (len(mine), len(other)) == (2, 2)
        assert sorted(mine + other) == sorted(batch)


def test_processes_end_a_stage_together_and_the_first_alone_writes(two, tmp_path):
    out, found = two
    rows = [json.loads(line) for line in (out / 'stage/metrics.jsonl').read_text().splitlines()]
    assert [(row['epoch'], row['score']) for row in rows] == [(0, 0), (1, 0)]
    about = checkpoint.load_tensors(out / 'stage/stage.safetensors')[1]
    assert (about['epoch'], about['done']) == (2, True)
    alone = stage(tmp_path)
    for name in ('weight', 'bias'):
        assert torch.equal(found[0]['weights'][name], found[1]['weights'][name])
        assert torch.allclose(found[0]['weights'][name], alone[name], atol=1e-5)


def test_all_processes_take_the_first_ones_value(two):
    assert [found['first'] for found in two[1]] == [{'score': 0.1, 'of': [0, '']}] * 2


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv('TORCHELASTIC_RUN_ID', raising=False)
    with distributed.group(torch.device('cpu')):
        assert (distributed.rank(), distributed.world(), distributed.first('x')) == (0, 1, 'x')
        assert distributed.on_this_machine() == 1
        assert not torch.distributed.is_initialized()


def test_a_training_by_two_processes_is_one_training(trained):
    assert len(trained.printed) == 1
    assert trained.printed[0]['stages'].keys() == {'pretrain', 'finetune'}
    rows = [json.loads(line) for line in (trained.run / 'metrics.jsonl').read_text().splitlines()]
    assert [(row['stage'], row['epoch']) for row in rows] == [
        ('pretrain', 0), ('pretrain', 1), ('finetune', 0), ('finetune', 1)]
    assert {'answer_loss', 'region_loss', 'grounding_loss'} <= rows[-1].keys()
    assert checkpoint.load_tensors(trained.run / 'pretrain.safetensors')[1]['done']
    require_finished(trained.run)
    assert len(list(trained.run.rglob('manifest.yaml'))) == 1
    assert len(list((trained.run / 'tensorboard').glob('events*'))) == 1


if __name__ == '__main__':
    import sys
    from pathlib import Path

    main(*map(Path, sys.argv[1:]))

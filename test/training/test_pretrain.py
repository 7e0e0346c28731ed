import math

import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
from helpers import squares  # noqa: E402

from latent_vqa_ros.core.config import PreprocessConfig, from_mapping  # noqa: E402
from latent_vqa_ros.core.tokenizer import Tokenizer  # noqa: E402
from latent_vqa_ros.datasets import folder as adapter  # noqa: E402
from latent_vqa_ros.model.config import ModelConfig  # noqa: E402
from latent_vqa_ros.model.vqa import LatentVqa  # noqa: E402
from latent_vqa_ros.training import finetune, loop, pretrain  # noqa: E402
from latent_vqa_ros.training.batches import Split  # noqa: E402
from latent_vqa_ros.training.config import AugmentConfig, Recipe, StageConfig  # noqa: E402

CPU = torch.device('cpu')
SIZE = PreprocessConfig(height=32, width=32)
TOKENIZER = Tokenizer.from_texts(
    ['nothing', 'is the red blue small square left of above', 'what color one on a there'], 10)


@pytest.fixture(scope='module')
def splits(tmp_path_factory):
    data = adapter.load(squares.write(tmp_path_factory.mktemp('pretrain') / 'data',
                                      {'train': 8, 'val': 40}))
    answers = ('blue', 'no', 'red', 'yes')
    return [Split(data.split(name), SIZE, TOKENIZER, answers, (4, 4)) for name in ('train', 'val')]


def model():
    torch.manual_seed(0)
    config = from_mapping(ModelConfig, squares.MODEL, 'model')
    return LatentVqa(config, SIZE, TOKENIZER.size, 4)


class Told(torch.nn.Module):
    """An image tower that is told its tokens, picture by picture."""

    def __init__(self, tokens_bnd):
        super().__init__()
        self.tokens_bnd = tokens_bnd

    def forward(self, image_bhwc):
        return self.tokens_bnd[:len(image_bhwc)]


@torch.no_grad()
def perfect(split, swapped=0):
    """Return a model whose tokens are the captions of what is there, but for some pictures."""
    made = model().eval()
    caption_ue = made.clip.embed_text(torch.from_numpy(split.placed.caption_ids))
    tokens = torch.zeros(len(split), 16, caption_ue.shape[1])
    for picture, regions in enumerate(split.placed.regions):
        for cell, caption in regions[regions[:, 1] >= 0]:
            tokens[picture, cell] = caption_ue[3 - caption if picture < swapped else caption]
    made.clip.image_encoder = Told(tokens)
    made.clip.project_image = torch.nn.Identity()
    return made


@pytest.mark.parametrize(('swapped', 'expected'), [(0, 1), (10, 0.75), (40, 0)])
def test_region_recall_is_the_share_of_things_that_look_like_their_caption(
        splits, swapped, expected):
    assert pretrain.region_recall(perfect(splits[1], swapped), splits[1], CPU) == expected


def test_hidden_things_do_not_count(splits):
    made = perfect(splits[1])
    kept = splits[1].placed.regions
    try:
        splits[1].placed.regions = [rows.copy() for rows in kept]
        for rows in splits[1].placed.regions:
            rows[0, 1] = -1
        assert pretrain.region_recall(made, splits[1], CPU) == 1
    finally:
        splits[1].placed.regions = kept


def test_the_region_loss_is_small_where_tokens_are_their_captions_and_large_where_not(splits):
    batch = splits[1].batch(range(40))
    found = []
    for swapped in (0, 40):
        made = perfect(splits[1], swapped)
        made.clip.log_scale.data.fill_(4.6)
        found.append(pretrain.region_loss(
            made, made.clip.image_encoder(batch.image_bhwc), batch.places).item())
    assert found[0] == pytest.approx(math.log(40) / 2, abs=0.2)  # 40 things share a caption
    assert found[1] > found[0] + 1  # captions of an untrained tower are near each other


def test_data_without_places_or_captions_has_losses_of_zero_that_can_be_added(splits):
    batch = splits[1].batch(range(2))
    tokens = torch.randn(2, 16, 32, requires_grad=True)
    places = type(batch.places)(batch.places.region_r3[:0], batch.places.caption_ids_ut[:0],
                                batch.places.word_w5[:0])
    bare = type(batch)(**{**vars(batch), 'caption_b': torch.full((2,), -1)})
    loss = (pretrain.region_loss(model(), tokens, places)
            + pretrain.caption_loss(model(), tokens, bare))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not tokens.grad.any()


def test_validation_without_captions_has_a_recall_of_zero(tmp_path):
    data = squares.write(tmp_path / 'data', {'val': 4})
    for name in ('truth', 'captions'):
        (data / f'{name}.jsonl').unlink()
    split = Split(adapter.load(data).split('val'), SIZE, TOKENIZER, ('blue', 'no', 'red', 'yes'),
                  (4, 4))
    assert len(split.caption_ids_ut) == 0
    assert pretrain.recall(model(), split, CPU) == 0


def test_a_small_model_learns_what_stands_where_on_eight_pictures(splits, tmp_path):
    train = splits[0]
    recipe = Recipe('x', 'x', threads=1, augment=AugmentConfig(noise=0, gain=0, blur=0),
                    pretrain=StageConfig(epochs=60, batch=8, learning_rate=0.003,
                                         region_weight=4.0, stop_at=1.0))
    made = model()
    before = pretrain.region_recall(made.eval(), splits[1], CPU)
    task = pretrain.task(recipe, made, train, splits[1], CPU)
    loop.run(task, made, recipe.pretrain, tmp_path, loop.Metrics(tmp_path))
    assert before < 0.7
    assert pretrain.region_recall(made, splits[1], CPU) > 0.95


def test_the_loss_is_that_of_captions_and_the_weighted_one_of_regions(splits):
    made = model()
    batch = splits[1].batch(range(8))
    recipe = Recipe('x', 'x', pretrain=StageConfig(region_weight=4.0))
    parts = pretrain.task(recipe, made, *splits, CPU).losses(batch)
    assert parts['loss'].item() == pytest.approx(
        parts['caption_loss'].item() + 4 * parts['region_loss'].item(), rel=1e-5)
    assert min(parts['caption_loss'], parts['region_loss']) > 0
    alone = pretrain.task(Recipe('x', 'x'), made, *splits, CPU).losses(batch)
    assert alone.keys() == {'loss'}
    assert alone['loss'].item() == pytest.approx(parts['caption_loss'].item(), rel=1e-5)


@pytest.mark.parametrize('stage', ['pretrain', 'finetune'])
def test_batches_are_a_function_of_seed_stage_epoch_and_step(splits, stage):
    def epoch(number, first=0, stage=stage, **values):
        recipe = Recipe('x', 'x', threads=1, **{
            'augment': AugmentConfig(noise=0, gain=0, blur=0), 'pretrain': StageConfig(batch=4),
            'finetune': StageConfig(batch=4), **values})
        made = recipe, model(), *splits
        task = (pretrain.task(*made, CPU) if stage == 'pretrain' else finetune.task(
            *made, None, ('blue', 'no', 'red', 'yes'), CPU))
        assert task.steps == 2
        return [batch.image_bhwc.numpy().tobytes() for batch in task.epoch(number, first)]

    plain, other = epoch(0), {'pretrain': 'finetune', 'finetune': 'pretrain'}[stage]
    assert epoch(0) == plain
    assert epoch(0, 1) == plain[1:]
    for changed in (epoch(1), epoch(0, seed=1), epoch(0, stage=other),
                    epoch(0, augment=AugmentConfig(noise=9, gain=0, blur=0))):
        assert len(changed) == 2
        assert changed != plain


def test_the_score_is_the_recall_of_things_where_places_are_known_and_else_of_pictures(
        splits, monkeypatch):
    monkeypatch.setattr(pretrain, 'region_recall', lambda *_: 0.25)
    monkeypatch.setattr(pretrain, 'recall', lambda *_: 0.5)
    recipe = Recipe('x', 'x', pretrain=StageConfig(region_weight=1.0))
    task = pretrain.task(recipe, model(), *splits, CPU)
    assert task.score() == {'score': 0.25}
    captions = pretrain.task(Recipe('x', 'x'), model(), *splits, CPU)  # it trains no things
    assert captions.score() == {'score': 0.5}
    monkeypatch.setattr(splits[1].placed, 'exist', False)
    assert task.score() == {'score': 0.5}

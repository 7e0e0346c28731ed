import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros.core.config import PreprocessConfig  # noqa: E402
from latent_vqa_ros.core.tokenizer import Tokenizer  # noqa: E402
from latent_vqa_ros.model.config import ModelConfig  # noqa: E402
from latent_vqa_ros.model.count import count  # noqa: E402
from latent_vqa_ros.model.vqa import NAMING_BLOCKS, LatentVqa  # noqa: E402

SIZE = PreprocessConfig(height=16, width=16)
TOKENIZER = Tokenizer(('is', 'it', 'red', 'blue', 'what'), 8)
ANSWERS = torch.from_numpy(TOKENIZER.encode_batch(['red', 'blue']))
TINY = {'width': 16, 'latent_dim': 8, 'heads': 2, 'stem_channels': (8, 16),
        'stem_residuals': (0, 1), 'image_blocks': 1, 'embed_dim': 8, 'max_tokens': 8}


def tiny(**changes):
    torch.manual_seed(0)
    model = LatentVqa(ModelConfig(**{**TINY, **changes}), SIZE, TOKENIZER.size, 2).eval()
    model.set_bank(ANSWERS)
    return model


def images(n):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), np.uint8))


@pytest.mark.parametrize('changes', [
    {}, {'latent_dim': None}, {'placement': 'stem'}, {'image_blocks': 0, 'text_blocks': 0},
    {'fusion_blocks': 1}, {'coordinates': True}, {'image_pool': 2}, {'count_dim': 4},
    {'answer_table': True},
    {'stem_channels': (8, 8), 'stem_residuals': (1, 0)}])
@torch.no_grad()
def test_the_training_road_and_the_deployed_road_give_the_same_logits(changes):
    model = tiny(**changes)
    texts = ['is it red', 'what is it', 'blue']
    index = torch.tensor([[0, 1], [2, 0]])
    tokens = model.clip.image_encoder(images(2))
    fused, looked, first, _ = model.fuse_many(
        tokens, torch.from_numpy(TOKENIZER.encode_batch(texts)), index)
    many = model.score_live(fused, ANSWERS)
    for b in range(2):
        features, _ = model.encode(images(2)[b])
        for q in range(2):
            ids = torch.from_numpy(TOKENIZER.encode(texts[index[b, q]]))
            logits, attention = model.look(features, ids)
            assert torch.allclose(many[b, q], logits, atol=1e-4)
            naming = torch.stack(looked[:NAMING_BLOCKS]).mean(dim=0)[b, first[b, q]:]
            assert torch.allclose(naming[:len(ids)], attention, atol=1e-5)


@torch.no_grad()
def test_the_image_tower_never_sees_the_question_and_the_answer_needs_both():
    model = tiny()
    ask = [torch.from_numpy(TOKENIZER.encode(text)) for text in ('is it red', 'is it blue')]
    seen = [model.encode(image)[0] for image in images(2)]
    answers = [model.answer(features, ids) for features in seen for ids in ask]
    assert len({tuple(a.tolist()) for a in answers}) == 4


@torch.no_grad()
def test_fusion_is_not_additive():
    """The effect of the question must depend on the image, or yes/no cannot be learned."""
    model = tiny()
    ids = [torch.from_numpy(TOKENIZER.encode(text)) for text in ('is it red', 'what')]
    a, b = ([model.answer(model.encode(image)[0], each) for each in ids] for image in images(2))
    assert not torch.allclose(a[0] - a[1], b[0] - b[1], atol=1e-4)


@torch.no_grad()
def test_logits_are_scaled_cosines_with_the_bank_of_answer_texts():
    model = tiny()
    logits = model.answer(model.encode(images(1)[0])[0], torch.tensor([1, 2]))
    assert model.bank.norm(dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert logits.abs().max() <= model.log_scale.exp() + 1e-4


@torch.no_grad()
def test_a_learned_bank_is_what_training_made_of_it_whatever_the_answers_are_called():
    model = tiny(answer_table=True).train()
    fused, learned = torch.randn(5, 16), model.bank.clone()
    before = model.score_live(fused, ANSWERS)
    assert torch.equal(model.score_live(fused, ANSWERS.flip(0)), before)
    model.bank[1] *= 3
    model.set_bank(ANSWERS)
    assert torch.equal(model.bank, learned * torch.tensor([[1.0], [3.0]]))
    after = model.score_live(fused, ANSWERS)
    assert torch.allclose(after, before * torch.tensor([1.0, 3.0]))


def test_the_map_of_coordinates_starts_large_enough_to_be_seen_beside_the_tokens():
    assert tiny(coordinates=True).fusion.place.weight.std() > 0.4
    assert tiny().fusion.place is None


@pytest.mark.parametrize('table', [False, True])
def test_every_weight_learns_from_both_losses(table):
    model = tiny(answer_table=table).train()
    tokens = model.clip.image_encoder(images(4))
    fused, *_ = model.fuse_many(tokens, ANSWERS, torch.tensor([[0], [1], [0], [1]]))
    logits = model.score_live(fused, ANSWERS)
    caption = model.clip.embed_image(tokens) @ model.clip.embed_text(ANSWERS).T
    loss = logits[:, 0].log_softmax(-1)[:, 0].sum() + (model.clip.scale * caption)[:, 0].sum()
    loss.backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


DROPS = {'clip.image_encoder.drop', 'clip.image_encoder.tower.blocks.0.drop',
         'clip.text_encoder.tower.blocks.0.drop', 'drop_words', 'fusion.blocks.0.drop',
         'fusion.blocks.0.block.drop', 'fusion.drop'}


def asked(model):
    tokens = model.clip.image_encoder(images(2))
    ids = torch.from_numpy(TOKENIZER.encode_batch(['is it red', 'what is it']))
    return model.score_live(model.fuse_many(tokens, ids, torch.tensor([[0], [1]]))[0], ANSWERS)


@torch.no_grad()
def test_each_dropout_leaves_something_out_of_a_question_about_a_picture():
    model = tiny(fusion_blocks=1)
    whole = asked(model)
    drops = {name: module for name, module in model.named_modules()
             if isinstance(module, (torch.nn.Dropout, torch.nn.Dropout1d))}
    assert set(drops) == DROPS
    for name, module in drops.items():
        module.p = 0.9
        assert torch.equal(asked(model), whole), name  # once training is over
        module.train()
        assert not torch.allclose(asked(model), whole), name
        module.eval()


@torch.no_grad()
def test_words_of_questions_are_left_out_and_neither_their_beginning_nor_answers():
    model = tiny()
    ids = torch.from_numpy(TOKENIZER.encode_batch(['is it red', 'what is blue']))
    encode = model.clip.text_encoder
    first, second = encode(ids, drop=torch.nn.Dropout1d(1.0))
    assert torch.equal(first, second)  # no word is left
    encode.embedding.weight[ids[0, 0]] *= -1
    assert not torch.allclose(encode(ids, drop=torch.nn.Dropout1d(1.0))[0], first)
    model.drop_words.train().p = 1.0
    red, blue = model.score_live(torch.randn(5, 16), ANSWERS).T
    assert not torch.allclose(red, blue)  # answers keep their words


def test_counts_are_those_of_a_hand_calculation():
    model = tiny(stem_residuals=(0, 0))
    rows = {row['name']: row for row in count(model, SIZE, max_tokens=3)}
    stem = rows['clip.image_encoder.stem']
    assert stem['macs'] == 8 * 8 * 9 * 3 * 8 + 4 * 4 * 9 * 8 * 16
    assert stem['parameters'] == 9 * 3 * 8 + 2 * 8 + 9 * 8 * 16 + 2 * 16
    n, d, r = 16, 16, 8
    block = n * d * 3 * r + 2 * n * n * r + n * r * d + 2 * n * d * 2 * d
    assert rows['clip.image_encoder.tower']['macs'] == block
    t = 3
    fuse = n * d * 2 * r + t * d * r + 2 * t * n * r + t * r * d
    among = t * d * 3 * r + 2 * t * t * r + t * r * d + 2 * t * d * 2 * d
    assert rows['fusion']['macs'] == 2 * (fuse + among)
    pooled = {row['name']: row for row in count(tiny(stem_residuals=(0, 0), image_pool=2), SIZE)}
    assert pooled['clip.image_encoder.tower']['macs'] == block - 2 * n * (n - n // 4) * r
    learned = {row['name']: row for row in count(tiny(answer_table=True), SIZE)}
    assert learned['project_answer']['parameters'] == (16 + 1) * 8 + 2 * 8
    short = tiny(max_tokens=5)  # shorter than the question of which rows tell
    assert count(short, SIZE, 5)[-2]['macs'] > rows['fusion']['macs']
    counted = {row['name']: row for row in count(tiny(count_dim=4), SIZE, max_tokens=3)}
    assert counted['fusion']['macs'] == rows['fusion']['macs'] + n * d * 4 + d * 4 + n * 4

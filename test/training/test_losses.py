import math

import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros.training.losses import (  # noqa: E402
    IGNORED,
    answer_loss,
    contrastive_loss,
    count_loss,
    grounding_loss,
)


def unit(*rows):
    return torch.nn.functional.normalize(torch.tensor(rows), dim=-1)


def test_contrast_is_zero_for_a_perfect_and_large_for_a_swapped_match():
    images, captions = unit([1.0, 0], [0, 1.0]), unit([1.0, 0], [0, 1.0])
    scale = torch.tensor(50.0)
    assert contrastive_loss(images, captions, torch.tensor([0, 1]), scale) < 1e-6
    assert contrastive_loss(images, captions, torch.tensor([1, 0]), scale) > 10


def test_a_batch_of_one_caption_teaches_the_images_nothing_about_each_other():
    """With batch size 1 a diagonal loss is 0 whatever the model does; here equal captions are
    one caption, so that two images with it are not pushed apart."""
    same = contrastive_loss(unit([1.0, 0], [1.0, 0]), unit([0, 1.0]), torch.tensor([0, 0]),
                            torch.tensor(10.0))
    assert same == pytest.approx(math.log(2) / 2)


def test_contrast_of_an_untrained_model_is_chance():
    images = torch.zeros(4, 8)
    loss = contrastive_loss(images, torch.zeros(4, 8), torch.arange(4), torch.tensor(1.0))
    assert loss == pytest.approx(math.log(4))


def test_padded_questions_do_not_count():
    logits = torch.randn(2, 3, 5)
    target = torch.tensor([[1, 2, IGNORED], [0, IGNORED, IGNORED]])
    real = torch.stack([logits[0, 0], logits[0, 1], logits[1, 0]])
    expected = torch.nn.functional.cross_entropy(real, torch.tensor([1, 2, 0]))
    assert answer_loss(logits, target) == pytest.approx(float(expected))



def test_counting_learns_from_questions_whose_answer_is_a_number():
    numbers = torch.tensor([2.0, 5.0, math.nan])  # of the answers 2, 5 and yes
    counted = torch.tensor([[9.0, 2.5, 7.0], [1.0, 3.0, 0.0]])
    target = torch.tensor([[2, 0, 1], [2, IGNORED, IGNORED]])
    assert count_loss(counted, numbers, target) == pytest.approx((0.5 ** 2 / 2 + 2 - 0.5) / 2)
    nothing = torch.tensor([[2, 2, 2], [2, IGNORED, IGNORED]])
    assert count_loss(counted, numbers, nothing) == 0


WORDS = torch.tensor([[0, 1, 2, 5, 1], [1, 0, 1, 3, 1], [1, 1, 0, 4, 0]])  # the last: "what"
FIRST = torch.tensor([[0, 3], [0, 3]])  # two questions of three tokens per image
SHAPE = 2, 6, 6  # images, tokens of all questions, cells


def attention(blocks, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(SHAPE, generator=generator).softmax(-1) for _ in range(blocks)]


def look(words, shape=SHAPE):
    """All attention of these words on their cell, none of the others' anywhere."""
    looked = torch.zeros(shape)
    for image, question, token, cell, _ in words.tolist():
        looked[image, FIRST[image, question] + token, cell] = 1
    return looked


def test_grounding_is_zero_where_all_attention_is_on_the_things():
    assert grounding_loss([look(WORDS)] * 3, FIRST, WORDS, 2) == 0
    assert grounding_loss([look(WORDS)[..., [1, 2, 3, 4, 5, 0]]] * 3, FIRST, WORDS, 2) > 10


def test_grounding_is_the_formula_written_out():
    looked = attention(3)
    naming = sum(-math.log(b[0, 5, 5]) / 2 - math.log(b[1, 1, 3]) / 2 for b in looked[:2])
    expected = (naming - math.log(looked[2][1, 3, 4])) / 3
    assert grounding_loss(looked, FIRST, WORDS, 2) == pytest.approx(expected, rel=1e-5)


def test_names_are_found_in_the_first_blocks_and_what_is_asked_for_in_the_later_ones():
    right = [look(WORDS[:2]), look(WORDS[:2]), look(WORDS[2:])]
    assert grounding_loss(right, FIRST, WORDS, 2) == 0
    assert grounding_loss(right[::-1], FIRST, WORDS, 2) > 5


def test_grounding_without_words_is_a_zero_that_can_be_added():
    looked = [each.requires_grad_() for each in attention(3)]
    loss = grounding_loss(looked, FIRST, WORDS[:0], 2)
    assert (float(loss), loss.shape, loss.requires_grad) == (0, (), False)
    (loss + looked[0].sum()).backward()


def test_attention_of_zero_gives_a_finite_gradient():
    looked = torch.zeros(SHAPE, requires_grad=True)
    loss = grounding_loss([looked], FIRST, WORDS[:2], 2)
    loss.backward()
    assert loss.item() == pytest.approx(-math.log(1e-6))
    assert looked.grad.isfinite().all()

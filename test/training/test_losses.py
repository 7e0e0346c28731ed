import math

import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros.training.losses import IGNORED, answer_loss, contrastive_loss  # noqa: E402


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

import tracemalloc
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import simplejpeg

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros.core.config import PreprocessConfig  # noqa: E402
from latent_vqa_ros.core.preprocess import prepare  # noqa: E402
from latent_vqa_ros.training.calibrate import (  # noqa: E402
    _QUALITY,
    as_camera,
    fit_familiarity,
    fit_max_distance,
    fit_temperature,
    variants,
)
from latent_vqa_ros.training.config import Recipe  # noqa: E402


@pytest.mark.parametrize('true', [0.3, 1.0, 4.0])
def test_the_temperature_that_made_the_answers_is_found(true):
    generator = torch.Generator().manual_seed(0)
    logits = 6 * torch.randn(20_000, 5, generator=generator)
    answers = torch.multinomial((logits / true).softmax(1), 1, generator=generator)[:, 0]
    assert fit_temperature(logits, answers) == pytest.approx(true, rel=0.1)


def test_perfect_answers_do_not_prove_perfection():
    logits = 5 * torch.eye(4).repeat(25, 1)
    answers = torch.arange(4).repeat(25)
    confidence = (logits[0] / fit_temperature(logits, answers)).softmax(0).max()
    assert 0.97 < confidence < 0.999


@pytest.mark.parametrize('spread', [4, 8])
def test_confidence_is_as_high_as_answers_outside_the_bank_let_it_be(spread):
    """One in five questions has an answer that the model cannot give, and is as sure of."""
    generator = torch.Generator().manual_seed(0)
    logits = spread * torch.randn(20_000, 30, generator=generator)
    answers = torch.multinomial((logits / 1.5).softmax(1), 1, generator=generator)[:, 0]
    answers[::5] = -1
    right = float((logits.argmax(1) == answers).double().mean())
    before, after = (float((logits / t).softmax(1).max(1).values.mean()) for t in (
        fit_temperature(logits[answers >= 0], answers[answers >= 0]),
        fit_temperature(logits, answers)))
    assert before > right + 0.07
    assert abs(after - right) < 0.04


def test_where_no_answer_is_in_the_bank_nothing_is_sure():
    assert fit_temperature(5 * torch.eye(4), torch.full((4,), -1)) == pytest.approx(20)


def test_copies_of_the_pictures_are_held_one_at_a_time():
    images = np.random.default_rng(0).integers(0, 256, (200, 64, 64, 3), np.uint8)
    tracemalloc.start()
    count = sum(1 for _ in variants(images, Recipe('x', 'x'), 4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2 * (1 + 4)
    assert peak < 4 * images.nbytes


@pytest.mark.parametrize('share', [0.005, 0.1])
def test_the_limit_is_the_distance_that_this_share_of_pictures_exceeds(share):
    """The n-th of 1,000 pictures has the distance n, as the deployed graph gives it."""
    network = SimpleNamespace(encode=lambda number: (None, float(number)))
    limit = fit_max_distance(network, np.random.default_rng(0).permutation(1000).reshape(4, 250),
                             share)
    assert sum(number > limit for number in range(1000)) == 1000 * share


def test_copies_are_the_pictures_changed_ones_and_all_as_a_camera_sends_them():
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    plain, sent, changed, changed_sent = variants(images, Recipe('x', 'x'), 1)
    assert np.array_equal(plain, images)
    for before, after in ((plain, sent), (plain, changed), (changed, changed_sent)):
        assert before.shape == after.shape
        assert not np.array_equal(before, after)


def test_each_copy_is_changed_in_its_own_way():
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    shown = list(variants(images, Recipe('x', 'x'), 3))[::2]  # without what a camera sends
    assert len({found.tobytes() for found in shown}) == 4


def test_a_camera_sends_the_whole_of_an_input_that_is_not_square():
    """Ramps across and down: a picture that was cut would differ at its edges."""
    across, down = (np.linspace(0, 255, size).astype(np.uint8) for size in (96, 32))
    images = np.zeros((1, 32, 96, 3), np.uint8)
    images[..., 0], images[..., 1] = across[None, None], down[None, :, None]
    sent = as_camera(images, PreprocessConfig(height=32, width=96, resize='center_crop'))
    assert abs(sent.astype(int) - images).mean() < 8


def test_a_camera_compresses_red_as_red():
    """JPEG does not lose alike of red and blue: what is sent is what another encoder sends."""
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    frame = cv2.resize(image[0], (480, 480), interpolation=cv2.INTER_CUBIC)
    content = simplejpeg.encode_jpeg(frame, _QUALITY, colorsubsampling='420')
    theirs = prepare(simplejpeg.decode_jpeg(content), PreprocessConfig(height=32, width=32))
    ours = as_camera(image, PreprocessConfig(height=32, width=32))[0]
    other = as_camera(image[..., ::-1], PreprocessConfig(height=32, width=32))[0][..., ::-1]
    apart, swapped = (abs(each.astype(int) - theirs).mean() for each in (ours, other))
    assert apart < 0.75 * swapped


def test_a_direction_that_training_pictures_never_take_counts_much_but_not_without_end():
    """Mean tokens differ in the first direction, by 1, and hardly in the second."""
    tokens = torch.zeros(100, 1, 2)
    tokens[:, 0, 0] = 5 + torch.linspace(-1.7, 1.7, 100)

    class Encoder(torch.nn.Module):
        def forward(self, images):
            return tokens[:len(images)]

    model = SimpleNamespace(clip=SimpleNamespace(image_encoder=Encoder()),
                            feature_mean=torch.zeros(2), feature_whiten=torch.zeros(2, 2))
    fit_familiarity(model, [np.zeros((100, 4, 4, 3), np.uint8)])
    whitened = torch.tensor([[1.0, 0.0], [0.0, 1.0]]) @ model.feature_whiten
    assert model.feature_mean.tolist() == pytest.approx([5, 0], abs=1e-5)
    lengths = whitened.norm(dim=1)
    assert float(lengths[0]) == pytest.approx(1, rel=0.1)
    assert float(lengths[1]) == pytest.approx(1000, rel=0.1)  # the root of a millionth

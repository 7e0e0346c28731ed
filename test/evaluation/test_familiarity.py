from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros import backends, datasets
from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.models import find_model
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.evaluation import familiarity

values = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=30).map(np.array)


@given(values, values)
def test_auroc_is_the_share_of_pairs_in_the_right_order(low, high):
    pairs = [1.0 if h > n else 0.5 if h == n else 0.0 for n in low for h in high]
    assert familiarity.auroc(low, high) == pytest.approx(np.mean(pairs))


@pytest.fixture(scope='module')
def loaded():
    found = bundle.load(find_model('easy_vqa'))
    return found, backends.load(found)


@pytest.fixture(scope='module')
def rows(loaded):
    pytest.importorskip('easy_vqa', reason='needs EasyVQA: pip install easy-vqa')
    found, backend = loaded
    return familiarity.measure(backend, found.manifest, datasets.load('easy_vqa').split('val'))


def test_empty_noisy_and_covered_frames_are_told_from_familiar_ones(rows):
    assert list(rows) == ['familiar', 'noise', 'black', 'overexposed', 'blurred', 'half_covered',
                          'brighter', 'half_grainy', 'finger']
    assert rows['familiar']['auroc'] == pytest.approx(0.5)
    assert rows['familiar']['refused'] <= 0.01
    for name in ('noise', 'black'):
        assert rows[name]['refused'] >= 0.99, name
    assert rows['half_covered']['auroc'] >= 0.97


def test_a_finger_comes_from_one_side_and_spares_the_other():
    image = np.full((60, 80, 3), (20, 200, 220), np.uint8)
    sides = set()
    for seed in range(20):
        seen = familiarity.finger(image, np.random.default_rng(seed))
        assert (seen.shape, seen.dtype) == (image.shape, np.uint8)
        spared = (seen == image).all(axis=2)
        assert 0.4 < 1 - spared.mean() < 0.9
        sides.add((bool(spared[:, 0].all()), bool(spared[:, -1].all())))
        near = seen[~spared][np.abs(seen[~spared].astype(int) - image[0, 0]).sum(1).argmax()]
        assert near[0] > near[1] > near[2]  # reddish
    assert sides == {(True, False), (False, True)}


def test_half_of_a_picture_is_covered_with_grain_and_the_other_half_stays_as_it_was():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    for seed in range(8):
        covered = familiarity.half_grainy(image, np.random.default_rng(seed))
        plain = familiarity.half_covered(image, np.random.default_rng(seed))
        hidden = (plain != image).any(axis=2)
        assert (covered == image).all(axis=2)[~hidden].all()
        assert 3 < covered[hidden].std(axis=0).max() < 12


def test_half_of_a_picture_is_covered_and_the_other_half_stays_as_it_was():
    image = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
    seen = set()
    for seed in range(20):
        covered = familiarity.half_covered(image, np.random.default_rng(seed))
        assert covered.shape == image.shape
        same = (covered == image).all(axis=2)
        assert same.sum() == pytest.approx(image.shape[0] * image.shape[1] / 2, abs=2)
        seen.add((same[0].all(), same[-1].all(), same[:, 0].all(), same[:, -1].all()))
    assert len(seen) == 4  # each of the halves


@pytest.mark.parametrize('damage', [familiarity.noise, familiarity.black])
def test_an_unfamiliar_frame_gets_no_answer_and_says_why(loaded, damage):
    image = damage(np.zeros((480, 640, 3), np.uint8), np.random.default_rng(1))
    detail = open_pipeline('easy_vqa').respond(Request('what shape is present?'),
                                               Frame(lambda: (image, None)))
    assert detail.status is Status.UNFAMILIAR_IMAGE
    assert detail.answer is None
    assert 'unlike' in detail.reason


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(DatasetError, match='holds no pictures'):
        familiarity.pictures(Path(tmp_path))

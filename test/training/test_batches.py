from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('torch', reason='needs torch: pip install torch')
import cv2  # noqa: E402

from latent_vqa_ros.core.config import PreprocessConfig  # noqa: E402
from latent_vqa_ros.core.tokenizer import Tokenizer  # noqa: E402
from latent_vqa_ros.datasets.record import Question, Record  # noqa: E402
from latent_vqa_ros.training.batches import Split, augmented, augmented_epoch, mirrored  # noqa: E402
from latent_vqa_ros.training.config import AugmentConfig  # noqa: E402
from latent_vqa_ros.training.losses import IGNORED  # noqa: E402

TOKENIZER = Tokenizer(('is', 'it', 'red', 'blue', 'what'), 8)
ANSWERS = ('blue', 'red')
SIZE = PreprocessConfig(height=16, width=16)


@pytest.fixture
def split(tmp_path):
    records = []
    for i in range(6):
        path = tmp_path / f'{i}.png'
        cv2.imwrite(str(path), np.full((16, 16, 3), 40 * i, np.uint8))
        asked = [Question('what is it', ANSWERS[i % 2], 'color'), Question('is it', 'red', 'x')]
        records.append(Record(path, 'train', tuple(asked[:1 + i % 2]),
                              ('red',) if i < 3 else ()))
    return Split(records, SIZE, TOKENIZER, ANSWERS, (2, 2))


def test_a_batch_holds_each_image_once_with_all_its_questions(split):
    batch = split.batch([1, 4])
    assert batch.image_bhwc.shape == (2, 16, 16, 3)
    assert batch.image_bhwc[:, 0, 0, 0].tolist() == [40, 160]
    texts = [' '.join(TOKENIZER.vocabulary[i - 2] for i in row[1:] if i)
             for row in batch.question_ids_ut.tolist()]
    asked = [[(texts[q], int(a)) for q, a in zip(qs, answers, strict=True) if a != IGNORED]
             for qs, answers in zip(batch.question_bq, batch.answer_bq, strict=True)]
    assert asked == [[('what is it', 1), ('is it', 1)], [('what is it', 0)]]
    assert batch.caption_b.tolist() == [0, -1]


def test_an_epoch_is_a_function_of_its_seed(split):
    config = AugmentConfig(symmetries=True)
    runs = [list(augmented_epoch(split, seed, 2, config, 'cpu'))
            for seed in ((0, 1, 2), (0, 1, 2), (0, 1, 3))]
    same = [(a.image_bhwc == b.image_bhwc).all() for a, b in zip(*runs[:2], strict=True)]
    assert all(same)
    assert not all((a.image_bhwc == b.image_bhwc).all()
                   for a, b in zip(runs[0], runs[2], strict=True))


def test_an_epoch_shows_each_image_at_most_once(split):
    rows = [row for batch in split.epoch((1,), 4) for row in batch]
    assert len(rows) == len(set(rows)) == 4


def test_augmentation_keeps_colors_apart_and_the_originals_untouched():
    palette = np.array([[0, 0, 0], [128, 128, 128], [255, 0, 0], [0, 255, 0], [0, 0, 255],
                        [165, 42, 42], [0, 128, 128], [255, 255, 0]], np.uint8)
    images = np.broadcast_to(palette[:, None, None], (8, 16, 16, 3)).copy()
    before = images.copy()
    for seed in range(50):
        changed = augmented(images, np.random.default_rng(seed), AugmentConfig(symmetries=True))
        seen = changed.reshape(8, -1, 3).mean(axis=1)
        nearest = np.linalg.norm(seen[:, None] - palette[None].astype(float), axis=2).argmin(1)
        assert nearest.tolist() == list(range(8))
    assert np.array_equal(images, before)


def test_shade_changes_brightness_smoothly_and_no_color():
    images = np.full((1, 96, 96, 3), (150, 100, 50), np.uint8)
    config = AugmentConfig(noise=0, gain=0, blur=0, shade=0.4)
    changed = np.concatenate([augmented(images, np.random.default_rng(seed), config)
                              for seed in range(30)]).astype(float)
    assert np.ptp(changed[..., 0], axis=(1, 2)).max() > 40  # up to 150 * (1 +- 0.4)
    assert abs(np.diff(changed, axis=2)).max() < 150 * 0.4 / 2
    assert abs(changed - changed[..., :1] * np.array([1, 2 / 3, 1 / 3])).max() <= 1


def test_a_shadow_darkens_one_part_evenly_and_nothing_else():
    images = np.full((1, 96, 96, 3), (150, 100, 50), np.uint8)
    config = AugmentConfig(noise=0, gain=0, blur=0, shadow=0.4)
    changed = np.concatenate([augmented(images, np.random.default_rng(seed), config)
                              for seed in range(30)])
    assert all(len(np.unique(each.reshape(-1, 3), axis=0)) <= 2 for each in changed)
    lit = (changed == images).all(axis=-1).mean(axis=(1, 2))
    assert lit.min() > 0
    assert 0.3 < lit.mean() < 0.98
    assert changed[..., 0].max() == 150
    assert 90 <= changed[..., 0].min() < 105


def test_without_symmetries_left_stays_left():
    image = np.zeros((1, 16, 16, 3), np.uint8)
    image[:, :, :4] = 255
    config = replace(AugmentConfig(), symmetries=False)
    for seed in range(20):
        changed = augmented(image, np.random.default_rng(seed), config)[0]
        assert changed[:, :3].min() > 150
        assert changed[:, 6:].max() < 60


def test_left_of_and_right_of_change_places_and_other_words_stay():
    tokenizer = Tokenizer(('a', 'b', 'is', 'it', 'left', 'now', 'of', 'on', 'right', 'the'), 12)
    asked = ['is a on the right of b right now', 'is a left of b', 'is it right of a left']
    found = [' '.join(tokenizer.vocabulary[i - 2] for i in row[1:] if i)
             for row in mirrored(tokenizer.encode_batch(asked), tokenizer).tolist()]
    assert found == ['is a on the left of b right now', 'is a right of b', 'is it left of a left']


def test_a_mirrored_picture_is_asked_the_mirrored_question_and_has_no_caption(tmp_path):
    tokenizer = Tokenizer(('is', 'it', 'left', 'of', 'right'), 8)
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, :8] = 200
    cv2.imwrite(str(tmp_path / '0.png'), picture)
    record = Record(tmp_path / '0.png', 'train', (Question('is it left of it', 'red', 'x'),),
                    ('left of',))
    split = Split([record], SIZE, tokenizer, ANSWERS, (2, 2))
    config = AugmentConfig(mirror=True, noise=0, gain=0, blur=0)
    seen = set()
    for seed in range(20):
        batch = split.batch([0], np.random.default_rng(seed), config)
        word = tokenizer.vocabulary[int(batch.question_ids_ut[batch.question_bq[0, 0], 3]) - 2]
        seen.add((word, bool(batch.image_bhwc[0, 0, 0, 0] > 100), batch.caption_b.tolist()[0]))
    assert seen == {('left', True, 0), ('right', False, -1)}

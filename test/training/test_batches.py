from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('torch', reason='needs torch: pip install torch')
import cv2  # noqa: E402

from latent_vqa_ros.core.config import PreprocessConfig  # noqa: E402
from latent_vqa_ros.core.tokenizer import Tokenizer  # noqa: E402
from latent_vqa_ros.datasets.record import Phrase, Question, Record  # noqa: E402
from latent_vqa_ros.training.batches import Split, augmented, augmented_epoch  # noqa: E402
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
    assert changed[..., 0].min() < 125
    assert changed[..., 0].max() > 175
    assert abs(np.diff(changed, axis=2)).max() < 150 * 0.4 / 2
    assert abs(changed - changed[..., :1] * np.array([1, 2 / 3, 1 / 3])).max() <= 1


def test_a_shadow_darkens_one_part_evenly_and_nothing_else():
    images = np.full((1, 96, 48, 3), (150, 100, 50), np.uint8)
    config = AugmentConfig(noise=0, gain=0, blur=0, shadow=0.4)
    changed = np.concatenate([augmented(images, np.random.default_rng(seed), config)
                              for seed in range(30)])
    assert all(len(np.unique(each.reshape(-1, 3), axis=0)) <= 2 for each in changed)
    lit = (changed == images).all(axis=-1).mean(axis=(1, 2))
    dark = (changed < images).all(axis=-1).any(axis=0)
    assert dark.mean() > 0.8  # it may fall anywhere, also on the lower half of a portrait
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


def test_an_answer_that_tells_a_side_is_the_other_side_in_a_mirrored_picture(tmp_path):
    tokenizer = Tokenizer(('is', 'it', 'left', 'middle', 'one', 'or', 'red', 'right', 'the',
                           'upper', 'where'), 8)
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, :8] = 200
    cv2.imwrite(str(tmp_path / '0.png'), picture)
    answers = ('Left', 'leftmost', 'left or right', 'middle', 'red', 'right', 'the left one',
               'the right one', 'upper left')
    record = Record(tmp_path / '0.png', 'train', tuple(
        Question(text, answer, 'x') for text, answer in (
            ('where is it', 'Left'), ('where is it', 'right'), ('where is it', 'middle'),
            ('is it left or right', 'right'), ('where', 'the left one'), ('where', 'upper left'),
            ('where', 'leftmost'), ('where', 'left or right'))), ())
    split = Split([record], SIZE, tokenizer, answers, (2, 2))
    config = AugmentConfig(mirror=True, noise=0, gain=0, blur=0)
    seen = set()
    for seed in range(20):
        batch = split.batch([0], np.random.default_rng(seed), config)
        seen.add((bool(batch.image_bhwc[0, 0, 0, 0] > 100), tuple(
            answers[row] if row != IGNORED else '' for row in batch.answer_bq[0].tolist())))
    assert seen == {(True, tuple(question.answer for question in record.questions)), (
        False, ('right', 'Left', 'middle', 'Left', 'the right one', '', '', ''))}


def test_a_mirrored_picture_is_not_asked_what_the_mirror_makes_false(tmp_path):
    tokenizer = Tokenizer(('is', 'it', 'left', 'leftward', 'of', 'or', 'right', 'there'), 8)
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, :8] = 200
    cv2.imwrite(str(tmp_path / '0.png'), picture)
    named = (Phrase(2, 3, (0.1, 0.5), (0.0, 0.0, 0.2, 0.2)),)
    asked = [Question('is it leftward', 'red', 'x', named), Question('is it there', 'red', 'x',
                                                                     named),
             Question('is it left or right of it', 'left', 'x', named)]
    records = [Record(tmp_path / '0.png', 'train', tuple(some), ())
               for some in (asked, asked[:1], [])]
    split = Split(records, SIZE, tokenizer, ('left', 'red'), (2, 2))
    config = AugmentConfig(mirror=True, noise=0, gain=0, blur=0)
    seen = [set(), set(), set()]
    for seed in range(20):
        batch = split.batch([0, 1, 2], np.random.default_rng(seed), config)
        for row, found in enumerate(seen):
            words = batch.places.word_w5
            found.add((bool(batch.image_bhwc[row, 0, 0, 0] > 100),
                       tuple(batch.answer_bq[row].tolist()),
                       tuple(words[words[:, 0] == row, 1].tolist())))
    none = (IGNORED,) * 3
    assert seen == [{(True, (1, 1, 0), (0, 1, 2)), (False, (IGNORED, 1, IGNORED), (1,))},
                    {(True, (1, IGNORED, IGNORED), (0,))}, {(True, none, ()), (False, none, ())}]


def alone(images, seeds=range(40), **config):
    """Return copies of images that one change alone was made to, a batch for each seed."""
    still = {'noise': 0.0, 'gain': 0.0, 'blur': 0.0}
    return np.stack([augmented(images, np.random.default_rng(seed),
                               AugmentConfig(**{**still, **config})) for seed in seeds]
                    ).astype(float)


def test_without_a_change_pictures_stay_as_they_are():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    assert np.array_equal(alone(images), np.broadcast_to(images, (40, *images.shape)))


def test_symmetries_show_all_eight_views_of_a_square_and_nothing_else():
    image = np.arange(16 * 16 * 3, dtype=np.uint16).reshape(1, 16, 16, 3).astype(np.uint8)
    views = {np.rot90(side, turns).tobytes() for turns in range(4)
             for side in (image[0], image[0, :, ::-1])}
    seen = [view.astype(np.uint8).tobytes() for view in alone(image, symmetries=True)[:, 0]]
    assert len(views) == 8
    assert set(seen) == views


def test_noise_is_of_each_pixel_alone_and_of_random_strength_up_to_its_highest():
    images = np.full((1, 64, 64, 3), 128, np.uint8)
    change = alone(images, noise=20.0)[:, 0] - 128
    strength = change.std(axis=(1, 2, 3))
    assert 0 <= strength.min() < 5
    assert 15 < strength.max() < 21
    assert abs(change.mean(axis=(1, 2, 3))).max() < 1
    beside = (change[:, 1:] * change[:, :-1]).mean(axis=(1, 2, 3)) / (1 + strength ** 2)
    assert abs(beside).max() < 0.05


def test_gain_changes_brightness_and_each_color_evenly_and_up_to_its_highest():
    images = np.full((1, 16, 16, 3), 100, np.uint8)
    changed = alone(images, gain=0.4)[:, 0]
    assert np.ptp(changed, axis=(1, 2)).max() == 0
    factor = changed[:, 0, 0] / 100
    assert 0.6 - 0.01 <= factor.min() < 0.75
    assert 1.25 < factor.max() <= 1.4 + 0.01
    colors = np.ptp(factor, axis=1)  # a cast
    assert 0.2 < colors.max() <= 0.41
    assert np.ptp(factor.mean(axis=1)) > 0.2  # brightness of all


def test_blur_mixes_in_the_mean_of_the_neighbours_at_a_random_share_up_to_its_highest():
    image = np.zeros((1, 16, 16, 3), np.uint8)
    image[:, 8, 8] = 252
    changed = alone(image, blur=0.5)[:, 0]
    share = changed[:, 8, 7, 0] / (252 / 9)
    assert 0 <= share.min() < 0.1
    assert 0.4 < share.max() <= 0.52
    assert abs(changed[:, 8, 8, 0] - 252 * (1 - share * 8 / 9)).max() < 15
    assert changed[:, :7].max() == 0


def test_an_epoch_is_shuffled_anew_each_time(split):
    orders = [[row for batch in split.epoch((0, number), 1) for row in batch]
              for number in range(4)]
    assert {tuple(sorted(order)) for order in orders} == {tuple(range(6))}
    assert len(set(map(tuple, orders))) > 1
    assert orders[0] == [row for batch in split.epoch((0, 0), 1) for row in batch]


def test_a_picture_of_several_captions_shows_each_at_times_and_the_first_without_chance(tmp_path):
    cv2.imwrite(str(tmp_path / '0.png'), np.zeros((16, 16, 3), np.uint8))
    record = Record(tmp_path / '0.png', 'train', (Question('is it', 'red', 'x'),),
                    ('red', 'blue', 'what'))
    split = Split([record], SIZE, TOKENIZER, ANSWERS, (2, 2))

    def told(rng):
        batch = split.batch([0], rng, AugmentConfig() if rng else None)
        return TOKENIZER.vocabulary[int(batch.caption_ids_ut[batch.caption_b[0], 1]) - 2]

    assert {told(np.random.default_rng(seed)) for seed in range(30)} == {'red', 'blue', 'what'}
    assert told(None) == 'red'


def test_a_mirrored_picture_is_mirrored_with_its_places_half_of_the_time(split):
    config = AugmentConfig(mirror=True, noise=0, gain=0, blur=0)
    split.pictures.take = lambda rows: np.tile(  # bright on the left
        np.repeat([200, 0], 8).astype(np.uint8)[None, None, :, None], (len(rows), 16, 1, 3))
    left = [bool(image[0, 0, 0] > 100) for seed in range(50)
            for image in split.batch(range(6), np.random.default_rng(seed), config).image_bhwc]
    assert 0.4 < sum(left) / len(left) < 0.6

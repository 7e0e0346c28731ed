from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('torch', reason='needs torch: pip install torch')
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from latent_vqa_ros.core.config import PreprocessConfig  # noqa: E402
from latent_vqa_ros.core.tokenizer import Tokenizer  # noqa: E402
from latent_vqa_ros.datasets.record import Phrase, Question, Record, Region  # noqa: E402
from latent_vqa_ros.training import run  # noqa: E402
from latent_vqa_ros.training.config import Recipe, StageConfig  # noqa: E402
from latent_vqa_ros.training.places import PlacedRecords  # noqa: E402

TOKENIZER = Tokenizer(('a', 'ball', 'color', 'cube', 'is', 'nothing', 'red', 'the', 'what'), 8)
GRID = 6, 8  # rows, columns
BOX = (0.0, 0.0, 0.1, 0.1)
BALL, CUBE, HIDDEN = (0.1, 0.9), (0.9, 0.1), (0.5, 0.5)
CELLS = {BALL: 40, CUBE: 7, HIDDEN: 28}


def record(questions=(), regions=()):
    return Record('x.png', 'train', tuple(questions), (), tuple(regions), told=True)


SEEN = record(
    [Question('what is it', 'ball', 'what'),
     Question('is the red ball a cube', 'no', 'x', (Phrase(2, 4, BALL, BOX),
                                                    Phrase(5, 6, CUBE, BOX))),
     Question('what color', 'red', 'what', (Phrase(0, 1, CUBE, BOX, named=False),))],
    [Region('a red ball', BALL), Region('', HIDDEN), Region('a cube', CUBE)])
PLAIN = record([Question('what', 'red', 'what')])


@pytest.fixture
def placed():
    return PlacedRecords([PLAIN, SEEN], PreprocessConfig(), TOKENIZER, GRID)


def spelled(ids):
    return ' '.join(TOKENIZER.vocabulary[i - 2] for i in ids[1:] if i)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_the_center_of_a_cell_lies_in_that_cell(rows, columns, data):
    cell = data.draw(st.integers(0, rows * columns - 1))
    y, x = divmod(cell, columns)
    center = (x + 0.5) / columns, (y + 0.5) / rows
    assert PlacedRecords([], PreprocessConfig(), TOKENIZER, (rows, columns)).cell(center) == cell


def test_points_on_the_border_and_beyond_belong_to_the_cells_inside(placed):
    assert [placed.cell(at) for at in ((0, 0), (1, 0), (0, 1), (1, 1), (-0.2, 1.3))] == [
        0, 7, 40, 47, 40]


def test_things_that_a_crop_cuts_off_have_no_place():
    wide = replace(SEEN, aspect=2.0)  # the square in its middle goes from 0.25 to 0.75
    batch = [PlacedRecords([wide], PreprocessConfig(resize=rule), TOKENIZER, GRID).batch(
        [0], None, np.zeros(9, bool)) for rule in ('center_crop', 'letterbox')]
    assert [len(each.region_r3) for each in batch] == [0, 2]
    assert [len(each.word_w5) for each in batch] == [0, 4]


def test_each_word_of_a_phrase_is_a_token_of_its_question_and_of_its_picture(placed):
    words = placed.batch([0, 1, 1], None, np.zeros(9, bool)).word_w5.tolist()
    ball, cube = CELLS[BALL], CELLS[CUBE]
    once = [[1, 3, ball, 1], [1, 4, ball, 1], [1, 6, cube, 1], [2, 1, cube, 0]]
    assert words == [[picture, *word] for picture in (1, 2) for word in once]
    ids = TOKENIZER.encode(SEEN.questions[1].text)
    assert [TOKENIZER.vocabulary[ids[token] - 2] for token in (3, 4, 6)] == [
        'red', 'ball', 'cube']


def test_regions_carry_their_captions_and_hidden_ones_are_not_trained(placed):
    places = placed.batch([1, 0], None, np.zeros(9, bool))
    told = [(image, cell, spelled(places.caption_ids_ut[caption].tolist()))
            for image, cell, caption in places.region_r3.tolist()]
    assert told == [(0, CELLS[BALL], 'a red ball'), (0, CELLS[CUBE], 'a cube')]


def test_empty_cells_are_drawn_only_with_a_generator_and_never_near_a_thing(placed):
    """The hidden thing, too, keeps them away."""
    rng, drawn = np.random.default_rng(0), set()
    for _ in range(200):
        places = placed.batch([0, 1], rng, np.zeros(9, bool))
        for image, cell, caption in places.region_r3.tolist():
            if spelled(places.caption_ids_ut[caption].tolist()) == 'nothing':
                drawn.add((image, cell))
    things = [divmod(cell, GRID[1]) for cell in CELLS.values()]
    far = {cell for cell in range(48) if all(
        max(abs(cell // 8 - y), abs(cell % 8 - x)) > 1 for y, x in things)}
    assert {cell for image, cell in drawn if image == 1} == far
    assert {cell for image, cell in drawn if image == 0} == set(range(48))


def test_data_without_things_has_no_empty_cells():
    placed = PlacedRecords([PLAIN], PreprocessConfig(), Tokenizer(('what', 'red'), 8), GRID)
    places = placed.batch([0], np.random.default_rng(0), np.zeros(1, bool))
    assert not placed.exist
    assert (places.region_r3.shape, places.word_w5.shape) == ((0, 3), (0, 5))


def test_in_a_mirrored_picture_things_change_sides(placed):
    flipped = np.array([False, True])
    plain, turned = (placed.batch([1, 1], None, which) for which in (~flipped & flipped, flipped))
    for name, column in (('region_r3', 1), ('word_w5', 3)):
        before, after = (getattr(each, name).numpy() for each in (plain, turned))
        second = before[:, 0] == 1
        assert np.array_equal(after[~second], before[~second])
        y, x = np.divmod(before[second, column], GRID[1])
        assert np.array_equal(after[second, column], y * GRID[1] + GRID[1] - 1 - x)
        assert second.any()


def test_a_mirrored_thing_has_no_caption_that_tells_its_side():
    tokenizer = Tokenizer(('a', 'cube', 'left', 'nothing'), 8)
    told = PlacedRecords([record(regions=[Region('a left cube', BALL), Region('a cube', CUBE)])],
                         PreprocessConfig(), tokenizer, GRID)
    plain, turned = (told.batch([0], None, np.array([flip])) for flip in (False, True))
    assert len(plain.region_r3) == 2
    assert turned.region_r3[:, :2].tolist() == [[0, 0]]  # of the cube, from the right to the left


def test_nothing_is_said_of_pictures_whose_things_nobody_told():
    placed = PlacedRecords([replace(PLAIN, told=False), SEEN, PLAIN], PreprocessConfig(),
                           TOKENIZER, GRID)
    batch = placed.batch([0, 1, 2], np.random.default_rng(0), np.zeros(9, bool))
    assert set(batch.region_r3[:, 0].tolist()) == {1, 2}


def test_weights_of_places_that_no_picture_tells_are_warned_of(caplog):
    for weights, regions, warned in (({'region_weight': 1.0}, (), True), ({}, (), False),
                                     ({'grounding_weight': 1.0}, (), True),
                                     ({'region_weight': 1.0}, (Region('x', (0.5, 0.5)),), False)):
        caplog.clear()
        run.warn_of_places(Recipe('x', 'y', finetune=StageConfig(**weights)),
                           [record(regions=regions)])
        assert ('teach nothing' in caplog.text) == warned

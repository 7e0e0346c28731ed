import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.preprocess import (
    GREY,
    in_input,
    prepare,
    source_box,
    target_box,
    to_source,
)

CROP = PreprocessConfig(height=64, width=64, resize='center_crop')
STRETCH = PreprocessConfig(height=64, width=64, resize='stretch')
WIDE = PreprocessConfig(height=48, width=64, resize='center_crop')
LETTER = PreprocessConfig(height=48, width=64, resize='letterbox')
sides = st.integers(1, 300)


def test_image_of_the_right_size_is_left_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.array_equal(prepare(image, CROP), image)


@given(sides, sides, st.sampled_from([CROP, STRETCH, WIDE]))
def test_every_size_becomes_the_input_size(height, width, config):
    image = np.full((height, width, 3), 77, np.uint8)
    prepared = prepare(image, config)
    assert prepared.shape == (config.height, config.width, 3)
    assert (prepared == 77).all()


@given(sides, sides, st.sampled_from([CROP, WIDE]))
def test_crop_is_centred_inside_the_frame_and_touches_two_sides(height, width, config):
    x, y, w, h = source_box(height, width, config)
    assert 0 <= x <= x + w <= width
    assert 0 <= y <= y + h <= height
    assert w == width or h == height
    assert abs((width - w) - 2 * x) <= 1
    assert abs((height - h) - 2 * y) <= 1


def test_crop_of_640x480_is_the_middle_480_columns():
    assert source_box(480, 640, CROP) == (80, 0, 480, 480)
    assert source_box(480, 640, STRETCH) == (0, 0, 640, 480)


any_side = st.integers(1, 4000)


@settings(deadline=None, max_examples=40)
@example(1, 1, CROP)
@example(1, 4000, CROP)
@example(4000, 1, WIDE)
@example(4000, 4000, WIDE)
@given(any_side, any_side, st.sampled_from([CROP, STRETCH, WIDE]))
def test_what_is_outside_the_seen_part_never_changes_the_input_and_its_corners_do(
        height, width, config):
    x, y, w, h = source_box(height, width, config)
    frame = np.full((height, width), 255, np.uint8)
    frame[y:y + h, x:x + w] = 0
    assert not prepare(frame, config).any()
    grid = config.height, config.width
    for column in (0, config.width - 1):
        for row in (0, config.height - 1):
            left, top, cell_w, cell_h = to_source((column, row, 1, 1), grid, height, width, config)
            corner = np.zeros((height, width), np.uint8)
            corner[top:top + cell_h, left:left + cell_w] = 255
            assert prepare(corner, config)[row, column] > 0
            assert left in (x, x + w - cell_w)
            assert top in (y, y + h - cell_h)


@settings(deadline=None, max_examples=40)
@example(1, 4000)
@example(4000, 1)
@given(any_side, any_side)
def test_a_letterbox_shows_all_of_the_frame_undistorted_between_grey_bars(height, width):
    left, top, w, h = target_box(height, width, LETTER)
    assert source_box(height, width, LETTER) == (0, 0, width, height)
    assert (w, h) == (64, 48) or w == 64 > 0 < h < 48 or h == 48 > 0 < w < 64
    assert abs(w - 64 * min(1, width * 48 / (height * 64))) <= 1
    assert abs(h - 48 * min(1, height * 64 / (width * 48))) <= 1
    assert abs(64 - w - 2 * left) <= 1
    assert abs(48 - h - 2 * top) <= 1
    prepared = prepare(np.full((height, width, 3), 255, np.uint8), LETTER)
    assert (prepared[top:top + h, left:left + w] == 255).all()
    assert (prepared == GREY).sum() == 3 * (48 * 64 - w * h)


def test_640x480_fills_three_quarters_of_a_square_letterbox():
    square = PreprocessConfig(height=64, width=64, resize='letterbox')
    assert target_box(480, 640, square) == (0, 8, 64, 48)
    assert to_source((0, 8, 1, 1), (64, 64), 480, 640, square) == (0, 0, 10, 10)
    assert to_source((0, 0, 64, 64), (64, 64), 480, 640, square) == (0, 0, 640, 480)
    assert to_source((0, 0, 8, 1), (8, 8), 480, 640, square) == (0, 0, 640, 1)  # a bar


@given(st.integers(20, 300), st.integers(20, 300),
       st.sampled_from([CROP, STRETCH, WIDE, LETTER]), st.floats(0, 1), st.floats(0, 1))
def test_a_point_of_the_frame_lies_in_the_box_that_its_cell_comes_from(height, width, config, x,
                                                                       y):
    at = in_input((x, y), width / height, config)
    cells = int(at[0] * config.width), int(at[1] * config.height)
    if min(at) < 0 or cells[0] >= config.width or cells[1] >= config.height:
        return  # cut off, or on the border
    grid = config.height, config.width
    left, top, w, h = to_source((*cells, 1, 1), grid, height, width, config)
    slack = max(width / config.width, height / config.height) + 1  # sides are whole pixels
    assert left - slack <= x * width <= left + w + slack
    assert top - slack <= y * height <= top + h + slack


@pytest.mark.parametrize('size', [(480, 640), (720, 1280), (97, 131)])
def test_shrinking_averages_instead_of_picking_pixels(size):
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert prepare(noise, CROP).std() < 0.6 * noise.std()


def test_a_thing_stays_where_it_is_in_the_frame():
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[120:240, 200:320] = 255  # cropped by 80 columns, then 7.5 times smaller
    rows, columns = np.nonzero(prepare(frame, CROP)[..., 0] > 127)
    assert (rows.min(), rows.max() + 1) == (16, 32)
    assert (columns.min(), columns.max() + 1) == (16, 32)


def test_frames_of_a_strided_view_are_taken():
    frame = np.random.default_rng(2).integers(0, 256, (100, 120, 4), dtype=np.uint8)[..., :3]
    assert np.array_equal(prepare(frame, CROP), prepare(frame.copy(), CROP))


@given(st.integers(64, 300), st.integers(64, 300),
       st.sampled_from([CROP, STRETCH, WIDE, LETTER]), st.data())
def test_what_is_painted_into_a_box_of_the_frame_arrives_in_its_cells(height, width, config, data):
    left, top, w, h = target_box(height, width, config)
    x, columns = cells_of(left, w, data)
    y, rows = cells_of(top, h, data)
    grid = config.height, config.width  # a cell is a pixel of the model's input
    left, top, w, h = to_source((x, y, columns, rows), grid, height, width, config)
    frame = np.zeros((height, width), np.uint8)
    frame[top:top + h, left:left + w] = 255
    seen_y, seen_x = np.nonzero(prepare(frame, config) > GREY)
    for seen, first, count in ((seen_x, x, columns), (seen_y, y, rows)):
        assert abs(seen.min() - first) <= 1
        assert abs(seen.max() + 1 - (first + count)) <= 1


def cells_of(first, side, data):
    """Draw a place and a length of at least three cells, so that rounding leaves some of it."""
    start = data.draw(st.integers(0, side - 3))
    return first + start, data.draw(st.integers(3, side - start))


@given(sides, sides, st.sampled_from([CROP, STRETCH, WIDE, LETTER]), st.integers(0, 11),
       st.integers(0, 11), st.integers(1, 12), st.integers(1, 12))
def test_a_box_of_cells_lies_in_the_part_of_the_frame_that_is_seen(
        height, width, config, x, y, columns, rows):
    cells = x, y, min(columns, 12 - x), min(rows, 12 - y)
    left, top, w, h = to_source(cells, (12, 12), height, width, config)
    seen_x, seen_y, seen_w, seen_h = source_box(height, width, config)
    assert w >= 1
    assert h >= 1
    assert seen_x <= left <= left + w <= seen_x + seen_w
    assert seen_y <= top <= top + h <= seen_y + seen_h
    assert all(type(value) is int for value in (left, top, w, h))


def test_a_cell_of_640x480_is_where_the_crop_took_it_from():
    assert to_source((0, 0, 1, 1), (12, 12), 480, 640, CROP) == (80, 0, 40, 40)
    assert to_source((11, 10, 1, 2), (12, 12), 480, 640, CROP) == (520, 400, 40, 80)
    assert to_source((11, 10, 1, 2), (12, 12), 480, 640, STRETCH) == (587, 400, 53, 80)

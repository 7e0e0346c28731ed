"""A JPEG that arrived in part is refused, whatever stands behind it; a whole one never is."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from helpers.jpegs import SMOOTH, VARIANTS, encoded, nothing_printed
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.image_formats import ImageError

PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
BUFFERED = {
    **{f'restarts {interval}': encoded('.jpg', SMOOTH, cv2.IMWRITE_JPEG_RST_INTERVAL, interval)
       for interval in (1, 20, 40)},
    'restarts, progressive': encoded('.jpg', SMOOTH, *PROGRESSIVE,
                                     cv2.IMWRITE_JPEG_RST_INTERVAL, 20),
    'no restarts': encoded('.jpg', SMOOTH),
    'best tables': encoded('.jpg', SMOOTH, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    'progressive': VARIANTS['progressive'],
}  # fmt: skip
FILLERS = st.sampled_from([b'\0', b'\xff', b'\x55'])


@pytest.mark.parametrize('name', BUFFERED)
@given(kept=st.floats(0.5, 0.95), filler=FILLERS,
       count=st.sampled_from([0, 4096, 1 << 16, 1 << 17]))
@settings(max_examples=40, deadline=None)
def test_a_jpeg_that_fills_its_buffer_in_part_is_refused(name, kept, filler, count):
    """A decoder takes zeros for a flat rest of the picture, and looks for restarts behind them."""
    whole = BUFFERED[name]
    start = whole[:int(len(whole) * kept)]
    for end in (b'\xff\xd9', b'\xff\xd9' + bytes(100), b''):
        with nothing_printed(), pytest.raises(ImageError, match='JPEG'):
            compressed_to_rgb(start + filler * count + end)


@pytest.mark.parametrize('name', BUFFERED)
@given(filler=FILLERS, count=st.sampled_from([0, 1, 2, 4096, 1 << 17]))
@settings(max_examples=15, deadline=None)
def test_a_whole_jpeg_with_restarts_or_without_is_decoded_from_any_buffer(name, filler, count):
    whole = BUFFERED[name]
    bgr = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR)
    for buffer in (whole[:-2] + filler * count + whole[-2:], whole + filler * count):
        with nothing_printed():
            assert np.array_equal(compressed_to_rgb(buffer), bgr[:, :, ::-1])


@pytest.mark.parametrize('last', [b'\0', b'\x55'])
def test_padding_equal_to_the_last_byte_of_a_picture_costs_it_nothing(last):
    whole = picture_that_ends_with(last)
    with nothing_printed():
        assert np.array_equal(compressed_to_rgb(whole[:-2] + last * 500 + whole[-2:]),
                              compressed_to_rgb(whole))


def picture_that_ends_with(last):
    """Return a small JPEG whose pixels' last byte is ``last``; ff is written as ff 00."""
    rng = np.random.default_rng(0)
    while True:
        jpeg = encoded('.jpg', rng.integers(0, 256, (16, 16, 3), np.uint8))
        if jpeg[-3:-2] == last:
            return jpeg


@pytest.mark.parametrize('name', VARIANTS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_jpeg_that_arrived_in_part_is_refused_though_an_end_marker_stands_there(name, data):
    whole = VARIANTS[name]
    bits = whole.index(b'\xff\xda') + 14
    stop = data.draw(st.integers(bits, len(whole) - 10))
    with nothing_printed(), pytest.raises(ImageError, match='JPEG'):
        compressed_to_rgb(whole[:stop] + b'\xff\xd9')


@pytest.mark.parametrize('name', VARIANTS)
def test_a_jpeg_that_lacks_a_piece_in_the_middle_is_refused_nearly_always(name):
    """What is lost may by chance be made up for by what is misread; JPEG has no checksum."""
    whole, rng, refused = VARIANTS[name], np.random.default_rng(0), 0
    bits = whole.index(b'\xff\xda') + 14
    for _ in range(100):
        start = int(rng.integers(bits, len(whole) - 300))
        with nothing_printed():
            try:
                compressed_to_rgb(whole[:start] + whole[start + 256:])
            except ImageError:
                refused += 1
    assert refused >= 90


@pytest.mark.parametrize('name', ['progressive', 'grey, progressive'])
def test_a_progressive_jpeg_without_its_last_scans_is_refused(name):
    scans = [found.start() for found in re.finditer(b'\xff\xda', VARIANTS[name])]
    assert len(scans) >= 6
    for at in scans[1:]:
        with pytest.raises(ImageError, match='truncated JPEG: scans are missing'):
            compressed_to_rgb(VARIANTS[name][:at] + b'\xff\xd9')


@pytest.mark.parametrize('name', ['420', 'grey', 'progressive', 'restarts', 'CMYK'])
@given(filler=st.sampled_from([b'\0', b'\xff', b'\x55']), count=st.integers(1, 3000))
@settings(max_examples=20, deadline=None)
def test_a_camera_may_fill_its_packets_up_before_the_end_marker(name, filler, count):
    whole = VARIANTS[name]
    padded = whole[:-2] + filler * count + whole[-2:]
    with nothing_printed():
        assert np.array_equal(compressed_to_rgb(padded), compressed_to_rgb(whole))


def test_other_bytes_before_the_end_marker_are_not_taken_for_padding():
    noise = np.random.default_rng(0).bytes(300).replace(b'\xff', b'')
    with nothing_printed(), pytest.raises(ImageError, match='broken JPEG'):
        compressed_to_rgb(VARIANTS['420'][:-2] + noise + VARIANTS['420'][-2:])

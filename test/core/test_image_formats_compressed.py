"""Facts about compressed pictures and coloured point clouds in core/image_formats."""

from __future__ import annotations

import array
import contextlib
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_vqa_ros.core import image_formats
from latent_vqa_ros.core.image_formats import (
    ImageError,
    cloud_to_rgb,
    compressed_to_rgb,
    raw_to_rgb,
)

BUFFERS = (bytes, bytearray, memoryview, lambda data: array.array('B', data),
           lambda data: np.frombuffer(data, np.uint8).copy())  # fmt: skip


def picture(height=24, width=33, channels=3, dtype=np.uint8):
    rng = np.random.default_rng(1)
    values = rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype)
    return values[:, :, 0] if channels == 1 else values


def encoded(suffix, bgr, *options):
    return cv2.imencode(suffix, bgr, options)[1].tobytes()


JPEG, PNG = encoded('.jpg', picture()), encoded('.png', picture())


@pytest.mark.parametrize('buffer', BUFFERS)
def test_png_gives_its_exact_colours_from_any_buffer(buffer):
    assert np.array_equal(compressed_to_rgb(buffer(PNG)), picture()[:, :, ::-1])


def test_jpeg_gives_what_opencv_decodes_progressive_and_grey_too():
    grey = encoded('.jpg', picture(channels=1))
    for data in (JPEG, grey, encoded('.jpg', picture(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)):
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        assert np.array_equal(compressed_to_rgb(data, 'bgr8; jpeg compressed bgr8'), expected)


def test_alpha_is_dropped_and_grey_is_repeated():
    bgra = picture(channels=4)
    assert np.array_equal(compressed_to_rgb(encoded('.png', bgra)), bgra[:, :, 2::-1])
    grey = picture(channels=1)
    assert np.array_equal(compressed_to_rgb(encoded('.png', grey)), np.dstack([grey] * 3))


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('bits', [8, 16])
def test_a_mosaic_that_was_compressed_as_it_is_has_the_colours_of_the_raw_image(pattern, bits):
    mosaic = picture(channels=1, dtype=np.uint8 if bits == 8 else np.uint16)
    raw = SimpleNamespace(height=24, width=33, encoding=f'bayer_{pattern}{bits}', is_bigendian=0,
                          step=33 * bits // 8, data=mosaic.tobytes())
    got = compressed_to_rgb(encoded('.png', mosaic), f'bayer_{pattern}{bits}; png compressed ')
    assert np.abs(got.astype(int) - raw_to_rgb(raw)).max() <= (0 if bits == 8 else 1)


@pytest.mark.parametrize('format_', [
    'bayer_rggb8; jpeg compressed mono8', 'bayer_rggb8; png compressed bgr8',
    'mono8; png compressed ', 'png', ''])
def test_what_is_no_mosaic_stays_grey(format_):
    grey = picture(channels=1)
    assert np.array_equal(compressed_to_rgb(encoded('.png', grey), format_), np.dstack([grey] * 3))


def test_colours_are_no_mosaic_whatever_the_format_says():
    assert np.array_equal(compressed_to_rgb(PNG, 'bayer_rggb8; png compressed '),
                          picture()[:, :, ::-1])


def test_16_bit_png_is_scaled_as_the_same_raw_image_is():
    deep = picture(dtype=np.uint16)
    raw = SimpleNamespace(
        height=24, width=33, encoding='bgr16', is_bigendian=0, step=198,
        data=deep.astype('<u2').tobytes(),
    )  # fmt: skip
    assert np.array_equal(compressed_to_rgb(encoded('.png', deep)), raw_to_rgb(raw))


def test_exif_orientation_does_not_turn_the_picture():
    tiff = b'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'  # rotate by 90
    exif = b'Exif\0\0' + tiff
    turned = JPEG[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + JPEG[2:]
    ours = cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR)
    assert ours.shape == (33, 24, 3)  # OpenCV itself does turn it
    assert np.array_equal(compressed_to_rgb(turned), compressed_to_rgb(JPEG))


def test_bytes_after_the_end_marker_and_fill_bytes_are_harmless():
    expected = compressed_to_rgb(JPEG)
    assert np.array_equal(compressed_to_rgb(JPEG + bytes(100)), expected)
    assert np.array_equal(compressed_to_rgb(JPEG[:2] + b'\xff\xff' + JPEG[2:]), expected)


@pytest.mark.parametrize('whole', [JPEG, PNG], ids=['jpeg', 'png'])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_truncation_is_refused(whole, data):
    with pytest.raises(ImageError):
        compressed_to_rgb(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_a_truncated_picture_is_called_truncated():
    for kind, data in (('JPEG', JPEG), ('PNG', PNG)):
        with pytest.raises(ImageError, match=f'truncated {kind}: its end marker is missing'):
            compressed_to_rgb(data[: len(data) * 2 // 3])


@pytest.mark.parametrize('whole', [JPEG, PNG], ids=['jpeg', 'png'])
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_picture_gives_rgb_or_an_image_error(whole, data):
    damaged = bytearray(whole)
    for at in data.draw(st.lists(st.integers(2, len(whole) - 1), min_size=1, max_size=8)):
        damaged[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        rgb = compressed_to_rgb(damaged)
        assert rgb.dtype == np.uint8
        assert rgb.shape[2:] == (3,)


@given(st.sampled_from([b'', b'\xff\xd8', b'\x89PNG\r\n\x1a\n']), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_noise_is_an_image_error(start, noise):
    with pytest.raises(ImageError):
        compressed_to_rgb(start + noise)


def test_size_is_checked_before_decoding(monkeypatch):
    monkeypatch.setattr(image_formats, '_decode', lambda *_: pytest.fail('decoded'))
    header = b'IHDR' + (60000).to_bytes(4, 'big') * 2 + PNG[24:29]
    png = PNG[:12] + header + zlib.crc32(header).to_bytes(4, 'big') + PNG[33:]
    sof = JPEG.index(b'\xff\xc0')
    jpeg = JPEG[: sof + 5] + b'\xea\x60\xea\x60' + JPEG[sof + 9 :]
    for data in (png, jpeg):
        with pytest.raises(ImageError, match='size 60000x60000 is over the limit'):
            compressed_to_rgb(data)
    with pytest.raises(ImageError, match='size 33x0 is too small'):
        compressed_to_rgb(JPEG[: sof + 5] + b'\0\0' + JPEG[sof + 7 :])


@pytest.mark.parametrize(('data', 'format_', 'words'), [
    (PNG, '16UC1; compressedDepth png', 'compressedDepth is a depth image'),
    (b'GIF89a' + bytes(20), 'gif', 'GIF'),
    (b'BM' + bytes(20), '', 'BMP'),
    (b'RIFF\x10\0\0\0WEBPVP8 ', 'webp', 'WebP'),
    (b'II*\0' + bytes(20), '', 'TIFF'),
    (b'\0\0\0\x01\x67\x42', 'h264', "starts with 00000001 (format 'h264')"),
    (b'', 'jpeg', 'empty data'),
    (JPEG[:2] + b'\xff\xe0\0\x02' * 5000 + JPEG[2:], '', 'no frame header'),
    ([1, 2], 'jpeg', 'not list'),
])  # fmt: skip
def test_other_formats_are_refused_by_name(data, format_, words):
    with pytest.raises(ImageError) as error:
        compressed_to_rgb(data, format_)
    assert words in str(error.value)
    assert '\n' not in str(error.value)


def field(name, offset=0, datatype=7):
    return SimpleNamespace(name=name, offset=offset, datatype=datatype, count=1)


def cloud(height=2, width=3, point_step=8, row_step=None, data=None, fields=None, big=0):
    row_step = width * point_step if row_step is None else row_step
    return SimpleNamespace(
        height=height, width=width, point_step=point_step, row_step=row_step, is_bigendian=big,
        fields=[field('x'), field('rgb', 4)] if fields is None else fields,
        data=bytes(row_step * height) if data is None else data,
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.integers(2, 6), st.integers(1, 6), st.integers(0, 20), st.integers(0, 7), st.integers(0, 9),
    st.sampled_from(['rgb', 'rgba']), st.sampled_from([6, 7]), st.integers(0, 1),
    st.sampled_from(BUFFERS), st.randoms(use_true_random=False),
)  # fmt: skip
def test_cloud_colours_agree_with_a_reference_point_by_point(
    height, width, offset, after, padding, name, datatype, big, buffer, random
):
    point_step = offset + 4 + after
    row_step = width * point_step + padding
    data = random.randbytes(row_step * height)
    message = cloud(
        height, width, point_step, row_step, buffer(data), [field(name, offset, datatype)], big
    )
    rgb = cloud_to_rgb(message)
    assert rgb.flags.c_contiguous
    assert rgb.dtype == np.uint8
    assert bytes(message.data) == data
    for y in range(height):
        for x in range(width):
            start = y * row_step + x * point_step + offset
            packed = int.from_bytes(data[start : start + 4], 'big' if big else 'little')
            assert rgb[y, x].tolist() == [packed >> 16 & 255, packed >> 8 & 255, packed & 255]


def test_cloud_prefers_rgb_to_rgba():
    data = bytes([1, 2, 3, 0, 4, 5, 6, 0]) * 2
    message = cloud(2, 1, data=data, fields=[field('rgba', 4), field('rgb', 0)])
    assert cloud_to_rgb(message).tolist() == [[[3, 2, 1]]] * 2


@pytest.mark.parametrize(('message', 'words'), [
    (cloud(height=1), 'not organized: its height is 1'),
    (cloud(height=0), 'too small'),
    (cloud(width=0), 'too small'),
    (cloud(fields=[field('x'), field('intensity')]), "no field rgb or rgba, only ['x', 'int"),
    (cloud(fields=[]), 'no field rgb or rgba'),
    (cloud(fields=[field('rgb', 4, 8)]), 'must be float32 or uint32'),
    (cloud(fields=[field('rgb', 5)]), 'does not fit in point_step 8'),
    (cloud(row_step=23), 'row_step 23 is too small for 3 points'),
    (cloud(data=bytes(47)), 'takes 48 bytes, got 47'),
    (cloud(2**32 - 1, 2**32 - 1, data=b''), 'over the limit'),
])  # fmt: skip
def test_cloud_without_usable_colours_is_refused_by_name(message, words):
    with pytest.raises(ImageError) as error:
        cloud_to_rgb(message)
    assert words in str(error.value)
    assert '\n' not in str(error.value)

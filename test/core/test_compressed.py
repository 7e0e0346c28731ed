"""JPEG and PNG: their colours, and whatever is damaged is refused, silently."""

from __future__ import annotations

import array
import contextlib
import logging
import struct
import sys
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers.jpegs import VARIANTS, encoded, nothing_printed, picture, turned
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_vqa_ros.core import compressed
from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.image_formats import ImageError, raw_to_rgb

BUFFERS = (bytes, bytearray, memoryview, lambda data: array.array('B', data),
           lambda data: np.frombuffer(data, np.uint8).copy())  # fmt: skip


def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


JPEG, PNG = encoded('.jpg', picture()), encoded('.png', picture())


@pytest.mark.parametrize('buffer', BUFFERS)
def test_png_gives_its_exact_colours_from_any_buffer(buffer):
    assert np.array_equal(compressed_to_rgb(buffer(PNG)), picture()[:, :, ::-1])


def test_jpeg_gives_what_opencv_decodes_progressive_and_grey_too():
    grey = encoded('.jpg', picture(channels=1))
    for data in (JPEG, grey, encoded('.jpg', picture(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)):
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        assert np.array_equal(compressed_to_rgb(data, 'bgr8; jpeg compressed bgr8'), expected)


@pytest.mark.parametrize(('orientation', 'turns'), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_a_file_is_seen_as_its_exif_turns_it_and_a_topic_as_it_is(orientation, turns):
    flat = compressed_to_rgb(JPEG)
    data = turned(JPEG, orientation)
    assert np.array_equal(compressed_to_rgb(data), flat)
    with nothing_printed():
        assert np.array_equal(compressed_to_rgb(data, upright=True), np.rot90(flat, turns))


@pytest.mark.parametrize('data', [JPEG, PNG, turned(JPEG, 99)])
def test_a_file_whose_exif_says_nothing_is_seen_as_it_is(data):
    with nothing_printed():
        assert np.array_equal(compressed_to_rgb(data, upright=True), compressed_to_rgb(data))


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


@pytest.fixture(params=['absent', 'built for another NumPy'])
def no_simplejpeg(request, monkeypatch, tmp_path):
    """A machine on which it cannot be imported, as a robot that rosdep has set up."""
    monkeypatch.delitem(sys.modules, 'simplejpeg')
    if request.param == 'absent':
        monkeypatch.setitem(sys.modules, 'simplejpeg', None)
    else:
        (tmp_path / 'simplejpeg.py').write_text('raise ValueError("numpy.dtype size changed")')
        monkeypatch.syspath_prepend(tmp_path)
    compressed._strict_decoder.cache_clear()
    yield
    compressed._strict_decoder.cache_clear()


def test_exif_orientation_does_not_turn_the_picture():
    turned = with_orientation(JPEG)
    ours = cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR)
    assert ours.shape == (33, 24, 3)  # OpenCV itself does turn it
    assert np.array_equal(compressed_to_rgb(turned), compressed_to_rgb(JPEG))


def test_exif_orientation_does_not_turn_it_without_simplejpeg_either(no_simplejpeg):
    assert compressed_to_rgb(with_orientation(JPEG)).shape == (24, 33, 3)


def with_orientation(jpeg):
    """Return the picture with a note that it lies on its side (EXIF 2.3, 4.6.4)."""
    tiff = b'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'  # rotate by 90
    exif = b'Exif\0\0' + tiff
    return jpeg[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + jpeg[2:]


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


@pytest.mark.parametrize('name', VARIANTS)
def test_each_kind_of_jpeg_has_opencvs_colours(name):
    bgr = cv2.imdecode(np.frombuffer(VARIANTS[name], np.uint8), cv2.IMREAD_COLOR)
    with nothing_printed():
        assert np.array_equal(compressed_to_rgb(VARIANTS[name]), bgr[:, :, ::-1])


def test_the_frames_of_a_camera_that_leaves_out_the_usual_tables_are_decoded():
    bare = VARIANTS['422']
    while (at := bare.find(b'\xff\xc4')) >= 0:
        bare = bare[:at] + bare[at + 2 + int.from_bytes(bare[at + 2:at + 4], 'big'):]
    assert len(bare) < len(VARIANTS['422'])
    assert np.array_equal(compressed_to_rgb(bare), compressed_to_rgb(VARIANTS['422']))


def test_without_simplejpeg_a_jpeg_is_decoded_and_what_is_lost_is_logged_once(
    no_simplejpeg, caplog
):
    expected = cv2.imdecode(np.frombuffer(JPEG, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(compressed_to_rgb(JPEG), expected)
        compressed_to_rgb(JPEG)
    assert caplog.text.count('python3 -m pip install --no-deps simplejpeg') == 1


def parts(png):
    """Return the chunks of a PNG as (kind, body)."""
    found, at = [], 8
    while at < len(png):
        length = int.from_bytes(png[at:at + 4], 'big')
        found.append((png[at + 4:at + 8], png[at + 8:at + 8 + length]))
        at += 12 + length
    return found


def joined(chunks):
    return PNG[:8] + b''.join(chunk(kind, body) for kind, body in chunks)


LARGE = encoded('.png', picture(96, 130))
PIXELS = b''.join(body for kind, body in parts(LARGE) if kind == b'IDAT')


@pytest.mark.parametrize(('pixels', 'said'), [
    (PIXELS[:len(PIXELS) // 2], 'only a part of it'), (PIXELS[:-6], 'only a part of it'),
    (PIXELS[:5000] + PIXELS[9000:], 'broken PNG'), (b'', 'only a part of it'),
    (zlib.compress(bytes(95 * 391)), 'take 37536 bytes, there are 37145'),
    (zlib.compress(bytes(97 * 391)), 'broken PNG'),
    (zlib.compress(bytes(1 << 26)), 'broken PNG'),
])
def test_pixels_that_are_missing_from_a_png_with_right_checksums_are_noticed(pixels, said):
    png = joined([parts(LARGE)[0], (b'IDAT', pixels), (b'IEND', b'')])
    with nothing_printed(), pytest.raises(ImageError, match=said):
        compressed_to_rgb(png)


def test_a_png_that_lacks_a_chunk_in_the_middle_is_refused():
    chunks = parts(LARGE)
    assert len(chunks) >= 5
    for at in range(1, len(chunks) - 1):
        with nothing_printed(), pytest.raises(ImageError, match='PNG'):
            compressed_to_rgb(joined(chunks[:at] + chunks[at + 1:]))


def test_chunks_that_do_not_decide_the_colours_cannot_make_libpng_print():
    odd = [(b'iCCP', b'sRGB\0\0' + zlib.compress(b'no profile')), (b'gAMA', bytes(4)),
           (b'eXIf', b'MM\0*'), (b'tRNS', bytes(6)), (b'tEXt', b'no keyword ends')]
    head, *rest = parts(LARGE)
    with nothing_printed():
        assert np.array_equal(compressed_to_rgb(joined([head, *odd, *rest])),
                              picture(96, 130)[:, :, ::-1])


def test_an_interlaced_png_is_decoded():
    rows = bytes([0, 10, 20, 30])  # a picture of one pixel has one pass
    head = struct.pack('>IIBBBBB', 1, 1, 8, 2, 0, 0, 1)
    png = joined([(b'IHDR', head), (b'IDAT', zlib.compress(rows)), (b'IEND', b'')])
    assert compressed_to_rgb(png).tolist() == [[[10, 20, 30]]]


@pytest.mark.parametrize('whole', [JPEG, PNG], ids=['jpeg', 'png'])
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_picture_gives_rgb_or_an_image_error_and_prints_nothing(whole, data):
    damaged = bytearray(whole)
    for at in data.draw(st.lists(st.integers(2, len(whole) - 1), min_size=1, max_size=8)):
        damaged[at] = data.draw(st.integers(0, 255))
    with nothing_printed(), contextlib.suppress(ImageError):
        rgb = compressed_to_rgb(damaged)
        assert rgb.dtype == np.uint8
        assert rgb.shape[2:] == (3,)


@given(st.sampled_from([b'', b'\xff\xd8', b'\x89PNG\r\n\x1a\n']), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_noise_is_an_image_error(start, noise):
    with pytest.raises(ImageError):
        compressed_to_rgb(start + noise)


def test_size_is_checked_before_decoding(monkeypatch):
    monkeypatch.setattr(compressed, '_by_opencv', lambda *_: pytest.fail('decoded'))
    monkeypatch.setattr(compressed, '_strict_decoder', lambda: pytest.fail('decoded'))
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
    (b'version https://git-lfs.github.com/spec/v1\noid', '', 'git lfs pull'),
    (b'', 'jpeg', 'empty data'),
    (JPEG[:2] + b'\xff\xe0\0\x02' * 5000 + JPEG[2:], '', 'no frame header'),
    ([1, 2], 'jpeg', 'not list'),
])  # fmt: skip
def test_other_formats_are_refused_by_name(data, format_, words):
    with pytest.raises(ImageError) as error:
        compressed_to_rgb(data, format_)
    assert words in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('scans', [101, 250_000])
def test_more_scans_than_any_encoder_writes_are_refused_before_they_are_decoded(scans):
    content = JPEG[:-2] + b'\xff\xda\x00\x02' * scans + JPEG[-2:]
    with pytest.raises(ImageError, match='more than 100 scans'):
        compressed_to_rgb(content)


def test_what_is_appended_to_a_picture_has_no_scans():
    assert compressed_to_rgb(JPEG + b'\xff\xda\x00\x02' * 1000).shape == picture().shape

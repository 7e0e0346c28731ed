"""Raw images and clouds, against references that convert one pixel or point at a time."""

from __future__ import annotations

import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_vqa_ros.core.image_formats import (
    KNOWN_ENCODINGS,
    MAX_PIXELS,
    ImageError,
    cloud_to_rgb,
    finish_rgb,
    raw_to_rgb,
    raw_to_view,
)

PROMISED = [
    'rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', '8UC1', '8UC3', '8UC4', 'mono16', '16UC1', 'rgb16',
    'bgr16', 'rgba16', 'bgra16', '16UC3', '16UC4', 'yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12',
    'nv21', 'nv24', 'bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8', 'bayer_rggb16',
    'bayer_bggr16', 'bayer_gbrg16', 'bayer_grbg16',
]
DEFERRED = ['rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', '8UC1', '8UC3', '8UC4']
BUFFERS = (bytes, bytearray, memoryview, lambda data: array.array('B', data),
           lambda data: np.frombuffer(data, np.uint8).copy())  # fmt: skip

# The reference: what the encodings mean, one pixel at a time.
ALIAS = {'8UC1': 'mono8', '8UC3': 'bgr8', '8UC4': 'bgra8', '16UC1': 'mono16', '16UC3': 'bgr16',
         '16UC4': 'bgra16', 'yuv422': 'uyvy', 'yuv422_yuy2': 'yuyv'}  # fmt: skip
ORDER = {'rgb': (3, 0, 1, 2), 'bgr': (3, 2, 1, 0), 'rgba': (4, 0, 1, 2), 'bgra': (4, 2, 1, 0),
         'mono': (1, 0, 0, 0)}  # fmt: skip


def traits(encoding):
    """(kind, bytes per value, values per pixel in a row, rows in data per row of the image)."""
    name = ALIAS.get(encoding, encoding)
    kind = name.rstrip('0123456789') if not name.startswith('nv') else name
    per_pixel = 2 if kind in ('uyvy', 'yuyv') else ORDER.get(kind, (1,))[0]
    rows = {'nv12': 1.5, 'nv21': 1.5, 'nv24': 3}.get(kind, 1)
    return kind, 2 if name.endswith('16') else 1, per_pixel, rows


def reference(message):
    kind, item, per_pixel, _ = traits(message.encoding)
    data, order = bytes(message.data), 'big' if message.is_bigendian else 'little'

    def at(y, x, channel=0):
        start = y * message.step + (x * per_pixel + channel) * item
        return int.from_bytes(data[start : start + item], order)

    if kind in ORDER:
        pixel = lambda y, x: [at(y, x, c) for c in ORDER[kind][1:]]  # noqa: E731
    elif kind.startswith('bayer'):
        pixel = lambda y, x: bayer(at, kind[6:10], message, y, x)  # noqa: E731
    else:
        pixel = lambda y, x: bt601(*luma_chroma(kind, data, message, y, x))  # noqa: E731
    rows = [[pixel(y, x) for x in range(message.width)] for y in range(message.height)]
    scale = 257 if item == 2 else 1
    return np.array([[[(2 * v + scale) // (2 * scale) for v in p] for p in row] for row in rows])


def bayer(at, pattern, message, y, x):
    """Bilinear: the mean of the nearest values of each colour; the rim repeats its neighbour."""
    y = min(max(y, 1), message.height - 2)
    x = min(max(x, 1), message.width - 2)

    def colour(row, column):
        return pattern[row % 2 * 2 + column % 2]

    rgb = []
    for wanted in 'rgb':
        if colour(y, x) == wanted:
            rgb.append(at(y, x))
            continue
        near = [at(j, i) for j in (y - 1, y, y + 1) for i in (x - 1, x, x + 1)
                if colour(j, i) == wanted]  # fmt: skip
        rgb.append((sum(near) + len(near) // 2) // len(near))
    return rgb


def luma_chroma(kind, data, message, y, x):
    step, even = message.step, x - x % 2
    if kind == 'uyvy':
        row = y * step
        return data[row + 2 * x + 1], data[row + 2 * even], data[row + 2 * even + 2]
    if kind == 'yuyv':
        row = y * step
        return data[row + 2 * x], data[row + 2 * even + 1], data[row + 2 * even + 3]
    chroma = message.height * step
    pair = chroma + (y * 2 * step + 2 * x if kind == 'nv24' else y // 2 * step + even)
    first, second = data[pair], data[pair + 1]
    return (data[y * step + x], *((second, first) if kind == 'nv21' else (first, second)))


def bt601(y, u, v):
    y, u, v = 1.164 * max(0, y - 16), u - 128, v - 128
    rgb = y + 1.596 * v, y - 0.813 * v - 0.391 * u, y + 2.018 * u
    return [min(255, max(0, round(value))) for value in rgb]


@st.composite
def messages(draw, encoding):
    kind, item, per_pixel, rows = traits(encoding)
    least = 3 if kind.startswith('bayer') else 1
    height, width = draw(st.integers(least, 9)), draw(st.integers(least, 17))
    width += width % 2 if kind in ('uyvy', 'yuyv', 'nv12', 'nv21') else 0
    height += height % 2 if kind in ('nv12', 'nv21') else 0
    step = width * per_pixel * item + draw(st.integers(0, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = int(step * height * rows)
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, step=step,
        is_bigendian=draw(st.integers(0, 1)),
        data=draw(st.sampled_from(BUFFERS))(rng.integers(0, 256, size, np.uint8).tobytes()),
    )  # fmt: skip


def image(encoding='bgr8', height=4, width=6, step=None, data=None, is_bigendian=0):
    step = width * 3 if step is None else step
    if data is None:
        data = bytes(i % 256 for i in range(min(step * height, 1024)))
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, step=step, data=data,
        is_bigendian=is_bigendian,
    )  # fmt: skip


def test_every_promised_encoding_is_known():
    assert sorted(KNOWN_ENCODINGS) == sorted(PROMISED)


@pytest.mark.parametrize('encoding', PROMISED)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_conversion_agrees_with_a_reference_pixel_by_pixel(encoding, data):
    message = data.draw(messages(encoding))
    before = bytes(message.data)
    rgb = raw_to_rgb(message)
    is_yuv = traits(encoding)[0] in ('uyvy', 'yuyv', 'nv12', 'nv21', 'nv24')
    assert rgb.dtype == np.uint8
    assert rgb.shape == (message.height, message.width, 3)
    assert rgb.flags.c_contiguous
    assert np.abs(rgb.astype(int) - reference(message)).max() <= (1 if is_yuv else 0)
    rgb[:] = 0  # a fresh array that may be drawn on
    assert bytes(message.data) == before


@pytest.mark.parametrize('encoding', PROMISED)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_resizing_before_the_colour_conversion_gives_the_same_pixels(encoding, data):
    message = data.draw(messages(encoding))
    pixels, code = raw_to_view(message)
    size = (min(message.width, 4), min(message.height, 3))
    late = finish_rgb(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), code)
    early = cv2.resize(raw_to_rgb(message), size, interpolation=cv2.INTER_AREA)
    assert np.array_equal(late, early)


@pytest.mark.parametrize('encoding', DEFERRED)
def test_view_of_a_packed_image_copies_nothing_and_cannot_be_written(encoding):
    message = image(encoding, data=np.arange(100, dtype=np.uint8), step=25)
    pixels, _ = raw_to_view(message)
    assert np.shares_memory(pixels, message.data)
    assert not pixels.flags.writeable


@pytest.mark.parametrize('is_bigendian', [0, 1])
def test_all_65536_values_of_mono16_are_rounded_to_the_nearest_of_256(is_bigendian):
    values = np.arange(65536).astype('>u2' if is_bigendian else '<u2')
    rgb = raw_to_rgb(image('mono16', 256, 256, 512, values.tobytes(), is_bigendian))
    assert np.array_equal(rgb[:, :, 1].ravel(), np.rint(np.arange(65536) / 257))


BAD_IMAGES = {
    'unknown': (image('32SC1'), "unknown encoding '32SC1'; known: rgb8, bgr8"),
    'depth': (image('32FC1'), '32FC1 is a depth image'),
    'deeper': (image('64FC1'), '64FC1 is a depth image'),
    'nameless': (image(''), "unknown encoding ''"),
    'long name': (image('x\n' * 10**6), 'unknown encoding'),
    'no rows': (image(height=0), 'size 6x0 is too small'),
    'no columns': (image(width=0), 'size 0x4 is too small'),
    'tiny bayer': (image('bayer_rggb8', 2, 2), 'size 2x2 is too small: at least 3x3'),
    'step': (image(step=17), 'step 17 is too small: 6 pixels of bgr8 take 18 bytes'),
    'step 16 bit': (image('mono16', step=11), 'step 11 is too small'),
    'step 0': (image(step=0), 'step 0 is too small'),
    'short': (image(data=bytes(71)), 'take 72 bytes, got 71'),
    'empty': (image(data=b''), 'take 72 bytes, got 0'),
    'short nv12': (image('nv12', step=6, data=bytes(35)), 'take 36 bytes, got 35'),
    'short nv24': (image('nv24', step=6, data=bytes(71)), 'take 72 bytes, got 71'),
    'long': (image(data=bytes(73)), 'take 72 bytes, got 73; a wrong step would shear'),
    'long nv12': (image('nv12', step=6, data=bytes(37)), 'take 36 bytes, got 37'),
    'gigantic': (image(height=2**32 - 1, width=2**32 - 1), f'limit of {MAX_PIXELS} pixels'),
    'gigantic step': (image(step=2**32 - 1), 'got 1024'),
    'odd uyvy': (image('uyvy', width=5), 'uyvy needs an even width, got 5x4'),
    'odd nv12': (image('nv12', height=3), 'nv12 needs an even size, got 6x3'),
    'list': (image(data=[0] * 72), 'data must be contiguous bytes, not list'),
    'gaps': (image(data=np.zeros(144, np.uint8)[::2]), 'not ndarray'),
}


@pytest.mark.parametrize('name', BAD_IMAGES)
def test_impossible_image_is_refused_with_one_clear_line(name):
    message, words = BAD_IMAGES[name]
    for convert in (raw_to_rgb, raw_to_view):
        with pytest.raises(ImageError) as error:
            convert(message)
        text = str(error.value)
        assert words in text
        assert '\n' not in text
        assert len(text) < 600


@pytest.mark.parametrize('encoding', PROMISED)
@settings(max_examples=10, deadline=None)
@given(data=st.data(), padding=st.integers(1, 64))
def test_rows_that_are_longer_than_their_step_are_refused_not_sheared(encoding, data, padding):
    message = data.draw(messages(encoding))
    rows = len(message.data) // message.step
    message.data = bytes(message.data) + bytes(rows * padding)
    with pytest.raises(ImageError, match='data is too long'):
        raw_to_rgb(message)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(PROMISED), st.integers(0, 40), st.integers(0, 40), st.integers(0, 200),
    st.binary(max_size=4000), st.booleans(),
)  # fmt: skip
def test_arbitrary_fields_give_rgb_or_an_image_error(encoding, height, width, step, data, big):
    message = image(encoding, height, width, step, data, big)
    try:
        rgb = raw_to_rgb(message)
    except ImageError:
        return
    assert rgb.shape == (height, width, 3)


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
    (cloud(data=bytes(47)), 'take 48 bytes, got 47'),
    (cloud(data=bytes(49)), 'take 48 bytes, got 49; a wrong row_step would shear'),
    (cloud(2**32 - 1, 2**32 - 1, data=b''), 'over the limit'),
])  # fmt: skip
def test_cloud_without_usable_colours_is_refused_by_name(message, words):
    with pytest.raises(ImageError) as error:
        cloud_to_rgb(message)
    assert words in str(error.value)
    assert '\n' not in str(error.value)

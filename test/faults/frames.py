"""Broken frames: a table from the fault's name to the message and the statuses that fit it.

    topic, message, statuses = FRAMES['raw']['wrong step, bgr8'](header)

Every message is a valid message of its type; what is broken is what it says.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
from faults.rig import cloud, encoded, image, jpeg, picture
from sensor_msgs.msg import CompressedImage, PointField
from std_msgs.msg import Header

from latent_vqa_ros.core.image_formats import KNOWN_ENCODINGS

Fault = Callable[[Header], tuple[str, object, set[str]]]
BAD, GREY = {'bad_image'}, {'unsure'}
LUMA = np.ascontiguousarray(picture()[:, :, 1])
HUGE = 2**32 - 1
CHANNELS = {'rgb': 3, 'bgr': 3, 'rgba': 4, 'bgra': 4, '8UC3': 3, '8UC4': 4, '16UC3': 3,
            '16UC4': 4, 'yuv': 2, 'uyvy': 2, 'yuyv': 2}


def raw(**fields: object) -> Fault:
    return lambda header: ('image_raw', image(header, **fields), BAD)


def bytes_per_pixel(encoding: str) -> int:
    """Return the bytes that a pixel takes in a row."""
    channels = max((size for name, size in CHANNELS.items() if encoding.startswith(name)),
                   default=1)
    return channels * (2 if encoding.endswith('16') or encoding.startswith('16U') else 1)


def encodings() -> dict[str, Fault]:
    """Return two faults per encoding that the node knows: a wrong step, data cut short."""
    faults = {}
    for name in KNOWN_ENCODINGS:
        row = 64 * bytes_per_pixel(name)
        faults[f'wrong step, {name}'] = raw(encoding=name, step=row - 1, data=bytes(row * 192))
        faults[f'short data, {name}'] = raw(encoding=name, step=row, data=bytes(row * 64 - 1))
    return faults


RAW: dict[str, Fault] = {
    **encodings(),
    'step 0': raw(step=0),
    'a step of 4 GB': raw(step=HUGE),
    'zero size': raw(height=0, width=0, step=0, data=b''),
    'zero width': raw(width=0),
    'zero height': raw(height=0),
    'no data': raw(data=b''),
    'a gigantic size': raw(height=2**31, width=2**31),
    'the largest size and step': raw(height=HUGE, width=HUGE, step=HUGE),
    'a gigantic height of width 1': raw(height=HUGE, width=1),
    'an odd width of yuv422': raw(encoding='yuv422', width=63),
    'an odd height of nv12': raw(encoding='nv12', height=63, step=64),
    'a bayer image of 2 x 2': raw(encoding='bayer_rggb8', height=2, width=2, step=2),
    'an unknown encoding': raw(encoding='made_up'),
    'an empty encoding': raw(encoding=''),
    'an encoding of 100 kB': raw(encoding='x' * 100_000),
    'an encoding with control characters': raw(encoding='bgr8\n\x1b[31m\x00'),
    'data longer than its rows': raw(data=bytes(64 * 200)),
    'data of twice the rows': raw(data=bytes(2 * 64 * 192)),
    'NaN floats in 32FC1': raw(encoding='32FC1', step=256,
                               data=np.full(4096, np.nan, np.float32).tobytes()),
    'infinite floats in 32FC3': raw(encoding='32FC3', step=768,
                                    data=np.full(12288, np.inf, np.float32).tobytes()),
}


def raw_grey(**fields: object) -> Fault:
    return lambda header: ('image_raw', image(header, **fields), GREY)


RAW |= {
    'a grey picture in mono8': raw_grey(encoding='mono8', step=64, data=LUMA.tobytes()),
    'a grey picture in 16UC1': raw_grey(encoding='16UC1', step=128,
                                        data=(LUMA.astype(np.uint16) * 257).tobytes()),
    'a grey picture in bgr8': raw_grey(data=np.dstack([LUMA] * 3).tobytes()),
}


def compressed(data: bytes, format_: str = 'jpeg', statuses: set[str] = BAD) -> Fault:
    return lambda header: ('image_raw/compressed',
                           CompressedImage(header=header, format=format_, data=data), statuses)


def jpeg_that_claims(height: int, width: int) -> bytes:
    """Return a JPEG whose frame header lies about its size (ITU T.81, B.2.2)."""
    content = jpeg()
    at = content.index(b'\xff\xc0') + 5
    return content[:at] + struct.pack('>HH', height, width) + content[at + 4:]


def png_that_claims(height: int, width: int) -> bytes:
    """Return a PNG whose IHDR chunk lies about its size, with the right checksum."""
    content = jpeg('.png')
    header = b'IHDR' + struct.pack('>II', width, height) + content[24:29]
    return content[:12] + header + struct.pack('>I', zlib.crc32(header)) + content[33:]


COMPRESSED: dict[str, Fault] = {
    'a JPEG cut after a third': compressed(jpeg()[:len(jpeg()) // 3]),
    'a JPEG without its end marker': compressed(jpeg()[:-2]),
    **{f'a JPEG of which {share} % arrived, with an end marker': compressed(
        jpeg()[:len(jpeg()) * share // 100] + b'\xff\xd9') for share in (50, 70, 90)},
    'a PNG of which a byte has changed': compressed(
        jpeg('.png')[:90] + bytes([jpeg('.png')[90] ^ 1]) + jpeg('.png')[91:], 'png'),
    'a grey JPEG': compressed(encoded(LUMA, '.jpg'), statuses=GREY),
    'a grey PNG': compressed(encoded(LUMA, '.png'), 'png', GREY),
    'a JPEG of two bytes': compressed(b'\xff\xd8'),
    'a JPEG that claims 65535 x 65535': compressed(jpeg_that_claims(65535, 65535)),
    'a JPEG that claims 0 x 0': compressed(jpeg_that_claims(0, 0)),
    'a PNG cut in the middle': compressed(jpeg('.png')[:len(jpeg('.png')) // 2], 'png'),
    'a PNG that claims 2^31 x 2^31': compressed(png_that_claims(2**31 - 1, 2**31 - 1), 'png'),
    'a PNG of noise after its header': compressed(jpeg('.png')[:41] + bytes(range(256)), 'png'),
    'compressed data that is empty': compressed(b''),
    'compressed noise': compressed(np.random.default_rng(0).bytes(5000)),
    'a GIF': compressed(b'GIF89a' + bytes(100)),
    'a text for a picture': compressed(b'<html>404 not found</html>', 'bgr8; jpeg compressed'),
    'a depth image': compressed(jpeg('.png'), '16UC1; compressedDepth png'),
}


def points(statuses: set[str] = BAD, **fields: object) -> Fault:
    return lambda header: ('points', cloud(header, **fields), statuses)


def fields_with(datatype: int = PointField.FLOAT32, offset: int = 12,
                name: str = 'rgb') -> list[PointField]:
    return [PointField(name=name, offset=offset, datatype=datatype, count=1)]


def nan_points(colour_too: bool) -> bytes:
    """Return 64 x 64 points that are NaN (as a depth camera gives where it sees nothing)."""
    values = np.full((64 * 64, 4), np.nan, np.float32)
    if not colour_too:
        values[:, 3] = 0
    return values.tobytes()


KEPT = {'ok', 'unsure', 'unfamiliar_image'}  # the colours are right, so it is answered about
POINTS: dict[str, Fault] = {
    'points that are NaN': points(KEPT, data=nan_points(colour_too=False)),
    'points and colours that are NaN': points(KEPT, data=nan_points(colour_too=True)),
    'a field of four thousand million elements': points(KEPT, fields=[*fields_with(), PointField(
        name='odd', offset=0, datatype=PointField.FLOAT32, count=HUGE)]),
    'a field outside its point beside the colour': points(KEPT, fields=[
        *fields_with(), *fields_with(offset=HUGE, name='odd')]),
    'a cloud that is not organized': points(height=1, width=4096, row_step=65536),
    'a cloud without colour': points(fields=fields_with(name='intensity')),
    'a cloud without fields': points(fields=[]),
    'a colour of float64': points(fields=fields_with(PointField.FLOAT64)),
    'a colour outside its point': points(fields=fields_with(offset=HUGE)),
    'a cloud with a wrong row_step': points(row_step=16),
    'a cloud with short data': points(data=bytes(100)),
    'a cloud of size zero': points(height=0, width=0, row_step=0, data=b''),
    'a cloud of a gigantic size': points(height=HUGE, width=HUGE),
    'a cloud with a point_step of 0': points(point_step=0),
}

FRAMES = {'raw': RAW, 'compressed': COMPRESSED, 'points': POINTS}

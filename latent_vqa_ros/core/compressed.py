"""JPEG and PNG pictures → RGB arrays: `compressed_to_rgb`.

A picture that arrived in part is an `ImageError`, though an end marker may stand there: cameras
and drivers write one behind whatever they have. Nothing is printed. The size is checked before
anything large is allocated. Knows no ROS.
"""

from __future__ import annotations

import contextlib
import logging
import re
import zlib
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np

from latent_vqa_ros.core.image_formats import (
    FORMATS,
    ImageError,
    Rgb,
    check_size,
    flat,
    to_8_bit,
    u8,
)

MAX_JPEG_SCANS = 100  # encoders write about 10; each takes the decoder the whole picture's time
MAX_JPEG_SEGMENTS = 4096  # before the frame header; an ICC profile takes 255 at most
MAX_EXIF_BYTES = 1 << 17  # where the segment with the orientation begins
CMYK = 4  # colour channels
GIT_LFS, LFS_ADVICE = b'version https://git-lfs', 'a Git LFS pointer to it: git lfs pull'
_SEGMENT = re.compile(rb'\xff+([^\xff])', re.DOTALL)  # where a marker must be
_MARKER = re.compile(rb'\xff+([^\x00\xff\xd0-\xd7])', re.DOTALL)  # behind the bits of a scan
_END = b'\xff\xd9'
_EXIF = b'Exif\0\0'
_PADDED = 'extraneous bytes before marker 0xd9'  # libjpeg's words
_PNG = b'\x89PNG\r\n\x1a\n'
_PNG_END = b'\0\0\0\0IEND\xaeB`\x82'
_CUT_PNG = 'truncated PNG: its end marker is missing'
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_GREY_PNG = (b'\0', b'\4')  # colour types: grey, and grey with alpha
_PIXEL_CHUNKS = frozenset({b'IHDR', b'PLTE', b'IDAT'})  # libpng prints warnings about others

log = logging.getLogger(__name__)


class _Jpeg(NamedTuple):
    """A JPEG's frame header (ITU T.81, B.2.2) and where it lies."""

    height: int
    width: int
    components: bytes  # their ids
    progressive: bool
    at: int  # of its length field


def compressed_to_rgb(data: Any, format_: str = '', upright: bool = False) -> Rgb:
    """Decode the bytes of a JPEG or PNG into a (height, width, 3) RGB array.

    The content decides, not the format string (drivers fill it freely); it only names what is
    refused, and the pattern of a Bayer mosaic that was compressed as it is. ``upright`` turns a
    JPEG as its EXIF orientation says, as viewers of files do; ROS ignores that. Alpha is dropped;
    a 16-bit PNG is scaled as a 16-bit raw image is. Raises ImageError.
    """
    content = _content(data, format_)
    if content.startswith(b'\xff\xd8'):
        rgb = _jpeg_to_rgb(content)
        if upright and _EXIF in content[:MAX_EXIF_BYTES]:
            height, width = rgb.shape[:2]
            rgb = _by_opencv(content, 'JPEG', height, width, upright=True)
    elif content.startswith(_PNG):
        rgb = _png_to_rgb(content)
    else:
        raise ImageError(_refusal(content, format_))
    return _unmosaic(rgb, format_)


def header_says_grey(data: Any, format_: str = '') -> bool | None:
    """Tell that a JPEG or PNG has one channel, of no mosaic; None where only its pixels tell.

    Raises ImageError for another content, and for one that lacks its header or its end.
    """
    content = _content(data, format_)
    if content.startswith(b'\xff\xd8'):
        grey = len(_whole_header(content).components) == 1
    elif content.startswith(_PNG):
        _check_png_header(content)
        if _PNG_END not in content:
            raise ImageError(_CUT_PNG)
        grey = content[25:26] in _GREY_PNG
    else:
        raise ImageError(_refusal(content, format_))
    return True if grey and not format_.startswith('bayer_') else None


def _unmosaic(rgb: Rgb, format_: str) -> Rgb:
    """Return the colours of a mosaic that image_transport compressed without converting it.

    Its format is then "bayer_rggb8; png compressed ", with nothing after the last word.
    """
    encoding, _, made = (part.strip() for part in format_.partition(';'))
    fmt = FORMATS.get(encoding)
    if fmt is None or not encoding.startswith('bayer_') or not made.endswith('compressed'):
        return rgb
    if min(rgb.shape[:2]) < fmt.least or not np.array_equal(rgb[..., 0], rgb[..., 2]):
        return rgb  # too small for a pattern, or in colours already
    return u8(cv2.cvtColor(np.ascontiguousarray(rgb[..., 0]), fmt.code or 0))


def _jpeg_to_rgb(content: bytes) -> Rgb:
    header = _whole_header(content)
    check_size(header.height, header.width)
    if _has_too_many_scans(content, header):
        raise ImageError(f'a JPEG of more than {MAX_JPEG_SCANS} scans is not taken')
    if not _has_every_scan(content, header):
        raise ImageError('truncated JPEG: scans are missing')
    decode = _strict_decoder()
    if decode is None:
        return _by_opencv(content, 'JPEG', header.height, header.width)
    kind = 'CMYK' if len(header.components) == CMYK else 'RGB'
    try:
        rgb = decode(content, kind)
    except ValueError as error:
        if _PADDED not in str(error):
            raise ImageError(f'broken JPEG, or only a part of it: {error}') from error
        content, rgb = _without_padding(decode, content, kind, header)
    if kind == 'CMYK':  # it is whole, but libjpeg does not convert it
        return _by_opencv(content, 'JPEG', header.height, header.width)
    return u8(rgb)


@lru_cache(maxsize=1)
def _strict_decoder() -> Any | None:
    """Return simplejpeg's decoder, which refuses what OpenCV only prints a warning about.

    The same libjpeg-turbo, the same pixels. A robot may lack it, or have it for another NumPy.
    """
    try:
        import simplejpeg
    except Exception:  # not there, or built for another NumPy, which may raise anything
        log.warning('JPEGs that arrived in part may be taken for whole ones: '
                    'python3 -m pip install --no-deps simplejpeg')
        return None
    return simplejpeg.decode_jpeg


def _without_padding(decode: Any, content: bytes, kind: str, header: _Jpeg) -> tuple[bytes, Any]:
    """Return a JPEG without the equal bytes before its end marker, and its pixels.

    Some cameras fill their packets up so; a buffer that was filled in part looks the same. The
    decoder takes such bytes for a picture where some of it is missing, and looks among them for
    a restart marker. Without them a whole picture is whole, and any other is refused.
    """
    end = content.find(_END, header.at)
    filler = content[end - 1 : end]
    picture = content[:end].rstrip(filler)
    for last in (b'', filler):  # the picture's own last byte may be equal: ff is written as ff 00
        bare = picture + last + _END
        with contextlib.suppress(ValueError):
            return bare, decode(bare, kind)
    raise ImageError('broken JPEG, or only a part of it: it lacks bytes before its end marker, '
                     'or has others there')


def _whole_header(content: bytes) -> _Jpeg:
    """Return the frame header of a JPEG that has an end."""
    header = _jpeg_header(content)
    if content.find(_END, header.at) < 0:
        raise ImageError('truncated JPEG: its end marker is missing')
    return header


def _jpeg_header(content: bytes) -> _Jpeg:
    """Return the frame header, which stands before the first scan."""
    at = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        found = _SEGMENT.match(content, at)
        if found is None or found[1] in b'\xd9\xda':  # end or scan before a frame header
            break
        at, code = found.end(), found[1][0]
        if code == 0x01 or 0xD0 <= code <= 0xD7:  # stands alone
            continue
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC) and len(content) >= at + 8:
            height, width = (int.from_bytes(content[at + i : at + i + 2], 'big') for i in (3, 5))
            ids = content[at + 8 : at + 8 + 3 * content[at + 7] : 3]
            return _Jpeg(height, width, ids, code & 3 == 2, at)
        at += _length(content, at)
    raise ImageError('broken or truncated JPEG: it has no frame header')


def _has_too_many_scans(content: bytes, header: _Jpeg) -> bool:
    """Tell whether more scans stand before the end marker than any encoder writes."""
    if content.count(b'\xff\xda', header.at) <= MAX_JPEG_SCANS:
        return False  # nearly every picture, cheaply
    at, scans = header.at, 0
    while scans <= MAX_JPEG_SCANS:
        found = _MARKER.search(content, at + _length(content, at))
        if found is None or found[1] == b'\xd9':  # what stands behind it is no picture
            return False
        at = found.end()
        scans += found[1] == b'\xda'
    return True


def _has_every_scan(content: bytes, header: _Jpeg) -> bool:
    """Tell whether the scans have all 64 coefficients of each component, to the last bit.

    A progressive JPEG that lacks its last scans is a coarse picture without any warning.
    """
    missing = {component: set(range(64)) for component in header.components}
    at = header.at
    while any(missing.values()):
        found = _MARKER.search(content, at + _length(content, at))
        if found is None or found[1] == b'\xd9':
            return False
        at = found.end()
        if found[1] != b'\xda':
            continue
        count = content[at + 2] if at + 2 < len(content) else 0
        first, last, bits = content[at + 3 + 2 * count : at + 6 + 2 * count].ljust(3, b'\0')
        if not header.progressive:
            first, last, bits = 0, 63, 0
        for component in content[at + 3 : at + 3 + 2 * count : 2]:
            if not bits & 15:
                missing.get(component, set()).difference_update(range(first, last + 1))
    return True


def _length(content: bytes, at: int) -> int:
    """Return the length of a JPEG's segment, its length field included."""
    return max(2, int.from_bytes(content[at : at + 2], 'big'))


def _png_to_rgb(content: bytes) -> Rgb:
    _check_png_header(content)
    width, height = (int.from_bytes(content[i : i + 4], 'big') for i in (16, 20))
    check_size(height, width)
    bits, colour_type, interlaced = content[24], content[25], content[28]
    row_bytes = (width * bits * _PNG_CHANNELS.get(colour_type, 4) + 7) // 8
    chunks = _pixel_chunks(content)
    _check_inflates(b''.join(chunk[8:-4] for chunk in chunks if chunk[4:8] == b'IDAT'),
                    height * (1 + row_bytes), bool(interlaced))
    return _by_opencv(b''.join((_PNG, *chunks, _PNG_END)), 'PNG', height, width, deep=bits == 16)


def _check_png_header(content: bytes) -> None:
    if content[12:16] != b'IHDR' or len(content) < 33:
        raise ImageError('broken or truncated PNG: it has no IHDR chunk')


def _pixel_chunks(content: bytes) -> list[bytes]:
    """Return the chunks that decide the colours; ImageError where one is damaged or missing."""
    chunks, at, kind = [], len(_PNG), b''
    while kind != b'IEND':
        end = at + 12 + int.from_bytes(content[at : at + 4], 'big')
        if end > len(content):
            raise ImageError(_CUT_PNG)
        kind, check = content[at + 4 : at + 8], content[end - 4 : end]
        if zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(check, 'big'):
            raise ImageError(f'broken PNG: the checksum of a chunk {kind!r:.12} is wrong')
        if kind in _PIXEL_CHUNKS:
            chunks.append(content[at:end])
        at = end
    return chunks


def _check_inflates(data: bytes, need: int, interlaced: bool) -> None:
    """Refuse pixels that are not ``need`` bytes: libpng says so only after it printed it.

    Rows of an interlaced picture take a few bytes more. Nothing of what is inflated is kept.
    """
    stream, have, most = zlib.decompressobj(), 0, 2 * need + 64 if interlaced else need
    try:
        while not stream.eof and have <= most:
            piece = stream.decompress(data, 1 << 20)
            if not piece and not stream.eof:
                break
            data, have = stream.unconsumed_tail, have + len(piece)
    except zlib.error as error:
        raise ImageError(f'broken PNG: {error}') from error
    if not stream.eof or not (interlaced or have == need):
        raise ImageError(f'broken PNG, or only a part of it: its pixels take {need} bytes, '
                         f'there are {have}')


def _by_opencv(content: bytes, kind: str, height: int, width: int, deep: bool = False,
               upright: bool = False) -> Rgb:
    flags = cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        bgr: Any = cv2.imdecode(
            np.frombuffer(content, np.uint8), flags | (cv2.IMREAD_ANYDEPTH if deep else 0)
        )
    except cv2.error as error:
        raise ImageError(f'broken {kind}: {" ".join(str(error).split())[:160]}') from error
    sizes = {(height, width), (width, height) if upright else (height, width)}
    if bgr is None or bgr.shape[:2] not in sizes:
        raise ImageError(f'broken {kind}: OpenCV cannot decode it')
    return u8(cv2.cvtColor(to_8_bit(bgr) if bgr.dtype == np.uint16 else bgr, cv2.COLOR_BGR2RGB))


def _content(data: Any, format_: str) -> bytes:
    if 'compressedDepth' in format_:
        raise ImageError('compressedDepth is a depth image; a colour image is needed')
    return flat(data).tobytes()


def _refusal(content: bytes, format_: str) -> str:
    return f'not a JPEG or PNG picture but {_name(content, format_)}'


def _name(content: bytes, format_: str) -> str:
    """Name a content that is refused: by its first bytes, else by the message's format."""
    if not content:
        return 'empty data'
    for magic, name in ((b'GIF8', 'GIF'), (b'BM', 'BMP'), (b'II*\0', 'TIFF'), (b'MM\0*', 'TIFF'),
                        (b'\0\0\0\x0cjP', 'JPEG 2000'), (GIT_LFS, LFS_ADVICE)):
        if content.startswith(magic):
            return name
    if content[:4] == b'RIFF' and content[8:12] == b'WEBP':
        return 'WebP'
    return f'something that starts with {content[:4].hex()} (format {format_!r:.40})'

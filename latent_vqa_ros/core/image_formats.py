"""Image messages and coloured point clouds → RGB arrays.

Use `raw_to_rgb` for sensor_msgs/Image, `cloud_to_rgb` for an organized sensor_msgs/PointCloud2
(JPEG and PNG: `core.compressed`). Where a resize follows, `raw_to_view` leaves the colour
conversion for after it. Whatever is wrong with the input is an `ImageError` of one line, raised
before anything large is allocated. The input is never written to.

Refuses to know ROS: a message is anything with the right fields (rclpy's, rosbags', your own).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.colours import is_grey

Rgb = NDArray[np.uint8]
Pixels = tuple[NDArray[np.uint8], int | None]  # and the cv2 code that makes them RGB, if any

MAX_PIXELS = 64 * 1024 * 1024  # 8192 x 8192; a frame beyond is a broken header, not a camera
FLOAT32, UINT32 = 7, 6  # sensor_msgs/PointField


class ImageError(ValueError):
    """An image that cannot be used; the message is one line that says why."""


class ImageLike(Protocol):
    """The fields of sensor_msgs/Image; data is bytes, array.array, memoryview or numpy uint8."""

    height: int
    width: int
    encoding: str
    is_bigendian: int | bool
    step: int
    data: Any


class FieldLike(Protocol):
    """The fields of sensor_msgs/PointField."""

    name: str
    offset: int
    datatype: int


class CloudLike(Protocol):
    """The fields of sensor_msgs/PointCloud2 that colour needs."""

    height: int
    width: int
    fields: Any  # sequence of FieldLike
    is_bigendian: int | bool
    point_step: int
    row_step: int
    data: Any


@dataclass(frozen=True)
class Format:
    """How an encoding lies in memory, and how it becomes RGB."""

    channels: int  # values per pixel in a row
    code: int | None  # cv2.cvtColor code that makes RGB; None: it is RGB
    item: int = 1  # bytes per value
    multiple: tuple[int, int] = (1, 1)  # height and width must be multiples of
    least: int = 1  # smallest side, pixels
    half_rows: int = 2  # rows of step bytes in data per two rows of the image
    defer: bool = False  # converting after a resize gives the same and was measured faster


# OpenCV names a Bayer pattern by the second row's second and third pixel, ROS by the first row's
# first two. Below 3 x 3 OpenCV returns black.
_PATTERNS = {
    'rggb': cv2.COLOR_BayerBG2RGB,
    'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB,
    'grbg': cv2.COLOR_BayerGB2RGB,
}
_RGB, _BGR = Format(3, None, defer=True), Format(3, cv2.COLOR_BGR2RGB, defer=True)
_MONO = Format(1, cv2.COLOR_GRAY2RGB, defer=True)
_BGRA = Format(4, cv2.COLOR_BGRA2RGB, defer=True)
_MONO16, _BGR16 = Format(1, cv2.COLOR_GRAY2RGB, 2), Format(3, cv2.COLOR_BGR2RGB, 2)
_BGRA16 = Format(4, cv2.COLOR_BGRA2RGB, 2)
_UYVY = Format(2, cv2.COLOR_YUV2RGB_UYVY, multiple=(1, 2))
_YUYV = Format(2, cv2.COLOR_YUV2RGB_YUY2, multiple=(1, 2))

FORMATS = {
    'rgb8': _RGB, 'bgr8': _BGR, '8UC3': _BGR,
    'rgba8': Format(4, cv2.COLOR_RGBA2RGB, defer=True), 'bgra8': _BGRA, '8UC4': _BGRA,
    'mono8': _MONO, '8UC1': _MONO,
    'rgb16': Format(3, None, 2), 'bgr16': _BGR16, '16UC3': _BGR16,
    'rgba16': Format(4, cv2.COLOR_RGBA2RGB, 2), 'bgra16': _BGRA16, '16UC4': _BGRA16,
    'mono16': _MONO16, '16UC1': _MONO16,
    'yuv422': _UYVY, 'uyvy': _UYVY, 'yuv422_yuy2': _YUYV, 'yuyv': _YUYV,
    'nv12': Format(1, cv2.COLOR_YUV2RGB_NV12, multiple=(2, 2), half_rows=3),
    'nv21': Format(1, cv2.COLOR_YUV2RGB_NV21, multiple=(2, 2), half_rows=3),
    'nv24': Format(1, cv2.COLOR_YUV2RGB_UYVY, half_rows=6),
    **{f'bayer_{name}8': Format(1, code, least=3) for name, code in _PATTERNS.items()},
    **{f'bayer_{name}16': Format(1, code, 2, least=3) for name, code in _PATTERNS.items()},
}  # fmt: skip
KNOWN_ENCODINGS = tuple(FORMATS)
_DEPTH = frozenset({'32FC1', '64FC1'})  # metres
DEFERRED = frozenset(name for name, fmt in FORMATS.items() if fmt.defer)


def raw_to_rgb(image: ImageLike) -> Rgb:
    """Return a fresh, C-contiguous uint8 (height, width, 3) RGB array of a raw image.

    16 bit becomes 8 by round(value / 257), as cv_bridge does (255 / 65535), 16UC1 included. YUV is
    BT.601 video range. 8UC1, 8UC3, 8UC4 (and 16UC*) are taken for mono, bgr and bgra, as OpenCV
    means them. Alpha is dropped. Raises ImageError.
    """
    pixels, code = raw_to_view(image)
    return pixels.copy() if image.encoding == 'rgb8' else finish_rgb(pixels, code)


def raw_to_view(image: ImageLike) -> Pixels:
    """Return (pixels, code) for a caller that resizes: `finish_rgb(resize(pixels), code)` is RGB.

    For DEFERRED encodings (rgb8, bgr8, rgba8, bgra8, mono8 and 8UC*), where a resize and the
    conversion commute exactly, pixels is a read-only view of the message's own data, (height,
    width[, channels]); everything else is converted here and code is None. Raises ImageError.
    """
    fmt, view = _view(image)
    if fmt.defer:
        return view, fmt.code
    if image.encoding == 'nv24':
        return _convert(_nv24_as_uyvy(view, image.height), fmt)[:, ::2].copy(), None
    return _convert(view, fmt), None


def finish_rgb(pixels: NDArray[np.uint8], code: int | None) -> Rgb:
    """Turn what `raw_to_view` gave, resized or not, into (height, width, 3) RGB."""
    return pixels if code is None else u8(cv2.cvtColor(pixels, code))


def raw_is_grey(image: ImageLike) -> bool | None:
    """Tell whether R = G = B in a raw image; None where that takes a conversion.

    Takes 15 us for a coloured 1280x720 bgr8, 1 ms for a grey one. Raises ImageError.
    """
    fmt, view = _view(image)
    if fmt.code == cv2.COLOR_GRAY2RGB:
        return True
    return is_grey(view) if fmt.defer else None


def check_image(image: ImageLike) -> int:
    """Return the bytes that a row takes without padding; raise ImageError for a bad message."""
    fmt = FORMATS.get(image.encoding)
    if image.encoding in _DEPTH:
        raise ImageError(f'{image.encoding} is a depth image; a colour image is needed')
    if fmt is None:
        raise ImageError(
            f'unknown encoding {image.encoding!r:.40}; known: {", ".join(KNOWN_ENCODINGS)}'
        )
    check_size(image.height, image.width, fmt.least)
    if image.height % fmt.multiple[0] or image.width % fmt.multiple[1]:
        raise ImageError(
            f'{image.encoding} needs an even {"size" if fmt.multiple[0] > 1 else "width"}, '
            f'got {image.width}x{image.height}'
        )
    row_bytes = image.width * fmt.channels * fmt.item
    if image.step < row_bytes:
        raise ImageError(
            f'step {image.step} is too small: {image.width} pixels of {image.encoding} '
            f'take {row_bytes} bytes'
        )
    _check_length(image.data, image.step, image.height * fmt.half_rows // 2, 'step')
    return row_bytes


def _view(image: ImageLike) -> tuple[Format, NDArray[Any]]:
    """Return the format and a read-only view (rows, width[, channels]) without a copy."""
    check_image(image)
    fmt = FORMATS[image.encoding]
    dtype = np.uint8 if fmt.item == 1 else np.dtype('>u2' if image.is_bigendian else '<u2')
    shape = (image.height * fmt.half_rows // 2, image.width, fmt.channels)
    strides = (image.step, fmt.channels * fmt.item, fmt.item)
    view: NDArray[Any] = np.ndarray(shape, dtype, flat(image.data), strides=strides)
    view.flags.writeable = False
    return fmt, view[:, :, 0] if fmt.channels == 1 else view


def _convert(view: NDArray[Any], fmt: Format) -> Rgb:
    if fmt.item == 2:  # OpenCV wants native, aligned 16-bit values
        view = np.require(view, np.uint16, ['C', 'A'])
    rgb: Any = view if fmt.code is None else cv2.cvtColor(view, fmt.code)
    return to_8_bit(rgb) if fmt.item == 2 else u8(rgb)


def to_8_bit(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Scale as cv_bridge does: round(value / 257)."""
    return u8(cv2.convertScaleAbs(values, alpha=255 / 65535))


def _nv24_as_uyvy(view: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """Interleave planes Y (h, w) and UV (h, 2w) as UYVY with each pixel twice: (h, 2w, 2)."""
    step, width = view.strides[0], view.shape[1]
    luma = view[:height]
    chroma = np.lib.stride_tricks.as_strided(
        view[height:], (height, width, 2), (2 * step, 2, 1), writeable=False
    )
    packed = np.stack([chroma[:, :, 0], luma, chroma[:, :, 1], luma], axis=-1)
    return packed.reshape(height, 2 * width, 2)


def cloud_to_rgb(cloud: CloudLike) -> Rgb:
    """Return the (height, width, 3) colours of an organized point cloud.

    The field is `rgb`, else `rgba`: 4 bytes packed as 0x00RRGGBB in a float32 or uint32, as in
    PCL. Points without depth keep their colour. Raises ImageError.
    """
    field = check_cloud(cloud)
    shape, strides = (cloud.height, cloud.width, 4), (cloud.row_step, cloud.point_step, 1)
    packed: Rgb = np.ndarray(shape, np.uint8, flat(cloud.data), field.offset, strides)
    return (packed[:, :, 1:] if cloud.is_bigendian else packed[:, :, 2::-1]).copy()


def check_cloud(cloud: CloudLike) -> FieldLike:
    """Return the colour field of an organized cloud; raise ImageError for what has none."""
    if cloud.height == 1:
        raise ImageError('the point cloud is not organized: its height is 1')
    check_size(cloud.height, cloud.width)
    fields = {field.name: field for field in cloud.fields}
    field: FieldLike | None = fields.get('rgb', fields.get('rgba'))
    if field is None:
        raise ImageError(f'the point cloud has no field rgb or rgba, only {list(fields)!r:.80}')
    if field.datatype not in (FLOAT32, UINT32):
        raise ImageError(f'cloud field {field.name} must be float32 or uint32')
    if field.offset + 4 > cloud.point_step:
        raise ImageError(f'cloud field {field.name} does not fit in point_step {cloud.point_step}')
    if cloud.row_step < cloud.width * cloud.point_step:
        raise ImageError(f'row_step {cloud.row_step} is too small for {cloud.width} points')
    _check_length(cloud.data, cloud.row_step, cloud.height, 'row_step')
    return field


def cloud_is_grey(cloud: CloudLike) -> None:
    """Return None, as `raw_is_grey`: only its pixels tell. Raises ImageError as `check_cloud`."""
    check_cloud(cloud)


def check_size(height: int, width: int, least: int = 1) -> None:
    """Raise ImageError for a size that no camera has, before anything is allocated."""
    if min(height, width) < least:
        raise ImageError(f'size {width}x{height} is too small: at least {least}x{least}')
    if height * width > MAX_PIXELS:
        raise ImageError(f'size {width}x{height} is over the limit of {MAX_PIXELS} pixels')


def _check_length(data: Any, step: int, rows: int, name: str) -> None:
    """Refuse data that is not ``rows`` times ``step`` bytes: longer ones have other rows."""
    have, need = flat(data).size, step * rows
    if have < need:
        raise ImageError(
            f'data is too short: {rows} rows of {name} {step} take {need} bytes, got {have}'
        )
    if have > need:
        raise ImageError(
            f'data is too long: {rows} rows of {name} {step} take {need} bytes, got {have}; '
            f'a wrong {name} would shear the picture'
        )


def flat(data: Any) -> NDArray[np.uint8]:
    """Return the bytes as a flat array over the same memory."""
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise ImageError(f'data must be contiguous bytes, not {type(data).__name__}') from error


def u8(array: Any) -> NDArray[np.uint8]:
    """Tell the type checker what OpenCV's stubs leave open."""
    return array  # type: ignore[no-any-return]

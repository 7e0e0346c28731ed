"""Small JPEGs of each kind that cameras and drivers write, and a guard against printed lines."""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile

import cv2
import numpy as np
import simplejpeg


def picture(height=24, width=33, channels=3, dtype=np.uint8):
    rng = np.random.default_rng(1)
    values = rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype)
    return values[:, :, 0] if channels == 1 else values


def encoded(suffix, bgr, *options):
    return cv2.imencode(suffix, bgr, options)[1].tobytes()


def turned(jpeg, orientation):
    """Return a JPEG whose EXIF says how a viewer has to turn it, as phones write it."""
    tiff = b'II*\0\x08\0\0\0\x01\0' + struct.pack('<HHIHHI', 0x0112, 3, 1, orientation, 0, 0)
    exif = b'Exif\0\0' + tiff
    return jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + jpeg[2:]


@contextlib.contextmanager
def nothing_printed():
    """Fail where anything goes to the file descriptor 2, as libjpeg's and libpng's lines do."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        assert file.read() == b''


# OpenCV before 4.7 has no such choice: it writes 4:2:0, whatever stands there.
SAMPLING = getattr(cv2, 'IMWRITE_JPEG_SAMPLING_FACTOR', 7)
SAMPLINGS = {name: getattr(cv2, f'IMWRITE_JPEG_SAMPLING_FACTOR_{name}', 0)
             for name in ('411', '420', '422', '440', '444')}  # fmt: skip
SMOOTH = cv2.GaussianBlur(picture(192, 260), (0, 0), 1.5)  # as cameras' pictures are
VARIANTS = {
    'grey': encoded('.jpg', SMOOTH[:, :, 0]),
    'progressive': encoded('.jpg', SMOOTH, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'grey, progressive': encoded('.jpg', SMOOTH[:, :, 0], cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'restarts': encoded('.jpg', SMOOTH, cv2.IMWRITE_JPEG_RST_INTERVAL, 3),
    'CMYK': simplejpeg.encode_jpeg(cv2.cvtColor(SMOOTH, cv2.COLOR_BGR2BGRA), colorspace='CMYK'),
    **{name: encoded('.jpg', SMOOTH, SAMPLING, value)
       for name, value in SAMPLINGS.items()},
}  # fmt: skip

"""A frame to the JPEG that a browser is sent: scaled down here, never up.

    picture = await pictures.make(frame, 960)

Two browsers that look at the same frame at the same width share one JPEG. The message is a
4-byte big-endian length, a JSON head of that length, the JPEG. Refuses to know sockets.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.image_formats import ImageError, finish_rgb
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.process import one_line

QUALITY = 80  # of the JPEG
STEP = 160  # widths are rounded up to a multiple, so that browsers of nearly one size share
KEPT = 8  # JPEGs

Seen = Callable[[int, int], 'tuple[int, int, int, int] | None']


class Pictures:
    """Makes JPEGs in a thread of its own, so that the server's loop never waits for one."""

    def __init__(self, seen: Seen) -> None:
        """``seen`` tells which part of a frame of that height and width the model sees."""
        self._seen = seen
        self._pool = ThreadPoolExecutor(1, 'page_pictures')
        self._kept: list[tuple[Frame, int, bytes]] = []

    async def make(self, frame: Frame, width: int) -> bytes:
        """Return the message for a browser that shows it so many pixels wide."""
        width = -(-width // STEP) * STEP
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._make, frame, width)

    def _make(self, frame: Frame, width: int) -> bytes:
        for known, of_width, message in self._kept:
            if known is frame and of_width == width:
                return message
        message = encode(frame, width, self._seen)
        self._kept = [*self._kept[1 - KEPT:], (frame, width, message)]
        return message

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False)


def encode(frame: Frame, width: int, seen: Seen) -> bytes:
    """Return head and JPEG; a frame that cannot be decoded is a head with ``error`` alone."""
    head: dict[str, Any] = {'camera': frame.camera, 'stamp_ms': _wall_ms(frame),
                            'own_ms': frame.stamp_ns / 1e6 if frame.stamp_ns else None}
    try:
        pixels, code = frame.decode()
        height_px, width_px = pixels.shape[:2]
        head |= {'width': width_px, 'height': height_px, 'seen': seen(height_px, width_px)}
        jpeg = _jpeg(_shrunk(pixels, width), code)
    except (ImageError, cv2.error) as error:
        head['error'] = one_line(error)
        jpeg = b''
    text = json.dumps(head).encode()
    return struct.pack('>I', len(text)) + text + jpeg


def _wall_ms(frame: Frame) -> float | None:
    """Return when the frame was taken or arrived, ms of the wall clock, None if not known."""
    known = frame.stamp_ns or frame.received_ns
    if known and abs(time.time_ns() - known) < 3600e9:  # else of a bag, or simulated
        return known / 1e6
    return None


def _shrunk(pixels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    height_px, width_px = pixels.shape[:2]
    if width_px <= width:
        return pixels
    size = (width, max(1, round(height_px * width / width_px)))
    small: Any = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return small  # type: ignore[no-any-return]


def _jpeg(pixels: NDArray[np.uint8], code: int | None) -> bytes:
    bgr: Any = pixels
    if code != cv2.COLOR_BGR2RGB:  # that is what a JPEG is made of already
        bgr = cv2.cvtColor(finish_rgb(pixels, code), cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ImageError('OpenCV cannot make a JPEG of it')
    return content.tobytes()

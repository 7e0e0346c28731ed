"""A camera frame to the model's input, one way for training and runtime.

Normalization is inside the image graph; here is geometry only. Knows nothing of encodings.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.config import PreprocessConfig

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]


def source_box(height: int, width: int, config: PreprocessConfig) -> Box:
    """Return the part of a frame that the model sees: (x, y, width, height) in pixels."""
    if config.resize == 'stretch':
        return 0, 0, width, height
    scale = min(height / config.height, width / config.width)
    box_w = min(width, max(1, round(config.width * scale)))
    box_h = min(height, max(1, round(config.height * scale)))
    return (width - box_w) // 2, (height - box_h) // 2, box_w, box_h


def prepare(image_hwc: Image, config: PreprocessConfig) -> Image:
    """Crop and resize a frame (H, W[, channels]) to the config's height and width.

    Shrinking goes through bilinear sampling at twice the target and a 2x2 mean: for 640x480 it is
    14 times faster than an area resize by an uneven factor. An image of the right size is
    returned as it is.
    """
    height, width = image_hwc.shape[:2]
    x, y, w, h = source_box(height, width, config)
    part: NDArray[Any] = image_hwc[y:y + h, x:x + w]
    target = (config.width, config.height)
    if (w, h) == target:
        return np.ascontiguousarray(part)
    twice = (2 * config.width, 2 * config.height)
    if w > twice[0] and h > twice[1]:
        part = cv2.resize(part, twice, interpolation=cv2.INTER_LINEAR)
    shrink = part.shape[0] >= target[1] and part.shape[1] >= target[0]
    mode = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, target, interpolation=mode), dtype=np.uint8)


def to_source(cells: Box, grid: tuple[int, int], height: int, width: int,
              config: PreprocessConfig) -> Box:
    """Return the box of a frame that ``prepare`` made some cells of: pixels of the frame.

    ``cells`` (x, y, width, height) counts cells of a grid (rows, columns) over the model's input.
    The box lies inside the frame and is at least one pixel high and wide.
    """
    x, y, w, h = source_box(height, width, config)
    left, right = _pixels(cells[0], cells[2], grid[1], w)
    top, bottom = _pixels(cells[1], cells[3], grid[0], h)
    return x + left, y + top, right - left, bottom - top


def _pixels(start: int, length: int, cells: int, size: int) -> tuple[int, int]:
    """Return the first pixel of some cells of a side, and the one after the last."""
    first = min(round(start * size / cells), size - 1)
    return first, max(round((start + length) * size / cells), first + 1)

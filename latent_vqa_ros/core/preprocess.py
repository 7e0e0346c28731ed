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
Point = tuple[float, float]  # x and y as shares of a picture, from its top left corner
Shares = tuple[float, float, float, float]  # x, y, width, height

GREY = 128  # of a letterbox's bars, in each channel


def source_box(height: int, width: int, config: PreprocessConfig) -> Box:
    """Return the part of a frame that the model sees: (x, y, width, height) in pixels."""
    if config.resize != 'center_crop':
        return 0, 0, width, height
    scale = min(height / config.height, width / config.width)
    box_w = min(width, max(1, round(config.width * scale)))
    box_h = min(height, max(1, round(config.height * scale)))
    return (width - box_w) // 2, (height - box_h) // 2, box_w, box_h


def target_box(height: int, width: int, config: PreprocessConfig) -> Box:
    """Return where in the model's input that part comes: (x, y, width, height) in its pixels."""
    if config.resize != 'letterbox':
        return 0, 0, config.width, config.height
    scale = max(height / config.height, width / config.width)
    box_w, box_h = max(1, round(width / scale)), max(1, round(height / scale))
    return (config.width - box_w) // 2, (config.height - box_h) // 2, box_w, box_h


def prepare(image_hwc: Image, config: PreprocessConfig) -> Image:
    """Bring a frame (H, W[, channels]) to the config's height and width.

    Shrinking goes through bilinear sampling at twice the target and a 2x2 mean: for 640x480 it is
    14 times faster than an area resize by an uneven factor. An image of the right size is
    returned as it is.
    """
    height, width = image_hwc.shape[:2]
    x, y, w, h = source_box(height, width, config)
    left, top, *target = target_box(height, width, config)
    found = _resized(image_hwc[y:y + h, x:x + w], (target[0], target[1]))
    if found.shape[:2] == (config.height, config.width):
        return found
    out = np.full((config.height, config.width, *image_hwc.shape[2:]), GREY, np.uint8)
    out[top:top + target[1], left:left + target[0]] = found
    return out


def _resized(part: NDArray[Any], target: tuple[int, int]) -> Image:
    """Return a picture of another size (width, height), averaged where it shrinks."""
    height, width = part.shape[:2]
    if (width, height) == target:
        return np.ascontiguousarray(part)
    if width > 2 * target[0] and height > 2 * target[1]:
        part = cv2.resize(part, (2 * target[0], 2 * target[1]), interpolation=cv2.INTER_LINEAR)
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
    at_x, at_y, over_w, over_h = target_box(height, width, config)
    cell_w, cell_h = config.width / grid[1], config.height / grid[0]
    left, right = _pixels(cells[0] * cell_w - at_x, cells[2] * cell_w, over_w, w)
    top, bottom = _pixels(cells[1] * cell_h - at_y, cells[3] * cell_h, over_h, h)
    return x + left, y + top, right - left, bottom - top


def _pixels(start: float, length: float, over: int, size: int) -> tuple[int, int]:
    """Return the first pixel of a part of a side, and the one after the last.

    The side has ``size`` pixels, which come over so many of the model's input. What lies outside
    of it becomes the nearest pixel.
    """
    first = min(max(round(start * size / over), 0), size - 1)
    return first, min(max(round((start + length) * size / over), first + 1), size)


def in_input(at: Point, aspect: float, config: PreprocessConfig) -> Point:
    """Return where a point of a picture, width by height ``aspect``, comes in the model's input.

    Both are shares; a point that is cut off lies outside of 0 to 1.
    """
    wider = aspect * config.height / config.width
    if config.resize == 'stretch' or wider == 1:
        return at
    x, y = at
    if (wider > 1) == (config.resize == 'center_crop'):  # the sides change
        return (x - 0.5) * wider + 0.5, y
    return x, (y - 0.5) / wider + 0.5


def box_in_input(box: Shares, aspect: float, config: PreprocessConfig) -> Shares:
    """Return ``in_input`` of a box: x, y, width, height as shares."""
    x, y = in_input(box[:2], aspect, config)
    right, bottom = in_input((box[0] + box[2], box[1] + box[3]), aspect, config)
    return x, y, right - x, bottom - y

"""Draws what was asked and answered on a camera frame, for RViz, Foxglove and people.

    picture_hwc = annotate(rgb_hwc, detail, seen=(80, 0, 480, 480))

The question stands in a dark strip at the top; answer, confidence and status at the bottom, in the
colour of the status; boxes show where the model looked, and what it does not see of the frame is
darker. It refuses to know messages and models.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.answer import Detail, Evidence
from latent_vqa_ros.core.statuses import Status

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]

LEAST_W, LEAST_H = 320, 240  # a smaller frame is enlarged by a whole factor, so that text fits
MOST = 4096  # no side is enlarged beyond
FONT = cv2.FONT_HERSHEY_SIMPLEX
MAX_LINES = 2  # of the question and of a reason
DIM = 0.3  # share of the frame's brightness that is left under text
UNSEEN = 3  # the brightness of what the model does not see is divided by

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
GREEN, AMBER, RED, BLUE, GREY = (
    (110, 240, 110), (255, 200, 60), (255, 120, 105), (130, 190, 255), (200, 200, 200))
COLOURS = {
    Status.OK: GREEN, Status.UNSURE: AMBER, Status.UNFAMILIAR_IMAGE: AMBER,
    Status.UNKNOWN_WORDS: BLUE, Status.BAD_QUESTION: BLUE,
    Status.NO_IMAGE: RED, Status.STALE_IMAGE: RED, Status.BAD_IMAGE: RED, Status.FAILED: RED,
    Status.OVERLOADED: GREY, Status.INACTIVE: GREY,
}
BOX_COLOURS = ((255, 80, 200), (60, 220, 255), (255, 220, 40), (120, 255, 120))


@dataclass(frozen=True)
class _Type:
    """Sizes of text on one picture, pixels."""

    scale: float  # of the font
    thickness: int
    line: int  # from one line to the next
    margin: int


@dataclass(frozen=True)
class _Label:
    """A phrase and its place: the left upper corner and the width, pixels."""

    phrase: str
    x: int
    y: int
    width: int
    colour: Colour


def annotate(rgb_hwc: Rgb, detail: Detail, seen: Box | None = None) -> Rgb:
    """Return a new uint8 picture (height, width, 3) with the detail drawn on the frame.

    The size is the frame's times ``enlargement``; evidence, which is in pixels of the frame, is
    enlarged with it. ``seen`` is the part of the frame that the model sees: x, y, width, height
    in pixels of the frame, inside it; None: all. cv2's fonts are ASCII: other characters become
    '?', and '...' stands for what did not fit. The input is not changed.
    """
    factor = enlargement(*rgb_hwc.shape[:2])
    picture_hwc: Rgb = (np.repeat(np.repeat(rgb_hwc, factor, axis=0), factor, axis=1)
                        if factor > 1 else rgb_hwc.copy())
    if seen:
        _darken_around(picture_hwc, seen, factor)
    height, width = picture_hwc.shape[:2]
    type_ = _type_for(height, width)
    room = width - 2 * type_.margin
    question = wrap(detail.question, room, type_)
    answer, reason = _verdict(detail)
    top = _strip_height(len(question), type_)
    head, rest = wrap(answer, room, type_), wrap(reason, room, type_)
    bottom = max(top, height - _strip_height(len(head) + len(rest), type_))
    labels = [_draw_box(picture_hwc, evidence, factor, (top, bottom), type_,
                        BOX_COLOURS[index % len(BOX_COLOURS)])
              for index, evidence in enumerate(detail.evidence)]
    for rows in (slice(0, top), slice(bottom, height)):  # text goes over the boxes
        picture_hwc[rows] = (picture_hwc[rows] * DIM).astype(np.uint8)
    for label in labels:
        _draw_label(picture_hwc, label, type_)
    _write_lines(picture_hwc, question, 0, WHITE, type_)
    _write_lines(picture_hwc, head, bottom, COLOURS[detail.status], type_)
    _write_lines(picture_hwc, rest, bottom + len(head) * type_.line, WHITE, type_)
    return picture_hwc


def enlargement(height: int, width: int) -> int:
    """Return the whole number a frame of that size is enlarged by, 1 from 320x240 up."""
    wanted = max(-(-LEAST_W // width), -(-LEAST_H // height))
    return max(1, min(wanted, MOST // max(height, width)))


def ascii_only(text: str) -> str:
    """Return printable ASCII on one line: runs of blanks are one blank, the rest is '?'."""
    blanks = ' '.join(text.replace('\u2026', '...').split())
    return ''.join(c if ' ' <= c <= '~' else '?' for c in blanks)


def wrap(text: str, room: int, type_: _Type) -> list[str]:
    """Break text into at most MAX_LINES lines of at most ``room`` pixels; [] for no text."""
    lines: list[str] = []
    rest = ascii_only(text)
    while rest and len(lines) < MAX_LINES:
        count = _fitting(rest, room, type_)
        if count < len(rest):
            blank = rest.rfind(' ', 0, count + 1)
            count = blank if blank > 0 else max(1, count)
        lines.append(rest[:count])
        rest = rest[count:].lstrip()
    if rest:
        lines[-1] = _cut(f'{lines[-1]} {rest}', room, type_)
    return lines


def _cut(text: str, room: int, type_: _Type) -> str:
    """Return the text as far as it fits, with ... in place of the rest."""
    if _text_width(text, type_) <= room:
        return text
    dots = '...'
    return text[:_fitting(text, room - _text_width(dots, type_), type_)].rstrip() + dots


def _fitting(text: str, room: int, type_: _Type) -> int:
    """Return how many leading characters fit into ``room`` pixels (bisection)."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _text_width(text[:middle], type_) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _verdict(detail: Detail) -> tuple[str, str]:
    """Return the line that answers, and the reason where there is no answer."""
    confidence = '' if detail.confidence is None else f' ({100 * detail.confidence:.1f} %)'
    if detail.status is Status.OK:
        return f'{detail.answer}{confidence}', ''
    guess = '' if detail.answer is None else f': {detail.answer}?{confidence}'
    return f'{detail.status.value}{guess}', detail.reason


def _type_for(height: int, width: int) -> _Type:
    """Capitals of 1/38 of the shorter side (3/4 of the width at most), at least 10 pixels high."""
    size = max(10.0, min(height, 0.75 * width) / 38)
    return _Type(size / _capital_height(), max(1, round(size / 8)), round(2.1 * size),
                 round(0.7 * size))


@lru_cache(maxsize=1)
def _capital_height() -> int:
    """Return the height of an H at scale 1, pixels: fonts differ between OpenCV 4 and 5."""
    page = np.zeros((80, 80), np.uint8)
    cv2.putText(page, 'H', (20, 60), FONT, 1.0, 255, 1)
    return max(1, int((page > 127).any(axis=1).sum()))


def _strip_height(lines: int, type_: _Type) -> int:
    return lines * type_.line + type_.margin if lines else 0


def _text_width(text: str, type_: _Type) -> int:
    (width, _), _ = cv2.getTextSize(text, FONT, type_.scale, type_.thickness)
    return int(width) + type_.thickness


def _write_lines(picture_hwc: Rgb, lines: list[str], top: int, colour: Colour,
                 type_: _Type) -> None:
    for index, line in enumerate(lines):
        baseline = top + (index + 1) * type_.line - round(0.2 * type_.line)
        cv2.putText(picture_hwc, line, (type_.margin, baseline), FONT, type_.scale,
                    colour, type_.thickness, cv2.LINE_AA)


def _darken_around(picture_hwc: Rgb, seen: Box, factor: int) -> None:
    x, y, width, height = (v * factor for v in seen)
    for around_hwc in (picture_hwc[:y], picture_hwc[y + height:],
                       picture_hwc[y:y + height, :x], picture_hwc[y:y + height, x + width:]):
        around_hwc //= UNSEEN


def _draw_box(picture_hwc: Rgb, evidence: Evidence, factor: int, free: tuple[int, int],
              type_: _Type, colour: Colour) -> _Label:
    """Draw a box, clipped to the picture; return where its phrase goes, within rows ``free``."""
    height, width = picture_hwc.shape[:2]
    x, y, box_w, box_h = evidence.box
    left, right = (min(max(v * factor, 0), width) for v in (x, x + box_w))
    top, bottom = (min(max(v * factor, 0), height) for v in (y, y + box_h))
    if left >= right or top >= bottom:
        return _Label('', 0, 0, 0, colour)
    line = max(2, type_.line // 10)
    _draw_frame(picture_hwc[top:bottom, left:right], line + max(1, line // 4), BLACK)
    _draw_frame(picture_hwc[top:bottom, left:right], line, colour)
    phrase = _cut(ascii_only(evidence.phrase), width - 2 * type_.margin, type_)
    label_w = _text_width(phrase, type_) + type_.margin
    above = top - type_.line
    label_y = above if above >= free[0] else max(bottom, free[0])
    return _Label(phrase, max(0, min(left, width - label_w)),
                  max(0, min(label_y, free[1] - type_.line)), label_w, colour)


def _draw_frame(region_hwc: Rgb, line: int, colour: Colour) -> None:
    """Colour the outermost ``line`` pixels of a region."""
    region_hwc[:line] = region_hwc[-line:] = colour
    region_hwc[:, :line] = region_hwc[:, -line:] = colour


def _draw_label(picture_hwc: Rgb, label: _Label, type_: _Type) -> None:
    if not label.phrase:
        return
    x, y = label.x, label.y
    picture_hwc[y:y + type_.line, x:x + label.width] = label.colour
    cv2.putText(picture_hwc, label.phrase, (x + type_.margin // 2, y + round(0.75 * type_.line)),
                FONT, type_.scale, BLACK, type_.thickness, cv2.LINE_AA)

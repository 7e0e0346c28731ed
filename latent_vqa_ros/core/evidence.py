"""Where the model looked for the things that a question names.

    for phrase, cells in find(words, attention_tn, nouns, grid): ...

A phrase is a run of words that name a thing ("small red cubes"); its place is where the attention
of its words has its peak. Knows no pixels: ``preprocess.to_source`` makes them of cells.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Box = tuple[int, int, int, int]

# Below this share of the attention in its best cell there is no place to show: the thing is not
# in the picture, or there are many of it. Ten times an even spread over a grid of 12 x 12.
LEAST_PEAK = 0.1
SHARE = 0.5  # of the peak's attention that a cell beside it needs to belong to the place


def find(words: Sequence[str], attention_tn: Array, nouns: Collection[str],
         grid: tuple[int, int]) -> list[tuple[str, Box]]:
    """Return each phrase that has a place, and the place: x, y, width, height in cells.

    ``attention_tn`` (tokens, rows * columns): token i + 1 is word i, as the tokenizer has it;
    ``nouns`` are the words that phrases consist of, ``grid`` is (rows, columns).
    """
    found = []
    for first, last in runs(words, nouns):
        mean_n = attention_tn[first + 1:last + 1].sum(axis=0) / (last - first)
        box = place(mean_n.reshape(grid))
        if box:
            found.append((' '.join(words[first:last]), box))
    return found


def runs(words: Sequence[str], nouns: Collection[str]) -> list[tuple[int, int]]:
    """Return (first, one after the last) of each longest run of words that are in ``nouns``."""
    found, start = [], 0
    for named, group in groupby(words, nouns.__contains__):
        end = start + len(list(group))
        if named:
            found.append((start, end))
        start = end
    return found


def place(attention_rc: Array) -> Box | None:
    """Return the box around the peak and all cells joined to it by sides that have SHARE of it.

    None where the attention is spread: its peak is below LEAST_PEAK, or no number.
    """
    row, column = divmod(int(attention_rc.argmax()), attention_rc.shape[1])
    peak = attention_rc[row, column]
    if not peak >= LEAST_PEAK:
        return None
    near = (attention_rc >= SHARE * peak).view(np.uint8)
    _, labels_rc, boxes, _ = cv2.connectedComponentsWithStats(near, connectivity=4)
    x, y, width, height = boxes[labels_rc[row, column], :4].tolist()
    return x, y, width, height

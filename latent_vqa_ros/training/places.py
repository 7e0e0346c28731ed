"""Where things are, for the losses that teach the model to look: cells of the image tower's grid.

A cell is a row-major index into the grid. Knows neither pixels nor what is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.preprocess import Point, in_input
from latent_vqa_ros.core.tokenizer import Tokenizer
from latent_vqa_ros.datasets.record import Record
from latent_vqa_ros.training.sides import sides

NOTHING = 'nothing'  # the caption of a cell without a thing
_EMPTY = 4  # such cells of each image
_NEAR = 1  # cells around a thing's own that are neither the thing nor empty


@dataclass(frozen=True)
class Places:
    """Things and phrases of a batch, each with its cell."""

    region_r3: Tensor  # image, cell, index into caption_ids_ut
    caption_ids_ut: Tensor  # the distinct captions of these regions
    word_w5: Tensor  # image, question, token, cell, 1 where the word names the thing

    def to(self, device: torch.device) -> Places:
        """Return the places on a device."""
        return Places(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


class PlacedRecords:
    """The regions and phrases of records as cells of a grid (rows, columns) over the input."""

    def __init__(self, records: Sequence[Record], preprocess: PreprocessConfig,
                 tokenizer: Tokenizer, grid: tuple[int, int]) -> None:
        self.grid = grid
        self._preprocess = preprocess
        texts = sorted({r.caption for record in records for r in record.regions if r.caption})
        self.exist = bool(texts)
        self.caption_ids = (tokenizer.encode_batch((NOTHING, *texts)) if texts
                            else np.zeros((0, 1), np.int64))
        self._sided = np.array([any(sides(text)) for text in (NOTHING, *texts)])
        at = {'': -1, **{text: i for i, text in enumerate(texts, start=1)}}
        self.regions = [_rows(((cell, at[region.caption]) for region in record.regions
                               if (cell := self.cell(region.center, record.aspect)) >= 0), 2)
                        for record in records]
        self._records = records

    def cell(self, at: Point, aspect: float = 1.0) -> int:
        """Return the cell of a point, shares of a picture of that width by height.

        One beyond the picture is of its border: half of the thing is there. -1 for one that
        ``center_crop`` cuts off.
        """
        inside = min(1.0, max(0.0, at[0])), min(1.0, max(0.0, at[1]))
        (rows, columns), (x, y) = self.grid, in_input(inside, aspect, self._preprocess)
        if not (0 <= x <= 1 and 0 <= y <= 1):
            return -1
        return (min(rows - 1, max(0, int(y * rows))) * columns
                + min(columns - 1, max(0, int(x * columns))))

    def batch(self, rows: Sequence[int], rng: np.random.Generator | None,
              flipped: NDArray[np.bool_]) -> Places:
        """Return the places of these records; empty cells are drawn where there is a ``rng``.

        ``flipped`` (records,) says which pictures are mirrored; there a thing whose caption tells
        a side has none.
        """
        regions = [(i, cell, caption) for i, row in enumerate(rows)
                   for cell, caption in self.regions[row]
                   if caption >= 0 and not (flipped[i] and self._sided[caption])]
        if rng is not None and self.exist:
            regions += [(i, cell, 0) for i, row in enumerate(rows) if self._records[row].told
                        for cell in self._empty(self.regions[row][:, 0], rng)]
        region_r3 = np.array(regions, np.int64).reshape(-1, 3)
        used, region_r3[:, 2] = np.unique(region_r3[:, 2], return_inverse=True)
        word_w5 = _rows(((i, q, token, cell, int(p.named))
                         for i, record in enumerate(self._records[row] for row in rows)
                         for q, asked in enumerate(record.questions) for p in asked.phrases
                         if (cell := self.cell(p.center, record.aspect)) >= 0
                         for token in range(p.start + 1, p.stop + 1)), 5)
        for found, column in ((region_r3, 1), (word_w5, 3)):
            turned = flipped[found[:, 0]]
            found[turned, column] = self._mirrored(found[turned, column])
        return Places(torch.from_numpy(region_r3), torch.from_numpy(self.caption_ids[used]),
                      torch.from_numpy(word_w5))

    def _mirrored(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        columns = self.grid[1]
        return cells - cells % columns + columns - 1 - cells % columns

    def _empty(self, taken: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Return some cells that are not near any thing, seen or hidden."""
        rows, columns = self.grid
        y, x = np.divmod(rng.integers(rows * columns, size=_EMPTY)[:, None], columns)
        thing_y, thing_x = np.divmod(taken[None], columns)
        far = np.maximum(abs(y - thing_y), abs(x - thing_x)) > _NEAR
        return np.asarray((y * columns + x)[far.all(axis=1), 0])


def _rows(values: Iterable[tuple[int, ...]], width: int) -> NDArray[np.int64]:
    return np.array(list(values), np.int64).reshape(-1, width)

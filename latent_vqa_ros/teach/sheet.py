"""A sheet of a question's shots for people: by answer and moment, doubtful ones framed in red."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.annotate import ascii_only
from latent_vqa_ros.teach.features import crop
from latent_vqa_ros.teach.known import Known
from latent_vqa_ros.teach.learn import picture
from latent_vqa_ros.teach.question import TeachError

Rgb = NDArray[np.uint8]
CELL_W, CELL_H, LINE, COLUMNS = 160, 120, 20, 8  # pixels, pixels, pixels, shots in a row
_WHITE, _GREY, _RED = (255, 255, 255), (150, 150, 150), (255, 60, 60)


def sheet(known: Known, doubtful: Sequence[str] = ()) -> Rgb:
    """Return a picture of the region of every shot, uint8 RGB; ``doubtful`` are names of shots."""
    rows: list[Rgb] = []
    moments = dict(zip((shot.name for shot in known.shots), known.moments(), strict=True))
    for answer in known.answers:
        shots = sorted((shot for shot in known.shots if shot.answer == answer),
                       key=lambda shot: (moments[shot.name], shot.name))
        rows.append(_text(f'{answer}: {len(shots)}', _WHITE, COLUMNS * CELL_W))
        for start in range(0, len(shots), COLUMNS):
            cells = [_cell(known, shot, moments[shot.name], shot.name in doubtful)
                     for shot in shots[start:start + COLUMNS]]
            cells += [np.zeros_like(cells[0])] * (COLUMNS - len(cells))
            rows.append(np.hstack(cells))
    return np.vstack(rows)


def _cell(known: Known, shot: Any, moment: int, doubtful: bool) -> Rgb:
    try:
        region = crop(picture(known, shot), known.question.region)
    except TeachError:
        region = np.zeros((CELL_H, CELL_W, 3), np.uint8)
    factor = min(CELL_W / region.shape[1], CELL_H / region.shape[0])
    size = (max(1, int(region.shape[1] * factor)), max(1, int(region.shape[0] * factor)))
    small = np.asarray(cv2.resize(region, size, interpolation=cv2.INTER_AREA), np.uint8)
    cell: Rgb = np.zeros((CELL_H, CELL_W, 3), np.uint8)
    cell[:small.shape[0], :small.shape[1]] = small
    if doubtful:
        cv2.rectangle(cell, (1, 1), (CELL_W - 2, CELL_H - 2), _RED, 3)
    label = _text(f'{shot.name[:-4]} moment {moment}', _RED if doubtful else _GREY, CELL_W)
    return np.vstack([cell, label])


def _text(text: str, colour: tuple[int, int, int], width: int) -> Rgb:
    line: Rgb = np.zeros((LINE, width, 3), np.uint8)
    cv2.putText(line, ascii_only(text), (3, LINE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1,
                cv2.LINE_AA)
    return line

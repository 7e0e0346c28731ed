"""Wrong answers: which are shown on the model card, and what they depend on.

Knows no picture: only what was asked, what was answered and what is known of the things there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.answer import softmax
from latent_vqa_ros.core.manifest import Manifest
from latent_vqa_ros.core.preprocess import box_in_input
from latent_vqa_ros.datasets.record import Question, Record, questions_of
from latent_vqa_ros.evaluation.evaluate import Predictions

MOST, PER_GROUP = 10, 2  # mistakes that are shown
SIDES = (9, 11, 14, 18)  # pixels, between the rows of the table by size

Json = dict[str, Any]


@dataclass(frozen=True)
class Mistake:
    """A question that was answered wrongly; ``confidence`` from 0 to 1."""

    record: Record
    question: Question
    answer: str
    confidence: float


def surest(predictions: Predictions, manifest: Manifest,
           records: Sequence[Record]) -> list[Mistake]:
    """Return the MOST mistakes with the highest confidence, at most PER_GROUP of each group."""
    asked = list(questions_of(records))
    confidence = softmax(predictions.logits, manifest.temperature).max(axis=1)
    given, right = predictions.logits.argmax(axis=1), predictions.right
    shown: Counter[str] = Counter()
    found: list[Mistake] = []
    for row in np.argsort(-confidence, kind='stable'):
        index, question = asked[row]
        if right[row] or shown[question.group] == PER_GROUP:
            continue
        shown[question.group] += 1
        found.append(Mistake(records[index], question, manifest.answers[given[row]],
                             float(confidence[row])))
        if len(found) == MOST:
            break
    return found


def causes(predictions: Predictions, manifest: Manifest,
           records: Sequence[Record]) -> dict[str, list[Json]]:
    """Return wrong answers by the number of things in the picture and by the size of the named.

    The size is that of the smallest thing that the question's words name: the side of a square as
    large as its box, in pixels of the model's input, hidden parts left out. Each table is empty
    where the data does not say it.
    """
    size = manifest.preprocess
    things, sides = [], []
    for index, question in questions_of(records):
        record = records[index]
        things.append(len(record.regions) if record.told or record.regions else -1)
        named = [box_in_input(phrase.box, record.aspect, size)
                 for phrase in question.phrases if phrase.named]
        sides.append(min(((box[2] * size.width * box[3] * size.height) ** 0.5 for box in named),
                     default=np.nan))
    wrong = ~predictions.right
    count_q, side_q = np.array(things), np.array(sides)
    found = {'things': [_row(str(n), count_q == n, wrong) for n in range(max(things) + 1)]}
    edges = (0, *SIDES, np.inf)
    names = [f'below {SIDES[0]}', *(f'{a} to {b}' for a, b in zip(SIDES, SIDES[1:], strict=False)),
             f'{SIDES[-1]} or more']
    found['pixels'] = [_row(name, (side_q >= low) & (side_q < high), wrong) for name, low, high
                       in zip(names, edges, edges[1:], strict=False)]
    return {name: [row for row in rows if row['n']] for name, rows in found.items()}


def _row(name: str, chosen: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> Json:
    n = int(chosen.sum())
    return {'name': name, 'n': n, 'wrong': float(wrong[chosen].mean()) if n else 0.0}

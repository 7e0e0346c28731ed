"""Other people's data as a recipe takes it: all three splits, answers and words that training has.

A model answers from a bank and knows the words that it was trained with. What it could not be
asked or never answer is left out, and one line a split says how much. Knows no file format.
"""

from __future__ import annotations

import json
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from latent_vqa_ros.core.tokenizer import QuestionError, Tokenizer, words
from latent_vqa_ros.datasets.record import (
    SPLITS,
    Dataset,
    DatasetError,
    Question,
    Record,
    questions_of,
)

_HELD_OUT, _SEED = 0.1, 2026  # share of the training pictures that becomes val, or test

log = logging.getLogger(__name__)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; DatasetError names the file."""
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path}: cannot be read: {error}') from None
    if not isinstance(found, dict):
        raise DatasetError(f'{path}: expected an object, not a {type(found).__name__}')
    return found


def records_of(asked: Mapping[tuple[str, Path], Sequence[Question]]) -> list[Record]:
    """Return a record per (split, picture); DatasetError names a picture that is not there."""
    missing = [path for _, path in asked if not path.is_file()]
    if missing:
        raise DatasetError(f'{missing[0]}: no such picture ({len(missing)} of {len(asked)} are '
                           'missing)')
    return [Record(path, split, tuple(questions)) for (split, path), questions in asked.items()]


def plain(answer: str) -> str:
    """Return an answer as the bank has it: lower case, one space between words, no signs."""
    return ' '.join(word for word in words(answer.replace('_', ' ')) if word[-1].isalnum())


def trainable(name: str, records: Iterable[Record], least: int, limit: int | None) -> Dataset:
    """Return the dataset with all three splits, without what a model could not learn.

    Missing splits are cut from the training pictures. ``least``: how often training has to give
    an answer for it to be learned; in the test split a rarer one stays, and counts as wrong.
    ``limit``: only so many pictures of each split. DatasetError where nothing is left.
    """
    splits: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        splits[record.split].append(record)
    for split in SPLITS[1:]:
        if split not in splits:
            _hold_out(splits, split)
    kept = {split: splits[split][:limit] for split in SPLITS}
    given = Counter(question.answer for _, question in questions_of(kept['train']))
    bank = {answer for answer, count in given.items() if count >= least and answer}
    train = _without(name, kept['train'], bank, None)
    known = {word for _, question in questions_of(train)
             for text in (question.text, question.answer) for word in words(text)}
    return Dataset(name, (*train, *_without(name, kept['val'], bank, known),
                          *_without(name, kept['test'], None, known)), trimmed=True)


def askable(dataset: Dataset, tokenizer: Tokenizer) -> Dataset:
    """Return other people's data without what a bundle cannot be asked; other data as it is.

    So a bundle that learned from the first pictures is measured on all. One line says how much.
    """
    if not dataset.trimmed:
        return dataset
    records = []
    for record in dataset.records:
        kept = tuple(q for q in record.questions if _can_be_asked(tokenizer, q.text))
        records += [replace(record, questions=kept)] if kept else []
    total, left = (sum(len(r.questions) for r in found) for found in (dataset.records, records))
    if not records:
        raise DatasetError(f'{dataset.name}: the model can be asked nothing of it')
    if left < total:
        log.warning('%s: %d of %d questions are left out: the model has not their words',
                    dataset.name, total - left, total)
    return replace(dataset, records=tuple(records))


def _can_be_asked(tokenizer: Tokenizer, text: str) -> bool:
    try:
        tokenizer.encode(text)
    except QuestionError:
        return False
    return True


def _hold_out(splits: dict[str, list[Record]], split: str) -> None:
    """Move a share of the training pictures, with all their questions, to another split."""
    train = splits['train']
    chosen = random.Random(f'{_SEED} {split}').sample(range(len(train)),
                                                      round(_HELD_OUT * len(train)))
    splits[split] = [replace(train[index], split=split) for index in sorted(chosen)]
    splits['train'] = [record for index, record in enumerate(train) if index not in set(chosen)]


def _without(name: str, records: Sequence[Record], bank: set[str] | None,
             known: set[str] | None) -> list[Record]:
    """Leave out what has an answer outside the bank or words that are not known; say how much."""
    left_out: Counter[str] = Counter()
    found = []
    for record in records:
        kept = []
        for question in record.questions:
            if bank is not None and question.answer not in bank:
                left_out['rare answers'] += 1
            elif not words(question.text) or known is not None and not known.issuperset(
                    words(question.text)):
                left_out['unknown words'] += 1
            else:
                kept.append(question)
        if kept:
            found.append(replace(record, questions=tuple(kept)))
    if not found:
        raise DatasetError(f'{name}: nothing is left to learn from or to measure')
    if left_out:
        total = sum(len(record.questions) for record in records)
        reasons = ', '.join(f'{why} {count}' for why, count in sorted(left_out.items()))
        log.warning('%s, %s: %d of %d questions are left out: %s', name, found[0].split,
                    left_out.total(), total, reasons)
    return found

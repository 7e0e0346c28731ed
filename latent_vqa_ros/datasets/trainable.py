"""Other people's data as a recipe takes it: all three splits, answers and words that training has.

A model answers from a bank and knows the words that it was trained with. What it could not be
asked or never answer is left out, and one line a split says how much. Knows no file format.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from latent_vqa_ros.core.reading import Reader
from latent_vqa_ros.core.tokenizer import QuestionError, Tokenizer, words
from latent_vqa_ros.datasets.record import (
    SPLITS,
    Dataset,
    DatasetError,
    Question,
    Record,
    questions_of,
)

_HELD_OUT = 0.1  # share of the training pictures that becomes val, or test

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

    Missing splits are cut from the training pictures: the SHA-256 of a picture's name decides, so
    that each stays in its split whatever other pictures there are. Only where no name falls into a
    split it gets the picture whose digest is the lowest, which another file may change.
    ``least``: how often training has to give an answer for it to be learned; in val and test a
    rarer one stays, and counts as wrong. ``limit``: only so many pictures of each split.
    DatasetError where nothing is left.
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
    known = {word for _, question in questions_of(train) for word in words(question.text)}
    return Dataset(name, (*train, *_without(name, kept['val'], None, known),
                          *_without(name, kept['test'], None, known)), rare_answers=True)


def askable(dataset: Dataset, tokenizer: Tokenizer, reader: Reader | None = None) -> Dataset:
    """Return the dataset without the questions that a model cannot be asked.

    So a bundle that learned from the first pictures is measured on all, and one word in a folder
    does not hide the rest. With a ``reader`` it takes what the runtime takes, as that reads it.
    One line says how many are left out. DatasetError where nothing is left.
    """
    records, left_out, first = [], Counter[str](), ''
    reading = cache(partial(_read, tokenizer, reader))
    for record in dataset.records:
        found = [(q, *reading(q.text)) for q in record.questions]
        kept = tuple(q if asked == q.text else replace(q, text=asked, phrases=())
                     for q, asked, why in found if not why)
        records += [replace(record, questions=kept)] if kept else []
        if len(kept) < len(found):
            left_out[record.split] += len(found) - len(kept)
            first = first or next(f'{q.text[:80]!r}: {why}' for q, _, why in found if why)
    if not left_out and not records:
        raise DatasetError(f'{dataset.name}: there is no question in it')
    if not records:
        raise DatasetError(f'{dataset.name}: the model can be asked nothing of it, such as '
                           f'{first}')
    if not left_out and reader is None:
        return dataset
    total = Counter(r.split for r in dataset.records for _ in r.questions)
    if left_out:
        log.warning('%s: %s left out: the model cannot be asked, e.g. %s', dataset.name, ', '.join(
            f'{count} of {total[split]} questions of {split}'
            for split, count in sorted(left_out.items())), first)
    return replace(dataset, records=tuple(records))


def why_not(tokenizer: Tokenizer, text: str) -> str:
    """Return why a model with this tokenizer does not take a text, '' where it does."""
    return _read(tokenizer, None, text)[1]


def _read(tokenizer: Tokenizer, reader: Reader | None, text: str) -> tuple[str, str]:
    """Return the text that a model is asked, and why it cannot be."""
    try:
        if reader is not None:
            return reader.read(text).text, ''
        tokenizer.encode(text)
    except QuestionError as error:
        return text, str(error)
    return text, ''


def _hold_out(splits: dict[str, list[Record]], split: str) -> None:
    """Move a share of the training pictures, with all their questions, to another split."""
    train = splits['train']
    places = [_place(record) for record in train]
    start = _HELD_OUT * (SPLITS.index(split) - 1)
    chosen = {row for row, place in enumerate(places) if start <= place < start + _HELD_OUT}
    chosen = chosen or set(sorted(range(len(train)), key=places.__getitem__)[:1])
    splits[split] = [replace(train[row], split=split) for row in sorted(chosen)]
    splits['train'] = [record for row, record in enumerate(train) if row not in chosen]


def _place(record: Record) -> float:
    """Return a number from 0 to 1 that depends on nothing but the picture's name."""
    digest = hashlib.sha256(record.image.name.encode()).digest()
    return int.from_bytes(digest[:8], 'big') / 2 ** 64


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

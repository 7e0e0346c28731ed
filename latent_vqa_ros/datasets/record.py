"""The record that every dataset adapter yields: one image with its captions and questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SPLITS = ('train', 'val', 'test')


class DatasetError(ValueError):
    """Data that cannot be used; the message names the file and the line."""


@dataclass(frozen=True)
class Question:
    """A question with its true answer; ``group`` is the kind of question, for reports."""

    text: str
    answer: str
    group: str


@dataclass(frozen=True)
class Record:
    """An image file, what is asked about it, and texts that describe it."""

    image: Path
    split: str
    questions: tuple[Question, ...]
    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A named list of records."""

    name: str
    records: tuple[Record, ...]

    def split(self, name: str) -> tuple[Record, ...]:
        """Return the records of one split; DatasetError names the splits that exist."""
        found = tuple(record for record in self.records if record.split == name)
        if not found:
            have = ', '.join(sorted({record.split for record in self.records}))
            raise DatasetError(f'{self.name} has no split {name!r}; it has: {have}')
        return found


def questions_of(records: Sequence[Record]) -> Iterator[tuple[int, Question]]:
    """Yield (index of the record, question) in order."""
    for index, record in enumerate(records):
        for question in record.questions:
            yield index, question

"""The record that every dataset adapter yields: one image with its captions and questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from latent_vqa_ros.core.preprocess import Point

SPLITS = ('train', 'val', 'test')


class DatasetError(ValueError):
    """Data that cannot be used; the message names the file and the line."""


def expanded(path: str) -> Path:
    """Return a path that may begin with ~; DatasetError where that names nobody's home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~nobody
        raise DatasetError(f'{path}: {error}') from None


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words ``start`` to ``stop`` (exclusive) of a question, and where the thing is they mean.

    ``named`` is False for words such as "what", whose thing is found by its place. ``box`` is
    x, y, width, height as shares of the picture.
    """

    start: int
    stop: int
    center: Point
    box: tuple[float, float, float, float]
    named: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its true answer; ``group`` is the kind of question, for reports.

    ``shortcut`` is the answer of a guesser who knows the things in the picture, but no places.
    """

    text: str
    answer: str
    group: str
    phrases: tuple[Phrase, ...] = ()
    shortcut: str | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A thing in a picture. No caption: it is hidden too much to be described."""

    caption: str
    center: Point


@dataclass(frozen=True, slots=True)
class Record:
    """An image file, what is asked about it, and texts that describe it.

    ``aspect`` is the picture's width by height; it is needed where regions or phrases have places.
    ``told``: the regions are all things that are there; without it nobody said which are.
    """

    image: Path
    split: str
    questions: tuple[Question, ...]
    captions: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    aspect: float = 1.0
    told: bool = False


@dataclass(frozen=True)
class Dataset:
    """A named list of records. A blind model learns from ``floor``, or the split ``blind``."""

    name: str
    records: tuple[Record, ...]
    blind: str = 'train'
    floor: tuple[Record, ...] = ()
    rare_answers: bool = False  # val and test may have answers that training does not teach

    @property
    def blind_records(self) -> tuple[Record, ...]:
        """What a blind model learns from; nothing where it was not loaded."""
        return self.floor or tuple(r for r in self.records if r.split == self.blind)

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

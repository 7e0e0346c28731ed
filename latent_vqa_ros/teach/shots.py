"""Shots: frames with an answer, as lines of questions.jsonl, and the moments they belong to.

    shot = parse(line);  line = shot.line(question_text)
    numbers = moments(shots)

A line is training data, too (``image``, ``question``, ``answer``, ``split``), so that the same
folder trains a model. Refuses to know pictures.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from latent_vqa_ros.core.answer import NANO
from latent_vqa_ros.teach.question import (
    Region,
    TeachError,
    check_answer,
    check_moment,
    check_region,
)

SHOTS = 'shots'  # the folder of the pictures
TOGETHER_NS = 2 * NANO  # shots that are closer are one moment
_NAME = re.compile(r'\d{6}\.jpg')
_SPLITS = ('train', 'train', 'train', 'val', 'test')  # of each answer's moments, in turn


@dataclass(frozen=True)
class Shot:
    """One frame: the file under ``shots``, what it shows, when, and of which picture.

    ``moment`` names its moment; '' lets the time tell. ``region`` is where the thing was when the
    shot was taken. ``digest`` is of the picture. ``source`` names its recording, '' where it
    was taken live.
    """

    name: str
    answer: str
    stamp_ns: int
    digest: str
    moment: str = ''
    region: Region | None = None
    source: str = ''

    def line(self, question: str, split: str = 'train') -> str:
        """Return its line of questions.jsonl."""
        return json.dumps({
            'image': f'{SHOTS}/{self.name}', 'question': question, 'answer': self.answer,
            'split': split, 'stamp_ns': self.stamp_ns, 'digest': self.digest,
            'moment': self.moment, 'region': self.region, 'source': self.source},
            ensure_ascii=False)


def parse(line: str) -> Shot:
    """Read a line of questions.jsonl; TeachError says what is wrong with it."""
    try:
        fields = json.loads(line)
        image, stamp_ns = fields['image'], fields['stamp_ns']
        folder, _, name = image.rpartition('/')
        if folder != SHOTS or not _NAME.fullmatch(name):
            raise TeachError(f'image {image[:80]!r} is no shot')
        if type(stamp_ns) is not int or abs(stamp_ns) >= 1 << 63:
            raise TeachError(f'stamp_ns {str(stamp_ns)[:40]!r} is no time')
        region = fields.get('region')
        return Shot(name, check_answer(fields['answer']), stamp_ns, str(fields['digest'])[:64],
                    check_moment(fields.get('moment', '')),
                    None if region is None else check_region(region),
                    check_moment(fields.get('source', '')))
    except TeachError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TeachError(f'not a line of a shot: {type(error).__name__}: {error}') from None


def moments(shots: Sequence[Shot]) -> list[int]:
    """Return the number of each shot's moment, counted from 1 in the order of time.

    One moment: the same name; without a name, closer than 2 s, or one answer with no shot of
    another answer between them, by the stamps or in the order of taking. Both count, as the
    stamps of two runs of a simulation, or of two starts without a clock, interleave.
    """
    by_time = sorted(range(len(shots)), key=lambda i: (shots[i].stamp_ns, shots[i].name))
    first = list(range(len(shots)))  # of each shot, one of its moment
    for a, b in (*_neighbours(shots, by_time), *_neighbours(shots, _as_taken(shots, by_time))):
        kept, joined = first[a], first[b]
        first = [kept if each == joined else each for each in first]
    keys = [shot.moment or first[i] for i, shot in enumerate(shots)]
    found = dict.fromkeys(keys[i] for i in by_time)
    numbers = {key: number for number, key in enumerate(found, 1)}
    return [numbers[key] for key in keys]


def _neighbours(shots: Sequence[Shot], rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of unnamed shots that are one moment; named shots may lie between them."""
    unnamed = [place for place, i in enumerate(rows) if not shots[i].moment]
    for here, there in itertools.pairwise(unnamed):
        a, b = rows[here], rows[there]
        if ({shots[i].answer for i in rows[here:there + 1]} == {shots[a].answer}
                or abs(shots[b].stamp_ns - shots[a].stamp_ns) < TOGETHER_NS):
            yield a, b


def _as_taken(shots: Sequence[Shot], rows: Sequence[int]) -> list[int]:
    """Return rows in the order of taking; those of a recording together, by their time."""
    began: dict[str, int] = {}
    for i in sorted(rows):
        began.setdefault(shots[i].source, i)
    return sorted(rows, key=lambda i: (began[shots[i].source], shots[i].stamp_ns, i)
                  if shots[i].source else (i, 0, i))


def splits(shots: Sequence[Shot], numbers: Sequence[int]) -> list[str]:
    """Return train, val or test for each shot: of every answer whole moments, three to one to one.

    A moment with several answers goes where the first of them sends it.
    """
    chosen: dict[int, str] = {}
    turns: dict[str, int] = {}
    for number, shot in sorted(zip(numbers, shots, strict=True), key=lambda pair: pair[0]):
        if number not in chosen:
            turn = turns.get(shot.answer, 0)
            chosen[number] = _SPLITS[turn % len(_SPLITS)]
            turns[shot.answer] = turn + 1
    return [chosen[number] for number in numbers]

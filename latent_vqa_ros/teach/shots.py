"""Shots: frames with an answer, as lines of questions.jsonl, and the moments they belong to.

    shot = parse(line);  line = shot.line(question_text)
    numbers = moments(shots)

A line is training data, too (``image``, ``question``, ``answer``, ``split``), so that the same
folder trains a model. Refuses to know pictures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
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
    shot was taken. ``digest`` is of the picture.
    """

    name: str
    answer: str
    stamp_ns: int
    digest: str
    moment: str = ''
    region: Region | None = None

    def line(self, question: str, split: str = 'train') -> str:
        """Return its line of questions.jsonl."""
        return json.dumps({
            'image': f'{SHOTS}/{self.name}', 'question': question, 'answer': self.answer,
            'split': split, 'stamp_ns': self.stamp_ns, 'digest': self.digest,
            'moment': self.moment, 'region': self.region}, ensure_ascii=False)


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
                    None if region is None else check_region(region))
    except TeachError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TeachError(f'not a line of a shot: {type(error).__name__}: {error}') from None


def moments(shots: Sequence[Shot]) -> list[int]:
    """Return the number of each shot's moment, counted from 1 in the order of time.

    One moment: the same name; without a name, closer than 2 s, or one answer with no shot of
    another answer between them.
    """
    order = sorted(range(len(shots)), key=lambda i: (shots[i].stamp_ns, shots[i].name))
    numbers, named, count, last = [0] * len(shots), dict[str, int](), 0, None
    for i in order:
        shot = shots[i]
        if shot.moment:
            if shot.moment not in named:
                count += 1
                named[shot.moment] = count
            numbers[i] = named[shot.moment]
            continue
        if last is None or not (shot.answer == shots[last].answer
                                or shot.stamp_ns - shots[last].stamp_ns < TOGETHER_NS):
            count += 1
            numbers[i] = count
        else:
            numbers[i] = numbers[last]
        last = i
    return numbers


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

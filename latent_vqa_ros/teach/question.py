"""A taught question as people give it: text, wordings, camera, region; and its limits.

    question = Question('Is the tray empty?', region=(0.4, 0.3, 0.2, 0.2))
    question.slug == 'is-the-tray-empty'

Whatever cannot be is a TeachError of one line. Texts are data: a slug holds a-z, 0-9 and -, so
that no text names a folder. Refuses to know files.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

Region = tuple[float, float, float, float]

MAX_QUESTIONS = 100  # in a folder
MAX_ANSWERS = 10
MAX_WORDINGS = 20
MAX_TEXT, MAX_ANSWER, MAX_CAMERA, MAX_MOMENT = 256, 60, 100, 60  # characters
MIN_SIDE = 0.02  # of a region, as a share of the frame
NAMELESS = 'question'  # the slug of a text without Latin letters and digits
_SLUG = 48  # characters
OTHER = 'other'


class TeachError(ValueError):
    """What cannot be taught, or a folder that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Question:
    """A taught question without its shots. ``camera`` '' is whichever camera there is."""

    text: str
    camera: str = ''
    region: Region | None = None
    wordings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_text(self.text, 'question', MAX_TEXT)
        _check_text(self.camera, 'camera', MAX_CAMERA, empty=True)
        if len(self.wordings) > MAX_WORDINGS:
            raise TeachError(f'wordings: {len(self.wordings)}, at most {MAX_WORDINGS}')
        for wording in self.wordings:
            _check_text(wording, 'wordings', MAX_TEXT)
        if self.region is not None:
            object.__setattr__(self, 'region', check_region(self.region))

    @property
    def keys(self) -> frozenset[str]:
        """The normalized texts that ask it."""
        return frozenset(map(normal, (self.text, *self.wordings)))

    @property
    def slug(self) -> str:
        """The plain name that its folder has, unless another question has it."""
        return slug(self.text)


def slug(text: str) -> str:
    """Return the plain name of a question's folder."""
    plain = unicodedata.normalize('NFKD', text).encode('ascii', 'ignore').decode()
    return '-'.join(re.findall('[a-z0-9]+', plain.lower()))[:_SLUG].strip('-') or NAMELESS


def normal(text: str) -> str:
    """Return the text by which a question is found: case, blanks, ? and . at its end are lost."""
    folded = ' '.join(unicodedata.normalize('NFKC', text).casefold().split())
    return folded.rstrip(' ?!.') or folded


def check_answer(answer: Any) -> str:
    """Return an answer without blanks around it, its letters composed; TeachError."""
    _check_text(answer, 'answer', MAX_ANSWER)
    return unicodedata.normalize('NFC', ' '.join(answer.split()))


def check_moment(moment: Any) -> str:
    """Return the name of a moment without blanks around it, '' where the time tells it."""
    _check_text(moment, 'moment', MAX_MOMENT, empty=True)
    return ' '.join(moment.split())


def check_region(region: Any) -> Region:
    """Return (x, y, width, height) as shares of the frame; TeachError where it lies outside."""
    fits = (isinstance(region, (list, tuple)) and len(region) == 4
            and all(isinstance(v, (int, float)) and not isinstance(v, bool)
                    and -1 < v < 2 for v in region))
    if not fits:
        raise TeachError('region: expected [x, y, width, height], each from 0 to 1')
    x, y, width, height = (round(float(v), 6) for v in region)
    if min(x, y) < 0 or max(x + width, y + height) > 1 + 1e-5 or min(width, height) < MIN_SIDE:
        raise TeachError(f'region: {[x, y, width, height]} is not inside the frame, or is '
                         f'narrower than {MIN_SIDE:g} of it')
    return x, y, min(width, 1 - x), min(height, 1 - y)


def _check_text(text: Any, name: str, most: int, empty: bool = False) -> None:
    if not isinstance(text, str):
        raise TeachError(f'{name}: expected a text')
    if len(text) > most:
        raise TeachError(f'{name}: {len(text)} characters, at most {most}')
    if not text.strip() and not (empty and not text):
        raise TeachError(f'{name}: is empty')
    if any(unicodedata.category(c) in ('Cc', 'Cs') for c in text):
        raise TeachError(f'{name}: holds a control character')

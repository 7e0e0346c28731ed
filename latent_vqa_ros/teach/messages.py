"""What arrives on ``teach`` and what goes out on ``teach/detail``: JSON, read without trust.

    message = parse(text)          # MessageError: one line
    document = blank(message.do, message.id)

docs/teaching.md has each key. Refuses to do what a message asks for.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from latent_vqa_ros.core.answer import on_one_line
from latent_vqa_ros.core.questions import plain
from latent_vqa_ros.teach.judge import NEEDED
from latent_vqa_ros.teach.question import MAX_TEXT

SCHEMA = 1
MAX_MESSAGE = 1 << 16  # characters
OK, NOT_TRUSTED, REFUSED, BAD_MESSAGE, FAILED = (
    'ok', 'not_trusted', 'refused', 'bad_message', 'failed')
# What each ``do`` takes beside ``id``: those that must be there, those that may.
KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    'add': (('question', 'answer'), ('camera', 'region', 'wordings')),
    'correct': (('about', 'answer'), ('camera',)),
    'fit': (('question',), ('force',)),
    'switch_on': (('question',), ('version', 'force')),
    'switch_off': (('question',), ()),
    'rollback': (('question',), ()),
    'forget': (('question',), ('shot',)),
    'show': (('question',), ('shot',)),
    'try': (('question',), ('camera',)),
    'list': ((), ()),
}
_TEXTS = ('question', 'answer', 'camera', 'shot')


class MessageError(ValueError):
    """A message that cannot be read; ``do`` and ``id`` are what could be."""

    def __init__(self, reason: str, do: str = '', id_: Any = None) -> None:
        super().__init__(reason)
        self.do, self.id = do, id_


@dataclass(frozen=True)
class Message:
    """A message whose keys and types are right; its values are not checked further."""

    do: str
    id: Any = None
    question: str = ''
    answer: str = ''
    camera: str | None = None
    region: Any = None
    wordings: tuple[str, ...] = field(default=())
    about: Any = None
    force: bool = False
    version: int | None = None
    shot: str = ''


def parse(text: str) -> Message:
    """Read a message; MessageError says what is wrong with it."""
    if len(text) > MAX_MESSAGE:
        raise MessageError(f'{len(text)} characters, at most {MAX_MESSAGE}')
    try:
        fields = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
    except _Twice as error:
        raise MessageError(str(error)) from None
    except (ValueError, RecursionError):
        raise MessageError('not JSON; write {"do": "add", "question": "…", "answer": "…"}'
                           ) from None
    if not isinstance(fields, dict):
        raise MessageError('not a JSON object')
    do, id_ = fields.get('do'), plain(fields.get('id'))
    if not isinstance(do, str) or do not in KEYS:
        raise MessageError(f'do: {str(do)[:40]!r} is none of {", ".join(KEYS)}',
                           plain(do)[:40] if isinstance(do, str) else '',
                           id_ if is_id(id_) else None)
    if not is_id(id_):
        raise MessageError('the id must be a string or a number', do)
    if do == 'correct' and 'about' not in fields and id_ is not None:
        fields['about'] = id_
    try:
        return Message(do, id_, **_checked(do, {
            key: value for key, value in fields.items() if key not in ('do', 'id')}))
    except ValueError as error:
        raise MessageError(str(error), do, id_) from None


def is_id(value: Any) -> bool:
    """Return whether a value of JSON may identify a message."""
    return (value is None or isinstance(value, str) and len(value) <= MAX_TEXT
            or isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
            or isinstance(value, float) and math.isfinite(value))


def _checked(do: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the keys that a ``do`` takes; ValueError names a wrong one."""
    needed, optional = KEYS[do]
    unknown = sorted(set(fields) - {*needed, *optional})
    if unknown:
        raise ValueError(f'{do} takes no {plain(unknown[0])[:40]!r}; it takes '
                         f'{", ".join((*needed, *optional)) or "nothing"}')
    missing = [key for key in needed if fields.get(key) is None]
    if missing:
        raise ValueError(f'{do} needs {", ".join(missing)}')
    given = {key: plain(value) for key, value in fields.items() if value is not None
             and (key, value) != ('camera', '')}  # a document's, of a question for any camera
    for key in given.keys() & set(_TEXTS):
        if not isinstance(given[key], str):
            raise ValueError(f'{key}: expected a text')
    if do == 'forget' and 'shot' in fields and not given.get('shot'):
        raise ValueError('shot: is empty; leave it out to forget the whole question')
    if not is_id(given.get('about')):
        raise ValueError('about: expected the id of an answer/detail')
    if not isinstance(given.get('force', False), bool):
        raise ValueError('force: expected true or false')
    if 'version' in given and type(given['version']) is not int:
        raise ValueError('version: expected a whole number')
    if 'wordings' in given:
        wordings = given['wordings']
        if not (isinstance(wordings, list) and all(isinstance(text, str) for text in wordings)):
            raise ValueError('wordings: expected a list of texts')
        given['wordings'] = tuple(map(plain, wordings))
    return given


class _Twice(ValueError):
    """A key that is there twice; json.loads would keep the last."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(f'the key {plain(key)[:40]!r} is there twice')
        found[key] = value
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f'{constant} is not JSON')  # json.loads takes NaN and Infinity


def blank(do: str, id_: Any, status: str = OK, reason: str = '') -> dict[str, Any]:
    """Return a document of teach/detail with nothing known."""
    return {
        'v': SCHEMA, 'id': id_, 'do': do, 'question': '', 'slug': '', 'camera': '',
        'region': None, 'status': status, 'reason': reason, 'answers': [], 'shots': {},
        'moments': {}, 'needed': dict(NEEDED), 'shot': None, 'judgement': None, 'doubtful': [],
        'versions': [], 'active': None, 'forced': False, 'stale': False, 'warnings': [],
        'next': {'answer': None, 'say': '', 'about': None}, 'taken': [], 'tried': None,
        'questions': []}


def to_json(document: dict[str, Any]) -> str:
    """Return a document on one line, as a topic takes it."""
    return on_one_line(document)

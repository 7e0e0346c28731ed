"""A question message to requests: plain text, ``@camera text``, ``@all text`` or JSON.

Every message gives at least one request. A broken message gives one whose ``error`` says what is
wrong. So each question gets exactly one answer per camera asked.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

ALL = 'all'
_SURROGATE = re.compile('[\ud800-\udfff]')
_KEYS = 'question', 'camera', 'id'
_SHOWN = 200  # characters of a broken question that are repeated in its answer
_ID = 256  # characters of an id
_JSON = 1 << 16  # characters of JSON that are read beside a question of the greatest length


@dataclass(frozen=True)
class Request:
    """One question to one camera. ``id`` is the asker's own and is returned as it came."""

    question: str
    camera: str = ''
    id: Any = None
    error: str = ''


def parse(message: str, cameras: Sequence[str] = ('',), max_length: int = 256) -> list[Request]:
    """Return one request per camera asked; the first camera is the default. Never raises."""
    text = plain(message).strip()
    if text.startswith('{'):
        if len(text) > 12 * max_length + _JSON:  # each character may be an escaped pair
            return [_broken(text, f'the message has {len(text)} characters, far more than a '
                                  f'question of {max_length} needs')]
        return _parse_json(text, cameras, max_length)
    camera = None
    if text.startswith('@'):
        camera, text = (*text[1:].split(None, 1), '', '')[:2]
    return _address(Request(text), camera, cameras, max_length)


def _parse_json(text: str, cameras: Sequence[str], max_length: int) -> list[Request]:
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return [_broken(text, 'broken JSON; write {"id": 1, "question": "…", "camera": "…"}')]
    question, camera, id_ = (plain(value.get(key)) for key in _KEYS)
    if not (id_ is None or type(id_) in (str, int)
            or isinstance(id_, float) and math.isfinite(id_)):
        return [_broken(text, 'the id must be a string or a number')]
    if len(str(id_)) > _ID:  # it comes back with the answer, and may be remembered
        return [_broken(text, f'the id has {len(str(id_))} characters, at most {_ID} are taken')]
    if not isinstance(question, str):
        return [replace(_broken(text, 'the JSON has no text under "question"'), id=id_)]
    unknown = sorted(set(value) - set(_KEYS))
    if unknown:
        return [Request(question[:_SHOWN], id=id_, error=f'unknown key '
                        f'{plain(unknown[0])[:40]!r} in the JSON; known: {", ".join(_KEYS)}')]
    if camera is not None and not isinstance(camera, str):
        return [Request(question[:_SHOWN], id=id_, error='the camera must be a string')]
    if question.lstrip().startswith('@'):
        return [Request(question[:_SHOWN], id=id_, error='in JSON the camera stands under '
                        '"camera", not at the beginning of the question')]
    return _address(Request(question.strip(), id=id_), camera or None, cameras, max_length)


def _address(request: Request, camera: str | None, cameras: Sequence[str],
             max_length: int) -> list[Request]:
    if camera == ALL and ALL not in cameras:
        return [one for name in cameras for one in _address(request, name, cameras, max_length)]
    if camera is not None and camera not in cameras:
        known = ', '.join(name or '(unnamed)' for name in cameras)
        error = f'unknown camera {camera[:40]!r}; known: {known}'
        return [replace(request, question=request.question[:_SHOWN], camera=camera[:40],
                        error=error)]
    request = replace(request, camera=cameras[0] if camera is None else camera)
    if not request.question:
        request = replace(request, error='the question is empty')
    if len(request.question) > max_length:
        error = f'the question has {len(request.question)} characters, at most {max_length}'
        request = replace(request, question=request.question[:_SHOWN], error=error)
    return [request]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; ValueError where a key is there twice, as json.loads keeps the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError('a key is there twice')
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f'{constant} is not JSON')  # json.loads takes NaN and Infinity


def plain(value: Any) -> Any:
    """Return a value of JSON with U+FFFD for lone surrogates, which a topic cannot carry."""
    return _SURROGATE.sub('\ufffd', value) if isinstance(value, str) else value


def _broken(text: str, error: str) -> Request:
    return Request(plain(text[:_SHOWN]), error=error)

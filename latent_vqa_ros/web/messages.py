"""A browser's message to a checked command: JSON of a known form, or one line that says what is
wrong.

    {"do": "watch", "camera": "front", "width": 960}   look at a camera; null: at none
    {"do": "drawn"}                                    the last picture is on the screen
    {"do": "ask", "id": "page-1", "question": "…", "camera": "front"}
    {"do": "teach", "message": {"do": "add", …}}       what goes out on the topic teach
    {"do": "set", "name": "top_k", "value": 3}         a parameter
    {"do": "enable", "value": true}
    {"do": "play", "camera": "bag", "value": true}     a bag or folder
    {"do": "seek", "camera": "bag", "value": 12.5}     s from its beginning

Keys that a form has no use for are dropped. Refuses to know who reads a command.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from latent_vqa_ros.core.questions import plain

LONGEST = 1 << 16  # bytes of one message
WIDTHS = (64, 1920)  # pixels that a browser may ask for
_ID = re.compile(r'[A-Za-z0-9_-]{1,64}')
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_./]{0,127}')
_CAMERA = 200  # characters
_LIST = 1000  # entries of a list that is set as a parameter


class MessageError(ValueError):
    """A message that is not understood; one line."""


def parse(text: str) -> dict[str, Any]:
    """Return the command; MessageError."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise MessageError('that is no JSON') from None
    if (not isinstance(value, dict) or not isinstance(value.get('do'), str)
            or value['do'] not in _FORMS):
        raise MessageError(f'"do" must be one of {", ".join(_FORMS)}')
    command = {'do': value['do']}
    for key, check in _FORMS[value['do']].items():
        try:
            command[key] = check(value.get(key))
        except (TypeError, ValueError, OverflowError):
            raise MessageError(f'{value["do"]}: "{key}" is missing or no good') from None
    return command


def _no_number(constant: str) -> None:
    raise ValueError(f'{constant} is not JSON')


def _camera(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _CAMERA:
        raise ValueError
    return str(plain(value))


def _maybe_camera(value: Any) -> str | None:
    return None if value is None else _camera(value)


def _width(value: Any) -> int:
    return min(max(int(value), WIDTHS[0]), WIDTHS[1])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return str(plain(value))


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError
        return value
    return check


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _parameter(value: Any) -> Any:
    """Take what a parameter can be: a flag, a number, a text, a list of texts."""
    if isinstance(value, list):
        if len(value) > _LIST:
            raise ValueError
        return [_text(entry) for entry in value]
    if isinstance(value, (bool, int)):
        return value
    return _text(value) if isinstance(value, str) else _seconds(value)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get('do'), str):
        raise ValueError
    return value


_FORMS: dict[str, dict[str, Callable[[Any], Any]]] = {
    'watch': {'camera': _maybe_camera, 'width': _width},
    'drawn': {},
    'ask': {'id': _matching(_ID), 'question': _text, 'camera': _maybe_camera},
    'teach': {'message': _object},
    'set': {'name': _matching(_NAME), 'value': _parameter},
    'enable': {'value': _bool},
    'play': {'camera': _camera, 'value': _bool},
    'seek': {'camera': _camera, 'value': _seconds},
}

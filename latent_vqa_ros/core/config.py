"""Configurations as frozen dataclasses: read from a mapping, checked in one place, written again.

Used by the bundle and by training's recipes. Reads no environment, picks no device. How a network
is built stands in model/config.py.
"""

from __future__ import annotations

import types
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

RESIZE_RULES = ('center_crop', 'stretch', 'letterbox')

_NAMES = {int: 'a whole number', float: 'a number', bool: 'a switch: true or false',
          str: 'a string', types.NoneType: 'null'}

_LARGEST = 1e300  # a float may be as large; an integer of YAML has no limit

T = TypeVar('T')


class ConfigError(ValueError):
    """A configuration that cannot be; the message names the field and the way out."""


class UnknownKeyError(ConfigError):
    """A key that this version does not know."""


def from_mapping(cls: type[T], values: Any, where: str) -> T:
    """Build dataclass ``cls`` from a mapping; unknown, missing and mistyped keys are named."""
    if not isinstance(values, dict):
        raise ConfigError(f'{where}: expected a mapping, got {type(values).__name__}')
    hints = get_type_hints(cls)
    unknown = sorted(set(map(str, values)) - set(hints))
    if unknown:
        raise UnknownKeyError(f'{where}: unknown {", ".join(unknown)}; '
                              f'known: {", ".join(sorted(hints))}')
    plain = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    for key, value in plain.items():
        if not _is(value, hints[key]):
            raise ConfigError(f'{where}.{key}: expected {_name(hints[key])}, '
                              f'got {str(value)[:40]!r}{_hint(hints[key], value)}')
    try:
        return cls(**plain)
    except TypeError as error:
        raise ConfigError(f'{where}: {error}') from None


def _is(value: Any, hint: Any) -> bool:
    """Return whether a value of YAML is what a field's annotation says."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is types.UnionType:
        return any(_is(value, part) for part in parts)
    if origin is tuple:
        return (isinstance(value, tuple) and (parts[-1] is ... or len(value) == len(parts))
                and all(_is(item, parts[0]) for item in value))
    if hint is float:
        return type(value) in (int, float) and abs(value) < _LARGEST  # not NaN, infinity, 10**400
    if hint in (int, bool):
        return type(value) is hint
    return isinstance(value, origin or hint)


def _name(hint: Any) -> str:
    """Return an annotation in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return ' or '.join(map(_name, parts))
    if origin is tuple:
        count = '' if parts[-1] is ... else f'{len(parts)} '
        return f'a list of {count}{_NAMES[parts[0]].partition(" ")[2]}s'
    return _NAMES.get(hint, 'a mapping')


def _hint(hint: Any, value: Any) -> str:
    """Return what YAML is known for."""
    if hint is float and isinstance(value, str):
        return ' (YAML takes 1e-3 for text; write 0.001)'
    return ' (quote yes and no)' if _name(hint).startswith(('a list of s', 'a s')) else ''


def to_mapping(config: Any) -> dict[str, Any]:
    """Return a dataclass as plain YAML types (tuples become lists)."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}


def require(condition: bool, message: str) -> None:
    """Raise ConfigError with this message where the condition is not met."""
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class PreprocessConfig:
    """How a camera frame becomes the model's input: RGB uint8, ``height`` x ``width`` pixels.

    ``resize``: ``center_crop`` cuts the largest centred region of the model's aspect ratio,
    ``stretch`` takes the whole frame and lets the aspect ratio change, ``letterbox`` takes it as
    it is, with grey beside it or above and below.
    ``mean`` and ``std`` (per channel, of values from 0 to 1) are applied inside the image graph.
    """

    height: int = 64
    width: int = 64
    resize: str = 'center_crop'
    mean: tuple[float, ...] = (128 / 255, 128 / 255, 128 / 255)
    std: tuple[float, ...] = (0.25, 0.25, 0.25)

    def __post_init__(self) -> None:
        for name in ('height', 'width'):
            value = getattr(self, name)
            require(8 <= value <= 1024,
                    f'preprocess.{name}: {value!r} is not from 8 to 1024 pixels')
        require(self.resize in RESIZE_RULES,
                f'preprocess.resize: {self.resize!r} is none of {", ".join(RESIZE_RULES)}')
        require(len(self.mean) == 3 == len(self.std) and min(self.std) > 0,
                'preprocess.mean and std: three numbers each, std above 0')
        require(all(0 <= value <= 1 for value in self.mean),
                'preprocess.mean: from 0 to 1, of the brightest')

"""The shape of the model and of its input, as frozen dataclasses checked in one place.

Used by training (to build the model) and by the bundle (to say what it holds). Reads no
environment, picks no device, imports no torch.
"""

from __future__ import annotations

import types
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

PLACEMENTS = ('per_block', 'stem')
RESIZE_RULES = ('center_crop', 'stretch')

_NAMES = {int: 'a whole number', float: 'a number', bool: 'a switch: true or false',
          str: 'a string', types.NoneType: 'null'}

_LARGEST = 1e300  # a float may be as large; an integer of YAML has no limit

T = TypeVar('T')


class ConfigError(ValueError):
    """A configuration that cannot be; the message names the field and the way out."""


def from_mapping(cls: type[T], values: Any, where: str) -> T:
    """Build dataclass ``cls`` from a mapping; unknown, missing and mistyped keys are named."""
    if not isinstance(values, dict):
        raise ConfigError(f'{where}: expected a mapping, got {type(values).__name__}')
    hints = get_type_hints(cls)
    unknown = sorted(set(map(str, values)) - set(hints))
    if unknown:
        raise ConfigError(f'{where}: unknown {", ".join(unknown)}; '
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


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class PreprocessConfig:
    """How a camera frame becomes the model's input: RGB uint8, ``height`` x ``width`` pixels.

    ``resize``: ``center_crop`` cuts the largest centred region of the model's aspect ratio,
    ``stretch`` takes the whole frame and lets the aspect ratio change.
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
            _require(8 <= value <= 1024,
                     f'preprocess.{name}: {value!r} is not from 8 to 1024 pixels')
        _require(self.resize in RESIZE_RULES,
                 f'preprocess.resize: {self.resize!r} is none of {", ".join(RESIZE_RULES)}')
        _require(len(self.mean) == 3 == len(self.std) and min(self.std) > 0,
                 'preprocess.mean and std: three numbers each, std above 0')
        _require(all(0 <= value <= 1 for value in self.mean),
                 'preprocess.mean: from 0 to 1, of the brightest')


@dataclass(frozen=True)
class ModelConfig:
    """The latent CLIP-VQA model. ``width`` is d and ``latent_dim`` is r of the attention blocks.

    ``latent_dim: null`` with ``placement: per_block`` is the dense twin.
    ``stem_channels`` lists the stride-2 stages of the convolutional stem, the image tower's grid
    is the input divided by 2 per stage; ``stem_residuals`` lists residual blocks after each stage.
    ``image_pool``: the image tower's keys and values are means over so many by so many cells.
    ``coordinates`` tells the fusion where in the picture each image token is.
    ``count_dim``: the fusion also sums, over all cells, how well each fits the question, compared
    in so many dimensions; 0 leaves the sum out.
    """

    width: int = 128
    latent_dim: int | None = 32
    placement: str = 'per_block'
    heads: int = 4
    mlp_ratio: int = 2
    stem_channels: tuple[int, ...] = (32, 64, 128)
    stem_residuals: tuple[int, ...] = (0, 1, 1)
    image_blocks: int = 3
    image_pool: int = 1
    text_blocks: int = 1
    fusion_blocks: int = 2
    embed_dim: int = 64
    max_tokens: int = 16
    coordinates: bool = False
    count_dim: int = 0

    def __post_init__(self) -> None:
        for name in ('width', 'heads', 'mlp_ratio', 'embed_dim', 'image_pool', 'fusion_blocks'):
            value = getattr(self, name)
            _require(value > 0, f'model.{name}: {value!r} is not above 0')
        for name in ('image_blocks', 'text_blocks', 'count_dim'):
            value = getattr(self, name)
            _require(value >= 0, f'model.{name}: {value!r} is below 0')
        _require(4 <= self.max_tokens <= 256,
                 f'model.max_tokens: {self.max_tokens} is not from 4 to 256')
        self._check_stem()
        self._check_latent()

    def _check_stem(self) -> None:
        _require(1 <= len(self.stem_channels) <= 6 and min(self.stem_channels) > 0,
                 'model.stem_channels: one to six channel counts above 0')
        _require(len(self.stem_residuals) == len(self.stem_channels),
                 'model.stem_residuals: one count per entry of stem_channels')

    def _check_latent(self) -> None:
        _require(self.placement in PLACEMENTS,
                 f'model.placement: {self.placement!r} is none of {", ".join(PLACEMENTS)}')
        latent = self.latent_dim
        _require(latent is not None or self.placement == 'per_block',
                 'model.latent_dim: null (the dense twin) goes with placement per_block only')
        _require(latent is None or 0 < latent < self.width,
                 f'model.latent_dim: {latent} must be above 0 and below width {self.width}')
        _require(self.attention_dim % self.heads == 0,
                 f'model.heads: {self.heads} does not divide the attention width '
                 f'{self.attention_dim}')

    @property
    def attention_dim(self) -> int:
        """The width in which attention happens: r, or d in the dense twin."""
        return self.width if self.latent_dim is None else self.latent_dim

    def check_input(self, preprocess: PreprocessConfig) -> None:
        """Refuse an input size that the stem's strides, or squares of cells, do not divide."""
        stride = 2 ** len(self.stem_channels)
        for name in ('height', 'width'):
            size = getattr(preprocess, name)
            _require(size % stride == 0,
                     f'preprocess.{name}: {size} is not a multiple of the stem stride {stride}')
            _require(size // stride % self.image_pool == 0,
                     f'preprocess.{name}: {size // stride} cells are not a multiple of '
                     f'model.image_pool {self.image_pool}')

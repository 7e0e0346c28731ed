"""How a network is built: a bundle's ``architecture``, a recipe's section ``model``.

Opaque to the runtime; training and the torch backend read it. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from latent_vqa_ros.core.config import (
    ConfigError,
    PreprocessConfig,
    UnknownKeyError,
    from_mapping,
    require,
)
from latent_vqa_ros.core.manifest import MAX_TOKENS, MIN_TOKENS, UPDATE, Manifest

PLACEMENTS = ('per_block', 'stem')
DEEP = 'efficientnet_lite0_deep'
LITE0 = ('efficientnet_lite0', DEEP)
IMAGE_TOWERS = ('conv_stem', *LITE0)
MOST = 4096  # of whatever is counted
_LITE0_INPUT = 0.5  # mean and std of values from 0 to 1, about


@dataclass(frozen=True)
class ModelConfig:
    """The latent CLIP-VQA model. ``width`` is d and ``latent_dim`` is r of the attention blocks.

    ``latent_dim: null`` with ``placement: per_block`` is the dense twin.
    ``image_tower`` is ``conv_stem``, ``efficientnet_lite0`` or ``efficientnet_lite0_deep``, which
    has later blocks of that network (training of both begins with ImageNet weights).
    ``stem_channels`` lists the stride-2 stages of the convolutional stem, whose grid is the input
    divided by 2 per stage; ``stem_residuals`` lists residual blocks after each stage.
    ``image_pool``: the image tower's keys and values are means over so many by so many cells.
    ``coordinates`` tells the fusion where in the picture each image token is.
    ``count_dim``: the fusion also sums, over all cells, how well each fits the question, compared
    in so many dimensions; 0 leaves the sum out.
    ``answer_table``: each answer has a vector that training learns, instead of the embedding of
    its text: with few questions and many answers that is learned sooner.
    """

    width: int = 128
    latent_dim: int | None = 32
    placement: str = 'per_block'
    heads: int = 4
    mlp_ratio: int = 2
    image_tower: str = 'conv_stem'
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
    answer_table: bool = False

    def __post_init__(self) -> None:
        for name in ('width', 'heads', 'mlp_ratio', 'embed_dim', 'image_pool', 'fusion_blocks'):
            value = getattr(self, name)
            require(0 < value <= MOST, f'model.{name}: {value!r} is not from 1 to {MOST}')
        for name in ('image_blocks', 'text_blocks', 'count_dim'):
            value = getattr(self, name)
            require(0 <= value <= MOST, f'model.{name}: {value!r} is not from 0 to {MOST}')
        require(MIN_TOKENS <= self.max_tokens <= MAX_TOKENS,
                f'model.max_tokens: {self.max_tokens} is not from {MIN_TOKENS} to {MAX_TOKENS}')
        self._check_stem()
        self._check_latent()

    def _check_stem(self) -> None:
        require(self.image_tower in IMAGE_TOWERS,
                f'model.image_tower: {self.image_tower!r} is none of {", ".join(IMAGE_TOWERS)}')
        require(1 <= len(self.stem_channels) <= 6 and min(self.stem_channels) > 0
                and max(*self.stem_channels, *self.stem_residuals, 0) <= MOST,
                f'model.stem_channels: one to six counts from 1 to {MOST}')
        require(len(self.stem_residuals) == len(self.stem_channels),
                'model.stem_residuals: one count per entry of stem_channels')

    def _check_latent(self) -> None:
        require(self.placement in PLACEMENTS,
                f'model.placement: {self.placement!r} is none of {", ".join(PLACEMENTS)}')
        latent = self.latent_dim
        require(latent is not None or self.placement == 'per_block',
                'model.latent_dim: null (the dense twin) goes with placement per_block only')
        require(latent is None or 0 < latent < self.width,
                f'model.latent_dim: {latent} must be above 0 and below width {self.width}')
        require(self.attention_dim % self.heads == 0,
                f'model.heads: {self.heads} does not divide the attention width '
                f'{self.attention_dim}')

    @property
    def attention_dim(self) -> int:
        """The width in which attention happens: r, or d in the dense twin."""
        return self.width if self.latent_dim is None else self.latent_dim

    @property
    def strides(self) -> tuple[int, int]:
        """Pixels of a cell of the image tower's grid, and what height and width are multiples of.
        """
        if self.image_tower == DEEP:
            return 32, 32
        if self.image_tower in LITE0:
            return 8, 16  # its block 10 has half the resolution
        return (2 ** len(self.stem_channels),) * 2

    def check_input(self, preprocess: PreprocessConfig) -> None:
        """Refuse an input that the tower's strides, or squares of cells, do not divide."""
        cell, stride = self.strides
        for name in ('height', 'width'):
            size = getattr(preprocess, name)
            require(size % stride == 0,
                    f'preprocess.{name}: {size} is not a multiple of the stem stride {stride}')
            require(size // cell % self.image_pool == 0,
                    f'preprocess.{name}: {size // cell} cells are not a multiple of '
                    f'model.image_pool {self.image_pool}')
        if self.image_tower in LITE0:
            far = max(abs(value - _LITE0_INPUT) for value in (*preprocess.mean, *preprocess.std))
            require(far < 0.01, f'preprocess.mean and std: {self.image_tower} takes 0.5')


def architecture(manifest: Manifest) -> ModelConfig:
    """Return how a bundle's network is built; ConfigError where this version cannot build it."""
    try:
        config = from_mapping(ModelConfig, dict(manifest.architecture), 'architecture')
    except UnknownKeyError as error:
        raise ConfigError(f'{error}; {UPDATE}') from None
    config.check_input(manifest.preprocess)
    if config.max_tokens != manifest.max_tokens:
        raise ConfigError(f'architecture.max_tokens: {config.max_tokens}, and the bundle takes '
                          f'{manifest.max_tokens}')
    return config

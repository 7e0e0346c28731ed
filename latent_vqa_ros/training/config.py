"""A training recipe: ``config/train/<name>.yaml`` as frozen dataclasses.

Says what to train, on which data and how long. Picks no device and reads no environment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml

from latent_vqa_ros.core.config import ConfigError, PreprocessConfig, from_mapping
from latent_vqa_ros.model.config import ModelConfig

T = TypeVar('T')
WIDE = 'tabletop_wide'  # the data set that a user's photographs and meshes may be part of


@dataclass(frozen=True)
class AugmentConfig:
    """Changes to training pictures that leave every answer true.

    ``symmetries``: the eight flips and quarter turns of a square picture (not for data that asks
    about left and right, above and below). ``mirror`` shows half of the pictures left side right,
    with "left" and "right" swapped in their questions, without those questions that tell sides in
    other ways, and without their captions. ``noise`` is the highest standard deviation in grey
    levels, ``gain`` the highest relative change of brightness, ``shade`` the highest such change
    that differs smoothly over the picture (uneven light), ``shadow`` the highest darkening of a
    polygon with sharp edges, ``blur`` the highest share of a 3x3 mean mixed in.
    """

    symmetries: bool = False
    mirror: bool = False
    noise: float = 4.0
    gain: float = 0.1
    shade: float = 0.0
    shadow: float = 0.0
    blur: float = 0.5

    def __post_init__(self) -> None:
        if (min(self.noise, self.gain, self.shade, self.shadow, self.blur) < 0
                or max(self.shadow, self.blur) > 1):
            raise ConfigError('augment: noise, gain and shade from 0, shadow and blur from 0 to 1')


@dataclass(frozen=True)
class PartConfig:
    """How a stage trains a part of the model: at a learning rate of its own, or not at all."""

    learning_rate: float | None = None
    frozen: bool = False

    def __post_init__(self) -> None:
        rate = self.learning_rate
        if (rate is None) != self.frozen or rate is not None and rate <= 0:
            raise ConfigError('a part needs a learning_rate above 0, or frozen: true')


@dataclass(frozen=True)
class StageConfig:
    """One stage of the loop. ``batch`` counts images; ``warmup`` is a share of the steps.

    The stage ends after ``epochs``, or at the first epoch whose validation score is ``stop_at``.
    ``region_weight``, for data that says where things are, is that of the contrast between single
    image tokens and captions of single things. ``dropout`` is the share of activations, and of the
    words of questions, that a step leaves out, so that few examples are not learned by heart. Of
    finetune alone: ``contrastive_weight`` keeps the contrastive loss of whole pictures beside the
    answer loss; for data that says where things are, ``grounding_weight`` of the attention of
    words that name a thing, ``count_weight`` of what the model counts (``count_dim``) where the
    answer is a number. ``parts``: by the name of a module, such as ``clip.image_encoder.stem``,
    what differs for it; the longest name that fits counts.
    """

    epochs: int = 10
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.0
    warmup: float = 0.05
    stop_at: float | None = None
    contrastive_weight: float = 0.0
    region_weight: float = 0.0
    grounding_weight: float = 0.0
    count_weight: float = 0.0
    parts: Mapping[str, PartConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch) < 1 or not 0 <= self.warmup < 1:
            raise ConfigError('a stage needs epochs and batch above 0 and warmup from 0 to 1')
        if self.learning_rate <= 0 or min(self.weight_decay, self.contrastive_weight,
                                          self.region_weight, self.grounding_weight,
                                          self.count_weight) < 0:
            raise ConfigError('a stage needs a learning_rate above 0 and weights from 0')
        if not 0 <= self.dropout < 1:
            raise ConfigError(f'dropout {self.dropout}: expected a share from 0, below 1')


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result of a training.

    ``calibration_images`` counts the training images that the quantizer sees. ``false_alarms`` is
    the share of familiar images that ``unfamiliar_image`` may refuse; its limit is set on
    validation images, on augmented copies, and on all these after a camera's resize and JPEG.
    ``unfamiliar`` says which pictures it must refuse: ``rooms``, drawn ones, or a folder with
    JPEG and PNG files; without, only what is far from the training pictures.
    ``bfloat16`` computes the towers in that type on GPUs and CPUs that have instructions for it;
    others compute in float32.
    ``data`` is a data set or several, which are shuffled together; ``limit``, where given, is how
    many records of each split of a data set are used (a list: of each data set). ``start`` is the
    name or the folder of a bundle whose weights training begins with; the contrastive stage is
    then left out. ``start_share`` of its weights is mixed into the trained ones in the end.
    ``photos`` and ``meshes`` are folders of pictures and of things (.obj, with a .png of the same
    name) that training scenes of `tabletop_wide` are made with, beside those of all.
    """

    name: str
    data: str | tuple[str, ...]
    version: str = '0.1.0'
    license: str = 'Apache-2.0'
    seed: int = 0
    threads: int = 2
    bfloat16: bool = False
    calibration_images: int = 256
    false_alarms: float = 0.002
    unfamiliar: str = ''
    model: ModelConfig = field(default_factory=ModelConfig)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    pretrain: StageConfig = field(default_factory=StageConfig)
    finetune: StageConfig = field(default_factory=StageConfig)
    limit: int | tuple[int, ...] | None = None
    start: str = ''
    start_share: float = 0.0
    photos: str = ''
    meshes: str = ''
    file: str = ''  # name of the recipe file
    sha256: str = ''  # of the recipe file

    def __post_init__(self) -> None:
        if not self.data or isinstance(self.limit, tuple) and len(self.limit) != len(self.names):
            raise ConfigError(f'data {self.data}, limit {self.limit}: expected a data set or a '
                              'list of them, and a limit or a list with one for each')
        if min((limit for _, limit in self.sources if limit is not None), default=1) < 1:
            raise ConfigError(f'limit {self.limit}: expected a number of records above 0')
        if not 0 <= self.seed < 1 << 63:
            raise ConfigError(f'seed {self.seed}: expected a whole number from 0, below 2^63')
        if min(self.threads, self.calibration_images) < 1:
            raise ConfigError('threads and calibration_images must be above 0')
        if self.finetune.count_weight and not self.model.count_dim:
            raise ConfigError('finetune.count_weight: the model counts nothing; set '
                              'model.count_dim, e.g. 16')
        if not 0 <= self.start_share < 1 or self.start_share and not self.start:
            raise ConfigError(f'start_share {self.start_share}: expected a share from 0, below 1, '
                              'of a start')
        if self.start and self.model.answer_table:
            raise ConfigError('start: model.answer_table is learned from the first step on; leave '
                              'one of them out')
        if self.own != ('', '') and not {WIDE, f'{WIDE}_spoken'}.intersection(self.names):
            raise ConfigError(f'photos, meshes: only for data: {WIDE}, {WIDE}_spoken')
        for key in ('contrastive_weight', 'grounding_weight', 'count_weight'):
            if getattr(self.pretrain, key):
                raise ConfigError(f'pretrain.{key}: that stage has no such loss; write it under '
                                  'finetune')
        turned, places = self.augment.symmetries, max(
            self.pretrain.region_weight, self.finetune.region_weight,
            self.finetune.grounding_weight)
        if turned and (self.preprocess.height != self.preprocess.width or places):
            raise ConfigError('augment.symmetries: only for square pictures, and without '
                              'region_weight and grounding_weight: places are not turned')
        if not 0 < self.false_alarms < 1:
            raise ConfigError(f'false_alarms {self.false_alarms}: expected a share above 0, '
                              'below 1')

    @property
    def names(self) -> tuple[str, ...]:
        """The names or folders of the data sets."""
        return (self.data,) if isinstance(self.data, str) else self.data

    @property
    def own(self) -> tuple[str, str]:
        """The folders of photographs and of meshes, '' where there is none."""
        return self.photos, self.meshes

    @property
    def sources(self) -> tuple[tuple[str, int | None], ...]:
        """Each data set with its limit."""
        limits = self.limit if isinstance(self.limit, tuple) else (self.limit,) * len(self.names)
        return tuple(zip(self.names, limits, strict=True))

    @property
    def trains(self) -> dict[str, Any]:
        """What decides the weights, as JSON has it: not names, and not what follows training."""
        left_out = ('name', 'version', 'license', 'file', 'sha256', 'threads',
                    'calibration_images', 'false_alarms', 'unfamiliar', 'start_share')
        values = {key: value for key, value in asdict(self).items() if key not in left_out}
        for section, key in ((values, 'photos'), (values, 'meshes'),
                             (values['model'], 'answer_table'),
                             (values['pretrain'], 'dropout'), (values['finetune'], 'dropout')):
            if not section[key]:  # runs of before these keys go on
                del section[key]
        return dict(json.loads(json.dumps(values)))

    def smoke(self) -> Recipe:
        """Return the recipe cut down to what shows that every stage runs."""
        return replace(self, name=f'{self.name}_smoke', calibration_images=16,
                       pretrain=replace(self.pretrain, epochs=min(2, self.pretrain.epochs),
                                        stop_at=None, batch=32),
                       finetune=replace(self.finetune, epochs=min(2, self.finetune.epochs),
                                        stop_at=None, batch=32))


class _Loader(yaml.SafeLoader):
    """Takes a key once; SafeLoader keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[tuple[str, str]]()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            told = key.tag, str(key.value)
            if told in seen:
                raise yaml.YAMLError(f'line {key.start_mark.line + 1}: {told[1][:40]!r} is there '
                                     'twice')
            seen.add(told)
        return dict(super().construct_mapping(node, deep))


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; ConfigError names the key that is wrong."""
    try:
        text = path.read_bytes()
        document = yaml.load(text, _Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: a date that cannot be
        raise ConfigError(f'{path}: {str(error).splitlines()[0]}') from None
    if not isinstance(document, dict):
        raise ConfigError(f'{path}: not a mapping')
    values: dict[str, Any] = dict(document)
    hints = get_type_hints(Recipe)
    values['file'], values['sha256'] = path.name, hashlib.sha256(text).hexdigest()
    try:
        for item in fields(Recipe):
            if is_dataclass(hints[item.name]) and item.name in values:
                values[item.name] = _section(hints[item.name], values[item.name], item.name)
        recipe = from_mapping(Recipe, values, 'recipe')
        recipe.model.check_input(recipe.preprocess)
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from None
    return recipe


def _section(kind: type[T], values: Any, where: str) -> T:
    """Return a section of a recipe; the parts of a stage are sections of it."""
    if kind is StageConfig and isinstance(values, dict) and isinstance(values.get('parts'), dict):
        values = {**values, 'parts': {
            str(name): from_mapping(PartConfig, part, f'{where}.parts.{name}')
            for name, part in values['parts'].items()}}
    return from_mapping(kind, values, where)

"""The order of the stages that train: begin with a bundle's weights, pretrain, finetune, mix.

Every stage leaves its result in the run folder; a run that was killed goes on where it was and
reaches the same result. What follows training is assemble.py.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latent_vqa_ros import datasets
from latent_vqa_ros.core.config import ConfigError
from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.datasets.images import Pictures
from latent_vqa_ros.datasets.record import Record
from latent_vqa_ros.model.config import LITE0
from latent_vqa_ros.model.towers.efficientnet_lite import SOURCE, Lite0Tower
from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training import (
    checkpoint,
    distributed,
    finetune,
    loop,
    pretrain,
    start,
    unfamiliar,
)
from latent_vqa_ros.training.batches import Split
from latent_vqa_ros.training.config import Recipe
from latent_vqa_ros.training.data import Data, digest

RUN = 'run.json'  # in the run folder: what decides its weights
LATER = ('counts',)  # keys of RUN that folders of before have not
FINETUNED = 'finetune.safetensors'  # in the run folder: the last stage's checkpoint

log = logging.getLogger(__name__)


def build(recipe: Recipe, data: Data) -> LatentVqa:
    """Return a new model, its weights drawn from the recipe's seed.

    Those of a tower that has ImageNet weights are these. ConfigError where they are not installed.
    """
    torch.manual_seed(recipe.seed)
    model = LatentVqa(recipe.model, recipe.preprocess, data.tokenizer.size, len(data.answers))
    if isinstance(model.clip.image_encoder.stem, Lite0Tower):
        model.clip.image_encoder.stem.load_imagenet()
    return model


def bank_ids(data: Data) -> Tensor:
    """Return the padded ids of the answer texts."""
    return torch.from_numpy(data.tokenizer.encode_batch(data.answers))


def run(recipe: Recipe, data: Data, folder: Path, device: torch.device) -> LatentVqa:
    """Run both training stages, or go on from what is in the folder; return the model."""
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True, warn_only=device.type != 'cpu')
    # filling what is overwritten anyway would take a seventh of the time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    trained = {**recipe.trains, 'content': digest((*data.train, *data.val)),
               'counts': [len(data.train), len(data.val)],
               'answers': list(data.answers), 'vocabulary': list(data.tokenizer.vocabulary)}
    if recipe.start and not finished(folder):  # then its place may hold what came of it
        trained['start_bundle'] = start.identity(start.begin(recipe))
    places = bool(recipe.pretrain.region_weight)
    described = not recipe.start and any(
        record.captions or places and record.regions for record in data.train)
    _require_rows(recipe, len(data.train), described)
    if distributed.rank() == 0:
        warn_of_places(recipe, data.train)
    noted = _checked(folder, trained, recipe)
    for records in () if finished(folder) else (data.train, data.val):  # broken ones: told first
        Pictures(records, recipe.preprocess).ready()
    if distributed.rank() == 0:
        checkpoint.write_atomic(folder / RUN, json.dumps({**noted, **trained}).encode())
    model = build(recipe, data)
    begun = (folder / FINETUNED).exists()  # it holds what came before, too
    if recipe.start and not begun:
        start.take_over(model, recipe, data.tokenizer, folder)
    model = model.to(device)
    grid = model.clip.image_encoder.grid
    train_split, val_split = (
        Split(records, recipe.preprocess, data.tokenizer, data.answers, grid)
        for records in (data.train, data.val))
    metrics = loop.Metrics(folder)
    if described and not begun:
        task = pretrain.task(recipe, model, train_split, val_split, device)
        loop.run(task, model, recipe.pretrain, folder, metrics)
    bank = bank_ids(data).to(device)
    task = finetune.task(recipe, model, train_split, val_split, bank, data.answers, device)
    loop.run(task, model, recipe.finetune, folder, metrics)
    if recipe.start_share:
        start.mix(model, recipe, folder)
    return model


def _require_rows(recipe: Recipe, pictures: int, described: bool) -> None:
    """Raise ConfigError where a process would get no picture of a batch."""
    least = min(recipe.finetune.batch, recipe.pretrain.batch if described else pictures, pictures)
    if least < distributed.world():
        raise ConfigError(f'{recipe.file}: {distributed.world()} processes for batches of {least} '
                          'pictures; start fewer, or raise batch')


def warn_of_places(recipe: Recipe, train: Sequence[Record]) -> None:
    """Log a warning where weights of the recipe are for places that no picture tells."""
    if (max(recipe.finetune.region_weight, recipe.finetune.grounding_weight)
            and not any(record.regions for record in train)):
        log.warning('%s: no picture of training says where its things are (truth.jsonl): '
                    'region_weight and grounding_weight teach nothing', recipe.file)


def same_start(recipe: Recipe, folder: Path) -> bool:
    """Return whether the folder's training began with the weights that its start has now.

    Then the folder tells that bundle, with its version and digest of now.
    """
    path = folder / RUN
    begun = _noted(path)
    if not start.same(recipe, folder, begun['vocabulary']):
        return False
    if distributed.rank() == 0:
        begun['start_bundle'] = start.begun_with(folder)
        checkpoint.write_atomic(path, json.dumps(begun).encode())
    return True


def _noted(path: Path) -> dict[str, Any]:
    """Return what a run folder's RUN says; ConfigError where it is damaged."""
    try:
        return dict(json.loads(path.read_text('utf-8')))
    except ValueError as error:
        raise ConfigError(f'{path}: damaged, {one_line(error)}; remove the folder') from None


def _checked(folder: Path, trained: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Return what is trained in the run folder already; ConfigError if that is something else."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RUN
    begun = _noted(path) if path.exists() else dict(trained)
    begun = {key: trained[key] for key in LATER} | begun
    differ = [key for key in trained if begun.get(key) != trained[key]]
    if differ == ['start_bundle'] and same_start(recipe, folder):
        differ = []
    if differ:
        raise ConfigError(f'{folder}: holds a training with another {", ".join(differ)}; name '
                          'another --folder, or remove this one')
    return begun


def finished(folder: Path) -> bool:
    """Return whether the folder holds a finished training."""
    path = folder / FINETUNED
    return path.exists() and bool(checkpoint.load_tensors(path)[1]['done'])


def require_finished(folder: Path) -> None:
    """Raise ConfigError unless the folder holds a finished training."""
    if not finished(folder):
        raise ConfigError(f'{folder}: holds no finished training; run latent_vqa train first')


def history(recipe: Recipe, data: Data, folder: Path) -> dict[str, Any]:
    """Return what a bundle says of its training, and under ``before`` of that of its start."""
    versions = {name: datasets.version(name) for name in recipe.names}
    sources = [each for name in recipe.names for each in datasets.sources(name, recipe.own)]
    sources += datasets.sources(recipe.unfamiliar)
    if recipe.unfamiliar and recipe.unfamiliar != unfamiliar.ROOMS:
        sources.append({'name': Path(recipe.unfamiliar).name, 'licence': "the user's",
                        'what': 'unfamiliar pictures'})
    if recipe.model.image_tower in LITE0:
        sources.append(SOURCE)
    sources = list({str(each): each for each in sources}.values())
    told = {'data': data.name, 'data_versions': {k: v for k, v in versions.items() if v},
            'data_sha256': _noted(folder / RUN)['content'],
            'recipe': recipe.file, 'recipe_sha256': recipe.sha256, 'seed': recipe.seed,
            'false_alarms': recipe.false_alarms, 'stages': summary(folder),
            **({'unfamiliar': recipe.unfamiliar} if recipe.unfamiliar else {}),
            **({'sources': sources} if sources else {})}
    begun = start.begun_with(folder)
    if begun is None:
        return told
    return {**told, 'start': begun, 'start_share': recipe.start_share,
            'before': start.history(folder)}


def summary(folder: Path) -> dict[str, Any]:
    """Return epochs, seconds and processes of each stage that the metrics file tells of."""
    stages: dict[str, dict[str, float]] = {}
    for row in loop.Metrics.read(folder):
        stage = stages.setdefault(row['stage'], {'epochs': 0, 'seconds': 0.0})
        stage['epochs'] += 1
        stage['seconds'] = round(stage['seconds'] + row['seconds'], 1)
        stage['validation'], stage['processes'] = row['score'], row.get('processes', 1)
    return stages

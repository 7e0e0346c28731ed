"""A recipe from data to bundle: pretrain, finetune, calibrate, export, quantize, evaluate.

Every stage leaves its result in the run folder; a run that was killed goes on where it was and
reaches the same result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latent_vqa_ros import datasets
from latent_vqa_ros.core.config import ConfigError
from latent_vqa_ros.core.tokenizer import QuestionError, Tokenizer, words
from latent_vqa_ros.datasets.record import SPLITS, DatasetError, Record, questions_of
from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training import (
    checkpoint,
    distributed,
    finetune,
    loop,
    pretrain,
    start,
)
from latent_vqa_ros.training.batches import Split
from latent_vqa_ros.training.config import Recipe
from latent_vqa_ros.training.places import NOTHING

RUN = 'run.json'  # in the run folder: what decides its weights


@dataclass(frozen=True)
class Data:
    """A dataset as a recipe sees it: records by split, words and answers of its training part.

    ``more`` holds its further test splits, ``blind`` the records that a blind model learns from.
    """

    name: str
    train: tuple[Record, ...]
    val: tuple[Record, ...]
    test: tuple[Record, ...]
    more: dict[str, tuple[Record, ...]]
    blind: tuple[Record, ...]
    tokenizer: Tokenizer
    answers: tuple[str, ...]
    questions: tuple[str, ...]


def load_data(recipe: Recipe, limit: int | None = None) -> Data:
    """Load the recipe's data; ``limit`` (the recipe's) keeps that many records of each split.

    What can be asked and answered is that of the recipe's training part, also with a lower limit.
    """
    limit = limit or recipe.limit
    dataset = datasets.load(recipe.data, limit=limit)
    train, val, test = (dataset.split(name)[:limit] for name in SPLITS)
    more = {name: dataset.split(name)[:limit] for name in
            sorted({record.split for record in dataset.records} - set(SPLITS))}
    everything = dataset.split('train')[:recipe.limit]
    asked = [question for _, question in questions_of(everything)]
    answers = tuple(sorted({question.answer for question in asked}))
    captions, regions = _captions(everything), _things(everything)
    regions += [NOTHING] if regions else []  # an empty place has a caption, too
    texts = tuple(sorted({question.text for question in asked}))
    tokenizer = Tokenizer.from_texts((*texts, *captions, *regions, *answers),
                                     recipe.model.max_tokens)
    _check_words(tokenizer, dataset.name, {
        'answers': answers, 'train': [*texts, *captions, *regions],
        **{split: [*(q.text for _, q in questions_of(records)), *_captions(records),
                   *_things(records)]
           for split, records in (('val', val), ('test', test), *more.items())}})
    _check_answers(tokenizer, dataset.name, answers)
    if recipe.augment.mirror:
        _check_mirror(tokenizer, dataset.name, texts, answers)
    unknown = {q.answer for _, q in questions_of(val)} - set(answers)
    if unknown:
        raise DatasetError(f'{dataset.name}: validation answers that training has not: '
                           f'{", ".join(sorted(unknown)[:5])}')
    return Data(dataset.name, train, val, test, more, dataset.split(dataset.blind), tokenizer,
                answers, texts)


def _captions(records: Sequence[Record]) -> list[str]:
    return [text for record in records for text in record.captions]


def _things(records: Sequence[Record]) -> list[str]:
    """Return the captions of single things; what is hidden has none."""
    return [region.caption for record in records for region in record.regions if region.caption]


def _check_answers(tokenizer: Tokenizer, name: str, answers: Sequence[str]) -> None:
    """Raise DatasetError for answers that are one to the model: it would never be sure."""
    found: dict[tuple[int, ...], str] = {}
    for answer in answers:
        other = found.setdefault(tuple(tokenizer.encode(answer).tolist()), answer)
        if other != answer:
            raise DatasetError(f'{name}: the answers {other!r} and {answer!r} are the same words')


def _check_mirror(tokenizer: Tokenizer, name: str, texts: Sequence[str],
                  answers: Sequence[str]) -> None:
    """Raise DatasetError for what would be false of the mirrored picture.

    ``mirrored`` swaps "left of" and "right of" where both are known; "right" alone is no side.
    """
    known = set(tokenizer.vocabulary)
    other = {'left': 'right', 'right': 'left'}
    wrong = [answer for answer in answers if other.keys() & set(words(answer))]
    for text in texts:
        asked = words(text)
        wrong += [text for word, after in zip(asked, [*asked[1:], ''], strict=True)
                  if (other.get(word, word) not in known if after == 'of' else word == 'left')]
    if wrong:
        raise DatasetError(f'{name}: augment.mirror makes {wrong[0]!r} false: it swaps "left of" '
                           'and "right of" in questions, where training has both, and nothing '
                           'else; leave it out of the recipe')


def _check_words(tokenizer: Tokenizer, name: str, texts: dict[str, Sequence[str]]) -> None:
    """Raise DatasetError for a text that cannot be asked, before hours of training, not after."""
    for split, found in texts.items():
        for text in sorted(set(found)):
            try:
                tokenizer.encode(text)
            except QuestionError as error:
                raise DatasetError(f'{name}, {split}: {text[:80]!r}: {error}') from None


def build(recipe: Recipe, data: Data) -> LatentVqa:
    """Return a new model, its weights drawn from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    return LatentVqa(recipe.model, recipe.preprocess, data.tokenizer.size, len(data.answers))


def bank_ids(data: Data) -> Tensor:
    """Return the padded ids of the answer texts."""
    return torch.from_numpy(data.tokenizer.encode_batch(data.answers))


def train(recipe: Recipe, data: Data, folder: Path, device: torch.device) -> LatentVqa:
    """Run both training stages, or go on from what is in the folder; return the model."""
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True, warn_only=device.type != 'cpu')
    # filling what is overwritten anyway would take a seventh of the time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    _claim(folder, {**recipe.trains, 'content': _digest((*data.train, *data.val)),
                    'answers': list(data.answers), 'vocabulary': list(data.tokenizer.vocabulary)})
    model = build(recipe, data)
    begun = (folder / 'finetune.safetensors').exists()  # it holds what came before, too
    if recipe.start and not begun:
        start.take_over(model, recipe, data.tokenizer, folder)
    model = model.to(device)
    grid = model.clip.image_encoder.grid
    train_split, val_split = (
        Split(records, recipe.preprocess, data.tokenizer, data.answers, grid)
        for records in (data.train, data.val))
    metrics = loop.Metrics(folder)
    places = bool(recipe.pretrain.region_weight)
    described = any(record.captions or places and record.regions for record in data.train)
    if described and not recipe.start and not begun:
        task = pretrain.task(recipe, model, train_split, val_split, device)
        loop.run(task, model, recipe.pretrain, folder, metrics)
    bank = bank_ids(data).to(device)
    task = finetune.task(recipe, model, train_split, val_split, bank, data.answers, device)
    loop.run(task, model, recipe.finetune, folder, metrics)
    if recipe.start_share:
        start.mix(model, recipe, folder)
    return model


def _digest(records: Sequence[Record]) -> str:
    """Return a digest of all that the records say, and of the sizes of their pictures."""
    found = hashlib.sha256()
    for record in records:
        found.update(repr((record.image.name, record.image.stat().st_size, record.questions,
                           record.captions, record.regions)).encode())
    return found.hexdigest()


def _claim(folder: Path, trained: dict[str, Any]) -> None:
    """Note in the run folder what is trained there; ConfigError if that is something else."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RUN
    begun = json.loads(path.read_text('utf-8')) if path.exists() else trained
    differ = [key for key in trained if begun.get(key) != trained[key]]
    if differ:
        raise ConfigError(f'{folder}: holds a training with another {", ".join(differ)}; name '
                          'another --folder, or remove this one')
    if distributed.rank() == 0:
        checkpoint.write_atomic(path, json.dumps(trained).encode())


def require_finished(folder: Path) -> None:
    """Raise ConfigError unless the folder holds a finished training."""
    path = folder / 'finetune.safetensors'
    if not path.exists() or not checkpoint.load_tensors(path)[1]['done']:
        raise ConfigError(f'{folder}: holds no finished training; run latent_vqa train first')


def summary(folder: Path) -> dict[str, Any]:
    """Return epochs, seconds and processes of each stage that the metrics file tells of."""
    stages: dict[str, dict[str, float]] = {}
    for row in loop.Metrics.read(folder):
        stage = stages.setdefault(row['stage'], {'epochs': 0, 'seconds': 0.0})
        stage['epochs'] += 1
        stage['seconds'] = round(stage['seconds'] + row['seconds'], 1)
        stage['validation'], stage['processes'] = row['score'], row.get('processes', 1)
    return stages

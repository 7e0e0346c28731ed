"""Directions to what must be refused: linear classifiers beside the distance of calibrate.py.

One Gaussian takes a photograph of a room for familiar: no direction in which training pictures
differ little tells them apart. Examples do, a direction for each kind: the recipe's ``unfamiliar``
pictures, and training pictures damaged in one way, against training pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.preprocess import prepare
from latent_vqa_ros.datasets import rooms
from latent_vqa_ros.datasets.images import load_images, read_rgb
from latent_vqa_ros.datasets.record import Record, expanded
from latent_vqa_ros.evaluation import evaluate, familiarity
from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training import calibrate
from latent_vqa_ros.training.batches import augmented
from latent_vqa_ros.training.config import Recipe

ROOMS = 'rooms'
MOST = 5000  # pictures of a folder
FIRST = 0.7  # of the false alarms are those of the pictures, not of a damage
_PARTS, _PART = 2, (0.3, 0.95)  # of a picture, and how long their sides are by its own
_EACH = 5  # of so many training pictures one is damaged, in each way
_SEED = 5  # of parts and damages, beside the recipe's
_WHITE, _MUCH = 235, 0.05  # above it a pixel is pure white; the share that makes a white table
_SEARCHED, _TABLES = 20_000, 1250  # pictures in which those are searched, and how many are taken
_CHUNK = 1000  # of them in memory
_RIDGE = 0.0005  # for each familiar picture
_STEPS, _SMALL = 50, 1e-6


def paths(name: str, limit: int | None = None) -> list[Path]:
    """Return the pictures that a recipe calls unfamiliar; rooms are drawn where they lack.

    DatasetError for a folder without pictures or of an unknown user, RenderError where nothing can
    be drawn.
    """
    if not name:
        return []
    if name == ROOMS:
        return rooms.ready(limit)
    found = familiarity.pictures(expanded(name))
    return found[::-(-len(found) // min(limit or MOST, MOST))]


def check(name: str, limit: int | None = None) -> None:
    """Draw the rooms that lack; DatasetError where a picture of a folder cannot be read."""
    found = paths(name, limit)
    if name != ROOMS:
        for path in tqdm(found, 'unfamiliar pictures', leave=False):
            read_rgb(Record(path, 'train', ()))


def kinds(recipe: Recipe, records: Sequence[Record]) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures that must be refused, then records' damaged in each way: (n, H, W, 3).

    The pictures come whole and as augmented parts.
    """
    rng, whole, parts = np.random.default_rng((recipe.seed, _SEED)), [], []
    for path in paths(recipe.unfamiliar, len(records)):
        picture = read_rgb(Record(path, 'train', ()))
        whole.append(prepare(picture, recipe.preprocess))
        parts += [prepare(_part(picture, rng), recipe.preprocess) for _ in range(_PARTS)]
    yield np.concatenate([np.stack(whole), augmented(np.stack(parts), rng, recipe.augment)])
    for number, damage in enumerate(familiarity.DAMAGES):
        yield np.stack([evaluate.seen(record, recipe.preprocess, partial(damage, rng=rng))
                        for record in records[number % len(records)::_EACH]])


def white_tables(records: Sequence[Record],
                 preprocess: PreprocessConfig) -> NDArray[np.uint8]:
    """Return pictures of records that hold much pure white: (n, H, W, 3).

    Too few among all, they are taken for overexposed where they do not count as familiar twice.
    """
    searched, found = records[::-(-len(records) // _SEARCHED)], list[Record]()
    for start in tqdm(range(0, len(searched), _CHUNK), 'white tables', leave=False):
        chunk = searched[start:start + _CHUNK]
        white = (load_images(chunk, preprocess).min(axis=3) > _WHITE).mean(axis=(1, 2)) > _MUCH
        found += [record for record, much in zip(chunk, white, strict=True) if much]
    return load_images(found[::max(1, -(-len(found) // _TABLES))], preprocess)


def _part(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a random part of a picture, in its shape: what a nearer camera sees."""
    share, place = rng.uniform(*_PART), rng.uniform(0, 1, 2)
    rows, columns = (max(1, int(share * side)) for side in picture.shape[:2])
    y, x = (place * (picture.shape[0] - rows, picture.shape[1] - columns)).astype(int)
    return np.ascontiguousarray(picture[y:y + rows, x:x + columns])


@torch.no_grad()
def fit(model: LatentVqa, familiar_nd: Tensor, strange: Iterable[NDArray[np.uint8]],
        false_alarms: float) -> None:
    """Store in the model a direction from familiar mean tokens to each kind of strange images.

    The scores along them are scaled to be compared with the Gaussian's distance: over familiar
    images they have its median, and exceed one value as often as is each one's part of the false
    alarms. The first kind has FIRST of these, the others and the Gaussian the rest in equal parts.
    """
    found = [separate(familiar_nd, calibrate.mean_tokens(model, images)) for images in strange]
    others = (1 - FIRST) * false_alarms / len(found)
    model.strange_directions.zero_()
    model.strange_biases.zero_()
    distance = model.distance(familiar_nd[:, None].float()).numpy()
    wanted, limit = np.quantile(distance, (0.5, 1 - others))
    for number, (direction, bias) in enumerate(found):
        part = others if number else FIRST * false_alarms
        middle, high = np.quantile((familiar_nd @ direction + bias).numpy(), (0.5, 1 - part))
        scale = (limit - wanted) / (high - middle)
        model.strange_directions[:, number] = scale * direction
        model.strange_biases[number] = scale * (bias - middle) + wanted


def separate(familiar_nd: Tensor, strange_nd: Tensor) -> tuple[Tensor, Tensor]:
    """Return direction (d,) and bias () of a logistic regression: above 0 is strange.

    Newton's method (Bishop 2006, sec. 4.3.3) with a ridge on the standardized tokens; both sides
    weigh the same, however many they are.
    """
    many, all_md = len(familiar_nd), torch.cat([familiar_nd, strange_nd])
    mean, std = all_md.mean(dim=0), all_md.std(dim=0) + _SMALL
    x = torch.cat([(all_md - mean) / std, torch.ones_like(all_md[:, :1])], dim=1)
    target = (torch.arange(len(x)) >= many).double()
    weight = torch.where(target > 0, many / len(strange_nd), 1.0)
    ridge = torch.full((x.shape[1],), _RIDGE * many).double()
    ridge[-1] = 0
    found = torch.zeros_like(ridge)
    for _ in range(_STEPS):
        p = (x @ found).sigmoid()
        gradient = x.T @ (weight * (p - target)) + ridge * found
        step = torch.linalg.solve((x.T * (weight * p * (1 - p))) @ x + ridge.diag(), gradient)
        found -= step
        if float(step.abs().max()) < _SMALL:
            break
    direction = found[:-1] / std
    return direction, found[-1] - direction @ mean

"""The direction to what must be refused: a linear classifier beside the distance of calibrate.py.

One Gaussian takes a photograph of a room for familiar: no direction in which training pictures
differ little tells them apart. Examples do: the recipe's ``unfamiliar`` pictures and damaged
training pictures, against training pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latent_vqa_ros.datasets import rooms
from latent_vqa_ros.datasets.images import load_images
from latent_vqa_ros.datasets.record import Record
from latent_vqa_ros.evaluation import familiarity
from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training import calibrate
from latent_vqa_ros.training.config import Recipe

ROOMS = 'rooms'
MOST = 5000  # pictures of a folder
_EACH = 5  # of so many training pictures one is damaged, in each way
_SEED = 5  # of the damages, beside the recipe's
_RIDGE = 0.0005  # for each familiar picture
_GAUSSIAN = 0.1  # of the false alarms; the rest is the direction's, which tells more apart
_STEPS, _SMALL = 50, 1e-6


def paths(name: str, limit: int | None = None) -> list[Path]:
    """Return the pictures that a recipe calls unfamiliar; rooms are drawn where they lack.

    DatasetError for a folder without pictures, RenderError where nothing can be drawn.
    """
    if not name:
        return []
    if name == ROOMS:
        return rooms.ready(limit)
    found = familiarity.pictures(Path(name).expanduser())
    return found[::-(-len(found) // min(limit or MOST, MOST))]


def kinds(recipe: Recipe, images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures that must be refused, then each damage: (n, H, W, 3) for (N, H, W, 3)."""
    found = paths(recipe.unfamiliar, len(images))
    yield load_images([Record(path, 'train', ()) for path in found], recipe.preprocess)
    for number, damage in enumerate(familiarity.DAMAGES):
        rng = np.random.default_rng((recipe.seed, _SEED, number))
        yield np.stack([damage(image, rng) for image in images[number % len(images)::_EACH]])


@torch.no_grad()
def fit(model: LatentVqa, familiar_nd: Tensor, strange: Iterable[NDArray[np.uint8]],
        false_alarms: float) -> None:
    """Store in the model the direction from familiar mean tokens to those of strange images.

    The score is scaled to be compared with the distance: over familiar images it has the same
    median, and exceeds one value as often as is the direction's part of the false alarms, where
    the distance exceeds it as often as is the Gaussian's.
    """
    direction, bias = separate(familiar_nd, [calibrate.mean_tokens(model, images)
                                             for images in strange])
    score = familiar_nd @ direction + bias
    model.strange_direction.zero_()
    model.strange_bias.zero_()
    distance = model.distance(familiar_nd[:, None].float())
    (middle, high), (wanted, limit) = (
        np.quantile(found.numpy(), (0.5, 1 - part * false_alarms))
        for found, part in ((score, 1 - _GAUSSIAN), (distance, _GAUSSIAN)))
    scale = (limit - wanted) / (high - middle)
    model.strange_direction.copy_(scale * direction)
    model.strange_bias.copy_(scale * (bias - middle) + wanted)


def separate(familiar_nd: Tensor, strange: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return direction (d,) and bias () of a logistic regression: above 0 is strange.

    Newton's method (Bishop 2006, sec. 4.3.3) with a ridge on the standardized tokens. All
    ``strange`` together weigh as much as the familiar; of these kinds, (n, d) each, the first
    weighs as much as the others together, and each of them the same.
    """
    all_md = torch.cat([familiar_nd, *strange])
    mean, std = all_md.mean(dim=0), all_md.std(dim=0) + _SMALL
    x = torch.cat([(all_md - mean) / std, torch.ones_like(all_md[:, :1])], dim=1)
    many = len(familiar_nd)
    target = (torch.arange(len(x)) >= many).double()
    others = len(strange) - 1
    shares = [0.5, *[0.5 / others] * others] if others else [1.0]
    weight = torch.cat([torch.ones(many).double(), *(
        torch.full((len(kind),), share * many / len(kind)).double()
        for kind, share in zip(strange, shares, strict=True))])
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

"""Stage 5: what the model's confidence and its familiarity with an image are worth.

The temperature makes confidences honest (Guo et al. 2017, sec. 4.2), fitted on the validation
split. Familiarity is the distance of an image's mean token to those of training images; its limit
is set on validation images at the recipe's rate of false alarms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.pipeline import Backend
from latent_vqa_ros.core.preprocess import prepare
from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training.batches import augmented
from latent_vqa_ros.training.config import Recipe

_BATCH = 100
_SEED = 4  # of this stage, beside the recipe's
_ROWS, _QUALITY = 480, 85  # of a camera's frame and its JPEG
_FLOOR = 1e-6  # share of the largest variance below which a direction counts as noise


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """Return the temperature with the least mean loss, searched from 0.05 to 20.

    The loss of a question is -log p of what is known: of the true answer, or, where the bank has
    it not (target -1), of "another than the first one", 1 less its confidence; all that is known
    then is that the first one is wrong. Targets are smoothed by the rule of succession, as in
    Platt 1999, sec. 2.2: n right answers out of n do not prove that none will ever be wrong.
    """
    known, logits = targets >= 0, logits.double()
    smoothing = 2 / (int(known.sum()) + 2)
    first = logits.argmax(dim=1, keepdim=True)
    others = logits.scatter(1, first, -torch.inf)[~known]
    grid = torch.logspace(np.log10(0.05), np.log10(20), 600, dtype=torch.float64)
    losses = [torch.nn.functional.cross_entropy(logits[known] / t, targets[known], reduction='sum',
                                                label_smoothing=smoothing)
              + ((logits[~known] / t).logsumexp(1) - (others / t).logsumexp(1)).sum()
              for t in grid]
    return float(grid[int(torch.stack(losses).argmin())])


def fit_familiarity(model: LatentVqa, copies: Iterable[NDArray[np.uint8]]) -> Tensor:
    """Store mean and whitening of the mean image token over images (N, H, W, 3) in the model.

    Returns these tokens, (images, d) in float64.
    """
    x = torch.cat([mean_tokens(model, images) for images in copies])
    mean = x.mean(dim=0)
    values, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    model.feature_mean.copy_(mean)
    model.feature_whiten.copy_(vectors / values.clamp(min=_FLOOR * float(values[-1])).sqrt())
    return x


@torch.no_grad()
def mean_tokens(model: LatentVqa, images: NDArray[np.uint8]) -> Tensor:
    """Return the mean image token of images (N, H, W, 3): (N, d) in float64."""
    encoder = model.clip.image_encoder
    starts = tqdm(range(0, max(1, len(images)), _BATCH), 'what is familiar', leave=False)
    return torch.cat([encoder(torch.from_numpy(images[start:start + _BATCH])).mean(dim=1)
                      for start in starts]).double()


def variants(images: NDArray[np.uint8], recipe: Recipe,
             copies: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the images, augmented copies of them, and each of these as a camera would send them.

    What is familiar must include what training saw and what the road through a camera does. One
    copy of the images (N, H, W, 3) is in memory at a time.
    """
    for copy in range(-1, copies):
        found = images if copy < 0 else augmented(
            images, np.random.default_rng((recipe.seed, _SEED, copy)), recipe.augment)
        yield found
        yield as_camera(found, recipe.preprocess)


def as_camera(images: NDArray[np.uint8], preprocess: PreprocessConfig) -> NDArray[np.uint8]:
    """Return images enlarged to 480 rows, compressed as JPEG, and prepared as frames are."""
    width = round(_ROWS * preprocess.width / preprocess.height)
    out = np.empty_like(images)
    for slot, image in zip(out, images, strict=True):
        frame = cv2.resize(image, (width, _ROWS), interpolation=cv2.INTER_CUBIC)
        bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)  # JPEG does not lose alike of red and blue
        jpeg = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        seen = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
        slot[:] = prepare(np.ascontiguousarray(seen), preprocess)
    return out


def fit_max_distance(backend: Backend, copies: Iterable[NDArray[np.uint8]],
                     false_alarms: float) -> float:
    """Return the distance that this share of images exceeds, measured on the deployed graph."""
    distances = [backend.encode(image)[1] for images in copies
                 for image in tqdm(images, 'limit of familiarity', leave=False)]
    return float(np.quantile(distances, 1 - false_alarms))

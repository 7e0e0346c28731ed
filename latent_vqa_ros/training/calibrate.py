"""Stage 3: what the model's confidence and its familiarity with an image are worth.

The temperature makes confidences honest (Guo et al. 2017, sec. 4.2), fitted on the validation
split. The familiarity statistics describe the stem's activations on training images.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latent_vqa_ros.model.vqa import LatentVqa, statistics

_BATCH = 100
_FLOOR = 1e-3  # share of the largest variance below which a direction counts as noise


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """Return the temperature with the least cross-entropy, searched from 0.05 to 20.

    Targets are smoothed by the rule of succession, as in Platt 1999, sec. 2.2: n right answers
    out of n do not prove that none will ever be wrong.
    """
    known = targets >= 0
    logits, targets = logits[known].double(), targets[known]
    grid = torch.logspace(np.log10(0.05), np.log10(20), 600, dtype=torch.float64)
    smoothing = 2 / (len(targets) + 2)
    losses = [torch.nn.functional.cross_entropy(logits / t, targets, label_smoothing=smoothing)
              for t in grid]
    return float(grid[int(torch.stack(losses).argmin())])


@torch.no_grad()
def fit_familiarity(model: LatentVqa, images: NDArray[np.uint8]) -> None:
    """Store mean and whitening of the stem's statistics over images (N, H, W, 3) in the model."""
    rows = [statistics(model.clip.image_encoder.stem_tokens(
        torch.from_numpy(images[start:start + _BATCH])))
        for start in range(0, len(images), _BATCH)]
    x = torch.cat(rows).double()
    mean = x.mean(dim=0)
    values, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    kept = model.feature_whiten.shape[1]
    values, vectors = values[-kept:], vectors[:, -kept:]
    whiten = vectors / values.clamp(min=_FLOOR * float(values[-1])).sqrt()
    model.feature_mean.copy_(mean)
    model.feature_whiten.copy_(whiten)

"""How well a bundle notices images unlike its training: damaged, empty, or of other things.

Each kind is compared with the familiar images of a split by the distance that the image graph
gives: AUROC (the chance that an unfamiliar image is farther than a familiar one), the share caught
at 1 % false alarms on the same split, and the share beyond the bundle's own limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.manifest import Manifest
from latent_vqa_ros.core.pipeline import Backend
from latent_vqa_ros.core.preprocess import prepare
from latent_vqa_ros.datasets.images import read_rgb
from latent_vqa_ros.datasets.record import DatasetError, Record
from latent_vqa_ros.evaluation.evaluate import Predictions, predict

Image = NDArray[np.uint8]
FALSE_ALARMS = 0.01
_SEED = 0
_GRAIN = 8  # grey levels
_PICTURES = ('.jpg', '.jpeg', '.png')


def overexposed(image_hwc: Image, rng: np.random.Generator) -> Image:
    """Return the image 2.5 times brighter and clipped."""
    return np.asarray(np.clip(image_hwc * 2.5 + 60, 0, 255), np.uint8)


def brighter(image_hwc: Image, rng: np.random.Generator) -> Image:
    """Return the image twice as bright and clipped: overexposed, but less."""
    return np.asarray(np.clip(image_hwc * 2.0 + 40, 0, 255), np.uint8)


def blurred(image_hwc: Image, rng: np.random.Generator) -> Image:
    """Return the image out of focus: a Gaussian of a tenth of its width."""
    return np.asarray(cv2.GaussianBlur(image_hwc, (0, 0), image_hwc.shape[1] / 10), np.uint8)


def half_covered(image_hwc: Image, rng: np.random.Generator) -> Image:
    """Return the image with its upper, lower, left or right half under one color."""
    turns = int(rng.integers(4))
    covered = np.rot90(image_hwc, turns).copy()
    covered[:len(covered) // 2] = rng.integers(0, 256, 3)
    return np.ascontiguousarray(np.rot90(covered, -turns))


def half_grainy(image_hwc: Image, rng: np.random.Generator) -> Image:
    """Return the image with a half under one color, and a sensor's noise on that half."""
    covered = half_covered(image_hwc, rng)
    hidden = (covered != image_hwc).any(axis=2, keepdims=True)
    grain = rng.normal(0, _GRAIN, image_hwc.shape) * hidden
    return np.asarray(np.clip(covered + grain, 0, 255), np.uint8)


def finger(image_hwc: Image, rng: np.random.Generator) -> Image:
    """Return the image with a finger before the lens: reddish, from one side, without an edge."""
    height, width = image_hwc.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    middle = rng.uniform(0.25, 0.75) * height, rng.choice((0, width))
    radius = rng.uniform(0.55, 0.8) * width
    away = np.hypot(rows - middle[0], columns - middle[1])[..., None] / radius
    skin = np.array((120, 60, 45)) * rng.uniform(0.4, 1.4) * (1.5 - 0.5 * away.clip(0, 1))
    share = np.clip((1.1 - away) / 0.3, 0, 1)
    return np.asarray(np.clip(image_hwc * (1 - share) + skin * share, 0, 255), np.uint8)


def black(image_hwc: Image, rng: np.random.Generator) -> Image:
    """Return what a covered lens gives: a few grey levels of noise."""
    return np.asarray(np.clip(rng.normal(4, 3, image_hwc.shape), 0, 255), np.uint8)


def noise(image_hwc: Image, rng: np.random.Generator) -> Image:
    """Return uniform noise."""
    return rng.integers(0, 256, image_hwc.shape, dtype=np.uint8)


DAMAGES = (noise, black, overexposed, blurred, half_covered)  # training fits a direction to each
HELD_OUT = (brighter, half_grainy, finger)  # and to none of these


def measure(backend: Backend, manifest: Manifest, records: Sequence[Record],
            photographs: Path | None = None) -> dict[str, Any]:
    """Return {kind: {"n", "auroc", "caught", "refused", "accuracy"}}, kind ``familiar`` first.

    ``caught`` is the share beyond the distance that 1 % of the familiar images exceed,
    ``refused`` the share beyond the bundle's limit, ``accuracy`` that of all answers about the
    kind (None for photographs, about which nothing is known).
    """
    paths = [] if photographs is None else pictures(photographs)
    familiar = predict(backend, manifest, records, 'familiar')
    rows = {'familiar': _row(familiar.distances, familiar.distances, manifest, familiar)}
    for damage in (*DAMAGES, *HELD_OUT):
        rng = np.random.default_rng(_SEED)
        found = predict(backend, manifest, records, damage.__name__,
                        partial(damage, rng=rng))
        rows[damage.__name__] = _row(found.distances, familiar.distances, manifest, found)
    if paths:
        distances = [backend.encode(prepare(read_rgb(Record(path, 'test', ())),
                                            manifest.preprocess))[1] for path in paths]
        rows['photographs'] = _row(np.array(distances), familiar.distances, manifest, None)
    return rows


def _row(distances: NDArray[np.float64], familiar: NDArray[np.float64], manifest: Manifest,
         found: Predictions | None) -> dict[str, Any]:
    limit = manifest.max_distance
    return {'n': len(distances), 'auroc': auroc(familiar, distances),
            'caught': float((distances > np.quantile(familiar, 1 - FALSE_ALARMS)).mean()),
            'refused': None if limit is None else float((distances > limit).mean()),
            'accuracy': None if found is None else float(found.right.mean())}


def auroc(negative: NDArray[np.float64], positive: NDArray[np.float64]) -> float:
    """Return the chance that a positive value is above a negative one, ties counted half."""
    ordered = np.sort(negative)
    below, not_above = (np.searchsorted(ordered, positive, side) for side in ('left', 'right'))
    return float((below + not_above).mean() / (2 * len(negative)))


def pictures(folder: Path) -> list[Path]:
    """Return the pictures in a folder; DatasetError where it has none."""
    paths = [p for p in sorted(folder.glob('*')) if p.suffix.lower() in _PICTURES
             and not p.name.startswith('.')]  # such as ._a.jpg, which a Mac leaves beside a.jpg
    if not paths:
        raise DatasetError(f'{folder}: holds no pictures ({", ".join(_PICTURES)})')
    return paths


def table(rows: dict[str, Any]) -> str:
    """Return the rows as text."""
    lines = [f'{"images":<16}{"n":>7}{"AUROC":>8}{"caught at 1 %":>15}{"refused":>10}{"right":>9}']
    for name, row in rows.items():
        refused = '' if row['refused'] is None else f'{row["refused"]:.1%}'
        right = '' if row['accuracy'] is None else f'{row["accuracy"]:.1%}'
        lines.append(f'{name:<16}{row["n"]:>7}{row["auroc"]:>8.3f}{row["caught"]:>15.1%}'
                     f'{refused:>10}{right:>9}')
    return '\n'.join(lines)

"""The simulated workcell as a dataset: drawn once, into the user's cache, when it is asked for.

150,000 training scenes take about 20 minutes on two cores and 3 GB. Beside train, val and test
there are `compositional` (pairs of colour and shape that training never shows), `shifted`
(textures, lights and camera poses of other ranges) and `wordings` (test scenes, asked in wordings
that training never sees).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from latent_vqa_ros.datasets import folder, images
from latent_vqa_ros.datasets.record import Dataset, DatasetError
from latent_vqa_ros.simulation.version import VERSION

SIZE = 128  # pixels
# name -> split of the simulation, seed, scenes
SPLITS = {'train': ('train', 18, 150_000), 'val': ('val', 2, 2_000), 'test': ('test', 3, 4_000),
          'compositional': ('compositional', 4, 2_000), 'shifted': ('shifted', 5, 2_000),
          'wordings': ('test', 6, 2_000)}


def load(splits: Iterable[str] | None = None, limit: int | None = None) -> Dataset:
    """Return these splits (all) and val, after drawing what the cache lacks.

    A blind model learns from val, so that a test needs no training scenes. DatasetError for an
    unknown split, RenderError where MuJoCo is missing.
    """
    wanted = set(SPLITS if splits is None else splits)
    if wanted - set(SPLITS):
        raise DatasetError(f'tabletop has no split {sorted(wanted - set(SPLITS))[0]!r}; it has: '
                           f'{", ".join(SPLITS)}')
    names = [name for name in SPLITS if name in {*wanted, 'val'}]
    return Dataset('tabletop', tuple(
        replace(record, split=name) for name in names
        for record in folder.load(ready(name, limit), limit).records), 'val')


def cache() -> Path:
    """Return the folder of the drawn splits."""
    return images.cache() / f'tabletop-{VERSION}'


def ready(name: str, limit: int | None = None) -> Path:
    """Return the folder of a split, or of at least its first scenes, drawn where there is none."""
    split, seed, scenes = SPLITS[name]
    path = cache() / name
    if limit is not None and limit < scenes and not path.exists():
        scenes = min((size for size in _drawn(name) if size >= limit), default=limit)
        path = cache() / f'{name}-{scenes}'
    if not path.exists():
        from latent_vqa_ros.simulation import dataset
        job = dataset.Job(scenes, split, seed, SIZE, 10, name == 'wordings', False)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tqdm(total=scenes, desc=f'drawing {name}', unit='scene', leave=False) as bar:
            dataset.make(path, job, os.cpu_count() or 1, bar.update)
    return path


def _drawn(name: str) -> list[int]:
    """Return of how many first scenes of a split there are folders."""
    ends = [path.name.removeprefix(f'{name}-') for path in cache().glob(f'{name}-*')]
    return [int(end) for end in ends if end.isdigit()]  # not what is being drawn

"""The simulated worlds as datasets: drawn once, into the user's cache, when they are asked for.

`tabletop`, the workcell: 150,000 training scenes take about 20 minutes on two cores and 3 GB.
Beside train, val and test there are `compositional` (pairs of colour and shape that training never
shows), `shifted` (textures, lights and camera poses of other ranges) and `wordings` (test scenes,
asked in wordings that training never sees). `tabletop_wide`, the wide world: any camera, things as
people have them; val and test have surfaces of other kinds than train.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from latent_vqa_ros.datasets import folder, images
from latent_vqa_ros.datasets.record import Dataset, DatasetError
from latent_vqa_ros.simulation.version import VERSIONS

SIZE = 128  # pixels
# name -> split of the simulation, seed, scenes
SPLITS = {'train': ('train', 18, 150_000), 'val': ('val', 2, 2_000), 'test': ('test', 3, 4_000),
          'compositional': ('compositional', 4, 2_000), 'shifted': ('shifted', 5, 2_000),
          'wordings': ('test', 6, 2_000)}
WIDE_SIZE = 160  # pixels of the shorter side
WIDE_SPLITS = {'train': ('train', 31, 60_000), 'val': ('val', 32, 2_000),
               'test': ('test', 33, 2_000)}
NAMES = {'workcell': 'tabletop', 'wide': 'tabletop_wide'}


def load(splits: Iterable[str] | None = None, limit: int | None = None,
         world: str = 'workcell') -> Dataset:
    """Return these splits (all) and val, after drawing what the cache lacks.

    A blind model learns from val, so that a test needs no training scenes. DatasetError for an
    unknown split, RenderError where MuJoCo is missing.
    """
    have = splits_of(world)
    wanted = set(have if splits is None else splits)
    if wanted - set(have):
        raise DatasetError(f'{NAMES[world]} has no split {sorted(wanted - set(have))[0]!r}; it '
                           f'has: {", ".join(have)}')
    names = [name for name in have if name in {*wanted, 'val'}]
    return Dataset(NAMES[world], tuple(
        replace(record, split=name) for name in names
        for record in folder.load(ready(name, limit, world), limit).records), 'val')


def splits_of(world: str) -> dict[str, tuple[str, int, int]]:
    """Return name -> split of the simulation, seed, scenes."""
    return WIDE_SPLITS if world == 'wide' else SPLITS


def cache(world: str = 'workcell') -> Path:
    """Return the folder of the drawn splits."""
    return images.cache() / f'{NAMES[world]}-{VERSIONS[world]}'


def ready(name: str, limit: int | None = None, world: str = 'workcell') -> Path:
    """Return the folder of a split, or of at least its first scenes, drawn where there is none."""
    split, seed, scenes = splits_of(world)[name]
    path = cache(world) / name
    if limit is not None and limit < scenes and not path.exists():
        scenes = min((size for size in _drawn(path) if size >= limit), default=limit)
        path = path.with_name(f'{name}-{scenes}')
    if not path.exists():
        from latent_vqa_ros.simulation import dataset
        size = WIDE_SIZE if world == 'wide' else SIZE
        job = dataset.Job(scenes, split, seed, size, 10, name == 'wordings', False, world)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tqdm(total=scenes, desc=f'drawing {name}', unit='scene', leave=False) as bar:
            dataset.make(path, job, os.cpu_count() or 1, bar.update)
    return path


def _drawn(whole: Path) -> list[int]:
    """Return of how many first scenes of a split there are folders beside that of all."""
    ends = [path.name.removeprefix(f'{whole.name}-')
            for path in whole.parent.glob(f'{whole.name}-*')]
    return [int(end) for end in ends if end.isdigit()]  # not what is being drawn

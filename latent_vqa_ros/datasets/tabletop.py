"""The simulated worlds as datasets: drawn once, into the user's cache, when they are asked for.

`tabletop`, the workcell: 150,000 training scenes take about 20 minutes on two cores and 3 GB.
Beside train, val and test there are `compositional` (pairs of colour and shape that training never
shows), `shifted` (textures, lights and camera poses of other ranges) and `wordings` (test scenes,
asked in wordings that training never sees). `tabletop_wide`, the wide world: any camera, things as
people have them; val and test have surfaces of other kinds than train. A user's own photographs
and meshes may be among what its training scenes are made of; val and test stay those of all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from latent_vqa_ros.datasets import folder, images
from latent_vqa_ros.datasets.record import SPLITS as RECORD_SPLITS
from latent_vqa_ros.datasets.record import Dataset, DatasetError
from latent_vqa_ros.simulation.version import SPOKEN_VERSION, VERSIONS
from latent_vqa_ros.simulation.world.wide.sources import Sources

SIZE = 128  # pixels
# name -> split of the simulation, seed, scenes
SPLITS = {'train': ('train', 18, 150_000), 'val': ('val', 2, 2_000), 'test': ('test', 3, 4_000),
          'compositional': ('compositional', 4, 2_000), 'shifted': ('shifted', 5, 2_000),
          'wordings': ('test', 6, 2_000)}
WIDE_SIZE = 160  # pixels of the shorter side
WIDE_SPLITS = {'train': ('train', 31, 60_000), 'val': ('val', 32, 2_000),
               'test': ('test', 33, 2_000)}
NAMES = {'workcell': 'tabletop', 'wide': 'tabletop_wide'}
SPOKEN_SUFFIX = '_spoken'  # after a name: the same pictures, asked as people speak, too
SPOKEN_FILE, SPOKEN_QUESTIONS = f'spoken-{SPOKEN_VERSION}.jsonl', 8  # of each picture, at most
Own = tuple[str, str]  # folders of a user's photographs and meshes, '' where there is none
NO_OWN = ('', '')


def load(splits: Iterable[str] | None = None, limit: int | None = None,
         world: str = 'workcell', own: Own = NO_OWN, spoken: bool = False) -> Dataset:
    """Return these splits (all) and val, after drawing what the cache lacks.

    ``spoken``: also ask what simulation/language/spoken.py asks, in train, val and test alone;
    the further splits are those of the plain world.

    A blind model learns from val, so that a test needs no training scenes. DatasetError for an
    unknown split, RenderError where MuJoCo is missing.
    """
    have = splits_of(world)
    title = NAMES[world] + SPOKEN_SUFFIX * spoken
    wanted = set(have if splits is None else splits)
    if wanted - set(have):
        raise DatasetError(f'{title} has no split {sorted(wanted - set(have))[0]!r}; it '
                           f'has: {", ".join(have)}')
    names = [name for name in have if name in {*wanted, 'val'}]
    return Dataset(title, tuple(
        replace(record, split=name) for name in names
        for record in folder.load(ready(name, limit, world, own, spoken), limit,
                                  SPOKEN_FILE if spoken and name in RECORD_SPLITS else '').records
        if limit is None or int(record.image.stem) < limit), 'val')  # of some nothing is asked


def splits_of(world: str) -> dict[str, tuple[str, int, int]]:
    """Return name -> split of the simulation, seed, scenes."""
    return WIDE_SPLITS if world == 'wide' else SPLITS


def cache(world: str = 'workcell') -> Path:
    """Return the folder of the drawn splits."""
    return images.cache() / f'{NAMES[world]}-{VERSIONS[world]}'


def ready(name: str, limit: int | None = None, world: str = 'workcell', own: Own = NO_OWN,
          spoken: bool = False) -> Path:
    """Return the folder of a split, or of at least its first scenes, drawn where there is none.

    DatasetError for a folder of ``own`` that is none; only ``train`` of the wide world is made
    with them. ``spoken``: with the further questions of train, val and test.
    """
    split, seed, scenes = splits_of(world)[name]
    own = own if (world, name) == ('wide', 'train') else NO_OWN
    path = cache(world) / f'{name}{_mark(own)}'
    if limit is not None and limit < scenes and not path.exists():
        scenes = min((size for size in _drawn(path) if size >= limit), default=limit)
        path = path.with_name(f'{path.name}-{scenes}')
    if not path.exists():
        from latent_vqa_ros.simulation import dataset
        size = WIDE_SIZE if world == 'wide' else SIZE
        job = dataset.Job(scenes, split, seed, size, 10, name == 'wordings', False, world, *own)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tqdm(total=scenes, desc=f'drawing {name}', unit='scene', leave=False) as bar:
            try:
                dataset.make(path, job, os.cpu_count() or 1, bar.update)
            except DatasetError:
                if not path.exists():  # else another process drew it meanwhile
                    raise
    if spoken and name in RECORD_SPLITS and not (path / SPOKEN_FILE).exists():
        from latent_vqa_ros.simulation import dataset
        with tqdm(total=scenes, desc=f'asking about {name}', unit='scene', leave=False) as bar:
            dataset.ask_spoken(path, path / SPOKEN_FILE, SPOKEN_QUESTIONS, bar.update)
    return path


def _mark(own: Own) -> str:
    """Return what tells scenes that are made with these files, by name and size, from others."""
    if own == NO_OWN:
        return ''
    found = Sources.of(*own)
    found.check()
    lines = [f'{path.relative_to(top)} {path.stat().st_size}' for top, path in found.files()]
    return '_' + hashlib.sha256('\n'.join(lines).encode(errors='surrogateescape')).hexdigest()[:12]


def _drawn(whole: Path) -> list[int]:
    """Return of how many first scenes of a split there are folders beside that of all."""
    ends = [path.name.removeprefix(f'{whole.name}-')
            for path in whole.parent.glob(f'{whole.name}-*')]
    return [int(end) for end in ends if end.isdigit()]  # not what is being drawn

"""One adapter per file; every adapter yields the same records."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from latent_vqa_ros.datasets import mixture
from latent_vqa_ros.datasets.record import Dataset, DatasetError, expanded

SIMULATED = {  # -> world of the simulation, and whether it is asked as people speak, too
    'tabletop': ('workcell', False), 'tabletop_wide': ('wide', False),
    'tabletop_spoken': ('workcell', True), 'tabletop_wide_spoken': ('wide', True)}


def load(name_or_path: str, splits: Iterable[str] | None = None,
         limit: int | None = None, own: tuple[str, str] = ('', '')) -> Dataset:
    """Return a dataset by name or from a folder: ``questions.jsonl``, DAQUAR, GQA, VQA v2.

    ``a + b`` is the mixture of two, which a bundle trained on both calls its data.
    Only ``splits``, and only ``limit`` records of each, need to be there: where a dataset is
    drawn first, more would take minutes. ``own`` are the folders of photographs and of meshes that
    training scenes of `tabletop_wide` are made with, too.
    """
    if len(found := parts(name_or_path)) > 1:
        return mixture.join([load(part, splits, limit, own) for part in found])
    if name_or_path == 'easy_vqa':
        from latent_vqa_ros.datasets import easy_vqa
        return easy_vqa.load()
    if name_or_path in SIMULATED:
        from latent_vqa_ros.datasets import tabletop
        world, spoken = SIMULATED[name_or_path]
        return tabletop.load(splits, limit, world, own, spoken)
    folder = _folder(name_or_path)
    if (folder / 'questions.jsonl').is_file():
        from latent_vqa_ros.datasets import folder as adapter
        return adapter.load(folder)
    from latent_vqa_ros.datasets import daquar, gqa, vqa2
    if daquar.fits(folder):
        return daquar.load(folder, limit)
    if gqa.fits(folder):
        return gqa.load(folder, limit)
    if vqa2.fits(folder):
        return vqa2.load(folder, limit)
    raise DatasetError(f'no data {name_or_path!r}: none of easy_vqa, {", ".join(SIMULATED)}, and '
                       'no folder with questions.jsonl or the files of DAQUAR, GQA or VQA v2')


def parts(name_or_path: str) -> list[str]:
    """Return the data sets of a mixture ``a + b``; a folder of such a name is one."""
    found = name_or_path.split(mixture.PLUS)
    return found if len(found) == 1 or not _folder(name_or_path).is_dir() else [name_or_path]


def name_of(name_or_path: str) -> str:
    """Return the name of a data set: of a folder, its own."""
    return name_or_path if name_or_path in SIMULATED else _folder(name_or_path).name


def _folder(path: str) -> Path:
    folder = expanded(path)
    return Path(os.path.abspath(folder)) if folder.name in ('', '..') else folder


def ready(name_or_path: str, limit: int | None = None, own: tuple[str, str] = ('', '')) -> None:
    """Draw what a simulated dataset lacks, so that many processes may load it at once."""
    if name_or_path in SIMULATED:
        from latent_vqa_ros.datasets import tabletop
        world, spoken = SIMULATED[name_or_path]
        for name in tabletop.splits_of(world):
            tabletop.ready(name, limit, world, own, spoken)


def version(name_or_path: str) -> int | None:
    """Return the version of a simulated dataset; None of others, which have none.

    Of one that is asked as people speak, 13001 means version 13 of the scenes, 1 of that.
    """
    if name_or_path not in SIMULATED:
        return None
    from latent_vqa_ros.simulation.version import SPOKEN_VERSION, VERSIONS
    world, spoken = SIMULATED[name_or_path]
    return 1000 * VERSIONS[world] + SPOKEN_VERSION if spoken else VERSIONS[world]


def sources(name_or_path: str, own: tuple[str, str] = ('', '')) -> list[dict[str, str]]:
    """Return name, licence and kind of what nobody drew in a simulated dataset or `rooms`.

    A folder that ``simulate dataset`` made says so itself; nothing is known of other folders.
    """
    if SIMULATED.get(name_or_path, ('',))[0] == 'wide' or name_or_path == 'rooms':
        from latent_vqa_ros.simulation.world.wide.sources import Sources
        return Sources.of(*own).listed()
    about = expanded(name_or_path) / 'dataset.json'
    if not name_or_path or name_or_path in SIMULATED or not about.is_file():
        return []
    from latent_vqa_ros.datasets.trainable import read_json
    try:
        return [{key: str(each[key]) for key in ('name', 'licence', 'what')}
                for each in read_json(about)['sources']]
    except (DatasetError, KeyError, TypeError):  # another program's file of that name
        return []

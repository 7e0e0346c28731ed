"""Pictures of drawn rooms, without questions: what a model of tabletops should refuse.

They lie in the user's cache, drawn when they are asked for: about two minutes.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tqdm import tqdm

from latent_vqa_ros.datasets import images
from latent_vqa_ros.simulation.version import VERSIONS

COUNT = 1500
SIZE = 160  # pixels of the shorter side


def ready(limit: int | None = None) -> list[Path]:
    """Return the pictures, or the first of them, after drawing what the cache lacks.

    RenderError where MuJoCo is missing, DatasetError where what the surfaces are made of is.
    """
    folder = images.cache() / f'rooms-{VERSIONS["rooms"]}'
    paths = [folder / f'{number:04d}.jpg' for number in range(min(limit or COUNT, COUNT))]
    if all(path.exists() for path in paths):  # a cache of other people may be read-only
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [(number, path) for number, path in enumerate(paths) if not path.exists()]
        if missing:
            from latent_vqa_ros.simulation.world.rooms.studio import RoomStudio
            studio = RoomStudio(SIZE)
            for number, path in tqdm(missing, 'drawing rooms', leave=False):
                part = path.with_suffix('.part')
                part.write_bytes(studio.take(number))
                os.replace(part, path)
    return paths

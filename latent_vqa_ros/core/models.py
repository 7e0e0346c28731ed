"""Finds a bundle by name or path: in the source tree, in an install prefix, in a ROS workspace."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from latent_vqa_ros.core.bundle import MANIFEST, BundleError

DEFAULT_MODEL = 'tabletop'
_SHARE = Path('share') / 'latent_vqa_ros'


def share_folders() -> list[Path]:
    """Return the folders that may hold ``models/``, ``config/`` and ``launch/``, best first."""
    prefixes = [Path(p) for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    prefixes.append(Path(sys.prefix))
    source = Path(__file__).resolve().parents[2]
    return [source, *(prefix / _SHARE for prefix in prefixes)]


def find_model(name_or_path: str) -> Path:
    """Return a bundle's folder; BundleError names the places looked at."""
    try:
        given = Path(name_or_path).expanduser()
    except RuntimeError as error:  # ~nobody
        raise BundleError(f'no model at {name_or_path}: {error}') from None
    if (given / MANIFEST).is_file():
        return given
    if len(given.parts) == 1:
        for share in share_folders():
            if (share / 'models' / given / MANIFEST).is_file():
                return share / 'models' / given
        looked = ', '.join(str(share / 'models') for share in share_folders())
        raise BundleError(f'no model {name_or_path!r}: not a folder, and not in {looked}')
    raise BundleError(f'no model at {name_or_path}: the folder has no {MANIFEST}')

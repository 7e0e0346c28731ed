"""The pictures of records: decoded once into a file of the user's cache, read from there in rows.

Memory holds the pictures of a batch only, and the processes of a machine share the file's pages.
The files below ``pictures/`` of the cache may be deleted at any time: they are made again. Knows
nothing of questions.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.image_formats import ImageError
from latent_vqa_ros.core.preprocess import prepare
from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.datasets.record import DatasetError, Record

_AS_TOPICS = (b'\xff\xd8', b'\x89PNG')  # how JPEG and PNG begin
_VERSION = 1  # of ``prepare``; to be raised when it gives other pixels
_CHUNK = 256  # pictures decoded at a time

Images = NDArray[np.uint8]


def read_rgb(record: Record) -> Images:
    """Return a record's picture as RGB uint8 (H, W, 3), not turned: the node ignores EXIF, too."""
    try:
        content = record.image.read_bytes()
        if content.startswith(_AS_TOPICS):
            return compressed_to_rgb(content)  # what is whole, by the node's own rules
        picture = cv2.imdecode(np.frombuffer(content, np.uint8),
                               cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except OSError as error:
        raise DatasetError(f'{record.image}: {error.strerror}') from None
    except (ImageError, cv2.error) as error:
        raise DatasetError(f'{record.image}: {one_line(error)}') from None
    if picture is None:
        raise DatasetError(f'{record.image}: not a picture')
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def load_images(records: Sequence[Record], preprocess: PreprocessConfig) -> Images:
    """Return the pictures of a few records as the model sees them: (N, height, width, 3)."""
    images = np.empty((len(records), preprocess.height, preprocess.width, 3), np.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for slot, image in zip(images, pool.map(
                lambda record: prepare(read_rgb(record), preprocess), records), strict=True):
            slot[:] = image
    return images


def cache() -> Path:
    """Return the folder of all that the project keeps for a user between runs."""
    root = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(root) / 'latent_vqa_ros'


class Pictures:
    """The pictures of many records as the model sees them: RGB uint8, height x width.

    They are decoded when the first are asked for. DatasetError where one is not a picture, or
    where the cache cannot be written.
    """

    def __init__(self, records: Sequence[Record], preprocess: PreprocessConfig) -> None:
        self._records, self._preprocess = records, preprocess
        self._shape = preprocess.height, preprocess.width, 3
        self._file: BinaryIO | None = None

    def __len__(self) -> int:
        return len(self._records)

    def ready(self) -> None:
        """Decode them now, where that was not done before."""
        if self._records:
            self._opened()

    def take(self, rows: Iterable[int]) -> Images:
        """Return copies of these pictures, (rows, height, width, 3)."""
        size, file = int(np.prod(self._shape)), self._opened()
        found = b''.join(os.pread(file.fileno(), size, row * size) for row in rows)
        return np.frombuffer(bytearray(found), np.uint8).reshape(-1, *self._shape)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            path = cache() / 'pictures' / f'{self._digest()}.rgb'
            try:
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self._decode(path)
                self._file = path.open('rb')
            except OSError as error:
                raise DatasetError(f'{path}: {error.strerror}; the decoded pictures take '
                                   f'{len(self) * int(np.prod(self._shape)) / 1e6:.0f} MB there '
                                   '(another place: XDG_CACHE_HOME)') from None
        return self._file

    def _digest(self) -> str:
        """Return a digest of the files' places, sizes and times, and of what is made of them."""
        seen = self._preprocess
        found = hashlib.sha256(repr((_VERSION, *self._shape, seen.resize)).encode())
        for record in self._records:
            about = record.image.stat()
            found.update(repr((os.path.abspath(record.image), about.st_size,
                               about.st_mtime_ns)).encode())
        return found.hexdigest()[:32]

    def _decode(self, path: Path) -> None:
        """Write all pictures, after those that a killed run left; one process at a time does."""
        part, size = path.with_suffix('.part'), int(np.prod(self._shape))
        with part.open('ab') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():  # made by another process meanwhile
                part.unlink(missing_ok=True)
                return
            done = file.seek(0, os.SEEK_END) // size
            file.truncate(done * size)
            for start in tqdm(range(done, len(self), _CHUNK), 'decoding', leave=False,
                              mininterval=1):
                images = load_images(self._records[start:start + _CHUNK], self._preprocess)
                file.write(images.tobytes())
            file.flush()
            os.fsync(file.fileno())
            os.replace(part, path)

"""Writing that is whole or not at all, also after kill -9 and a power cut; and one writer.

    with lock(folder): write_whole(folder / 'name', data)

Whoever loses power finds the old content or the new. Refuses to know what is written.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from latent_vqa_ros.teach.question import TeachError

LOCK = '.lock'
PART = '.part-'  # what a name begins with that is not whole yet, or is about to go
PATIENCE = 5.0  # s that another writer is waited for


@contextmanager
def lock(folder: Path, patience: float = PATIENCE,
         breathe: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold a folder against other processes and threads; TeachError where one keeps it.

    ``breathe`` is called while it waits; what that raises ends the wait.
    """
    make_folder(folder)
    with one_line(folder):
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    raise TeachError(f'{folder}: another process writes in it; is a second node '
                                     'or command at work?') from None
                breathe()
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file's content in one step; TeachError leaves the old one."""
    write_all({path: data})


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Replace files in this order, none before the disk has taken all; TeachError leaves the old.
    """
    parts = {path: path.with_name(f'{PART}{path.name}') for path in contents}
    with one_line(next(iter(contents))):
        try:
            for path, data in contents.items():
                _write(parts[path], data)
            for path, part in parts.items():
                os.replace(part, path)
                flush_folder(path.parent)
        except OSError:
            for part in parts.values():
                part.unlink(missing_ok=True)
            raise


def write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Make a folder with its files in one step; TeachError leaves none."""
    part = path.with_name(f'{PART}{path.name}')
    with one_line(path):
        shutil.rmtree(part, ignore_errors=True)
        try:
            make_folder(part.parent)
            part.mkdir()
            for name, data in contents.items():
                _write(part / name, data)
            flush_folder(part)
            os.rename(part, path)
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            raise
        flush_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder with those above it, so that they survive a power cut."""
    with one_line(path):
        if path.is_dir():
            return
    make_folder(path.parent)
    with one_line(path):
        path.mkdir(exist_ok=True)
        flush_folder(path.parent)


def remove_folder(path: Path) -> None:
    """Take a folder away in one step: what is interrupted leaves a part that nobody reads."""
    part = path.with_name(f'{PART}{path.name}')
    with one_line(path):
        sweep(part)
        os.rename(path, part)
        flush_folder(path.parent)
        sweep(part)


def sweep(part: Path) -> None:
    """Remove a part as far as the disk allows; of a link only the link."""
    if part.is_symlink():
        part.unlink(missing_ok=True)
    else:
        shutil.rmtree(part, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    with path.open('wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Let the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a TeachError that names the file."""
    try:
        yield
    except OSError as error:
        raise TeachError(f'{error.filename or path}: {error.strerror or error}') from error

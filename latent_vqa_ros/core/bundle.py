"""A bundle on disk: ``models/<name>/manifest.yaml`` and the files it lists.

The bundle is the only thing that training and runtime share. Reading it trusts nothing: safe YAML
without aliases, sizes and depth bounded, names that stay in the folder, every digest checked
before a byte is handed on. Knows nothing of how a graph is executed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from latent_vqa_ros.core.config import ConfigError
from latent_vqa_ros.core.manifest import FileEntry, Manifest, from_document
from latent_vqa_ros.core.process import one_line

MANIFEST = 'manifest.yaml'
MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 28
MAX_BUNDLE_BYTES = 1 << 29
MAX_DEPTH, MAX_VALUE = 32, 4096  # levels of a manifest, characters of one value


class BundleError(ValueError):
    """A bundle that cannot be used; the message says which file and why."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: the manifest, the bytes of each file, and the digest of the whole."""

    path: Path
    manifest: Manifest
    contents: Mapping[str, bytes]
    sha256: str  # of manifest.yaml, which holds the digests of all other files

    @property
    def identity(self) -> tuple[str, str, str]:
        """Name, version and digest, as they stand in ``answer/detail``."""
        return self.manifest.name, self.manifest.version, self.sha256

    def require(self, kind: str) -> None:
        """Raise BundleError where the bundle is of another kind."""
        if self.manifest.kind != kind:
            raise BundleError(f'{self.path}: a bundle of kind {self.manifest.kind}, where one of '
                              f'kind {kind} is needed; choose another model')

    def content(self, name: str) -> bytes:
        """Return the verified bytes of a file; BundleError where the bundle has none."""
        if name not in self.contents:
            raise BundleError(f'{self.path}: the bundle has no {name}')
        return self.contents[name]


def load(path: str | os.PathLike[str]) -> Bundle:
    """Read and verify a bundle folder; BundleError says what is wrong with it."""
    folder = Path(path)
    manifest, sha256 = read_manifest(folder)
    told = sum(entry.bytes for entry in manifest.files.values())
    if told > MAX_BUNDLE_BYTES:
        raise BundleError(f'{folder}: the manifest says {told} bytes in all, at most '
                          f'{MAX_BUNDLE_BYTES} are taken')
    contents = {name: _verified(folder / name, entry) for name, entry in manifest.files.items()}
    return Bundle(folder, manifest, contents, sha256)


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """Return a folder's manifest and its SHA-256, the other files unread; BundleError."""
    text = read_bounded(folder / MANIFEST, MAX_MANIFEST_BYTES)
    return parse_manifest(text, str(folder / MANIFEST)), hashlib.sha256(text).hexdigest()


def parse_manifest(text: bytes, where: str) -> Manifest:
    """Turn the bytes of a manifest into a Manifest; ``where`` stands in error messages."""
    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    try:
        _check_events(text, loader, where)
        document = yaml.load(text, loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError,
            OverflowError) as error:  # a tag that does not fit its value raises any of these
        if isinstance(error, BundleError):
            raise
        raise BundleError(f'{where}: not YAML: {one_line(error)}') from None
    try:
        return from_document(document)
    except (ConfigError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise BundleError(f'{where}: {error}') from None


def _check_events(text: bytes, loader: Any, where: str) -> None:
    """Raise BundleError for what would take the loader's stack or hours; events do not nest."""
    depth = 0
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.AliasEvent):
            raise BundleError(f'{where}: YAML aliases are not allowed')
        depth += (isinstance(event, yaml.CollectionStartEvent)
                  - isinstance(event, yaml.CollectionEndEvent))
        if depth > MAX_DEPTH:
            raise BundleError(f'{where}: nested too deep, at most {MAX_DEPTH} levels are taken')
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_VALUE:
            raise BundleError(f'{where}: a value of {len(event.value)} characters, at most '
                              f'{MAX_VALUE} are taken')


def read_bounded(path: Path, limit: int) -> bytes:
    """Return a file's bytes; BundleError where it cannot be read or has more than ``limit``."""
    try:
        if stat.S_ISFIFO(path.stat().st_mode):  # it may give nothing, for ever
            raise BundleError(f'{path}: not a file')
        with path.open('rb') as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise BundleError(f'{path}: no such file; is this a bundle folder?') from None
    except OSError as error:
        raise BundleError(f'{path}: {error.strerror}') from None
    if len(data) > limit:
        raise BundleError(f'{path}: larger than {limit} bytes')
    return data


def _verified(path: Path, entry: FileEntry) -> bytes:
    if not 0 <= entry.bytes <= MAX_FILE_BYTES:
        raise BundleError(f'{path}: the manifest says {entry.bytes} bytes, at most '
                          f'{MAX_FILE_BYTES} are taken')
    data = read_bounded(path, entry.bytes)
    if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise BundleError(f'{path}: not the sha256 that the manifest says; get the bundle again')
    return data


def describe_file(path: Path) -> FileEntry:
    """Return size and digest of a file, for the manifest."""
    data = path.read_bytes()
    return FileEntry(len(data), hashlib.sha256(data).hexdigest())

"""A bundle on disk: ``models/<name>/manifest.yaml`` and the files it lists.

The bundle is the only thing that training and runtime share. Reading it trusts nothing: safe YAML
without aliases, sizes and depth bounded, names that stay in the folder, every digest checked
before a byte is handed on. Knows nothing of how a graph is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from latent_vqa_ros.core.config import (
    ConfigError,
    ModelConfig,
    PreprocessConfig,
    from_mapping,
    to_mapping,
)
from latent_vqa_ros.core.tokenizer import Tokenizer

SCHEMA = 1
MANIFEST = 'manifest.yaml'
IMAGE_ENCODER, ANSWERER, WEIGHTS = 'image_encoder.onnx', 'answerer.onnx', 'model.safetensors'
REQUIRED = (IMAGE_ENCODER, ANSWERER)
MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 28
MAX_DEPTH, MAX_VALUE = 32, 4096  # levels of a manifest, characters of one value
MAX_GRID = 512  # cells of evidence on a side: the largest input is 1024 pixels, a stride 2
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}')


class BundleError(ValueError):
    """A bundle that cannot be used; the message says which file and why."""


@dataclass(frozen=True)
class FileEntry:
    """Size in bytes and SHA-256 of one file of the bundle."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class EvidenceConfig:
    """That ``answerer.onnx`` says where each token looked: its output ``attention``.

    ``grid`` is (rows, columns) of the cells over the model's input, ``words`` are those that name
    things: each run of them in a question gets a place.
    """

    grid: tuple[int, int]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself. ``questions`` are examples of what it can be asked."""

    name: str
    version: str
    license: str
    model: ModelConfig
    preprocess: PreprocessConfig
    vocabulary: tuple[str, ...]
    answers: tuple[str, ...]
    questions: tuple[str, ...] = ()
    temperature: float = 1.0
    min_confidence: float = 0.5
    max_distance: float | None = None
    evidence: EvidenceConfig | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of this model."""
        return Tokenizer(self.vocabulary, self.model.max_tokens)

    def to_yaml(self) -> str:
        """Return the text of ``manifest.yaml``."""
        document: dict[str, Any] = {'schema': SCHEMA}
        for name in self.__dataclass_fields__:
            document[name] = getattr(self, name)
        document |= {
            'model': to_mapping(self.model), 'preprocess': to_mapping(self.preprocess),
            'vocabulary': list(self.vocabulary), 'answers': list(self.answers),
            'questions': list(self.questions), 'training': dict(self.training),
            'metrics': dict(self.metrics),
            'files': {name: to_mapping(entry) for name, entry in self.files.items()},
        }
        if self.evidence is None:
            del document['evidence']
        else:
            document['evidence'] = to_mapping(self.evidence)
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=99)


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

    def content(self, name: str) -> bytes:
        """Return the verified bytes of a file; BundleError where the bundle has none."""
        if name not in self.contents:
            raise BundleError(f'{self.path}: the bundle has no {name}')
        return self.contents[name]


def load(path: str | os.PathLike[str]) -> Bundle:
    """Read and verify a bundle folder; BundleError says what is wrong with it."""
    folder = Path(path)
    manifest, sha256 = read_manifest(folder)
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
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f'{where}: not YAML: {str(error).splitlines()[0]}') from None
    if not isinstance(document, dict):
        raise BundleError(f'{where}: not a mapping')
    schema = document.pop('schema', None)
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        fix = 'update latent_vqa_ros' if newer else 'export the bundle again'
        raise BundleError(f'{where}: schema {schema!r}, this version reads {SCHEMA}; {fix}')
    try:
        return _manifest(document)
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


def _manifest(document: dict[str, Any]) -> Manifest:
    model = from_mapping(ModelConfig, document.get('model'), 'model')
    preprocess = from_mapping(PreprocessConfig, document.get('preprocess'), 'preprocess')
    model.check_input(preprocess)
    listed = document.get('files')
    if not isinstance(listed, dict):
        raise ConfigError('files: expected a mapping')
    files = {_plain_name(name): from_mapping(FileEntry, entry, f'files.{name}')
             for name, entry in listed.items()}
    missing = [name for name in REQUIRED if name not in files]
    if missing:
        raise ConfigError(f'files: {", ".join(missing)} is not listed')
    document |= {'model': model, 'preprocess': preprocess, 'files': files}
    if document.get('evidence') is not None:
        document['evidence'] = from_mapping(EvidenceConfig, document['evidence'], 'evidence')
    manifest = from_mapping(Manifest, document, 'manifest')
    _check_values(manifest)
    if manifest.evidence is not None:
        _check_evidence(manifest.evidence, manifest.vocabulary)
    return manifest


def _plain_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == MANIFEST:
        raise ConfigError(f'files: {str(name)[:80]!r} is not a plain file name')
    return name


def _check_values(manifest: Manifest) -> None:
    for name in ('training', 'metrics'):
        try:
            json.dumps(getattr(manifest, name), default=str)
        except (TypeError, ValueError) as error:  # a date as a key, a number of 5000 digits
            raise ConfigError(f'{name}: {error}') from None
    for name in ('vocabulary', 'answers', 'questions'):
        values = getattr(manifest, name)
        if len(set(values)) != len(values):
            raise ConfigError(f'{name}: has duplicates')
    if not manifest.answers or not manifest.vocabulary:
        raise ConfigError('answers and vocabulary must not be empty')
    if not manifest.temperature > 0:
        raise ConfigError(f'temperature: {manifest.temperature} is not above 0')
    if not 0 <= manifest.min_confidence <= 1:
        raise ConfigError(f'min_confidence: {manifest.min_confidence} is not from 0 to 1')
    if manifest.max_distance is not None and not manifest.max_distance > 0:
        raise ConfigError(f'max_distance: {manifest.max_distance} is not above 0')


def _check_evidence(evidence: EvidenceConfig, vocabulary: tuple[str, ...]) -> None:
    grid, words = evidence.grid, evidence.words
    if not all(1 <= side <= MAX_GRID for side in grid):
        raise ConfigError(f'evidence.grid: expected [rows, columns], 1 to {MAX_GRID} each')
    if not words:
        raise ConfigError('evidence.words: expected a list of words')
    strange = [str(word)[:40] for word in words if word not in vocabulary]
    if strange:
        raise ConfigError(f'evidence.words: not in the vocabulary: {", ".join(strange[:5])}')


def read_bounded(path: Path, limit: int) -> bytes:
    """Return a file's bytes; BundleError where it cannot be read or has more than ``limit``."""
    try:
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


def check_attention(bundle: Bundle, attention: Any) -> None:
    """Raise BundleError where this is not the attention (2, cells) that the manifest promises."""
    evidence = bundle.manifest.evidence
    if evidence is None:
        return
    cells = evidence.grid[0] * evidence.grid[1]
    if attention is None or attention.shape != (2, cells):
        raise BundleError(f'{bundle.path}: the manifest promises evidence, but the answerer has '
                          f'no output attention (tokens, {cells})')


def describe_file(path: Path) -> FileEntry:
    """Return size and digest of a file, for the manifest."""
    data = path.read_bytes()
    return FileEntry(len(data), hashlib.sha256(data).hexdigest())

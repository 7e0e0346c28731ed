"""A bundle's ``manifest.yaml``: all that the runtime needs to know of a model, and no more.

    manifest = from_document(document);  text = manifest.to_yaml()

Schema 2. How the network is built stands under ``architecture:``, which only training and the
torch backend read. Schema 1, of the first bundles, is converted. Refuses to know files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from latent_vqa_ros.core.config import (
    ConfigError,
    PreprocessConfig,
    UnknownKeyError,
    from_mapping,
    to_mapping,
)
from latent_vqa_ros.core.process import some
from latent_vqa_ros.core.tokenizer import Tokenizer

SCHEMA = 2
IMAGE_ENCODER, ANSWERER, WEIGHTS = 'image_encoder.onnx', 'answerer.onnx', 'model.safetensors'
VQA, FEATURES = 'vqa', 'features'  # kinds of bundles
GRAPHS = {VQA: (IMAGE_ENCODER, ANSWERER), FEATURES: (IMAGE_ENCODER,)}  # that the runtime runs
UPDATE = 'update latent_vqa_ros'
MAX_GRID = 512  # cells of evidence on a side: the largest input is 1024 pixels, a stride 2
MIN_TOKENS, MAX_TOKENS = 4, 256
MAX_GROUPS = 64  # outputs of a graph
_ANSWERING = ('max_tokens', 'vocabulary', 'unasked', 'answers', 'questions', 'temperature',
              'min_confidence', 'max_distance', 'evidence')  # what only a bundle of kind vqa has
_FILE = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}')


@dataclass(frozen=True)
class FileEntry:
    """Size in bytes and SHA-256 of one file of the bundle."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class GraphEntry:
    """The names of a graph's inputs and outputs. Further outputs of a graph are not computed."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class EvidenceConfig:
    """That ``answerer.onnx`` says where each token looked: its output ``attention``.

    ``grid`` is (rows, columns) of the cells over the model's input. ``words`` are the words that
    name things. Such words that stand side by side in a question are one phrase, and each phrase
    gets a place.
    """

    grid: tuple[int, int]
    words: tuple[str, ...]


def vqa_graphs(evidence: bool) -> dict[str, GraphEntry]:
    """Return the two graphs of a bundle that answers, as the runtime knows them."""
    looked = ('attention',) if evidence else ()
    return {IMAGE_ENCODER: GraphEntry(('image',), ('features', 'distance')),
            ANSWERER: GraphEntry(('features', 'tokens'), ('logits', *looked))}


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.

    ``kind`` ``vqa`` answers questions. ``kind`` ``features`` has one graph, whose outputs are
    named groups of vectors, and nothing that has to do with questions: the fields from
    ``max_tokens`` to ``evidence`` keep their defaults. ``questions`` are examples. ``unasked``
    are words of the vocabulary that no question in training has.
    """

    name: str
    version: str
    license: str
    preprocess: PreprocessConfig
    graphs: Mapping[str, GraphEntry]
    kind: str = VQA
    max_tokens: int = 0
    vocabulary: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    temperature: float = 1.0
    min_confidence: float = 0.5
    max_distance: float | None = None
    evidence: EvidenceConfig | None = None
    architecture: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of this model."""
        return Tokenizer(self.vocabulary, self.max_tokens, frozenset(self.unasked))

    @property
    def words(self) -> tuple[str, ...]:
        """The words that a question may have."""
        return tuple(word for word in self.vocabulary if word not in self.unasked)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of vectors that a bundle of kind ``features`` gives."""
        return self.graphs[IMAGE_ENCODER].outputs

    def to_yaml(self) -> str:
        """Return the text of ``manifest.yaml``."""
        document: dict[str, Any] = {'schema': SCHEMA, 'kind': self.kind}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            document[name] = list(value) if isinstance(value, tuple) else value
        document['preprocess'] = to_mapping(self.preprocess)
        for name in ('graphs', 'files'):
            document[name] = {key: to_mapping(entry) for key, entry in document[name].items()}
        for name in ('architecture', 'training', 'metrics'):
            document[name] = dict(document[name])
        if self.evidence is not None:
            document['evidence'] = to_mapping(self.evidence)
        else:
            del document['evidence']
        if self.kind == FEATURES:
            document = {key: value for key, value in document.items() if key not in _ANSWERING}
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=99)


def from_document(document: Any) -> Manifest:
    """Check what stands in a ``manifest.yaml``; ConfigError names what cannot be used.

    Whatever is unknown belongs to a newer version, except under ``architecture``.
    """
    if not isinstance(document, dict):
        raise ConfigError('not a mapping')
    document = dict(document)
    schema = document.pop('schema', None)
    if type(schema) is not int or schema not in (1, SCHEMA):
        raise ConfigError(f'schema {str(schema)[:40]}, this version reads 1 and {SCHEMA}; '
                          f'{UPDATE}')
    if schema == 1:
        document = _from_schema_1(document)
    try:
        manifest = _manifest(document)
    except UnknownKeyError as error:
        raise ConfigError(f'{error}; {UPDATE}') from None
    _check_values(manifest)
    if manifest.kind == FEATURES:
        _check_features(manifest, document)
    else:
        _check_vqa(manifest)
    return manifest


def _from_schema_1(document: dict[str, Any]) -> dict[str, Any]:
    """Return schema 1 as schema 2: it had the architecture where the runtime read it."""
    model = document.pop('model', None)
    if not isinstance(model, dict):
        raise ConfigError(f'model: expected a mapping, got {type(model).__name__}')
    unknown = [key for key in ('kind', 'graphs', 'architecture', 'max_tokens') if key in document]
    if unknown:
        raise ConfigError(f'schema 1 has no {", ".join(unknown)}; {UPDATE}')
    graphs = vqa_graphs(document.get('evidence') is not None)
    return document | {'kind': VQA, 'architecture': model,
                       'max_tokens': model.get('max_tokens', 16),
                       'graphs': {name: to_mapping(entry) for name, entry in graphs.items()}}


def _manifest(document: dict[str, Any]) -> Manifest:
    kind = document.get('kind')
    if not isinstance(kind, str) or kind not in GRAPHS:
        raise ConfigError(f'kind {str(kind)[:40]}, this version knows '
                          f'{" and ".join(GRAPHS)}; {UPDATE}')
    parts: dict[str, Any] = {
        'preprocess': from_mapping(PreprocessConfig, document.get('preprocess'), 'preprocess'),
        'files': _entries(FileEntry, document, 'files'),
        'graphs': _entries(GraphEntry, document, 'graphs')}
    if document.get('evidence') is not None:
        parts['evidence'] = from_mapping(EvidenceConfig, document['evidence'], 'evidence')
    return from_mapping(Manifest, document | parts, 'manifest')


def _entries(cls: type[Any], document: dict[str, Any], section: str) -> dict[str, Any]:
    listed = document.get(section)
    if not isinstance(listed, dict):
        raise ConfigError(f'{section}: expected a mapping')
    return {_plain_name(name, section): from_mapping(cls, entry, f'{section}.{name}')
            for name, entry in listed.items()}


def _plain_name(name: Any, section: str) -> str:
    if not isinstance(name, str) or not _FILE.fullmatch(name) or name == 'manifest.yaml':
        raise ConfigError(f'{section}: {str(name)[:80]!r} is not a plain file name')
    return name


def _check_values(manifest: Manifest) -> None:
    for name in ('architecture', 'training', 'metrics'):
        try:
            json.dumps(getattr(manifest, name), default=str)
        except (TypeError, ValueError) as error:  # a date as a key, a number of 5000 digits
            raise ConfigError(f'{name}: {error}') from None
    for name, graph in manifest.graphs.items():
        if name not in manifest.files:
            raise ConfigError(f'files: {name} is not listed')
        if len(set(graph.outputs)) != len(graph.outputs) or len(graph.outputs) > MAX_GROUPS:
            raise ConfigError(f'graphs.{name}.outputs: has duplicates, or more than {MAX_GROUPS}')


def _check_features(manifest: Manifest, document: dict[str, Any]) -> None:
    """Refuse all but one graph from an image to groups of vectors."""
    strange = [key for key in _ANSWERING if key in document]
    if strange:
        raise ConfigError(f'kind {FEATURES} has no {", ".join(strange)}')
    if tuple(manifest.graphs) != GRAPHS[FEATURES]:
        raise ConfigError(f'graphs: kind {FEATURES} has {IMAGE_ENCODER} alone')
    graph = manifest.graphs[IMAGE_ENCODER]
    if graph.inputs != ('image',) or not graph.outputs:
        raise ConfigError(f'graphs.{IMAGE_ENCODER}: kind {FEATURES} has the one input image, and '
                          'an output for each group of vectors')


def _check_vqa(manifest: Manifest) -> None:
    for name, known in vqa_graphs(manifest.evidence is not None).items():
        graph = manifest.graphs.get(name)
        if graph is None:
            raise ConfigError(f'graphs: {name} is not listed')
        if set(graph.inputs) != set(known.inputs):
            raise ConfigError(f'graphs.{name}.inputs: this version gives it '
                              f'{" and ".join(known.inputs)}; {UPDATE}')
        missing = [output for output in known.outputs if output not in graph.outputs]
        if missing:
            raise ConfigError(f'graphs.{name}.outputs: {", ".join(missing)} is not listed')
    for name in ('vocabulary', 'unasked', 'answers', 'questions'):
        values = getattr(manifest, name)
        if len(set(values)) != len(values):
            raise ConfigError(f'{name}: has duplicates')
    if not manifest.answers or not manifest.vocabulary:
        raise ConfigError('answers and vocabulary must not be empty')
    _check_known(manifest.unasked, manifest.vocabulary, 'unasked')
    _check_numbers(manifest)
    if manifest.evidence is not None:
        _check_evidence(manifest.evidence, manifest.vocabulary)


def _check_numbers(manifest: Manifest) -> None:
    if not MIN_TOKENS <= manifest.max_tokens <= MAX_TOKENS:
        raise ConfigError(f'max_tokens: {manifest.max_tokens} is not from {MIN_TOKENS} to '
                          f'{MAX_TOKENS}')
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
    _check_known(words, vocabulary, 'evidence.words')


def _check_known(words: tuple[str, ...], vocabulary: tuple[str, ...], name: str) -> None:
    strange = [str(word)[:40] for word in words if word not in vocabulary]
    if strange:
        raise ConfigError(f'{name}: not in the vocabulary: {some(strange)}')

"""A bundle whose answers are known beforehand: each word of a question votes for one answer.

``write(folder)`` makes it; with ``LOOKS`` each word that names a thing looks at one cell, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latent_vqa_ros.core import bundle as bundles
from latent_vqa_ros.core import manifest as manifests
from latent_vqa_ros.core.config import PreprocessConfig

onnx = pytest.importorskip('onnx', reason='needs onnx to make graphs: pip install onnx')
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

VOCABULARY = ('above', 'ball', 'blue', 'color', 'cube', 'is', 'maybe', 'red', 'shape', 'the',
              'this', 'what')
ANSWERS = ('circle', 'red', 'no')
VOTES = {'shape': 'circle', 'color': 'red', 'above': 'no'}
WEIGHT = 8.0  # logit of a vote: e^8 to 1
GRID = 4, 8  # rows, columns
LOOKS = {'red': (1, 2), 'cube': (1, 2), 'blue': (3, 7), 'ball': (3, 7)}  # row, column
WORDS = (*LOOKS, 'shape')  # 'shape' looks nowhere
MODULES = [{'name': 'image_encoder', 'parameters': 1234, 'macs': 56789},
           {'name': 'answerer', 'parameters': 321, 'macs': None}]


def model(nodes, inputs, outputs, constants) -> bytes:
    """Return a checked graph."""
    graph = helper.make_graph(
        nodes, 'fake', [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*o) for o in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def image_encoder() -> bytes:
    """image (H, W, 3) → its mean colour as features (1, 3), its largest channel as distance."""
    return model(
        [helper.make_node('Cast', ['image'], ['float'], to=TensorProto.FLOAT),
         helper.make_node('ReduceMean', ['float'], ['mean'], axes=[0, 1], keepdims=0),
         helper.make_node('Unsqueeze', ['mean', 'first'], ['features']),
         helper.make_node('ReduceMax', ['mean'], ['distance'], axes=[0], keepdims=0)],
        [('image', TensorProto.UINT8, ['h', 'w', 3])],
        [('features', TensorProto.FLOAT, [1, 3]), ('distance', TensorProto.FLOAT, [])],
        {'first': np.array([0], np.int64)})


def answerer(looking: bool = False) -> bytes:
    """features, tokens (T,) → logits (answers,), the sum of the words' votes.

    ``looking`` adds attention (T, cells): 0.9 on the word's cell, else evenly spread.
    """
    votes = np.zeros((len(VOCABULARY) + 2, len(ANSWERS)), np.float32)
    for word, answer in VOTES.items():
        votes[VOCABULARY.index(word) + 2, ANSWERS.index(answer)] = WEIGHT
    nodes = [
        helper.make_node('Gather', ['votes', 'tokens'], ['each']),
        helper.make_node('ReduceSum', ['each', 'first'], ['sum'], keepdims=0),
        helper.make_node('ReduceMean', ['features'], ['level'], axes=[0, 1], keepdims=0),
        helper.make_node('Mul', ['level', 'zero'], ['nothing']),
        helper.make_node('Add', ['sum', 'nothing'], ['logits'])]
    outputs = [('logits', TensorProto.FLOAT, [len(ANSWERS)])]
    constants = {'votes': votes, 'first': np.array([0], np.int64), 'zero': np.zeros(1, np.float32)}
    if looking:
        nodes.append(helper.make_node('Gather', ['looks', 'tokens'], ['attention']))
        outputs.append(('attention', TensorProto.FLOAT, ['t', GRID[0] * GRID[1]]))
        constants['looks'] = _looks()
    return model(nodes, [('features', TensorProto.FLOAT, [1, 3]),
                         ('tokens', TensorProto.INT64, ['t'])], outputs, constants)


def _looks() -> np.ndarray:
    cells = GRID[0] * GRID[1]
    looks = np.full((len(VOCABULARY) + 2, cells), 1 / cells, np.float32)
    for word, (row, column) in LOOKS.items():
        looks[VOCABULARY.index(word) + 2] = 0.1 / (cells - 1)
        looks[VOCABULARY.index(word) + 2, row * GRID[1] + column] = 0.9
    return looks


def write(folder: Path, graph: bytes | None = None, **changes: Any) -> Path:
    """Make the bundle in a new folder; ``graph`` is the answerer, ``changes`` the manifest's."""
    folder.mkdir()
    (folder / manifests.IMAGE_ENCODER).write_bytes(image_encoder())
    (folder / manifests.ANSWERER).write_bytes(graph or answerer())
    files = {name: bundles.describe_file(folder / name)
             for name in manifests.GRAPHS[manifests.VQA]}
    values = {
        'name': 'fake', 'version': '7', 'license': 'Apache-2.0', 'preprocess': PreprocessConfig(),
        'graphs': manifests.vqa_graphs(changes.get('evidence') is not None),
        'max_tokens': 16, 'vocabulary': VOCABULARY, 'answers': ANSWERS,
        'questions': ('what shape is this', 'what color is this'), 'max_distance': 250.0,
        'metrics': {'accuracy': 1.0, 'modules': MODULES}, 'files': files}
    manifest = manifests.Manifest(**values | changes)
    (folder / bundles.MANIFEST).write_text(manifest.to_yaml())
    return folder


def write_looking(folder: Path, **changes: Any) -> Path:
    """Make the bundle with evidence."""
    evidence = manifests.EvidenceConfig(GRID, WORDS)
    return write(folder, answerer(looking=True), **{'evidence': evidence} | changes)


GROUPS = {'color': 1, 'rows': 64}  # outputs of the bundle of features: number of vectors


def write_features(folder: Path, graph: bytes | None = None, **changes: Any) -> Path:
    """Make a bundle of kind features, 64×64: the mean colour, and the mean colour of each row."""
    folder.mkdir()
    graph = graph or model(
        [helper.make_node('Cast', ['image'], ['float'], to=TensorProto.FLOAT),
         helper.make_node('ReduceMean', ['float'], ['rows'], axes=[1], keepdims=0),
         helper.make_node('ReduceMean', ['rows'], ['color'], axes=[0], keepdims=1)],
        [('image', TensorProto.UINT8, [64, 64, 3])],
        [('color', TensorProto.FLOAT, [1, 3]), ('rows', TensorProto.FLOAT, [64, 3])], {})
    (folder / manifests.IMAGE_ENCODER).write_bytes(graph)
    values = {
        'name': 'fake_features', 'version': '1', 'license': 'Apache-2.0',
        'preprocess': PreprocessConfig(), 'kind': manifests.FEATURES,
        'graphs': {manifests.IMAGE_ENCODER: manifests.GraphEntry(('image',), tuple(GROUPS))},
        'files': {manifests.IMAGE_ENCODER:
                  bundles.describe_file(folder / manifests.IMAGE_ENCODER)}}
    (folder / bundles.MANIFEST).write_text(manifests.Manifest(**values | changes).to_yaml())
    return folder

"""A bundle whose answers are known beforehand: each word of a question votes for one answer."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latent_vqa_ros.cli import main as cli
from latent_vqa_ros.core import bundle as bundles
from latent_vqa_ros.core.config import ModelConfig, PreprocessConfig

VOCABULARY = ('color', 'is', 'maybe', 'shape', 'the', 'this', 'what')
ANSWERS = ('circle', 'red', 'no')
VOTES = {'shape': 'circle', 'color': 'red'}
WEIGHT = 8.0  # logit of a vote: e^8 to 1
MODULES = [{'name': 'image_encoder', 'parameters': 1234, 'macs': 56789},
           {'name': 'answerer', 'parameters': 321, 'macs': None}]


def _model(nodes, inputs, outputs, constants):
    graph = helper.make_graph(
        nodes, 'fake', [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*o) for o in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def image_encoder() -> bytes:
    """image (H, W, 3) → its mean colour as features (1, 3), its largest channel as distance."""
    return _model(
        [helper.make_node('Cast', ['image'], ['float'], to=TensorProto.FLOAT),
         helper.make_node('ReduceMean', ['float'], ['mean'], axes=[0, 1], keepdims=0),
         helper.make_node('Unsqueeze', ['mean', 'first'], ['features']),
         helper.make_node('ReduceMax', ['mean'], ['distance'], axes=[0], keepdims=0)],
        [('image', TensorProto.UINT8, ['h', 'w', 3])],
        [('features', TensorProto.FLOAT, [1, 3]), ('distance', TensorProto.FLOAT, [])],
        {'first': np.array([0], np.int64)})


def answerer() -> bytes:
    """features, tokens (T,) → logits (answers,): the sum of the words' votes."""
    votes = np.zeros((len(VOCABULARY) + 2, len(ANSWERS)), np.float32)
    for word, answer in VOTES.items():
        votes[VOCABULARY.index(word) + 2, ANSWERS.index(answer)] = WEIGHT
    return _model(
        [helper.make_node('Gather', ['votes', 'tokens'], ['each']),
         helper.make_node('ReduceSum', ['each', 'first'], ['sum'], keepdims=0),
         helper.make_node('ReduceMean', ['features'], ['level'], axes=[0, 1], keepdims=0),
         helper.make_node('Mul', ['level', 'zero'], ['nothing']),
         helper.make_node('Add', ['sum', 'nothing'], ['logits'])],
        [('features', TensorProto.FLOAT, [1, 3]), ('tokens', TensorProto.INT64, ['t'])],
        [('logits', TensorProto.FLOAT, [len(ANSWERS)])],
        {'votes': votes, 'first': np.array([0], np.int64), 'zero': np.zeros(1, np.float32)})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle folder that can be changed."""
    folder = tmp_path / 'fake'
    folder.mkdir()
    (folder / bundles.IMAGE_ENCODER).write_bytes(image_encoder())
    (folder / bundles.ANSWERER).write_bytes(answerer())
    files = {name: bundles.describe_file(folder / name) for name in bundles.REQUIRED}
    manifest = bundles.Manifest(
        name='fake', version='7', license='Apache-2.0', model=ModelConfig(),
        preprocess=PreprocessConfig(), vocabulary=VOCABULARY, answers=ANSWERS,
        questions=('what shape is this', 'what color is this'), max_distance=250.0,
        metrics={'accuracy': 1.0, 'modules': MODULES}, files=files)
    (folder / bundles.MANIFEST).write_text(manifest.to_yaml())
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A dark 64×48 PNG."""
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), np.full((48, 64, 3), 40, np.uint8))
    return path


@pytest.fixture
def latent_vqa(capsys, caplog):
    """Run the command: returns exit code, stdout and what was logged."""
    def run(*argv):
        try:
            code = cli.main([str(arg) for arg in argv])
        except SystemExit as stop:
            code = stop.code
        caught = capsys.readouterr()
        return code, caught.out, caught.err + caplog.text
    return run


@pytest.fixture
def latent_vqa_json(latent_vqa):
    """Run the command with --json: returns exit code and the document."""
    def run(*argv):
        code, out, _ = latent_vqa(*argv, '--json')
        return code, json.loads(out)
    return run

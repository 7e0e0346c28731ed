"""Stage 3: the model as two float ONNX graphs, checked against torch, and the bundle on disk.

Export refuses; it never adapts silently. One image, one question: the graphs have no batch
dimension, so that linear layers become plain matrix products and no mask is needed.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from latent_vqa_ros.backends.network import Network
from latent_vqa_ros.backends.onnx_backend import OnnxBackend
from latent_vqa_ros.backends.torch_backend import load_model
from latent_vqa_ros.core.bundle import MANIFEST, Bundle, describe_file
from latent_vqa_ros.core.config import ConfigError, PreprocessConfig
from latent_vqa_ros.core.manifest import ANSWERER, IMAGE_ENCODER, WEIGHTS, Manifest
from latent_vqa_ros.core.tokenizer import CLS
from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training import checkpoint

FLOAT_IMAGE_ENCODER, FLOAT_ANSWERER = 'image_encoder.float.onnx', 'answerer.float.onnx'
_OPSET = 18
_TOLERANCE = 1e-4
_TRIALS = 8


class ExportError(ConfigError):
    """A graph that does not do what the model does."""


class _Half(nn.Module):
    """One of the model's two halves as a module of its own, as the exporter wants it."""

    def __init__(self, model: LatentVqa, method: str) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, *inputs: Tensor) -> Any:
        return getattr(self.model, self.method)(*inputs)


@torch.no_grad()  # the exporter traces less
def export_graphs(model: LatentVqa, preprocess: PreprocessConfig, max_tokens: int, folder: Path,
                  evidence: bool = False) -> tuple[Path, Path]:
    """Write both float graphs and check them; ExportError where they differ from torch.

    With ``evidence`` the answerer also gives where each token looked.
    """
    model = model.eval().cpu()
    image = torch.zeros(preprocess.height, preprocess.width, 3, dtype=torch.uint8)
    tokens = torch.full((4,), CLS)
    features, _ = model.encode(image)
    paths = folder / FLOAT_IMAGE_ENCODER, folder / FLOAT_ANSWERER
    export_graph(_Half(model, 'encode'), (image,), paths[0], ['image'],
                 ['features', 'distance'], None)
    length = torch.export.Dim('tokens', min=2, max=max_tokens)
    outputs = ['logits', 'attention'] if evidence else ['logits']
    export_graph(_Half(model, 'look' if evidence else 'answer'), (features, tokens), paths[1],
                 ['features', 'tokens'], outputs, {'inputs': (None, {0: length})})
    check_graphs(model, preprocess, max_tokens, load_graphs(*paths, evidence))
    return paths


def load_graphs(image_encoder: Path, answerer: Path, evidence: bool = False) -> Network:
    """Return two graphs that training has just made, ready to run with ONNX Runtime."""
    return Network('onnxruntime', OnnxBackend({IMAGE_ENCODER: image_encoder.read_bytes(),
                                               ANSWERER: answerer.read_bytes()}), evidence)


def export_graph(half: nn.Module, inputs: tuple[Tensor, ...], path: Path, names: list[str],
                 outputs: list[str], dynamic: Any) -> None:
    """Write a module as a float graph; ``dynamic`` are torch.export's dynamic shapes."""
    for noisy in ('torch.onnx', 'onnxscript', 'onnx_ir'):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(half, inputs, str(path), input_names=names, output_names=outputs,
                          dynamic_shapes=dynamic, opset_version=_OPSET, dynamo=True,
                          external_data=False, verbose=False)
    onnx_model = onnx.load(str(path))
    forget_origins(onnx_model)
    onnx.save(onnx_model, str(path))


def forget_origins(model: onnx.ModelProto) -> None:
    """Take out what the exporter notes of the source: stack traces, with this machine's paths."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        part.ClearField('metadata_props')


@torch.no_grad()
def check_graphs(model: LatentVqa, preprocess: PreprocessConfig, max_tokens: int,
                 backend: Network) -> float:
    """Return the largest difference between torch and ONNX on random inputs.

    Relative to the largest value of an output, or to 1. ExportError where it is above 1e-4.
    """
    rng, apart = np.random.default_rng(0), []
    for _ in range(_TRIALS):
        shape = preprocess.height, preprocess.width, 3
        image = rng.integers(0, 256, shape, dtype=np.uint8)
        ids = model.clip.text_encoder.embedding.num_embeddings
        tokens = rng.integers(CLS, ids, int(rng.integers(2, max_tokens + 1)))
        features, distance = model.encode(torch.from_numpy(image))
        logits, attention = model.look(features, torch.from_numpy(tokens))
        got_features, got_distance = backend.encode(image)
        got_logits, got_attention = backend.answer(got_features, tokens)
        apart += [difference(features.numpy(), got_features),
                  difference(distance.numpy(), np.asarray(got_distance)),
                  difference(logits.numpy(), got_logits)]
        if got_attention is not None:
            apart.append(difference(attention.numpy(), got_attention))
    worst = float(np.max(apart))  # NaN where any is: max() would pass over it
    require_small(worst)
    return worst


def require_small(worst: float) -> None:
    """Raise ExportError for a difference that is too large, or NaN."""
    if not worst <= _TOLERANCE:
        raise ExportError(f'torch and float ONNX differ by {worst:.2g}, at most {_TOLERANCE:g} '
                          'is taken')


def difference(a: Any, b: Any) -> float:
    """Return the largest difference, relative to the largest value of ``a``, or to 1."""
    return float(np.abs(a - b).max() / max(1.0, float(np.abs(a).max())))


def save_weights(model: LatentVqa, folder: Path) -> None:
    """Write the float weights, for fine-tuning and for the torch backend."""
    checkpoint.save_tensors(folder / WEIGHTS, model.state_dict(), {})


def export_float(bundle: Bundle, folder: Path) -> tuple[Path, Path]:
    """Write the float graphs of a bundle into a folder, for comparisons."""
    manifest = bundle.manifest
    return export_graphs(load_model(bundle), manifest.preprocess, manifest.max_tokens, folder,
                         manifest.evidence is not None)


def float_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle whose graphs are the float ones, to run beside the int8 one."""
    graphs = export_float(bundle, folder)
    for path, name in zip(graphs, (IMAGE_ENCODER, ANSWERER), strict=True):
        path.rename(folder / name)
    write_manifest(folder, bundle.manifest, (IMAGE_ENCODER, ANSWERER))


def write_manifest(folder: Path, manifest: Manifest, names: tuple[str, ...]) -> None:
    """Write ``manifest.yaml`` with size and digest of the named files, atomically."""
    files = {name: describe_file(folder / name) for name in names}
    text = replace(manifest, files=files).to_yaml()
    checkpoint.write_atomic(folder / MANIFEST, text.encode())

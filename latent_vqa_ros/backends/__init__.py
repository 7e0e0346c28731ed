"""How a bundle is executed, through one gate: check, session, trial run, shapes.

    pipeline = open_pipeline('tabletop', min_confidence=0.8)    # from a name or folder
    network = load(bundle.load(folder))                         # the graphs alone

ONNX Runtime by default; OpenVINO runs the image graph on x86 where it is installed; torch runs the
float weights, as the reference. A bundle of kind
``features`` (``lite0``) is loaded by ``load``, too; what it returns then has
``features(image_hwc) -> {group: vectors (vectors, channels)}`` instead of answers.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from latent_vqa_ros.backends.network import Executor, Network
from latent_vqa_ros.backends.onnx_safety import GraphError, check
from latent_vqa_ros.core import bundle as bundles
from latent_vqa_ros.core.bundle import Bundle, BundleError
from latent_vqa_ros.core.manifest import FEATURES, GRAPHS, VQA
from latent_vqa_ros.core.models import find_model
from latent_vqa_ros.core.pipeline import Pipeline

BACKENDS = ('onnxruntime', 'openvino', 'torch')


def open_pipeline(model: str | os.PathLike[str], backend: str = 'onnxruntime',
                  num_threads: int = 1, device: str | None = None, **settings: Any) -> Pipeline:
    """Return what answers with the bundle of this name or folder; BundleError says why not.

    ``settings`` are those of ``Pipeline``: top_k, min_confidence, max_age_s.
    """
    bundle = bundles.load(find_model(os.fspath(model)))
    bundle.require(VQA)
    return Pipeline(bundle, load(bundle, backend, num_threads, device), **settings)


def open_features(model: str | os.PathLike[str], num_threads: int = 1) -> tuple[Bundle, Network]:
    """Return a bundle of kind ``features`` and what executes it; BundleError says why not."""
    bundle = bundles.load(find_model(os.fspath(model)))
    if bundle.manifest.kind != FEATURES:
        raise BundleError(f'{bundle.path}: is no bundle of kind {FEATURES}')
    return bundle, load(bundle, num_threads=num_threads)


def load(bundle: Bundle, backend: str = 'onnxruntime', num_threads: int = 1,
         device: str | None = None) -> Network:
    """Make a bundle executable; BundleError where it cannot be, by name.

    ``device`` is torch's: None takes CUDA where there is one.
    """
    manifest = bundle.manifest
    graphs = {name: bundle.content(name) for name in GRAPHS[manifest.kind]}
    for name, content in graphs.items():
        try:
            check(content)
        except GraphError as error:
            raise BundleError(f'{bundle.path}: {name}: {error}') from None
    network = _network(bundle, backend, _executor(bundle, graphs, backend, num_threads, device))
    _try(bundle, network)
    return network


def _network(bundle: Bundle, name: str, executor: Executor) -> Network:
    manifest = bundle.manifest
    groups = manifest.groups if manifest.kind == FEATURES else ()
    return Network(name, executor, manifest.evidence is not None, groups)


def _executor(bundle: Bundle, graphs: dict[str, bytes], backend: str, num_threads: int,
              device: str | None) -> Executor:
    """Return a backend's own session of checked graphs."""
    if backend == 'onnxruntime':
        from latent_vqa_ros.backends.onnx_backend import OnnxBackend
        return OnnxBackend(graphs, num_threads)
    if backend == 'openvino':
        from latent_vqa_ros.backends.onnx_backend import OnnxBackend
        from latent_vqa_ros.backends.openvino_backend import OpenVinoBackend
        tried = OnnxBackend(graphs, num_threads)
        _try(bundle, _network(bundle, backend, tried))
        return OpenVinoBackend(graphs, tried, num_threads)
    if backend == 'torch':
        if bundle.manifest.kind == FEATURES:
            raise BundleError(f'{bundle.path}: torch runs bundles of kind {VQA} only')
        try:
            from latent_vqa_ros.backends.torch_backend import TorchBackend, load_model
        except ImportError:
            raise BundleError('the torch backend needs torch and safetensors: '
                              'pip install torch safetensors') from None
        reference: Executor = TorchBackend(load_model(bundle), num_threads, device)
        return reference
    raise BundleError(f'backend {backend!r} is none of {", ".join(BACKENDS)}')


def _try(bundle: Bundle, network: Network) -> None:
    """Run everything once, so that what does not keep the manifest's promises fails here."""
    manifest, size = bundle.manifest, bundle.manifest.preprocess
    image_hwc = np.zeros((size.height, size.width, 3), np.uint8)
    try:
        if manifest.kind == FEATURES:
            _check_groups(bundle, network.features(image_hwc))
            return
        logits, attention = network.answer(network.encode(image_hwc)[0], np.ones(2, np.int64))
        for name, found in (('logits', logits), ('attention', attention)):
            if found is not None and getattr(found, 'dtype', None) != np.float32:
                raise BundleError(f'{bundle.path}: the output {name} is no array of float32')
        numbers = logits.shape[-1] if logits.ndim else 0
    except BundleError:
        raise
    except Exception as error:  # neither ONNX Runtime nor torch has a common error class
        raise BundleError(f'{bundle.path}: the graphs do not run: '
                          f'{str(error).splitlines()[0]}') from None
    if logits.shape != (len(manifest.answers),):
        raise BundleError(f'{bundle.path}: the graphs give {numbers} answers, the '
                          f'manifest lists {len(manifest.answers)}')
    if manifest.evidence is not None:
        cells = manifest.evidence.grid[0] * manifest.evidence.grid[1]
        if attention is None or attention.shape != (2, cells):
            raise BundleError(f'{bundle.path}: the manifest promises evidence, but the answerer '
                              f'has no output attention (tokens, {cells})')


def _check_groups(bundle: Bundle, groups: dict[str, Any]) -> None:
    for name, vectors in groups.items():
        if vectors.ndim != 2 or vectors.dtype != np.float32:
            raise BundleError(f'{bundle.path}: the output {name} is no group of vectors: expected '
                              f'float32 (vectors, channels), got {vectors.dtype} {vectors.shape}')

"""Runs a bundle's two graphs with ONNX Runtime on the CPU. Knows nothing of words or frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.backends.onnx_safety import GraphError, check, limit_memory
from latent_vqa_ros.core.bundle import (
    ANSWERER,
    IMAGE_ENCODER,
    Bundle,
    BundleError,
    check_attention,
)

Array = NDArray[Any]


class OnnxBackend:
    """``image``: uint8 (H, W, 3) -> features, distance; ``features``, ``tokens`` -> logits.

    An answerer with a second output, ``attention``, says too where each token looked.
    """

    name = 'onnxruntime'

    def __init__(self, image_encoder: bytes, answerer: bytes, num_threads: int = 1) -> None:
        self._image_encoder = _session(IMAGE_ENCODER, image_encoder, num_threads)
        self._answerer = _session(ANSWERER, answerer, num_threads)
        outputs = [output.name for output in self._answerer.get_outputs()]
        self._attention = outputs.index('attention') if 'attention' in outputs else None

    @classmethod
    def from_bundle(cls, bundle: Bundle, num_threads: int = 1) -> OnnxBackend:
        """Load the int8 graphs and try them once, so that a wrong graph fails here."""
        backend = cls(bundle.content(IMAGE_ENCODER), bundle.content(ANSWERER), num_threads)
        size = bundle.manifest.preprocess
        try:
            features, _ = backend.encode(np.zeros((size.height, size.width, 3), np.uint8))
            logits, attention = backend.answer(features, np.ones(2, np.int64))
        except Exception as error:  # ONNX Runtime has no common error class
            raise BundleError(f'{bundle.path}: the graphs do not run: '
                              f'{str(error).splitlines()[0]}') from None
        if logits.shape != (len(bundle.manifest.answers),):
            raise BundleError(f'{bundle.path}: the graphs give {logits.shape[-1]} answers, the '
                              f'manifest lists {len(bundle.manifest.answers)}')
        check_attention(bundle, attention)
        return backend

    def encode(self, image_hwc: Array) -> tuple[Array, float]:
        """Return one image's features (positions, channels) and familiarity distance."""
        features_nc, distance = self._image_encoder.run(None, {'image': image_hwc})
        return features_nc, float(distance)

    def answer(self, features_nc: Array, tokens_t: Array) -> tuple[Array, Array | None]:
        """Return one question's logits (answers,) and where each token looked (tokens, positions).

        The second is None where the graph has no such output.
        """
        outputs = self._answerer.run(None, {'features': features_nc, 'tokens': tokens_t})
        attention_tn = None if self._attention is None else np.asarray(outputs[self._attention])
        return np.asarray(outputs[0]), attention_tn


def _session(name: str, graph: bytes, num_threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise BundleError(f'onnxruntime does not load ({error}): pip install onnxruntime'
                          ) from None
    try:
        check(graph)
    except GraphError as error:
        raise BundleError(f'{name}: {error}') from None
    limit_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its errors come as exceptions
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.add_session_config_entry('session.use_env_allocators', '1')
    try:
        return onnxruntime.InferenceSession(graph, options, providers=['CPUExecutionProvider'])
    except Exception as error:  # ONNX Runtime has no common error class
        raise BundleError(f'{name}: ONNX Runtime refuses it: '
                          f'{str(error).splitlines()[0]}') from None

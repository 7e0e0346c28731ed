"""Runs the image graph with OpenVINO, every other one with ONNX Runtime, which is faster there.

For x86 CPUs. On ARM OpenVINO computes int8 graphs in 16-bit floats: other answers, no gain.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from latent_vqa_ros.backends.onnx_backend import OnnxBackend
from latent_vqa_ros.core.bundle import BundleError
from latent_vqa_ros.core.manifest import IMAGE_ENCODER

Array = NDArray[Any]


class OpenVinoBackend:
    """Takes the image graph over from a backend that has run it already.

    ONNX Runtime bounds a graph's memory, OpenVINO does not: one that wants too much fails there.
    """

    def __init__(self, graphs: Mapping[str, bytes], tried: OnnxBackend,
                 num_threads: int = 1) -> None:
        self.compiled = _compile(graphs[IMAGE_ENCODER], num_threads)
        self._request = self.compiled.create_infer_request()
        self.others = tried
        del tried.sessions[IMAGE_ENCODER]

    def run(self, graph: str, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Return the named outputs of a graph."""
        if graph != IMAGE_ENCODER:
            return self.others.run(graph, feeds, outputs)
        found = self._request.infer(dict(feeds), share_inputs=True)
        return [found[name] for name in outputs]


def _compile(graph: bytes, num_threads: int) -> Any:
    # Its import reports to its maker, unless this module of it cannot be found: a stub is taken.
    sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise BundleError(f'the backend openvino does not load ({error}): pip install openvino, '
                          'or set backend to onnxruntime') from None
    core = openvino.Core()
    return core.compile_model(core.read_model(graph), 'CPU', {
        'INFERENCE_NUM_THREADS': num_threads, 'NUM_STREAMS': 1, 'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': 'f32'})  # where the graph is float, not in 16 bits

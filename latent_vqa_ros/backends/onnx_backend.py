"""Runs graphs with ONNX Runtime on the CPU. Knows nothing of words or frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from latent_vqa_ros.backends.onnx_safety import limit_memory
from latent_vqa_ros.core.bundle import BundleError

Array = NDArray[Any]


class OnnxBackend:
    """Executes ONNX files, given as {name: content}."""

    def __init__(self, graphs: Mapping[str, bytes], num_threads: int = 1) -> None:
        self.sessions = {name: _session(name, graph, num_threads)
                         for name, graph in graphs.items()}

    def run(self, graph: str, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Return the named outputs of a graph."""
        found: list[Array] = self.sessions[graph].run(outputs, feeds)
        return found


def _session(name: str, graph: bytes, num_threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise BundleError(f'onnxruntime does not load ({error}): pip install onnxruntime'
                          ) from None
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

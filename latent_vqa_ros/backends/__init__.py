"""How a bundle is executed: ONNX Runtime by default, torch as the reference."""

from __future__ import annotations

from latent_vqa_ros.core.bundle import Bundle, BundleError
from latent_vqa_ros.core.pipeline import Backend

BACKENDS = ('onnxruntime', 'torch')


def load(bundle: Bundle, backend: str = 'onnxruntime', num_threads: int = 1) -> Backend:
    """Make a bundle executable; BundleError where it cannot be, by name.

    ``torch`` runs the float weights, on CUDA where there is one.
    """
    if backend == 'onnxruntime':
        from latent_vqa_ros.backends.onnx_backend import OnnxBackend
        return OnnxBackend.from_bundle(bundle, num_threads)
    if backend == 'torch':
        from latent_vqa_ros.backends.torch_backend import TorchBackend
        reference: Backend = TorchBackend.from_bundle(bundle, num_threads)
        return reference
    raise BundleError(f'backend {backend!r} is none of {", ".join(BACKENDS)}')

"""Runs a bundle's float weights with torch: the reference, on CUDA where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.bundle import WEIGHTS, Bundle, BundleError, check_attention

Array = NDArray[Any]


class TorchBackend:
    """The same two calls as the ONNX backend, executed by the modules that were trained."""

    name = 'torch'

    def __init__(self, model: Any, device: Any, looks: bool = False) -> None:
        """``looks``: whether ``answer`` says where each token looked, too."""
        self.model = model.to(device)
        self._device = device
        self._looks = looks

    @classmethod
    def from_bundle(cls, bundle: Bundle, num_threads: int = 1,
                    device: str | None = None) -> TorchBackend:
        """Build the model from the manifest and load ``model.safetensors`` into it."""
        try:
            import torch
            from safetensors import SafetensorError
            from safetensors.torch import load
        except ImportError:
            raise BundleError('the torch backend needs torch and safetensors: '
                              'pip install torch safetensors') from None
        from latent_vqa_ros.model.vqa import LatentVqa
        torch.set_num_threads(num_threads)
        manifest = bundle.manifest
        try:
            model = LatentVqa(manifest.model, manifest.preprocess, manifest.tokenizer.size,
                              len(manifest.answers))
            model.load_state_dict(load(bundle.content(WEIGHTS)))
        except (RuntimeError, ValueError, SafetensorError) as error:
            raise BundleError(f'{bundle.path}: {WEIGHTS} does not fit the manifest: '
                              f'{str(error).splitlines()[0]}') from None
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        backend = cls(model.eval(), torch.device(device), manifest.evidence is not None)
        if manifest.evidence is not None:
            size = manifest.preprocess
            features, _ = backend.encode(np.zeros((size.height, size.width, 3), np.uint8))
            check_attention(bundle, backend.answer(features, np.ones(2, np.int64))[1])
        return backend

    def encode(self, image_hwc: Array) -> tuple[Array, float]:
        """Return one image's features (positions, channels) and familiarity distance."""
        import torch
        with torch.inference_mode():
            image = torch.from_numpy(image_hwc).to(self._device)
            features_nc, distance = self.model.encode(image)
            return features_nc.cpu().numpy(), float(distance)

    def answer(self, features_nc: Array, tokens_t: Array) -> tuple[Array, Array | None]:
        """Return one question's logits (answers,) and where each token looked (tokens, positions).

        The second is None where the bundle has no evidence.
        """
        import torch
        with torch.inference_mode():
            features, tokens = (torch.from_numpy(np.ascontiguousarray(x)).to(self._device)
                                for x in (features_nc, tokens_t))
            if not self._looks:
                return np.asarray(self.model.answer(features, tokens).cpu().numpy()), None
            logits, attention_tn = self.model.look(features, tokens)
            return logits.cpu().numpy(), attention_tn.cpu().numpy()

"""Runs a bundle's float weights with torch: the reference, on CUDA where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load

from latent_vqa_ros.core.bundle import Bundle, BundleError
from latent_vqa_ros.core.manifest import IMAGE_ENCODER, WEIGHTS
from latent_vqa_ros.model.config import architecture
from latent_vqa_ros.model.vqa import LatentVqa

Array = NDArray[Any]


def load_model(bundle: Bundle) -> LatentVqa:
    """Return a bundle's network with its float weights, in evaluation mode; BundleError."""
    manifest = bundle.manifest
    try:
        model = LatentVqa(architecture(manifest), manifest.preprocess, manifest.tokenizer.size,
                          len(manifest.answers))
        model.load_state_dict(load(bundle.content(WEIGHTS)))
    except BundleError:
        raise
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise BundleError(f'{bundle.path}: {WEIGHTS} does not fit the manifest: '
                          f'{str(error).splitlines()[0]}') from None
    return model.eval()


class TorchBackend:
    """Executes the modules that were trained, under the names of the graphs made of them."""

    def __init__(self, model: Any, num_threads: int = 1, device: str | None = None) -> None:
        """``device`` None takes CUDA where there is one."""
        torch.set_num_threads(num_threads)
        self._device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        self._model = model.to(self._device)

    @torch.inference_mode()
    def run(self, graph: str, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Return the outputs of one of the two graphs' twins."""
        tensors = [torch.from_numpy(np.ascontiguousarray(x)).to(self._device)
                   for x in feeds.values()]
        if graph == IMAGE_ENCODER:
            found = self._model.encode(*tensors)
        elif len(outputs) > 1:
            found = self._model.look(*tensors)
        else:
            found = (self._model.answer(*tensors),)
        return [tensor.cpu().numpy() for tensor in found]

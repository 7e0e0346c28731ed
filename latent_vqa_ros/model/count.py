"""Parameters and multiply-accumulates (MACs) of each module, for one image and one question."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.model.fusion import CellCount
from latent_vqa_ros.model.latent_attention import LatentAttention, LatentCrossAttention
from latent_vqa_ros.model.vqa import LatentVqa

MODULES = ('clip.image_encoder.stem', 'clip.image_encoder.project', 'clip.image_encoder.tower',
           'clip.text_encoder', 'clip.project_image', 'clip.project_text', 'fusion',
           'project_answer')
TOKENS = 8  # of the question


@torch.no_grad()
def count(model: LatentVqa, preprocess: PreprocessConfig,
          max_tokens: int = TOKENS) -> list[dict[str, Any]]:
    """Return {name, parameters, macs} per module, for a question of TOKENS tokens.

    Of fewer where the model takes only ``max_tokens``.
    """
    macs: dict[nn.Module, int] = {}

    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        macs[module] = macs.get(module, 0) + _macs(module, inputs, output)

    handles = [m.register_forward_hook(hook) for m in model.modules()
               if isinstance(m, (nn.Linear, nn.Conv2d, LatentAttention, LatentCrossAttention,
                                 CellCount))]
    image = torch.zeros(preprocess.height, preprocess.width, 3, dtype=torch.uint8)
    features, _ = model.encode(image)
    model.answer(features, torch.ones(min(TOKENS, max_tokens), dtype=torch.long))
    for handle in handles:
        handle.remove()
    rows = []
    for name in MODULES:
        module = model.get_submodule(name)
        parameters = sum(p.numel() for p in module.parameters())
        if name == 'project_answer' and isinstance(model.bank, nn.Parameter):
            parameters += model.bank.numel()
        rows.append({'name': name, 'parameters': parameters,
                     'macs': sum(macs.get(m, 0) for m in module.modules())})
    return rows


def _macs(module: nn.Module, inputs: Any, output: Any) -> int:
    if isinstance(module, nn.Linear):
        return int(output.numel() * module.in_features)
    if isinstance(module, nn.Conv2d):
        return int(output.numel() * module.weight[0].numel())
    if isinstance(module, LatentCrossAttention):  # Fusion compresses the context for all at once
        context = module.compress_context
        compressing = inputs[1].shape[-2] * context.in_features * context.out_features
        return int(2 * inputs[0].shape[-2] * inputs[1].shape[-2] * module.latent + compressing)
    if isinstance(module, CellCount):  # Fusion makes its keys, too
        summary, key = inputs
        return int(key.numel() * (module.key.in_features + summary.shape[-2]))
    if isinstance(module, LatentAttention):
        tokens, compress = inputs[0].shape[-2], module.compress
        if module.pool is None:
            return int(2 * tokens * tokens * module.latent)
        compressing = tokens * compress.in_features * compress.out_features  # in two products
        return int(2 * tokens * tokens // module.pool.side ** 2 * module.latent + compressing)
    return 0

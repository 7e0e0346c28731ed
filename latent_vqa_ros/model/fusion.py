"""Fusion: question tokens look at the image through gated latent cross-attention.

Gates as in Flamingo (Alayrac et al. 2022, sec. 2.2): tanh of a learned scalar. The image side is
compressed to keys and values once per image (``compress``), whatever is asked about it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latent_vqa_ros.core.config import ModelConfig
from latent_vqa_ros.model.latent_attention import LatentBlock, LatentCrossAttention

_GATE = 0.5  # initial gate before tanh; from scratch, a gate of 0 would hide the image at first


class FusionBlock(nn.Module):
    """Gated cross-attention to the image, then a latent block among the question's tokens."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.cross = LatentCrossAttention(config.width, config.latent_dim, config.heads)
        self.gate = nn.Parameter(torch.tensor(_GATE))
        self.block = LatentBlock(config.width, config.latent_dim, config.heads, config.mlp_ratio)

    def forward(self, x: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Transform a question's tokens (..., T, d), given keys and values (..., N, r)."""
        x = x + torch.tanh(self.gate) * self.cross(self.norm(x), k, v)
        out: Tensor = self.block(x, mask)
        return out


class Fusion(nn.Module):
    """A stack of fusion blocks. The image side is ``features`` (..., N, 2r * blocks)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FusionBlock(config) for _ in range(config.fusion_blocks))
        self.norm = nn.LayerNorm(config.width)

    def compress(self, image_nd: Tensor) -> Tensor:
        """Return every block's keys and values: (..., N, d) -> (..., N, 2r * blocks)."""
        return torch.cat([block.cross.compress_context(image_nd)  # type: ignore[union-attr, operator]
                          for block in self.blocks], dim=-1)

    def forward(self, text: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return each question's summary, its first token: (..., T, d) -> (..., d)."""
        parts = features.chunk(2 * len(self.blocks), dim=-1)
        for block, k, v in zip(self.blocks, parts[::2], parts[1::2], strict=True):
            text = block(text, k, v, mask)
        out: Tensor = self.norm(text[..., 0, :])
        return out

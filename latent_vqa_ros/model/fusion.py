"""Fusion: question tokens look at the image through gated latent cross-attention.

Gates as in Flamingo (Alayrac et al. 2022, sec. 2.2): tanh of a learned scalar. The image side is
compressed to keys and values once per image (``compress``), whatever is asked about it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent_vqa_ros.core.config import ModelConfig
from latent_vqa_ros.model.latent_attention import LatentBlock, LatentCrossAttention
from latent_vqa_ros.model.packing import Packing

_GATE = 0.5  # initial gate before tanh; from scratch, a gate of 0 would hide the image at first
_PLACE = 0.7  # initial standard deviation of the map of coordinates; 0.02 drowns in the tokens


class FusionBlock(nn.Module):
    """Gated cross-attention to the image, then a latent block among the question's tokens."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.cross = LatentCrossAttention(config.width, config.latent_dim, config.heads)
        self.gate = nn.Parameter(torch.tensor(_GATE))
        self.block = LatentBlock(config.width, config.latent_dim, config.heads, config.mlp_ratio)

    def forward(self, x: Tensor, k: Tensor, v: Tensor,
                packing: Packing | None = None) -> tuple[Tensor, Tensor]:
        """Transform tokens (..., T, d) of one question, or of several that are packed.

        Given keys and values (..., N, r). Also returns where each token looked (..., T, N).
        """
        seen, looked = self.cross(self.norm(x), k, v)
        x = x + torch.tanh(self.gate) * seen
        return self.block(x, packing=packing), looked


class Fusion(nn.Module):
    """A stack of fusion blocks. The image side is ``features`` (..., N, 2r * blocks)."""

    grid_n2: Tensor

    def __init__(self, config: ModelConfig, grid: tuple[int, int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FusionBlock(config) for _ in range(config.fusion_blocks))
        self.norm = nn.LayerNorm(config.width)
        self.place = nn.Linear(2, config.width, bias=False) if config.coordinates else None
        self.register_buffer('grid_n2', coordinates(*grid), persistent=False)

    def reset_place(self) -> None:
        """Initialize the map of coordinates, large enough to be seen beside the tokens."""
        if self.place is not None:
            nn.init.normal_(self.place.weight, std=_PLACE)

    def compress(self, image_nd: Tensor) -> Tensor:
        """Return every block's keys and values: (..., N, d) -> (..., N, 2r * blocks)."""
        if self.place is not None:
            image_nd = image_nd + self.place(self.grid_n2)
        layers = [module.compress_context for module in self.modules()
                  if isinstance(module, LatentCrossAttention)]
        weight = torch.cat([layer.weight for layer in layers])  # one product is faster than three
        return F.linear(image_nd, weight, torch.cat([layer.bias for layer in layers]))

    def forward(self, text: Tensor, features: Tensor,
                packing: Packing | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the question's summary, its first token: (..., T, d) -> (..., d).

        Also returns where the tokens looked in each block, (..., T, N) each. Packed questions,
        several per image, give a summary each: (B, T, d) -> (B, Q, d).
        """
        parts = features.chunk(2 * len(self.blocks), dim=-1)
        looked = []
        for block, k, v in zip(self.blocks, parts[::2], parts[1::2], strict=True):
            text, weights = block(text, k, v, packing)
            looked.append(weights)
        first = text[..., 0, :] if packing is None else packing.first(text)
        return self.norm(first), tuple(looked)


def coordinates(rows: int, columns: int) -> Tensor:
    """Return x (right) and y (down) of each cell's centre, -1 to 1: (rows * columns, 2)."""
    y = (torch.arange(rows) + 0.5) / rows * 2 - 1
    x = (torch.arange(columns) + 0.5) / columns * 2 - 1
    return torch.stack([x.repeat(rows), y.repeat_interleave(columns)], dim=-1)

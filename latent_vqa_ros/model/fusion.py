"""Fusion: question tokens look at the image through gated latent cross-attention.

Gates as in Flamingo (Alayrac et al. 2022, sec. 2.2): tanh of a learned scalar. The image side is
compressed to keys and values once per image (``compress``), whatever is asked about it. Attention
gives means, from which a number of things is hard to tell (Zhang et al. 2018, sec. 3): where
``count_dim`` is set, cells that fit the question are summed, too.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent_vqa_ros.model.config import ModelConfig
from latent_vqa_ros.model.latent_attention import LatentBlock, LatentCrossAttention
from latent_vqa_ros.model.packing import Packing

_GATE = 0.5  # initial gate before tanh; from scratch, a gate of 0 would hide the image at first
_PLACE = 0.7  # initial standard deviation of the map of coordinates; 0.02 drowns in the tokens
_FITS = -5.0  # initial bias of how well a cell fits: few of a picture's cells do
_NUMBERS = 7  # 0 to 6, or more


class FusionBlock(nn.Module):
    """Gated cross-attention to the image, then a latent block among the question's tokens."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.cross = LatentCrossAttention(config.width, config.latent_dim, config.heads)
        self.gate = nn.Parameter(torch.tensor(_GATE))
        self.block = LatentBlock(config.width, config.latent_dim, config.heads, config.mlp_ratio)
        self.drop = nn.Dropout(0.0)

    def forward(self, x: Tensor, k: Tensor, v: Tensor,
                packing: Packing | None = None) -> tuple[Tensor, Tensor]:
        """Transform tokens (..., T, d) of one question, or of several that are packed.

        Given keys and values (..., N, r). Also returns where each token looked (..., T, N).
        """
        seen, looked = self.cross(self.norm(x), k, v)
        x = x + torch.tanh(self.gate) * self.drop(seen)
        return self.block(x, packing=packing), looked


class CellCount(nn.Module):
    """How many cells fit a question: a sum of sigmoids, which a softmax's norm would hide.

    What it adds to the question's summary is 0 at first.
    """

    numbers: Tensor

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, dim)
        self.key = nn.Linear(width, dim)
        self.fits = nn.Parameter(torch.tensor(_FITS))
        self.value = nn.Parameter(torch.zeros(_NUMBERS, width))
        self.register_buffer('numbers', torch.arange(float(_NUMBERS)), persistent=False)

    def forward(self, summary: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Return the summaries (..., Q, d) with their counts told, and the counts (..., Q).

        Given the cells' keys (..., N, count_dim). A count is told by its closeness to each number,
        more than the last number as that number.
        """
        scores = self.query(summary) @ key.transpose(-1, -2) / math.sqrt(key.shape[-1])
        count = (scores + self.fits).float().sigmoid().sum(dim=-1, keepdim=True)
        near = torch.relu(1 - (count.clamp(max=_NUMBERS - 1) - self.numbers).abs())
        told: Tensor = summary + near @ self.value
        return told, count.squeeze(-1)


class Fusion(nn.Module):
    """A stack of fusion blocks, and a count if ``count_dim`` is set.

    The image side is ``features`` (..., N, c), c = 2r * blocks + count_dim.
    """

    grid_n2: Tensor

    def __init__(self, config: ModelConfig, grid: tuple[int, int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FusionBlock(config) for _ in range(config.fusion_blocks))
        self.norm = nn.LayerNorm(config.width)
        self.drop = nn.Dropout(0.0)
        self.count = CellCount(config.width, config.count_dim) if config.count_dim else None
        self.sizes = [config.attention_dim] * 2 * config.fusion_blocks
        self.sizes += [config.count_dim] if config.count_dim else []
        self.place = nn.Linear(2, config.width, bias=False) if config.coordinates else None
        self.register_buffer('grid_n2', coordinates(*grid), persistent=False)

    def reset_place(self) -> None:
        """Initialize the map of coordinates, large enough to be seen beside the tokens."""
        if self.place is not None:
            nn.init.normal_(self.place.weight, std=_PLACE)

    def compress(self, image_nd: Tensor) -> Tensor:
        """Return every block's keys and values, and keys for counting: (..., N, d) -> features."""
        if self.place is not None:
            image_nd = image_nd + self.place(self.grid_n2)
        layers = [module.compress_context for module in self.modules()
                  if isinstance(module, LatentCrossAttention)]
        if self.count is not None:
            layers.append(self.count.key)
        weight = torch.cat([layer.weight for layer in layers])  # one product is faster than three
        return F.linear(image_nd, weight, torch.cat([layer.bias for layer in layers]))

    def forward(self, text: Tensor, features: Tensor,
                packing: Packing | None = None) -> tuple[
                    Tensor, tuple[Tensor, ...], Tensor | None]:
        """Return the question's summary, its first token: (T, d) -> (d).

        Also returns where the tokens looked in each block, (..., T, N) each, and how many cells
        were counted, if that is configured. Packed questions, several per image, give a summary
        and a count each: (B, T, d) -> (B, Q, d), (B, Q).
        """
        parts = features.split(self.sizes, dim=-1)
        looked = []
        for index, block in enumerate(self.blocks):
            text, weights = block(text, *parts[2 * index:2 * index + 2], packing)
            looked.append(weights)
        first, count = text[:1] if packing is None else packing.first(text), None
        if self.count is not None:
            first, count = self.count(first, parts[-1])
        first = self.drop(self.norm(first))
        return first[0] if packing is None else first, tuple(looked), count


def coordinates(rows: int, columns: int) -> Tensor:
    """Return x (right) and y (down) of each cell's centre, -1 to 1: (rows * columns, 2)."""
    y = (torch.arange(rows) + 0.5) / rows * 2 - 1
    x = (torch.arange(columns) + 0.5) / columns * 2 - 1
    return torch.stack([x.repeat(rows), y.repeat_interleave(columns)], dim=-1)

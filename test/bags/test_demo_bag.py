"""The demo bag: EasyVQA's test images as camera frames, with the truth beside them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.demo_bag import (
    background_of,
    choose,
    easy_vqa_test,
    enlarge,
    group_of,
    make_demo_bag,
)
from latent_vqa_ros.bags.read import BagReader

DATA = Path(__file__).resolve().parents[1] / 'data'


def truths(path: Path) -> list[dict]:  # type: ignore[type-arg]
    with BagReader(path) as bag:
        return [json.loads(bag.deserialize(record).data)
                for record in bag if record.topic == '/truth']


def test_the_committed_bag_asks_100_questions_with_every_group_in_every_frame() -> None:
    found = truths(DATA / 'demo_bag')
    groups = [sorted(group_of(answer) for _, answer in truth['questions']) for truth in found]
    assert groups == [['colour', 'shape', 'yes/no', 'yes/no', 'yes/no']] * 20
    assert len({answer for truth in found for _, answer in truth['questions']}) == 13
    assert len({truth['image'] for truth in found}) == 20


def test_the_committed_truth_is_easy_vqa_s_own() -> None:
    questions = json.loads((easy_vqa_test() / 'questions.json').read_text())
    known = {(question, answer, image) for question, answer, image in questions}
    for truth in truths(DATA / 'demo_bag'):
        for question, answer in truth['questions']:
            assert (question, answer, truth['image']) in known


def test_a_frame_cropped_and_reduced_is_the_test_image() -> None:
    images = [truth['image'] for truth in truths(DATA / 'demo_bag')]
    with BagReader(DATA / 'demo_bag') as bag:
        frames = [bag.deserialize(record) for record in bag if record.topic == '/image_raw']
    for image, frame in zip(images, frames, strict=True):
        assert (frame.height, frame.width, frame.encoding) == (480, 640, 'rgb8')
        rgb_hwc = frame.data.reshape(480, 640, 3)
        small_hwc = cv2.resize(rgb_hwc[:, 80:560], (64, 64), interpolation=cv2.INTER_AREA)
        bgr_hwc = cv2.imread(str(easy_vqa_test() / 'images' / f'{image}.png'))
        assert bgr_hwc is not None
        difference = np.abs(small_hwc[:, :, ::-1].astype(int) - bgr_hwc.astype(int))
        assert difference.mean() < 1


def test_the_background_goes_on_at_the_sides_even_where_a_shape_touches_the_border() -> None:
    image_hwc = np.full((64, 64, 3), 230, np.uint8)
    image_hwc[20:40, :30] = (255, 0, 0)
    assert background_of(image_hwc).tolist() == [230, 230, 230]
    frame_hwc = enlarge(image_hwc, 640, 480)
    assert (frame_hwc[:, :80] == 230).all()
    assert (frame_hwc[:, 560:] == 230).all()


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, storage: str) -> None:
    for where in ('a', 'b'):
        make_demo_bag(tmp_path / where / 'bag', 2, 64, 64, storage)
    first, second = (sorted((tmp_path / where / 'bag').iterdir()) for where in ('a', 'b'))
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize(('name', 'arguments'), [
    ('demo_bag', (20, 640, 480, 'mcap')), ('tiny_bag', (3, 64, 64, 'sqlite3'))])
def test_the_committed_bags_are_what_the_script_makes(
        tmp_path: Path, name: str, arguments: tuple[int, int, int, str]) -> None:
    make_demo_bag(tmp_path / name, *arguments)
    with BagReader(tmp_path / name) as made, BagReader(DATA / name) as committed:
        assert list(made) == list(committed)


def test_too_many_frames_is_one_clear_line() -> None:
    with pytest.raises(BagError, match='--frames'):
        choose([('is it red?', 'yes', 0)], 1, 0)

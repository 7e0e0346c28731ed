"""A truth belongs to the picture of its stamp; a bag without a usable one is refused in a line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.truth_bag import START_NS, STORY, write_bag

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.truth import frames, is_bag, published, read_scenes, true_frames
from latent_vqa_ros.bags.write import STORAGES, BagWriter

DATA = Path(__file__).resolve().parents[1] / 'data'


@pytest.mark.parametrize('storage', STORAGES)
def test_each_picture_finds_its_scene(tmp_path: Path, storage: str) -> None:
    with BagReader(write_bag(tmp_path / 'bag', storage=storage)) as bag:
        scenes = read_scenes(bag)
        assert [scene is None for scene in scenes.values()] == [cube == '?' for cube in STORY]
        wanted = [START_NS, START_NS + 7 * 10**8]
        found = list(frames(bag, wanted))
    assert [frame.stamp_ns for frame in found] == wanted
    assert [int(frame.decode()[0][..., 0].mean()) for frame in found] == [100, 107]


def test_a_bag_is_told_from_a_folder_of_data(tmp_path: Path) -> None:
    (tmp_path / 'questions.jsonl').touch()
    assert is_bag(DATA / 'tiny_bag')
    assert is_bag(DATA / 'demo_bag' / 'demo_bag.mcap')
    assert is_bag(Path('run.mcap.zstd'))
    assert is_bag(Path('of_ros_1.bag'))
    assert not is_bag(tmp_path)
    assert not is_bag(Path('easy_vqa'))


def test_a_bag_without_truth_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_image('/image_raw', 5, '', np.zeros((4, 4, 3), np.uint8))
    with BagReader(tmp_path / 'bag') as read, pytest.raises(BagError, match='has no /truth'):
        read_scenes(read)


@pytest.mark.parametrize('text', [
    '', '{', '[]', '7', '{"scene": null}', '{"stamp": 5, "scene": 1}',
    '{"stamp": {"sec": "x", "nanosec": 0}, "scene": null}'])
def test_another_truth_is_refused(tmp_path: Path, text: str) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_string('/truth', 5, text)
    with BagReader(tmp_path / 'bag') as read, pytest.raises(BagError, match='does not hold'):
        read_scenes(read)
    with BagReader(DATA / 'tiny_bag') as read, pytest.raises(BagError, match='does not hold'):
        read_scenes(read)


def write_told(path: Path, *texts: str) -> Path:
    with BagWriter(path) as bag:
        for i, text in enumerate(texts):
            bag.write_image('/front/image_raw', 10 * i, '', np.full((4, 4, 3), i, np.uint8))
            bag.write_string('/truth', 10 * i, text)
        bag.write_image('/front/image_raw', 99, '', np.zeros((4, 4, 3), np.uint8))
    return path


def test_a_true_frame_is_as_published_with_its_certain_answers(tmp_path: Path) -> None:
    path = write_told(tmp_path / 'bag', '{"answers": {"what?": "a", "who?": null}}',
                      '{"answers": {"what?": null}}', '{"questions": [["who?", "b"]]}')
    with BagReader(path) as bag:
        found = true_frames(bag)
        shown = list(published(bag, [frame.stamp_ns for frame in found]))
        messages = [record.cdr for record in bag if record.topic == '/front/image_raw']
    assert [frame.questions for frame in found] == [(('what?', 'a'),), (), (('who?', 'b'),)]
    assert [frame.stamp_ns for frame in found] == [0, 10, 20]
    assert shown == list(zip([0, 10, 20], messages[:3], strict=True))


def test_of_pictures_with_one_stamp_the_first_is_shown(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for grey in (7, 8):
            bag.write_image('/image_raw', 10, '', np.full((4, 4, 3), grey, np.uint8))
    with BagReader(tmp_path / 'bag') as read:
        (stamp_ns, cdr), = published(read, [10])
    assert (stamp_ns, cdr[-1]) == (10, 7)


def test_a_truth_finds_its_picture_whenever_either_was_recorded(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for i in range(2):
            bag.write_image('/front/image_raw', 10 * i, '', np.full((4, 4, 3), i, np.uint8))
            bag.write_string('/truth', 10 * i + 3, json.dumps(
                {'stamp': {'sec': 0, 'nanosec': 10 * i}, 'answers': {'what?': str(i)}}))
    with BagReader(tmp_path / 'bag') as read:
        found = true_frames(read)
    assert [(frame.stamp_ns, frame.questions) for frame in found] == [
        (0, (('what?', '0'),)), (10, (('what?', '1'),))]


def test_a_truth_of_another_type_is_named(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for topic in ('/truth', '/front/image_raw'):
            bag.write_image(topic, 5, '', np.zeros((4, 4, 3), np.uint8))
    for read_truth in (read_scenes, true_frames):
        with BagReader(tmp_path / 'bag') as read, pytest.raises(
                BagError, match='/truth carries sensor_msgs/msg/Image, not std_msgs/msg/String'):
            read_truth(read)


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"answers": 5}', '{"questions": [1]}'])
def test_other_answers_are_refused(tmp_path: Path, text: str) -> None:
    path = write_told(tmp_path / 'bag', text)
    with BagReader(path) as bag, pytest.raises(BagError, match='does not hold "answers"'):
        true_frames(bag)


def test_frames_without_any_answer_are_refused(tmp_path: Path) -> None:
    path = write_told(tmp_path / 'bag', '{"answers": {"what?": null}}')
    with BagReader(path) as bag, pytest.raises(BagError, match='no picture on /front/image_raw'):
        true_frames(bag)

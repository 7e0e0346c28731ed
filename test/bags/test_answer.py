"""What is answered about the frames of a bag: each one, once, and no bad one stops the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.answering import (
    CLOUD,
    COLOUR,
    COMPRESSED,
    DEMO,
    IMAGE,
    SHAPE,
    START_NS,
    answer_bag,
    demo_frames,
    jpeg,
    rows,
    shipped_pipeline,
    write_cloud,
)

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.answer import (
    TaughtByCamera,
    camera_of,
    choose_topics,
    picture_topics,
)
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.write import BagWriter


def test_the_answers_about_the_demo_bag_are_true(tmp_path: Path) -> None:
    with BagReader(DEMO) as bag:
        truths = {record.stamp_ns: json.loads(bag.deserialize(record).data)['questions']
                  for record in bag if record.topic == '/truth'}
    asked = sorted({question for truth in truths.values() for question, _ in truth})
    answer_bag(DEMO, tmp_path / 'a.jsonl', asked)
    told = {(row['bag_stamp']['sec'] * 10**9 + row['bag_stamp']['nanosec'], row['question']):
            row['answer'] for row in rows(tmp_path / 'a.jsonl')}
    wrong = [(stamp, question) for stamp, truth in truths.items() for question, answer in truth
             if told[stamp, question] != answer]
    assert sum(map(len, truths.values())) == 100
    assert len(wrong) <= 2


def test_a_row_is_the_answer_detail_without_latency_but_with_topic(
        tmp_path: Path) -> None:
    answer_bag(DEMO, tmp_path / 'a.jsonl', [COLOUR, SHAPE])
    found = rows(tmp_path / 'a.jsonl')
    assert len(found) == 40
    assert found[0].keys() == {
        'topic', 'bag_stamp', 'v', 'id', 'question', 'camera', 'status', 'reason', 'answer',
        'confidence', 'top', 'stamp', 'frame_id', 'image_age_ms', 'encoding_reused', 'evidence',
        'model'}
    assert found[0]['topic'] == '/image_raw'
    assert found[0]['stamp'] == found[0]['bag_stamp'] == {'sec': 1_700_000_000, 'nanosec': 0}
    assert {row['status'] for row in found} == {'ok'}
    assert {row['image_age_ms'] for row in found} == {0.0}
    assert [row['encoding_reused'] for row in found] == [False, True] * 20
    assert [row['question'] for row in found] == [COLOUR, SHAPE] * 20


def test_each_frame_is_encoded_once_however_many_questions(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    backend, calls = shipped_pipeline().backend, []
    encode = backend.encode
    monkeypatch.setattr(backend, 'encode', lambda x: (calls.append(1), encode(x))[1])
    answer_bag(DEMO, tmp_path / 'a.csv', [COLOUR, SHAPE, 'is there a circle?'])
    assert len(calls) == 20


def test_raw_compressed_and_cloud_give_the_same_answers(
        tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for index, rgb_hwc in enumerate(demo_frames()[:6]):
            bag.write_image('/raw/image_raw', START_NS + index, '', rgb_hwc)
            bag.write_compressed('/jpeg/image_raw/compressed', START_NS + index, '',
                                 jpeg(rgb_hwc), 'jpeg')
            write_cloud(bag, '/cloud/points', START_NS + index, rgb_hwc)
    topics = ['/raw/image_raw', 'jpeg/image_raw/compressed', '/cloud/points']
    answer_bag(tmp_path / 'bag', tmp_path / 'a.jsonl', [COLOUR, SHAPE], topics)
    by_camera: dict[str, list[str]] = {}
    for row in rows(tmp_path / 'a.jsonl'):
        by_camera.setdefault(row['camera'], []).append(row['answer'])
    assert sorted(by_camera) == ['cloud', 'jpeg', 'raw']
    assert by_camera['raw'] == by_camera['jpeg'] == by_camera['cloud']
    assert None not in by_camera['raw']


@pytest.mark.parametrize('ending', ['csv', 'jsonl'])
def test_sqlite3_and_mcap_give_the_same_bytes(
        tmp_path: Path, ending: str) -> None:
    for storage in ('mcap', 'sqlite3'):
        with BagWriter(tmp_path / storage, storage) as bag:
            for index, rgb_hwc in enumerate(demo_frames()[:8]):
                bag.write_image('/left/image_raw', START_NS + index, 'l', rgb_hwc)
                bag.write_compressed('/right/image_raw/compressed', START_NS + index, 'r',
                                     jpeg(rgb_hwc), 'jpeg')
            bag.write_cdr('/left/image_raw', IMAGE, START_NS + 9, b'\0\1\0\0abc')
        answer_bag(tmp_path / storage, tmp_path / f'{storage}.{ending}', [COLOUR, SHAPE])
    first, second = (tmp_path / f'{name}.{ending}' for name in ('mcap', 'sqlite3'))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_text().count('\n') == 34 + (ending == 'csv')


@pytest.mark.parametrize('out', ['a.csv', 'a.jsonl', 'a_bag/'])
def test_twice_gives_the_same_bytes(tmp_path: Path, out: str) -> None:
    for where in ('1', '2'):
        answer_bag(DEMO, f'{tmp_path}/{where}/{out}', [COLOUR, 'what colour is it?'])
    written = [{path.relative_to(tmp_path / where): path.read_bytes()
                for path in (tmp_path / where).rglob('*') if path.is_file()}
               for where in ('1', '2')]
    assert written[0] == written[1]
    assert written[0]


def test_every_takes_each_nth_frame_of_each_topic(
        tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for index in range(7):
            bag.write_image('/a/image_raw', START_NS + 2 * index, '', demo_frames()[0])
            if index % 2:
                bag.write_image('/b/image_raw', START_NS + 2 * index + 1, '', demo_frames()[0])
    answer_bag(tmp_path / 'bag', tmp_path / 'a.jsonl', every=3)
    assert [(row['camera'], row['stamp']['nanosec']) for row in rows(tmp_path / 'a.jsonl')] == [
        ('a', 0), ('b', 3), ('a', 6), ('a', 12)]


def test_bad_frames_are_rows_and_the_good_ones_are_answered(
        tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        good = jpeg(demo_frames()[0])
        for index, data in enumerate((good, good[:500], b'', b'GIF89a', good)):
            bag.write_compressed('/c/compressed', START_NS + index, 'f', data, 'jpeg')
        bag.write_image('/image_raw', START_NS + 10, 'f', demo_frames()[0])
        bag.write_cdr('/image_raw', IMAGE, START_NS + 11, b'')
        bag.write_cdr('/image_raw', IMAGE, START_NS + 12, b'\0\1\0\0' + b'\xff' * 60)
        bag.write_image('/image_raw', START_NS + 13, 'f', np.zeros((0, 0, 3), np.uint8))
        bag._write('/image_raw', IMAGE, START_NS + 14, header=bag._header('', START_NS, 'f'),
                   height=480, width=640, encoding='32FC1', is_bigendian=0, step=2560,
                   data=np.zeros(8, np.uint8))
        bag.write_image('/image_raw', START_NS + 15, 'f', demo_frames()[0])
    answer_bag(tmp_path / 'bag', tmp_path / 'a.jsonl', [COLOUR, SHAPE])
    found = rows(tmp_path / 'a.jsonl')
    told = [row['status'] for row in found[::2]]
    assert told == ['ok', 'bad_image', 'bad_image', 'bad_image', 'ok',
                    'ok', 'bad_image', 'bad_image', 'bad_image', 'bad_image', 'ok']
    assert [row['status'] for row in found[1::2]] == told
    assert all(row['reason'] and row['answer'] is None
               for row in found if row['status'] == 'bad_image')
    assert found[12]['bag_stamp']['nanosec'] == 11
    assert str(tmp_path) not in (tmp_path / 'a.jsonl').read_text()


def test_the_age_of_a_frame_of_last_year_counts_from_its_own_stamp(tmp_path: Path) -> None:
    rgb_hwc = demo_frames()[0]
    with BagWriter(tmp_path / 'bag') as bag:
        bag._write('/image_raw', IMAGE, START_NS + 10**10,
                   header=bag._header('', START_NS, 'f'), height=rgb_hwc.shape[0],
                   width=rgb_hwc.shape[1], encoding='rgb8', is_bigendian=0,
                   step=3 * rgb_hwc.shape[1], data=rgb_hwc.reshape(-1))
    answer_bag(tmp_path / 'bag', tmp_path / 'a.jsonl')
    row, = rows(tmp_path / 'a.jsonl')
    assert (row['status'], row['image_age_ms']) == ('ok', 0.0)
    assert row['bag_stamp']['sec'] - row['stamp']['sec'] == 10


@pytest.mark.parametrize(('topic', 'camera'), [
    ('/image_raw', ''), ('/image_raw/compressed', ''), ('/points', ''),
    ('/front/image_raw', 'front'), ('/front/image_raw/compressed', 'front'),
    ('/front/points', 'front'), ('/robot1/front/image_raw', 'robot1/front'),
    ('/usb_cam/image', 'usb_cam/image')])
def test_the_camera_is_the_topic_without_image_raw(topic: str, camera: str) -> None:
    assert camera_of(topic) == camera


def test_no_picture_is_answered_about_twice() -> None:
    topics = {'/image_raw': IMAGE, '/image_raw/compressed': COMPRESSED, '/points': CLOUD,
              '/b/image_raw/compressed': COMPRESSED, '/tf': 'tf2_msgs/msg/TFMessage',
              '/d/image_raw/compressedDepth': COMPRESSED}
    assert choose_topics(topics) == ['/b/image_raw/compressed', '/image_raw']
    assert choose_topics({'/points': CLOUD, '/a': 'std_msgs/msg/String'}) == ['/points']
    assert choose_topics(topics, ['points', '/image_raw/compressed']) == [
        '/image_raw/compressed', '/points']


def test_a_topic_without_images_is_one_line_that_names_those_with() -> None:
    for wanted in ('/tf', '/nowhere'):
        with pytest.raises(BagError, match=f'{wanted}.*topics with images: /image_raw'):
            choose_topics({'/image_raw': IMAGE, '/tf': 'tf2_msgs/msg/TFMessage'}, [wanted])
    with pytest.raises(BagError, match='no topic with images'):
        choose_topics({'/tf': 'tf2_msgs/msg/TFMessage'})


def write_depth(bag: BagWriter, camera: str, encoding: str = '16UC1') -> None:
    """Write a depth picture and its two compressed twins."""
    header = bag._header('', START_NS, camera)
    bag._write(f'/{camera}/image_raw', IMAGE, START_NS, header=header, height=2, width=2,
               encoding=encoding, is_bigendian=0, step=8, data=np.zeros(16, np.uint8))
    for name, format in (('compressed', 'png'), ('compressedDepth', '16UC1; compressedDepth png')):
        bag.write_compressed(f'/{camera}/image_raw/{name}', START_NS, camera, b'', format)


def test_depth_and_what_a_node_has_drawn_are_left_out_unless_named(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        write_depth(bag, 'depth')
        write_depth(bag, 'metres', '32FC1')
        bag.write_compressed('/far/compressed', START_NS, '', b'', '16UC1; png compressed ')
        bag.write_compressed('/odd', START_NS, '', b'', '16UC1; compressedDepth rvl')
        for topic in ('/robot/image_annotated', '/color/image_raw', '/infra1/image_raw'):
            bag.write_image(topic, START_NS, '', demo_frames()[0])
        bag.write_compressed('/robot/image_annotated/compressed', START_NS, '', b'', 'jpeg')
        bag.write_cdr('/broken/image_raw', IMAGE, START_NS, b'\0\1\0\0abc')
    with BagReader(tmp_path / 'bag') as bag:
        assert picture_topics(bag) == [
            '/broken/image_raw', '/color/image_raw', '/infra1/image_raw']
        named = ['/depth/image_raw', '/robot/image_annotated']
        assert picture_topics(bag, named) == named


def test_depth_that_is_left_out_hides_no_point_cloud(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        write_depth(bag, 'depth')
        write_cloud(bag, '/points', START_NS, demo_frames()[0])
    with BagReader(tmp_path / 'bag') as bag:
        assert picture_topics(bag) == ['/points']


def test_a_bag_of_depth_alone_is_one_line_that_names_it(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        write_depth(bag, 'depth')
    with (BagReader(tmp_path / 'bag') as bag,
          pytest.raises(BagError, match=r'unless --topic names them: /depth/image_raw \(16UC1\)')):
        picture_topics(bag)


class Lessons:
    """Questions by camera, found as ``teach.taught`` does."""

    def __init__(self, **by_camera: str) -> None:
        self.by_camera = {camera.replace('any', ''): one for camera, one in by_camera.items()}

    def find(self, question: str, camera: str) -> Any:
        found = self.by_camera.get(camera) or self.by_camera.get('')
        return found or (None if camera else next(iter(self.by_camera.values()), None))


@pytest.mark.parametrize(('taught', 'camera', 'found'), [
    ({'front': 'F'}, 'robot1/front', 'F'), ({'front': 'F'}, 'front', 'F'),
    ({'front': 'F'}, 'robot1/rear', None), ({'front': 'F'}, 'upfront', None),
    ({'front': 'F'}, '', 'F'), ({'any': 'A', 'front': 'F'}, 'robot1/front', 'F'),
    ({'any': 'A', 'front': 'F'}, 'robot1/rear', 'A'), ({'any': 'A'}, '', 'A'),
    ({'front': 'F', 'robot1/front': 'R'}, 'robot1/front', 'R'), ({}, 'front', None)])
def test_a_camera_with_a_namespace_is_the_one_that_was_taught(
        taught: dict[str, str], camera: str, found: str | None) -> None:
    assert TaughtByCamera(Lessons(**taught)).find('?', camera) == found  # type: ignore[arg-type]


def test_a_topic_without_a_message_hides_no_other() -> None:
    topics = {'/image_raw': IMAGE, '/image_raw/compressed': COMPRESSED, '/points': CLOUD}
    assert choose_topics(topics, silent=['/image_raw']) == ['/image_raw/compressed']
    assert choose_topics(topics, silent=['/image_raw', '/image_raw/compressed']) == ['/points']
    assert choose_topics(topics, silent=topics) == ['/image_raw']
    assert choose_topics(topics, ['image_raw'], silent=['/image_raw']) == ['/image_raw']

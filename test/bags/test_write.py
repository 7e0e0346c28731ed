"""What is written is read back exactly, and a bag is there whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.write import STORAGES, BagWriter

ROOT = Path(__file__).resolve().parents[2]


@settings(max_examples=60)
@given(storage=st.sampled_from(STORAGES), height=st.integers(1, 90), width=st.integers(1, 90),
       stamps=st.lists(st.integers(0, 2**31 * 10**9 - 1), min_size=1, max_size=4),
       frame_id=st.text(st.characters(codec='utf-8', exclude_characters='\0'), max_size=20))
def test_images_come_back_exactly(storage: str, height: int, width: int, stamps: list[int],
                                  frame_id: str) -> None:
    rgb_hwc = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'bag'
        with BagWriter(path, storage) as bag:
            for stamp_ns in stamps:
                bag.write_image('/image_raw', stamp_ns, frame_id, rgb_hwc)
        with BagReader(path) as read:
            records = list(read)
            images = [read.deserialize(record) for record in records]
    assert [record.stamp_ns for record in records] == sorted(stamps)
    for stamp_ns, image in zip(sorted(stamps), images, strict=True):
        assert image.header.stamp.sec * 10**9 + image.header.stamp.nanosec == stamp_ns
        assert (image.header.frame_id, image.encoding, image.step) == (frame_id, 'rgb8', 3 * width)
        assert np.array_equal(image.data.reshape(image.height, image.width, 3), rgb_hwc)


@settings(max_examples=40)
@given(storage=st.sampled_from(STORAGES), data=st.binary(max_size=3000), text=st.text(
    st.characters(codec='utf-8', exclude_characters='\0'), max_size=300))
def test_strings_compressed_images_and_cdr_come_back_exactly(
        storage: str, data: bytes, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / 'first', Path(folder) / 'second'
        with BagWriter(first, storage) as bag:
            bag.write_string('/text', 1, text)
            bag.write_compressed('/image_raw/compressed', 2, 'camera', data, 'jpeg')
        with BagReader(first) as read, BagWriter(second, storage) as bag:
            records = list(read)
            for record in records:
                bag.write_cdr(record.topic, record.type, record.stamp_ns, record.cdr)
            assert read.deserialize(records[0]).data == text
            assert bytes(read.deserialize(records[1]).data) == data
        with BagReader(second) as read:
            assert list(read) == records


def test_a_strided_image_is_written_as_it_looks(tmp_path: Path) -> None:
    bgr_hwc = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_image('/image_raw', 0, '', bgr_hwc[:, ::-1, ::-1])
    with BagReader(tmp_path / 'bag') as read:
        image = read.deserialize(next(iter(read)))
    assert np.array_equal(image.data.reshape(4, 5, 3), bgr_hwc[:, ::-1, ::-1])


@pytest.mark.parametrize('storage', STORAGES)
def test_metadata_is_what_humble_and_jazzy_parse(tmp_path: Path, storage: str) -> None:
    with BagWriter(tmp_path / 'bag', storage) as bag:
        bag.write_string('/text', 5, 'a')
    info = yaml.safe_load((tmp_path / 'bag' / 'metadata.yaml').read_text())
    info = info['rosbag2_bagfile_information']
    assert (info['version'], info['storage_identifier']) == (8, storage)
    assert (info['compression_mode'], info['ros_distro']) == ('', 'jazzy')
    assert [str(path.name) for path in (tmp_path / 'bag').glob('bag.*')] == (
        info['relative_file_paths'])
    topic = info['topics_with_message_count'][0]['topic_metadata']
    assert isinstance(topic['offered_qos_profiles'], str)
    offered = yaml.safe_load(topic['offered_qos_profiles'])
    assert [offered[0][key] for key in ('reliability', 'durability', 'history')] == [1, 2, 1]


def test_mcap_chunks_are_compressed_with_zstd(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_image('/image_raw', 0, '', np.zeros((480, 640, 3), np.uint8))
    written = tmp_path / 'bag' / 'bag.mcap'
    assert written.stat().st_size < 20_000
    assert b'\x04\x00\x00\x00zstd' in written.read_bytes()


@pytest.mark.parametrize('storage', STORAGES)
def test_an_error_while_writing_leaves_nothing_behind(tmp_path: Path, storage: str) -> None:
    with pytest.raises(BagError), BagWriter(tmp_path / 'bag', storage) as bag:
        bag.write_string('/text', -1, 'a')
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys
from latent_vqa_ros.bags.write import BagWriter
with BagWriter(sys.argv[1], sys.argv[2]) as bag:
    for stamp in range(10**9):
        bag.write_string('/text', stamp, 'x' * 100_000)
        if stamp == 50:
            print('written', flush=True)
"""


@pytest.mark.parametrize('storage', STORAGES)
def test_a_killed_writer_leaves_no_bag(tmp_path: Path, storage: str) -> None:
    with subprocess.Popen([sys.executable, '-c', KILLED, str(tmp_path / 'bag'), storage],
                          cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'written\n'
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / 'bag').exists()
    left = list(tmp_path.glob('.bag.partial-*/bag'))
    assert len(left) == 1
    with pytest.raises(BagError), BagReader(left[0]) as read:
        list(read)


def test_an_existing_bag_is_never_overwritten(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_string('/text', 0, 'a')
    before = (tmp_path / 'bag' / 'bag.mcap').read_bytes()
    with pytest.raises(BagError, match='exists already'), BagWriter(tmp_path / 'bag'):
        pass
    assert (tmp_path / 'bag' / 'bag.mcap').read_bytes() == before


def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='rosbag1'):
        BagWriter(tmp_path / 'bag', 'rosbag1')
    with BagWriter(tmp_path / 'bag') as bag:
        with pytest.raises(BagError, match='uint8'):
            bag.write_image('/i', 0, '', np.zeros((2, 2, 3), np.float32))
        for stamp_ns in (-1, 2**31 * 10**9):  # a stamp counts seconds in an int32
            with pytest.raises(BagError, match='stamp'):
                bag.write_image('/i', stamp_ns, '', np.zeros((2, 2, 3), np.uint8))
            with pytest.raises(BagError, match='stamp'):
                bag.write_string('/s', stamp_ns, 'a')
        with pytest.raises(BagError, match='nowhere_msgs'):
            bag.write_cdr('/i', 'nowhere_msgs/msg/Thing', 0, b'')
        bag.write_string('/text', 0, 'a')
        with pytest.raises(BagError, match='holds std_msgs/msg/String'):
            bag.write_image('/text', 0, '', np.zeros((2, 2, 3), np.uint8))

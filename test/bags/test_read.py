"""Bags are read whole or refused with one line; a damaged bag is never taken for a whole one."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.write import BagWriter

DATA = Path(__file__).resolve().parents[1] / 'data'
DEMO = DATA / 'demo_bag'
TINY = DATA / 'tiny_bag'
DEMO_BYTES = (DEMO / 'demo_bag.mcap').read_bytes()


def read_all(path: Path) -> int:
    with BagReader(path) as bag:
        return sum(1 for _ in bag)


@pytest.mark.parametrize(('path', 'count'), [
    (DEMO, 40), (DEMO / 'demo_bag.mcap', 40), (TINY, 6), (TINY / 'tiny_bag.db3', 6)])
def test_a_directory_and_a_bare_file_give_the_same_messages(path: Path, count: int) -> None:
    with BagReader(path) as bag:
        records = list(bag)
        assert bag.topics == {
            '/image_raw': 'sensor_msgs/msg/Image', '/truth': 'std_msgs/msg/String'}
        assert (len(records), bag.message_count) == (count, count)
        assert (records[0].stamp_ns, records[-1].stamp_ns) == (bag.start_ns, bag.end_ns)
    assert [record.stamp_ns for record in records] == sorted(r.stamp_ns for r in records)


def test_a_bag_can_be_read_twice_while_it_is_open() -> None:
    with BagReader(TINY) as bag:
        assert list(bag) == list(bag)


def test_records_are_frozen() -> None:
    with BagReader(TINY) as bag:
        record = next(iter(bag))
    with pytest.raises(AttributeError):
        record.topic = '/other'  # type: ignore[misc]


def copy_of(source: Path, where: Path) -> Path:
    return Path(shutil.copytree(source, where / source.name))


def no_bag(where: Path) -> Path:
    return where / 'nothing'


def empty_directory(where: Path) -> Path:
    return where


def text_file(where: Path) -> Path:
    path = where / 'notes.txt'
    path.write_text('not a bag')
    return path


def text_named_mcap(where: Path) -> Path:
    path = where / 'notes.mcap'
    path.write_text('not a bag')
    return path


def text_named_db3(where: Path) -> Path:
    path = where / 'notes.db3'
    path.write_text('not a bag')
    return path


def empty_mcap(where: Path) -> Path:
    path = where / 'a.mcap'
    path.touch()
    return path


def missing_storage(where: Path) -> Path:
    path = copy_of(DEMO, where)
    (path / 'demo_bag.mcap').unlink()
    return path


def no_metadata(where: Path) -> Path:
    path = copy_of(DEMO, where)
    (path / 'metadata.yaml').unlink()
    return path


def metadata_of_another_kind(where: Path) -> Path:
    path = copy_of(DEMO, where)
    (path / 'metadata.yaml').write_text('- just\n- a list\n')
    return path


def metadata_that_is_no_yaml(where: Path) -> Path:
    path = copy_of(DEMO, where)
    (path / 'metadata.yaml').write_text('{a: [')
    return path


def metadata_named_itself(where: Path) -> Path:
    return copy_of(DEMO, where) / 'metadata.yaml'


def metadata_that_promises_more(where: Path) -> Path:
    path = copy_of(TINY, where)
    text = (path / 'metadata.yaml').read_text()
    (path / 'metadata.yaml').write_text(text.replace('  message_count: 6', '  message_count: 9'))
    return path


def truncated_mcap(where: Path) -> Path:
    path = copy_of(DEMO, where)
    (path / 'demo_bag.mcap').write_bytes(DEMO_BYTES[:len(DEMO_BYTES) // 2])
    return path


def truncated_db3(where: Path) -> Path:
    path = copy_of(TINY, where)
    data = (path / 'tiny_bag.db3').read_bytes()
    (path / 'tiny_bag.db3').write_bytes(data[:len(data) // 2])
    return path


def unmerged_database(where: Path) -> Path:
    path = copy_of(TINY, where)
    (path / 'tiny_bag.db3-wal').write_bytes(b'rows that were never merged')
    return path


@pytest.mark.parametrize(('damage', 'says'), [
    (no_bag, 'no such bag'), (empty_directory, 'is not a ROS 2 bag'),
    (text_file, 'not a ROS 2 bag'), (text_named_mcap, 'broken'), (text_named_db3, 'broken'),
    (empty_mcap, 'empty'), (missing_storage, 'missing'), (no_metadata, 'reindex'),
    (metadata_of_another_kind, 'broken'), (metadata_that_is_no_yaml, 'broken'),
    (metadata_named_itself, 'name the directory'), (metadata_that_promises_more, 'only 6 of 9'),
    (truncated_mcap, 'half-written'), (truncated_db3, 'half-written'),
    (unmerged_database, 'half-written')])
def test_a_damaged_bag_is_one_clear_line(tmp_path: Path, damage, says: str) -> None:  # type: ignore[no-untyped-def]
    path = damage(tmp_path)
    with pytest.raises(BagError, match=says) as caught:
        read_all(path)
    assert '\n' not in str(caught.value)
    assert path.name in str(caught.value)


@given(length=st.integers(0, len(DEMO_BYTES) - 1), whole=st.booleans())
def test_an_mcap_cut_anywhere_is_refused(length: int, whole: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = copy_of(DEMO, Path(folder))
        (path / 'demo_bag.mcap').write_bytes(DEMO_BYTES[:length])
        with pytest.raises(BagError):
            read_all(path if whole else path / 'demo_bag.mcap')


@given(place=st.integers(0, len(DEMO_BYTES) - 1), value=st.integers(0, 255))
def test_a_changed_byte_gives_messages_or_bag_error_and_nothing_else(
        place: int, value: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'a.mcap'
        path.write_bytes(DEMO_BYTES[:place] + bytes([value]) + DEMO_BYTES[place + 1:])
        with suppress(BagError):
            assert read_all(path) <= 40


def test_broken_cdr_is_bag_error() -> None:
    with BagReader(TINY) as bag:
        record = next(iter(bag))
        broken = type(record)(record.topic, record.type, record.stamp_ns, record.cdr[:20])
        with pytest.raises(BagError):
            bag.deserialize(broken)


def test_an_unknown_type_is_named() -> None:
    with BagReader(TINY) as bag:
        record = next(iter(bag))
        other = type(record)(record.topic, 'nowhere_msgs/msg/Thing', 0, record.cdr)
        with pytest.raises(BagError, match='nowhere_msgs/msg/Thing'):
            bag.deserialize(other)


def test_an_empty_bag_has_no_messages(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'empty'):
        pass
    with BagReader(tmp_path / 'empty') as bag:
        assert (list(bag), bag.message_count, bag.topics) == ([], 0, {})
        assert (bag.start_ns, bag.end_ns) == (0, 0)


def test_a_topic_that_was_recorded_without_a_message_is_silent(tmp_path: Path) -> None:
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        types = get_typestore(Stores.ROS2_JAZZY)
        text = types.types['std_msgs/msg/String']
        for topic in ('/empty', '/told'):
            connection = writer.add_connection(topic, text.__msgtype__, typestore=types)
        writer.write(connection, 5, types.serialize_cdr(text(data='x'), text.__msgtype__))
    with BagReader(tmp_path / 'bag') as bag:
        assert set(bag.topics) == {'/empty', '/told'}
        assert bag.silent == {'/empty'}

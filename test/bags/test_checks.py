"""Bags of other writers, other kinds and other times: read, or told from broken ones in a line."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from helpers.answering import COLOUR, answer_bag, rows
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.answer import choose_topics
from latent_vqa_ros.bags.read import BagReader

DATA = Path(__file__).resolve().parents[1] / 'data'
IMAGE = 'sensor_msgs/msg/Image'
TYPES = get_typestore(Stores.ROS2_JAZZY)
LFS = b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n'
PLUGINS = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
FLAVOURS = [(storage, mode, version) for storage in PLUGINS
            for mode in (None, *CompressionMode) for version in (8, 9)
            if mode is not CompressionMode.NONE
            and (storage, mode) != ('sqlite3', CompressionMode.STORAGE)]


def pictures() -> list[bytes]:
    with BagReader(DATA / 'demo_bag') as bag:
        return [record.cdr for record in bag if record.topic == '/image_raw'][:6]


def make(path: Path, storage: str = 'mcap', mode: CompressionMode | None = None, version: int = 9,
         topic: str = '/image_raw', type_: str = IMAGE,
         contents: list[bytes] | None = None) -> Path:
    """Write a bag as some recorder does."""
    writer = Writer(path, version=version, storage_plugin=PLUGINS[storage])
    if mode is not None:
        writer.set_compression(mode, CompressionFormat.ZSTD)
    definition, _ = TYPES.generate_msgdef(IMAGE)
    with writer:
        connection = writer.add_connection(topic, type_, msgdef=definition, rihs01='RIHS01_0')
        for stamp, content in enumerate(pictures() if contents is None else contents, start=1):
            writer.write(connection, stamp, content)
    return path


def storage_of(path: Path) -> Path:
    found, = (child for child in path.iterdir() if child.name != 'metadata.yaml')
    return found


def edit(path: Path, before: str, after: str) -> None:
    text = (path / 'metadata.yaml').read_text()
    assert before in text
    (path / 'metadata.yaml').write_text(text.replace(before, after))


@pytest.mark.parametrize(('storage', 'mode', 'version'), FLAVOURS)
def test_every_way_to_record_gives_the_same_messages(tmp_path, storage, mode, version):
    with BagReader(make(tmp_path / 'bag', storage, mode, version)) as bag:
        assert [record.cdr for record in bag] == pictures()
        assert bag.topics == {'/image_raw': IMAGE}


@pytest.mark.parametrize('storage', PLUGINS)
@pytest.mark.parametrize('whole', [True, False], ids=['directory', 'file'])
@pytest.mark.parametrize(('topic', 'type_'), [
    ('/image_raw', 'sensor_msgs/Image'), ('image_raw', IMAGE), ('image_raw', 'sensor_msgs/Image')])
def test_short_types_and_topics_without_a_slash_are_those_of_ros_2(
        tmp_path, storage, whole, topic, type_):
    path = make(tmp_path / 'bag', storage, topic=topic, type_=type_)
    path = path if whole else storage_of(path)
    with BagReader(path) as bag:
        records = list(bag)
        assert bag.topics == {'/image_raw': IMAGE}
        assert {(record.topic, record.type) for record in records} == {('/image_raw', IMAGE)}
        assert bag.deserialize(records[0]).encoding == 'rgb8'
        for wanted in ([], ['image_raw'], ['/image_raw']):
            assert choose_topics(bag.topics, wanted) == ['/image_raw']
    answer_bag(path, tmp_path / 'a.jsonl', [COLOUR], ['image_raw'])
    assert [(row['status'], row['camera']) for row in rows(tmp_path / 'a.jsonl')] == [
        ('ok', '')] * 6


def without_metadata(mode):
    def damage(where: Path) -> Path:
        path = make(where / 'bag', mode=mode)
        (path / 'metadata.yaml').unlink()
        return path
    return damage


def file_of(mode, storage='mcap'):
    return lambda where: storage_of(make(where / 'bag', storage, mode))


def of_contents(*contents: bytes):
    return lambda where: make(where / 'bag', contents=list(contents))


def newer(where: Path) -> Path:
    path = make(where / 'bag')
    edit(path, 'version: 9', 'version: 12')
    return path


def other_profile(profile: bytes):
    def damage(where: Path) -> Path:
        path = storage_of(make(where / 'bag'))
        path.write_bytes(path.read_bytes().replace(b'ros2', profile, 1))
        return path
    return damage


def other_serialization(whole: bool):
    def damage(where: Path) -> Path:
        path = make(where / 'bag', 'sqlite3')
        with sqlite3.connect(storage_of(path)) as database:
            database.execute("update topics set serialization_format = 'ros1'")
        edit(path, 'serialization_format: cdr', 'serialization_format: ros1')
        return path if whole else storage_of(path)
    return damage


def pointer(name: str):
    def damage(where: Path) -> Path:
        path = make(where / 'bag')
        (storage_of(path) if name == 'storage' else path / name).write_bytes(LFS)
        return path
    return damage


def named(name: str, content: bytes):
    def damage(where: Path) -> Path:
        (where / name).write_bytes(content)
        return where / name
    return damage


def cut(share: float):
    def damage(where: Path) -> Path:
        path = storage_of(make(where / 'bag'))
        data = path.read_bytes()
        path.write_bytes(data[:int(share * len(data))])
        return path
    return damage


def other_compression(where: Path) -> Path:
    path = make(where / 'bag', mode=CompressionMode.MESSAGE)
    edit(path, 'compression_format: zstd', 'compression_format: lz4')
    return path


WHOLE = {  # none of these is broken
    'one file, its messages compressed': (file_of(CompressionMode.MESSAGE), 'metadata.yaml'),
    'one db3, its messages compressed': (file_of(CompressionMode.MESSAGE, 'sqlite3'), 'zstd'),
    'a file compressed as a whole': (file_of(CompressionMode.FILE), 'zstd -d bag.mcap.zstd'),
    'a directory of such without metadata': (without_metadata(CompressionMode.FILE), 'reindex'),
    'messages of JSON': (of_contents(b'{"a": 1}', b'{"a": 2}'), 'not CDR.*7b226122'),
    'messages that begin with a zero': (of_contents(b'\0\x10ab', b'\0\x7fcd'), 'not CDR.*0010'),
    'messages of gzip': (of_contents(b'\x1f\x8b\x08\x00', b'\x1f\x8b\x08\x00'), 'gzip'),
    'metadata of later': (newer, 'newer ROS 2.*upgrade rosbags'),
    'an mcap of ROS 1': (other_profile(b'ros1'), "profile 'ros1'"),
    'an mcap of a factory': (other_profile(b'cars'), "profile 'cars'"),
    'messages of ROS 1': (other_serialization(True), "'ros1'"),
    'messages of ROS 1 in one file': (other_serialization(False), "/image_raw.*'ros1'"),
    'a pointer of Git LFS': (pointer('storage'), 'git lfs pull'),
    'metadata that are a pointer': (pointer('metadata.yaml'), 'git lfs pull'),
    'one file that is a pointer': (named('a.db3', LFS), 'git lfs pull'),
    'a bag of ROS 1': (named('a.bag', b'#ROSBAG V2.0\n'), 'rosbags-convert --src a.bag'),
    'another compression': (other_compression, 'lz4'),
}


@pytest.mark.parametrize('name', WHOLE)
def test_a_whole_bag_of_another_kind_is_named_and_never_called_broken(tmp_path, name):
    damage, says = WHOLE[name]
    with pytest.raises(BagError, match=says) as caught, BagReader(damage(tmp_path)):
        pass  # told before anything of it is used
    assert 'broken' not in str(caught.value)
    assert 'half-written' not in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.999])
def test_how_to_rescue_a_cut_mcap_is_said(tmp_path, share):
    with pytest.raises(BagError, match='half-written.*mcap recover'), BagReader(
            cut(share)(tmp_path)):
        pass


def test_one_bad_message_among_the_first_is_no_reason_to_refuse_the_bag(tmp_path):
    contents = [b'\x28\xb5\x2f\xfd', b'', *pictures()]
    answer_bag(make(tmp_path / 'bag', contents=contents), tmp_path / 'a.jsonl', [COLOUR])
    assert [row['status'] for row in rows(tmp_path / 'a.jsonl')] == 2 * ['bad_image'] + 6 * ['ok']


def test_a_bag_is_closed_when_it_is_refused(tmp_path):
    path = file_of(CompressionMode.MESSAGE)(tmp_path)
    with pytest.raises(BagError) as caught, BagReader(path):
        pass
    opened = [os.readlink(link) for link in Path('/proc/self/fd').iterdir() if link.is_symlink()]
    assert caught.value  # whose traceback keeps the reader alive
    assert str(path) not in opened


@pytest.mark.parametrize(('offered', 'latched'), [
    (['TRANSIENT_LOCAL'], True), (['TRANSIENT_LOCAL', 'VOLATILE'], False), (['VOLATILE'], False),
    ([], False)])
def test_a_topic_is_latched_where_each_of_its_publishers_was(tmp_path, offered, latched):
    """Whatever its name begins with."""
    zero = QosTime(0, 0)
    profiles = [Qos(QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability[name], zero,
                    zero, QosLiveliness.AUTOMATIC, zero, False) for name in offered]
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('map_image', IMAGE, typestore=TYPES,
                                           offered_qos_profiles=profiles)
        writer.write(connection, 1, pictures()[0])
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.latched == ({'/map_image'} if latched else set())

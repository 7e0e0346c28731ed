"""Read a ROS 2 bag message by message, without ROS and without holding it in memory.

    with BagReader('run7') as bag:
        for record in bag:
            message = bag.deserialize(record)

A bag is a directory with metadata.yaml, or one bare .mcap or .db3 file. At most a few
storage chunks are in memory at a time. It knows nothing of images, models or middleware.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.bags import BagError, need_rosbags
from latent_vqa_ros.bags.checks import (
    RECOVER,
    SORT,
    check_formats,
    check_path,
    check_records,
    explain,
)

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Reader
    from rosbags.typesys.store import Typestore

PEEKED = 5  # messages that are looked at before the bag is used


@dataclass(frozen=True)
class BagRecord:
    """One message as it stands in the bag: stamp_ns is when it was recorded, in ns."""

    topic: str
    type: str
    stamp_ns: int
    cdr: bytes


class BagReader:
    """A bag opened for reading; use it as a context manager.

    topics          absolute name → full message type, as '/image_raw' → 'sensor_msgs/msg/Image',
                    however the bag writes them
    silent          topics without a message
    latched         topics that were offered as transient local (/tf_static, maps)
    message_count   messages in the bag, all topics
    start_ns, end_ns  stamps of the first and of the last message in ns; 0 for an empty bag

    Raises BagError when the bag is missing, broken, only half written or not of CDR, here or while
    iterating: a bag that ends early never looks like a whole one.
    """

    def __init__(self, path: str | Path) -> None:
        need_rosbags()
        self.path = Path(path)
        self.topics: dict[str, str] = {}
        self.silent: frozenset[str] = frozenset()
        self.latched: frozenset[str] = frozenset()
        self.message_count = 0
        self.start_ns = 0
        self.end_ns = 0
        self._reader: Reader | None = None
        self._types: Typestore | None = None

    def __enter__(self) -> BagReader:
        from rosbags.rosbag2 import Reader

        check_path(self.path)
        with _one_error(self.path):
            reader = Reader(self.path)
            reader.open()
        try:
            _settle(reader)
            self._check(reader)
        except BaseException:
            reader.close()
            raise
        self._reader = reader
        self.topics = {_absolute(found.topic): _full(found.msgtype)
                       for found in reader.connections}
        self.silent = frozenset(self.topics) - {
            _absolute(found.topic) for found in reader.connections if found.msgcount}
        self.latched = frozenset(
            _absolute(found.topic) for found in reader.connections if _is_latched(found))
        self.message_count = reader.message_count
        if self.message_count:
            self.start_ns, self.end_ns = reader.start_time, reader.end_time - 1
        return self

    def _check(self, reader: Reader) -> None:
        """Refuse messages that nobody could use, before anybody tries to."""
        check_formats(self.path, {found.topic: getattr(found.ext, 'serialization_format', 'cdr')
                                  for found in reader.connections})
        with _one_error(self.path):
            first = [bytes(cdr) for _, _, cdr in islice(reader.messages(), PEEKED)]
        check_records(self.path, first)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def __iter__(self) -> Iterator[BagRecord]:
        """Yield every message in the order of its stamps (per file, for a split bag)."""
        if self._reader is None:
            raise BagError(f'{self.path}: the bag is not open; use "with BagReader(...) as bag"')
        count = 0
        messages = self._reader.messages()
        while True:
            with _one_error(self.path):
                item = next(messages, None)
            if item is None:
                break
            connection, stamp_ns, cdr = item
            count += 1
            yield BagRecord(_absolute(connection.topic), _full(connection.msgtype), stamp_ns,
                            bytes(cdr))
        if not count and self.message_count and any(map(_is_mcap, self._files())):
            raise BagError(f'{self.path}: none of its {self.message_count} messages can be found: '
                           f'it has no index, or is broken; {SORT}, or {RECOVER}')
        if count < self.message_count:
            raise BagError(f'{self.path}: broken bag, only {count} of {self.message_count} '
                           'messages can be read; try "ros2 bag reindex" or copy it again')

    def _files(self) -> list[Path]:
        return [self.path] if self.path.is_file() else list(self.path.iterdir())

    def first(self, topic: str) -> BagRecord | None:
        """Return the first message of a topic, None where it has none."""
        assert self._reader is not None
        found = [each for each in self._reader.connections if _absolute(each.topic) == topic]
        if not found:  # rosbags would take none for all
            return None
        with _one_error(self.path):
            item = next(self._reader.messages(connections=found), None)
        return item and BagRecord(topic, self.topics[topic], item[1], bytes(item[2]))

    def deserialize(self, record: BagRecord) -> Any:
        """Return the message as an object with ROS's field names; arrays are numpy arrays.

        Raises BagError for a type outside ROS 2's standard messages and for broken CDR.
        """
        if self._types is None:
            from rosbags.typesys import Stores, get_typestore

            self._types = get_typestore(Stores.ROS2_JAZZY)
        if record.type not in self._types.types:
            raise BagError(f'{record.topic}: {record.type} is not a standard message type '
                           'of ROS 2; its raw CDR is all this reader gives')
        with _one_error(self.path):
            return self._types.deserialize_cdr(record.cdr, record.type)


def _settle(reader: Reader) -> None:
    """Let the files of a bag have the QoS that its metadata.yaml tells, which may be edited.

    rosbags finds a topic's messages by that, too.
    """
    told = {(each.topic, each.msgtype): each.ext for each in reader.connections}
    for storage in getattr(reader.storage, 'storages', ()):
        connections: Any = storage.connections
        connections[:] = [each._replace(ext=told.get((each.topic, each.msgtype), each.ext))
                          for each in connections]


def _is_mcap(path: Path) -> bool:
    return '.mcap' in path.suffixes


def _absolute(topic: str) -> str:
    """Return the topic as ROS 2 names it; some writers leave out the leading slash."""
    return topic if topic.startswith('/') else f'/{topic}'


def _full(type_: str) -> str:
    """Return sensor_msgs/Image, as the first rosbag2 and some writers have it, with its msg."""
    package, _, name = type_.partition('/')
    return f'{package}/msg/{name}' if name and '/' not in name else type_


def _is_latched(connection: Connection) -> bool:
    """Tell whether each publisher that was recorded offered transient local."""
    from rosbags.interfaces import QosDurability

    offered = getattr(connection.ext, 'offered_qos_profiles', [])
    return bool(offered) and all(
        qos.durability == QosDurability.TRANSIENT_LOCAL for qos in offered)


@contextmanager
def _one_error(path: Path) -> Iterator[None]:
    """Turn what rosbags raises into BagError.

    A broken file surfaces there as its own errors and as struct, apsw, zstd, assertion, type
    and key errors: the kind depends on which byte is wrong, so all of them are caught.
    """
    try:
        yield
    except Exception as error:
        raise explain(path, error) from error

"""Write a ROS 2 bag that `ros2 bag` of Humble to Kilted reads, without ROS.

    with BagWriter('out', storage='mcap') as bag:
        bag.write_image('/image_raw', stamp_ns, 'camera', rgb_hwc)

The bag grows in a hidden directory beside its destination and is moved there in one step at
the end: after a crash or kill -9 there is no bag, never half of one.

Metadata version 8 is the newest that Humble parses (9 writes the QoS profiles as a list, where
Humble's rosbag2_storage/yaml.hpp wants a string). mcap chunks are compressed with zstd by
rosbags' mode STORAGE, the standard of the mcap format; its modes FILE and MESSAGE are rosbag2's
own wrapping, which other mcap readers do not know.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.bags import BagError, need_rosbags
from latent_vqa_ros.bags.checks import check_name
from latent_vqa_ros.core.answer import NANO

if TYPE_CHECKING:
    from rosbags.interfaces import Connection, Qos
    from rosbags.rosbag2 import Writer

STORAGES = ('mcap', 'sqlite3')
ROS_DISTRO = 'jazzy'  # whose message definitions stand in the bag
MAX_STAMP_NS = 2**31 * NANO  # builtin_interfaces/Time counts seconds in an int32


class BagWriter:
    """A bag being written; use it as a context manager.

    Raises BagError when `path` exists already, when the storage is unknown, and for a message
    that cannot be written. An exception inside the `with` block leaves nothing behind.
    """

    def __init__(self, path: str | Path, storage: str = 'mcap') -> None:
        need_rosbags()
        if storage not in STORAGES:
            raise BagError(f'storage {storage!r} is unknown; choose one of {", ".join(STORAGES)}')
        self.path = Path(path).absolute()
        self.storage = storage
        self._connections: dict[str, Connection] = {}
        self._scratch = Path()
        self._writer: Writer | None = None

    def __enter__(self) -> BagWriter:
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
        from rosbags.typesys import Stores, get_typestore

        if self.path.exists():
            raise BagError(f'{self.path}: exists already; choose another name or remove it')
        if self.storage == 'sqlite3':
            check_name(self.path)
        self._types = get_typestore(Stores.ROS2_JAZZY)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._scratch = Path(tempfile.mkdtemp(
                prefix=f'.{self.path.name}.partial-', dir=self.path.parent))
        except OSError as error:
            raise BagError(f'{self.path}: cannot be written ({error.strerror})') from error
        plugin = StoragePlugin.MCAP if self.storage == 'mcap' else StoragePlugin.SQLITE3
        try:
            writer = Writer(self._scratch / self.path.name, version=8, storage_plugin=plugin)
            if self.storage == 'mcap':
                writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            with self._one_line():
                writer.open()
        except BaseException:  # also a signal
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise
        self._writer = writer
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        writer, self._writer = self._open_writer(), None
        try:
            if kind is not None:
                writer.abort()
                return
            with self._one_line():
                writer.close()
            self._publish(writer.path)
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def write_image(self, topic: str, stamp_ns: int, frame_id: str,
                    rgb_hwc: NDArray[np.uint8]) -> None:
        """Write a sensor_msgs/Image of encoding rgb8; rgb_hwc is uint8 [height, width, 3]."""
        if rgb_hwc.dtype != np.uint8 or rgb_hwc.ndim != 3 or rgb_hwc.shape[2] != 3:
            raise BagError(f'{topic}: an image must be uint8 [height, width, 3], this is '
                           f'{rgb_hwc.dtype} {list(rgb_hwc.shape)}')
        height, width = rgb_hwc.shape[:2]
        self._write(topic, 'sensor_msgs/msg/Image', stamp_ns,
                    header=self._header(topic, stamp_ns, frame_id), height=height, width=width,
                    encoding='rgb8', is_bigendian=0, step=3 * width,
                    data=np.ascontiguousarray(rgb_hwc).reshape(-1))

    def write_compressed(self, topic: str, stamp_ns: int, frame_id: str, data: bytes,
                         format: str) -> None:
        """Write a sensor_msgs/CompressedImage; format is 'jpeg' or 'png', data the file."""
        self._write(topic, 'sensor_msgs/msg/CompressedImage', stamp_ns,
                    header=self._header(topic, stamp_ns, frame_id), format=format,
                    data=np.frombuffer(data, np.uint8))

    def write_camera_info(self, topic: str, stamp_ns: int, frame_id: str, size: tuple[int, int],
                          focal: float) -> None:
        """Write a sensor_msgs/CameraInfo of a pinhole camera without distortion.

        ``size`` is width, height; ``focal`` is in pixels; the axis goes through the middle. ROS
        counts pixels from the middle of the first one, hence the half.
        """
        width, height = size
        cx, cy = width / 2 - 0.5, height / 2 - 0.5
        k = np.array([focal, 0, cx, 0, focal, cy, 0, 0, 1], np.float64)
        p = np.array([focal, 0, cx, 0, 0, focal, cy, 0, 0, 0, 1, 0], np.float64)
        whole = self._types.types['sensor_msgs/msg/RegionOfInterest'](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
        self._write(topic, 'sensor_msgs/msg/CameraInfo', stamp_ns,
                    header=self._header(topic, stamp_ns, frame_id), height=height, width=width,
                    distortion_model='plumb_bob', d=np.zeros(5), k=k, r=np.eye(3).ravel(), p=p,
                    binning_x=0, binning_y=0, roi=whole)

    def write_clock(self, stamp_ns: int) -> None:
        """Write a rosgraph_msgs/Clock on /clock."""
        self._write('/clock', 'rosgraph_msgs/msg/Clock', stamp_ns,
                    clock=self._time('/clock', stamp_ns))

    def write_string(self, topic: str, stamp_ns: int, text: str) -> None:
        """Write a std_msgs/String."""
        self._write(topic, 'std_msgs/msg/String', stamp_ns, data=text)

    def write_cdr(self, topic: str, type: str, stamp_ns: int, cdr: bytes) -> None:
        """Write a message that is serialized already; its type is a standard one of ROS 2."""
        if type not in self._types.types:
            raise BagError(f'{topic}: {type} is not a standard message type of ROS 2')
        _check_stamp(topic, stamp_ns)
        writer = self._open_writer()
        connection = self._connections.get(topic)
        if connection is None:
            connection = writer.add_connection(
                topic, type, typestore=self._types, offered_qos_profiles=[_reliable()])
            self._connections[topic] = connection
        if connection.msgtype != type:
            raise BagError(f'{topic}: holds {connection.msgtype}, so {type} cannot be written')
        with self._one_line():
            writer.write(connection, stamp_ns, cdr)

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Turn what a database says of a full disk into a BagError."""
        try:
            yield
        except sqlite3.Error as error:
            raise BagError(f'{self.path}: cannot be written ({error})') from error

    def _write(self, topic: str, type: str, stamp_ns: int, **fields: Any) -> None:
        message = self._types.types[type](**fields)
        self.write_cdr(topic, type, stamp_ns, bytes(self._types.serialize_cdr(message, type)))

    def _header(self, topic: str, stamp_ns: int, frame_id: str) -> Any:
        stamp = self._time(topic, stamp_ns)
        return self._types.types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)

    def _time(self, topic: str, stamp_ns: int) -> Any:
        _check_stamp(topic, stamp_ns)
        sec, nanosec = divmod(stamp_ns, NANO)
        return self._types.types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise BagError(f'{self.path}: the bag is not open; use "with BagWriter(...) as bag"')
        return self._writer

    def _publish(self, written: Path) -> None:
        """Name the distribution, put everything on the disk, then move the bag into place."""
        metadata = written / 'metadata.yaml'
        text = metadata.read_text(encoding='utf-8')
        metadata.write_text(text.replace('ros_distro: rosbags', f'ros_distro: {ROS_DISTRO}'),
                            encoding='utf-8')
        for path in (*written.iterdir(), written):
            _sync(path)
        try:
            written.rename(self.path)
        except OSError as error:
            raise BagError(f'{self.path}: cannot be put in place ({error.strerror})') from error
        _sync(self.path.parent)


def _check_stamp(topic: str, stamp_ns: int) -> None:
    if not 0 <= stamp_ns < MAX_STAMP_NS:
        raise BagError(f'{topic}: stamp {stamp_ns} ns is outside what a ROS 2 stamp holds')


def _reliable() -> Qos:
    """Return reliable, volatile, keep last 10: matches every volatile subscriber."""
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )

    forever = QosTime(9223372036, 854775807)  # RMW_DURATION_INFINITE
    return Qos(QosHistory.KEEP_LAST, 10, QosReliability.RELIABLE, QosDurability.VOLATILE,
               forever, forever, QosLiveliness.AUTOMATIC, forever, False)


def _sync(path: Path) -> None:
    """Force a file or a directory to the disk, so that a power cut cannot undo the order."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""The newest frame of each camera, taken from the middleware only when somebody asks.

    source = FrameSource(node, ('front', 'rear'), 'raw', 'sensor_data')
    frame = source.newest('front') or source.why_absent('front')

Each subscription has a history of one and is kept out of the executor's wait set: a frame that
nobody asks about is neither copied nor converted. Refuses to know questions and models.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from latent_vqa_ros.core.answer import NANO
from latent_vqa_ros.core.image_formats import Pixels, compressed_to_rgb
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.ros.conversions import cloud_to_rgb, image_to_pixels

LARGE_FRAMES = ("large frames do not pass Fast DDS's default transport: start the camera's "
                "process with FASTDDS_BUILTIN_TRANSPORTS='DEFAULT?sockets_size=5MB', or with "
                'config/fastdds_large_frames.xml of latent_vqa_ros')


class Transport(NamedTuple):
    """Where frames of a kind are found and how they become pixels (core.pipeline.Frame)."""

    base: str  # remapped
    suffix: str
    message: Any
    to_pixels: Callable[[Any], Pixels]


TRANSPORTS = {
    'raw': Transport('image_raw', '', Image, image_to_pixels),
    'compressed': Transport('image_raw', '/compressed', CompressedImage,
                            lambda msg: (compressed_to_rgb(msg.data, msg.format), None)),
    'points': Transport('points', '', PointCloud2, lambda msg: (cloud_to_rgb(msg), None)),
}


class NeverExecuted(CallbackGroup):
    """Keeps subscriptions out of the executor's wait set, so that only ``newest`` takes."""

    def can_execute(self, entity: Any) -> bool:
        """Return False: the executor leaves the entity alone."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Return False: the executor leaves the entity alone."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing was begun."""


@dataclass
class _Camera:
    topic: str
    subscription: Subscription
    frame: Frame | None = None


class FrameSource:
    """Subscriptions to the cameras of a node; ``newest`` may be called from any thread."""

    def __init__(self, node: Node, cameras: tuple[str, ...], transport: str, qos: str) -> None:
        """Take ``transport`` from TRANSPORTS and ``qos`` sensor_data or reliable."""
        self._node = node
        self._transport = TRANSPORTS[transport]
        self._qos = qos_profile(qos)
        self._lock = threading.Lock()
        group = NeverExecuted()
        self._cameras: dict[str, _Camera] = {}
        for name in cameras:
            topic = self._topic(name)
            subscription = node.create_subscription(
                self._transport.message, topic, _unexpected, self._qos, callback_group=group)
            self._cameras[name] = _Camera(topic, subscription)

    def _topic(self, camera: str) -> str:
        """Return the full name; as in image_transport the suffix follows a remapped base."""
        base = f'{camera}/{self._transport.base}' if camera else self._transport.base
        return str(self._node.resolve_topic_name(base)) + self._transport.suffix

    def topic(self, camera: str) -> str:
        """Return the full name of the camera's topic."""
        return self._cameras[camera].topic

    def newest(self, camera: str) -> Frame | None:
        """Return the newest frame, the very same object until a newer one came; None if none.

        A message that cannot be deserialized raises what the middleware raises, once.
        """
        entry = self._cameras[camera]
        with self._lock:
            with entry.subscription.handle:
                taken = entry.subscription.handle.take_message(self._transport.message, False)
            if taken is not None:
                entry.frame = self._frame(camera, *taken)
            return entry.frame

    def _frame(self, camera: str, message: Any, info: Any) -> Frame:
        arrived_ns = info.get('received_timestamp', 0) if isinstance(info, dict) else 0
        waited_ns = max(0, time.time_ns() - arrived_ns) if arrived_ns > 0 else 0
        now_ns = self._node.get_clock().now().nanoseconds
        stamp, to_pixels = message.header.stamp, self._transport.to_pixels
        return Frame(decode=lambda: to_pixels(message), stamp_ns=stamp.sec * NANO + stamp.nanosec,
                     received_ns=now_ns - waited_ns, frame_id=message.header.frame_id,
                     camera=camera)

    def why_absent(self, camera: str) -> str:
        """Return why there is no frame: nobody publishes, or which reason keeps frames away."""
        topic = self._cameras[camera].topic
        publishers = self._node.get_publishers_info_by_topic(topic)
        if not publishers:
            return f'no publisher on {topic}; does the camera run, is the topic remapped?'
        wanted = _type_name(self._transport.message)
        other = sorted({info.topic_type for info in publishers} - {wanted})
        if len({info.topic_type for info in publishers}) == len(other):
            return (f'{topic} carries {", ".join(other)}, not {wanted}; see the parameter '
                    'image_transport')
        reliable = self._qos.reliability == ReliabilityPolicy.RELIABLE
        if reliable and all(info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
                            for info in publishers):
            return (f'incompatible QoS on {topic}: the publisher is best effort, image_qos asks '
                    'for reliable; set image_qos to sensor_data')
        return (f'{topic} has a publisher, but no frame has arrived yet; if this stays so, '
                f'{LARGE_FRAMES}')

    def close(self) -> None:
        """Destroy the subscriptions."""
        with self._lock:
            for entry in self._cameras.values():
                self._node.destroy_subscription(entry.subscription)
            self._cameras.clear()


def qos_profile(name: str) -> QoSProfile:
    """Return keep last 1, volatile; best effort for sensor_data, else reliable."""
    reliability = (ReliabilityPolicy.BEST_EFFORT if name == 'sensor_data'
                   else ReliabilityPolicy.RELIABLE)
    return QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST, reliability=reliability,
                      durability=DurabilityPolicy.VOLATILE)


def _type_name(message: Any) -> str:
    return f'{message.__module__.split(".")[0]}/msg/{message.__name__}'


def _unexpected(message: Any) -> None:
    raise AssertionError('an executor took a frame')

"""The newest frame of each camera, taken from the middleware only when somebody asks.

    source = FrameSource(node, ('front', 'rear'), 'raw', 'sensor_data')
    frame = source.newest('front') or source.why_absent('front')

Each subscription has a history of one and is kept out of the executor's wait set: a frame that
nobody asks about is neither copied nor converted. When the node's clock jumps back (a bag that
loops) the frames of before are dropped. Refuses to know questions and models.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from rclpy.callback_groups import CallbackGroup
from rclpy.clock import ClockChange, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from latent_vqa_ros.core.answer import NANO
from latent_vqa_ros.core.compressed import compressed_to_rgb, header_says_grey
from latent_vqa_ros.core.image_formats import ImageError, Pixels, cloud_is_grey, raw_is_grey
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.ros import absence, rclpy_private
from latent_vqa_ros.ros.conversions import cloud_to_rgb, image_to_pixels
from latent_vqa_ros.ros.rclpy_private import SubscriptionEventCallbacks, UnsupportedEventTypeError

BACK = Duration(seconds=-0.1)  # a clock that goes back less jitters, one that goes back more jumps
AHEAD_NS = NANO  # a stamp further in the future is not of this time
LATE_S = 3.0  # after a jump back; a frame of before is under way no longer
TRUST_S = 3.0  # after a message that could be read; taking bytes first costs 0.3 to 0.8 ms more
RELIABILITY = 'RELIABILITY'


class Transport(NamedTuple):
    """Where frames of a kind are found, how they become pixels, whether they are grey.

    The last two as ``core.pipeline.Frame`` has them.
    """

    base: str  # remapped
    suffix: str
    message: Any
    to_pixels: Callable[[Any], Pixels]
    is_grey: Callable[[Any], bool | None]


TRANSPORTS = {
    'raw': Transport('image_raw', '', Image, image_to_pixels, raw_is_grey),
    'compressed': Transport('image_raw', '/compressed', CompressedImage,
                            lambda msg: (compressed_to_rgb(msg.data, msg.format), None),
                            lambda msg: header_says_grey(msg.data, msg.format)),
    'points': Transport('points', '', PointCloud2, lambda msg: (cloud_to_rgb(msg), None),
                        cloud_is_grey),
}


class NeverExecuted(CallbackGroup):
    """Keeps subscriptions and their events out of the executor's wait set.

    Only ``newest`` takes frames, and ``mismatch`` events: with Fast DDS an event in the wait set
    wakes the executor as long as a frame waits, which costs a whole core.
    """

    def can_execute(self, entity: Any) -> bool:
        """Return False: the executor leaves the entity alone."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Return False: the executor leaves the entity alone."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing was begun."""


@dataclass(frozen=True, eq=False)
class _Taken(Frame):
    """A frame that always knows its arrival; that counts while no simulated time runs.

    So it need not be made anew when /clock ends: it is encoded once, a condition counts it once.
    """

    simulated: Callable[[], bool] = field(kw_only=True)
    lost: Callable[[], str] = field(kw_only=True)  # why no newer one comes, as far as one knows

    @property
    def waited_s(self) -> float | None:
        """How long ago it arrived, by the wall; None while simulated time runs."""
        return None if self.simulated() else super().waited_s

    def why_outdated(self, now_ns: int, limit_s: float) -> str:
        """Return what to look at where the frame is older than ``limit_s``."""
        waited_s, said = self.waited_s, super().why_outdated(now_ns, limit_s)
        came = waited_s is not None and waited_s <= limit_s
        return '; '.join(filter(None, (said, '' if came else self.lost())))


@dataclass
class _Camera:
    topic: str
    subscription: Subscription
    frame: Frame | None = None
    refused: str = ''  # the QoS policy of a publisher that does not match
    trusted_until_s: float = 0.0  # monotonic; until then messages are taken for readable


class FrameSource:
    """Subscriptions to the cameras of a node; ``newest`` may be called from any thread."""

    def __init__(self, node: Node, cameras: tuple[str, ...], transport: str, qos: str) -> None:
        """Take ``transport`` from TRANSPORTS and ``qos`` sensor_data or reliable."""
        self._node = node
        self._name, self._transport = transport, TRANSPORTS[transport]
        self._qos = qos_profile(qos)
        self._lock = threading.Lock()
        self._group = NeverExecuted()
        self._cameras: dict[str, _Camera] = {}
        self._former_ns = 0  # the node's time before it last jumped back
        self._jumped_s = 0.0  # when that was, monotonic
        try:
            for name in cameras:
                self._cameras[name] = self._open(name)
        except Exception:
            self._close_cameras()
            raise
        self._jump = node.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=BACK), post_callback=self._on_jump)

    def _open(self, name: str) -> _Camera:
        topic = self._topic(name)
        given = (self._transport.message, topic, _unexpected, self._qos)
        try:
            subscription = self._node.create_subscription(
                *given, callback_group=self._group, event_callbacks=SubscriptionEventCallbacks(
                    incompatible_qos=lambda event: self._on_incompatible(name, event),
                    use_default_callbacks=False))
        except UnsupportedEventTypeError:  # Humble, where the middleware has no such event
            subscription = self._node.create_subscription(*given, callback_group=self._group)
        return _Camera(subscription.topic_name, subscription)  # a rule may name the suffix, too

    def _on_incompatible(self, camera: str, event: Any) -> None:
        if event.total_count_change:
            entry = self._cameras[camera]
            entry.refused = qos_policy_name_from_kind(event.last_policy_kind)
            self._node.get_logger().warning(_incompatible(entry.topic, entry.refused))

    def _take_events(self, entry: _Camera) -> None:
        with self._lock:
            for callback, event in rclpy_private.events(entry.subscription):
                callback(event)

    def _on_jump(self, jump: TimeJump) -> None:
        """Drop every frame of the time before; one of the new time, which came first, stays."""
        now_ns = self._node.get_clock().now().nanoseconds
        with self._lock:
            if jump.clock_change == ClockChange.ROS_TIME_NO_CHANGE:
                self._former_ns = now_ns - jump.delta.nanoseconds
                self._jumped_s = time.monotonic()
            for name, entry in self._cameras.items():
                frame = self._take(name, entry)
                held = entry.frame
                if not frame and held and held.received_ns > now_ns + AHEAD_NS:
                    frame = held  # it came when the time was still the former one
                entry.frame = (frame if frame and 0 < frame.stamp_ns <= now_ns + AHEAD_NS
                               else None)

    def _topic(self, camera: str) -> str:
        """Return the name to subscribe to, which remaps it; a suffix follows a remapped base.

        That is image_transport's rule. Without a suffix it is remapped only once, over there.
        """
        base = f'{camera}/{self._transport.base}' if camera else self._transport.base
        suffix = self._transport.suffix
        return f'{self._node.resolve_topic_name(base)}{suffix}' if suffix else base

    def topic(self, camera: str) -> str:
        """Return the full name of the camera's topic."""
        return self._cameras[camera].topic

    def newest(self, camera: str) -> Frame | None:
        """Return the newest frame, the very same object until a newer one came; None if none.

        A message that cannot be read as its type is a frame that raises ImageError at ``decode``.
        """
        with self._lock:
            entry = self._cameras[camera]
            entry.frame = self._take(camera, entry) or entry.frame
            return entry.frame

    @property
    def clock_is_missing(self) -> bool:
        """Whether the node should follow /clock and nobody publishes it: its time stands."""
        clock: Any = self._node.get_clock()
        return bool(clock.ros_time_is_active and not self._node.count_publishers(
            self._node.resolve_topic_name('/clock')))

    def _simulated(self) -> bool:
        """Return whether simulated time runs; without a clock a dead camera would stay fresh."""
        clock: Any = self._node.get_clock()
        return bool(clock.ros_time_is_active) and not self.clock_is_missing

    def _take(self, camera: str, entry: _Camera) -> Frame | None:
        """Return the frame that waits in the middleware, None where none of this time does."""
        kind, to_pixels, is_grey = self._transport[2:]
        raw = time.monotonic() > entry.trusted_until_s
        taken = rclpy_private.take(entry.subscription, kind, raw)
        if taken is None:
            return None
        message, info = taken
        if raw:
            try:
                message = deserialize_message(message, kind)
            except Exception as error:  # RMWError is private to rclpy
                unreadable = _unreadable(kind, error)
                return self._frame(camera, info, Header(), unreadable, is_grey=unreadable)
        entry.trusted_until_s = time.monotonic() + TRUST_S
        frame = self._frame(camera, info, message.header, lambda: to_pixels(message),
                            len(message.data), lambda: is_grey(message))
        return None if self._is_former(frame.stamp_ns) else frame

    def _is_former(self, stamp_ns: int) -> bool:
        """Return whether a stamp is of the time before a jump back, and came soon after it."""
        if time.monotonic() - self._jumped_s > LATE_S:
            return False  # by now it is of a camera whose clock runs ahead
        now_ns: int = self._node.get_clock().now().nanoseconds
        return now_ns + AHEAD_NS < stamp_ns <= self._former_ns + AHEAD_NS

    def _frame(self, camera: str, info: Any, header: Header,
               decode: Callable[[], Pixels], nbytes: int = 0,
               is_grey: Callable[[], bool | None] = lambda: None) -> Frame:
        arrived_ns = info.get('received_timestamp', 0) if isinstance(info, dict) else 0
        waited_ns = max(0, time.time_ns() - arrived_ns) if arrived_ns > 0 else 0  # of the wall
        arrived_s = time.monotonic() - waited_ns / NANO
        now_ns: int = self._node.get_clock().now().nanoseconds
        if self._simulated():  # it knows nothing of the wall's time
            waited_ns = 0
        return _Taken(decode=decode, stamp_ns=header.stamp.sec * NANO + header.stamp.nanosec,
                      received_ns=now_ns - waited_ns, frame_id=header.frame_id, camera=camera,
                      arrived_s=arrived_s, nbytes=nbytes, is_grey=is_grey,
                      simulated=self._simulated, lost=lambda: self.lost(camera, nbytes))

    def publishers(self, camera: str) -> int:
        """Return how many publish the camera's topic."""
        return int(self._node.count_publishers(self.topic(camera)))

    def lost(self, camera: str, nbytes: int) -> str:
        """Return why such frames come no more though somebody publishes them, '' where it is open.
        """
        if not self.publishers(camera):
            return ''
        return self.mismatch(camera) or absence.lost(nbytes)

    def why_absent(self, camera: str) -> str:
        """Return why there is no frame: nobody publishes, or which reason keeps frames away."""
        wanted = absence.Wanted(
            self.topic(camera), self._name, self._transport.message, camera)
        return self.mismatch(camera) or absence.why(self._node, wanted)

    def mismatch(self, camera: str) -> str:
        """Return which type or QoS keeps a publisher's frames away for good, '' if none does.

        The middleware's event tells the policy; the graph tells whether that publisher still is.
        """
        entry = self._cameras[camera]
        self._take_events(entry)
        publishers = self._node.get_publishers_info_by_topic(entry.topic)
        other = absence.other_type(entry.topic, self._transport.message, publishers)
        if other:
            return other
        if self._qos.reliability == ReliabilityPolicy.RELIABLE and any(
                p.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for p in publishers):
            entry.refused = RELIABILITY
        elif not publishers or entry.refused == RELIABILITY:
            entry.refused = ''
        return _incompatible(entry.topic, entry.refused) if entry.refused else ''

    def close(self) -> None:
        """Destroy the subscriptions."""
        self._jump.unregister()
        self._close_cameras()

    def _close_cameras(self) -> None:
        with self._lock:
            for entry in self._cameras.values():
                self._node.destroy_subscription(entry.subscription)
            self._cameras.clear()


def _incompatible(topic: str, policy: str) -> str:
    fix = ': a publisher is best effort, image_qos asks for reliable; set image_qos to sensor_data'
    return f'incompatible QoS on {topic}, {policy}{fix if policy == RELIABILITY else ""}'


def _unreadable(kind: Any, error: Exception) -> Callable[[], NoReturn]:
    reason = (f'the message cannot be read as {absence.type_name(kind)}: {one_line(error)[:160]}; '
              f'do camera and node have the same version of {kind.__module__.split(".")[0]}?')

    def decode() -> NoReturn:
        raise ImageError(reason)

    return decode


def qos_profile(name: str) -> QoSProfile:
    """Return keep last 1, volatile; best effort for sensor_data, else reliable."""
    reliability = (ReliabilityPolicy.BEST_EFFORT if name == 'sensor_data'
                   else ReliabilityPolicy.RELIABLE)
    return QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST, reliability=reliability,
                      durability=DurabilityPolicy.VOLATILE)


def _unexpected(message: Any) -> None:
    raise AssertionError('an executor took a frame')

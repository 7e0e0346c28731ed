"""Publish a ROS 2 bag over rclpy with its own timing, and /clock beside it.

    use_large_frames()                    # before anything of ROS starts
    with BagReader('run7') as bag:
        replay(bag, rate=2.0, should_stop=lambda: False)

Messages go out as the bytes that stand in the bag, header stamps included. A topic whose message
type is not installed is left out with one warning. Publishers are reliable, so that reliable and
best-effort subscribers both match. The bag's own /clock goes out only where it tells another time
than the log. What a node of this package was told and has said, and the logs of all nodes, are
left out unless they are named: beside such a node they would teach it, and pass for its answers.
It knows nothing of images, questions or models.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.exceptions import InvalidTopicNameException
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.core.answer import NANO
from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.ros import open_node

if TYPE_CHECKING:
    from latent_vqa_ros.bags.read import BagReader

CLOCK = '/clock'
CLOCK_PERIOD = 0.025  # s of wall time, the 40 Hz of `ros2 bag play`
SETTLE = 0.5  # s after the first subscriber matched, for the others
ACK_LIMIT = 2.0  # s that the end waits for reliable subscribers to have everything
LOGS = ('/diagnostics', '/rosout', '/parameter_events')
# The ends of the names of the node's own topics, by type; a namespace may stand before them.
OWN = {kind: re.compile(rf'/(?:.*/)?(?:{names})') for kind, names in {
    'std_msgs/msg/String': 'question|answer|answer/detail|teach|teach/detail|'
                           'conditions/[^/]+/detail',
    'std_msgs/msg/Bool': 'conditions/[^/]+', 'vision_msgs/msg/Classification':
    'answer/classification', 'sensor_msgs/msg/Image': 'image_annotated'}.items()}
TYPE_NAME = re.compile(r'([a-z][a-z0-9_]*)/msg/([A-Z][A-Za-z0-9]*)')

log = logging.getLogger(__name__)


@dataclass
class ReplayReport:
    """What was published: messages per topic, topics left out with their type, full passes."""

    published: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    loops: int = 0
    interrupted: bool = False


def replay(bag: BagReader, *, rate: float = 1.0, loop: bool = False, wait: float = 5.0,
           topics: Collection[str] = (), should_stop: Callable[[], bool],
           on_message: Callable[[], object] = lambda: None) -> ReplayReport:
    """Publish the bag once, or with `loop` until should_stop() is true; return what was done.

    rate: 2.0 plays twice as fast. wait: seconds to wait at most for a first subscriber.
    topics: only these; none: all but the node's own. There is a /clock in any case.
    should_stop is asked at least 40 times a second, on_message is called after each message.
    Raises BagError when nothing of the bag can be published or when it is broken, OSError where
    ROS 2 does not start.
    """
    report = ReplayReport()
    node = open_node('replay')
    try:
        own = _has_own_time(bag)
        chosen = _chosen(bag, topics, report)
        publishers = _publishers(node, bag, chosen, report, own)
        clock = _Clock(node, own)
        _await_subscriber([publisher for topic, publisher in publishers.items()
                           if topic != CLOCK], wait, should_stop)  # all listen to that
        while not should_stop():
            _one_pass(bag, publishers, clock, rate, should_stop, on_message, report)
            if not loop:
                break
        report.interrupted = should_stop()
        if not report.interrupted:
            _await_acknowledged(list(publishers.values()), should_stop)
    finally:
        node.destroy_node()
        if rclpy.ok():  # type: ignore[attr-defined]
            rclpy.shutdown()
    return report


class _Clock:
    """The /clock publisher: it ticks while the replay waits for a bag time, and when late.

    ``silent``: the bag's own /clock is published in its place.
    """

    def __init__(self, node: Any, silent: bool = False) -> None:
        self._publisher = None if silent else node.create_publisher(Clock, CLOCK, 10)
        self._last = 0.0  # s of wall time, monotonic

    def tick(self, stamp_ns: int) -> None:
        self._last = time.monotonic()
        if self._publisher is None:
            return
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(stamp_ns, NANO)
        self._publisher.publish(message)

    def keep_up(self, stamp_ns: int) -> None:
        """Tick where the last tick is a period ago: a replay that never waits has a clock, too."""
        if time.monotonic() - self._last >= CLOCK_PERIOD:
            self.tick(stamp_ns)


def message_class(type_name: str) -> type[Any] | None:
    """Return the message class of a name such as 'std_msgs/msg/String', None if not installed."""
    match = TYPE_NAME.fullmatch(type_name)
    if match is None:
        return None
    try:
        module = importlib.import_module(f'{match[1]}.msg')
    except ImportError:
        return None
    found: type[Any] | None = getattr(module, match[2], None)
    return found


def _has_own_time(bag: BagReader) -> bool:
    """Return whether the bag's /clock tells another time than its log does.

    So it is in simulation, where a bag is recorded by the wall's time: stamps go by /clock alone.
    """
    if bag.topics.get(CLOCK) != 'rosgraph_msgs/msg/Clock' or CLOCK in bag.silent:
        return False
    record = bag.first(CLOCK)
    if record is None:
        return False
    try:
        told = deserialize_message(record.cdr, Clock).clock
    except Exception:  # RMWError is private to rclpy
        return False
    return bool(abs(told.sec * NANO + told.nanosec - record.stamp_ns) > NANO)


def is_own(topic: str, type_name: str) -> bool:
    """Return whether a topic is a node's of this package, or has the logs of all nodes."""
    return topic in LOGS or bool(type_name in OWN and OWN[type_name].fullmatch(topic))


def _chosen(bag: BagReader, wanted: Collection[str], report: ReplayReport) -> dict[str, str]:
    """Return the topics to publish with their types; BagError where one is not in the bag."""
    names = {name if name.startswith('/') else f'/{name}' for name in wanted} - {CLOCK}
    missing = sorted(names - bag.topics.keys())
    if missing:
        raise BagError(f'{bag.path}: has no {", ".join(missing)}; its topics: '
                       + (', '.join(sorted(bag.topics)) or 'none'))
    own = [] if wanted else sorted(name for name, kind in bag.topics.items() if is_own(name, kind))
    if own:
        log.warning('left out unless --topics names them, as they would teach a node that runs, '
                    'or pass for what it says: %s', ', '.join(own))
    chosen = {name: kind for name, kind in sorted(bag.topics.items())
              if name == CLOCK or (name in names if wanted else name not in own)}
    report.left_out |= {name: kind for name, kind in bag.topics.items() if name not in chosen}
    return chosen


def _publishers(node: Any, bag: BagReader, chosen: dict[str, str], report: ReplayReport,
                own: bool) -> dict[str, Any]:
    """Make a publisher per chosen topic that can be published; warn about each other one.

    ``own``: the bag's /clock is one of them.
    """
    publishers: dict[str, Any] = {}
    for topic, type_name in chosen.items():
        if topic == CLOCK and not own:
            report.left_out[topic] = type_name
            log.info('/clock of the bag is left out: the replay publishes its own')
            continue
        kind = message_class(type_name)
        if kind is None:
            report.left_out[topic] = type_name
            log.warning('%s is left out: its type %s is not installed (apt install ros-%s-%s)',
                        topic, type_name, os.environ.get('ROS_DISTRO', '$ROS_DISTRO'),
                        type_name.split('/')[0].replace('_', '-'))
            continue
        try:
            publishers[topic] = node.create_publisher(kind, topic, _qos(topic in bag.latched))
        except InvalidTopicNameException as error:
            report.left_out[topic] = type_name
            log.warning('%s is left out: %s', topic, one_line(error))
            continue
        report.published[topic] = 0
    if not publishers or not bag.message_count:
        why = ('no messages' if not bag.message_count else 'no type that is installed'
               if chosen else 'only what is left out')
        raise BagError(f'{bag.path}: nothing to publish, it holds {why}')
    return publishers


def _qos(latched: bool) -> QoSProfile:
    """Return reliable, keep last 10; a topic recorded as transient local stays so."""
    return QoSProfile(
        depth=10, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE,
        durability=(DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE))


def _one_pass(bag: BagReader, publishers: dict[str, Any], clock: _Clock, rate: float,
              should_stop: Callable[[], bool], on_message: Callable[[], object],
              report: ReplayReport) -> None:
    """Publish the bag from its start to its end, each message at its time."""
    started = time.monotonic()
    clock.tick(bag.start_ns)
    for record in bag:
        if not _sleep_until(record.stamp_ns, bag.start_ns, started, rate, clock, should_stop):
            return
        publisher = publishers.get(record.topic)
        if publisher is not None:
            publisher.publish(record.cdr)
            report.published[record.topic] += 1
        on_message()
    clock.tick(bag.end_ns)
    report.loops += 1
    if time.monotonic() - started < CLOCK_PERIOD:
        time.sleep(CLOCK_PERIOD)  # a bag without duration must not spin when it loops


def _sleep_until(stamp_ns: int, start_ns: int, started: float, rate: float, clock: _Clock,
                 should_stop: Callable[[], bool]) -> bool:
    """Sleep until a bag time is due, ticking /clock; return False when told to stop."""
    due = started + (stamp_ns - start_ns) * 1e-9 / rate
    while not should_stop():
        now = time.monotonic()
        if now >= due:
            clock.keep_up(stamp_ns)
            return True
        clock.tick(start_ns + int((now - started) * rate * 1e9))
        time.sleep(min(due - now, CLOCK_PERIOD))
    return False


def _await_subscriber(publishers: list[Any], wait: float,
                      should_stop: Callable[[], bool]) -> None:
    """Wait for a first subscriber, then a moment for the others: early messages would be lost."""
    end = time.monotonic() + wait
    while time.monotonic() < end and not should_stop():
        if any(publisher.get_subscription_count() for publisher in publishers):
            time.sleep(SETTLE)
            return
        time.sleep(CLOCK_PERIOD)
    if wait and not should_stop():
        log.warning('nobody subscribes to %s after %g s; publishing all the same',
                    ', '.join(publisher.topic_name for publisher in publishers), wait)


def _await_acknowledged(publishers: list[Any], should_stop: Callable[[], bool]) -> None:
    """Give reliable subscribers the last messages before the publishers go."""
    from rclpy.duration import Duration

    end = time.monotonic() + ACK_LIMIT
    for publisher in publishers:
        while time.monotonic() < end and not should_stop():
            if publisher.wait_for_all_acked(Duration(seconds=CLOCK_PERIOD)):
                break

"""What the node publishes about a question, and counts: word, detail, picture, vision_msgs.

``Publishers(node)`` opens the topics, ``publish`` and ``draw`` fill them; they stand as long as
the node, since a node that cannot answer says so on them. ``answer/classification`` is there only
where vision_msgs is installed; a picture is made only while somebody subscribes. Refuses to know
how an answer is found.
"""

from __future__ import annotations

import array
import importlib
import time
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from latent_vqa_ros.core.annotate import annotate
from latent_vqa_ros.core.answer import NANO, Detail
from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.image_formats import ImageError, finish_rgb
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.preprocess import source_box
from latent_vqa_ros.core.process import typed_line
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros.diagnostics import Statistics
from latent_vqa_ros.teach.messages import to_json

BURST = 1000  # questions and details the middleware holds: with 10 it loses some of a burst
LOG_AGAIN = 60.0  # s between two lines about the same error
MAX_LOGGED = 100  # errors that are told apart for that
LAST_WORDS = Duration(seconds=0.5)  # that the last details have to be received


class Publishers:
    """The topics out; every method may be called from any thread."""

    def __init__(self, node: Node) -> None:
        self.statistics = Statistics()
        self._logger = node.get_logger()
        self._logged: dict[str, float] = {}  # when a line may be logged again
        self._vision = vision_messages()
        self._answer = node.create_publisher(String, 'answer', BURST)
        self._detail = node.create_publisher(String, 'answer/detail', BURST)
        self._lesson = node.create_publisher(String, 'teach/detail', BURST)
        self._picture = node.create_publisher(Image, 'image_annotated', qos_profile_sensor_data)
        self._classes = self._vision and node.create_publisher(
            self._vision.Classification, 'answer/classification', 10)

    def publish(self, detail: Detail, latency_ms: float | None = None) -> None:
        """Count and publish the one detail of a request, and the word where there is an answer.

        ``latency_ms`` is from the question's arrival; only answers count as latencies.
        """
        answered = detail.latency_ms.answer is not None
        self.statistics.count(detail.status, latency_ms if answered else None)
        if detail.status is Status.OK:
            self._answer.publish(String(data=detail.answer))
        self._detail.publish(String(data=detail.to_json()))
        if self._classes and detail.status is Status.OK:
            self._classes.publish(classification(detail, self._vision))

    def publish_lesson(self, document: dict[str, Any]) -> None:
        """Publish the one document of a message on ``teach``."""
        self._lesson.publish(String(data=to_json(document)))

    def fail(self, error: Exception) -> None:
        """Show an error of the node's own in the diagnostics; log it, the same once a minute."""
        line, now = typed_line(error), time.monotonic()
        self.statistics.fail(line)
        if now >= self._logged.get(line, now):
            if len(self._logged) >= MAX_LOGGED:
                self._logged.clear()
            self._logged[line] = now + LOG_AGAIN
            self._logger.error(f'internal error: {line}')

    @property
    def picture_wanted(self) -> bool:
        """Whether somebody subscribes to ``image_annotated``."""
        return bool(self._picture.get_subscription_count())

    def draw(self, detail: Detail, frame: Frame, rule: PreprocessConfig | None) -> None:
        """Publish the frame with question and answer; an undecodable frame gives no picture.

        ``rule`` says which part of the frame was seen; None: all of it.
        """
        try:
            rgb_hwc = finish_rgb(*frame.decode())
        except ImageError:
            return  # the detail says so
        height, width = rgb_hwc.shape[:2]
        seen = source_box(height, width, rule) if rule else None
        self._picture.publish(picture(annotate(rgb_hwc, detail, seen), frame))

    def wait_until_received(self) -> None:
        """Wait until the details and lessons have arrived, each at most LAST_WORDS."""
        for publisher in (self._detail, self._lesson):
            publisher.wait_for_all_acked(LAST_WORDS)


def picture(rgb_hwc: Any, frame: Frame) -> Image:
    """Return uint8 pixels (height, width, 3) as rgb8 with the header of their frame."""
    height, width, _ = rgb_hwc.shape
    return Image(header=_header(frame.stamp_ns, frame.frame_id), height=height, width=width,
                 encoding='rgb8', step=3 * width, data=array.array('B', rgb_hwc.tobytes()))


def classification(detail: Detail, messages: Any) -> Any:
    """Return ``top`` as vision_msgs/Classification; ``messages`` is the module vision_msgs.msg."""
    return messages.Classification(
        header=_header(detail.stamp_ns or 0, detail.frame_id),
        results=[messages.ObjectHypothesis(class_id=answer, score=p) for answer, p in detail.top])


def vision_messages() -> Any:
    """Return the module vision_msgs.msg, None where it is not installed."""
    try:
        return importlib.import_module('vision_msgs.msg')
    except ImportError:
        return None


def _header(stamp_ns: int, frame_id: str) -> Header:
    sec, nanosec = divmod(stamp_ns, NANO)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)

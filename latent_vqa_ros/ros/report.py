"""The node's state as DiagnosticStatus messages: the node, its answering, each camera.

    ERROR  the node failed, or a camera cannot be answered about: no publisher or no frame for
           longer than a start takes, wrong type, incompatible QoS
    WARN   somebody should look: not active, disabled, another node of the same name, questions
           dropped, images that cannot be used, a camera not there yet, a second publisher whose
           QoS does not match, stamps in the future or too old, simulated time without a clock
    STALE  a camera went silent: its newest image is older than max_image_age, and came as long
           ago; questions are not answered because the node is not active or disabled

Whether a camera is alive is seen by taking its newest frame once per report: 0.9 ms for 2.7 MB,
where receiving 30 of them a second costs a fifth of a core. Refuses to know what the node does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from latent_vqa_ros.core.pipeline import Frame, Pipeline
from latent_vqa_ros.core.process import one_line, resident_mb
from latent_vqa_ros.ros.diagnostics import ERROR, OK, STALE, WARN, status
from latent_vqa_ros.ros.frame_source import FrameSource

DISABLED = 'disabled through ~/enable'
WARN_AFTER, WARN_AGAIN = 3.0, 60.0  # s that a frame is missing until it is logged, and once more
NO_CLOCK = 'use_sim_time is set, but nobody publishes /clock: time stands, ages count by the wall'
NO_COLOURS = 'the camera shows no colours (R = G = B): questions about colours are unsure'
NAMESAKE_S = 5.0  # that another node of the same name is known until it is warned of
FRESH_S = 2.0  # age of a newest frame that still says that they arrive
FUTURE_S = 1.0  # that a stamp may lie ahead of the node's clock without a warning


def of_node(name: str, state: str, enabled: bool, failure: str, pipeline: Pipeline | None,
            warning: str) -> DiagnosticStatus:
    """Return the node's own status; ``failure`` is why its last transition failed, '' if not."""
    level, message = (OK if state == 'active' else WARN), state
    if warning:
        level, message = WARN, warning
    if not enabled:
        level, message = WARN, DISABLED
    if failure:
        level, message = ERROR, failure
    values = {'state': state, 'enabled': enabled, 'memory_rss_mb': resident_mb()}
    if pipeline:
        model, version, sha256 = pipeline.bundle.identity
        values |= {'model': model, 'model_version': version, 'model_sha256': sha256,
                   'backend': pipeline.backend.name}
    return status(f'{name}: node', level, message, values)


class Namesakes:
    """Watches for other nodes of the same full name, whose answers would mix with this one's."""

    def __init__(self, node: Node) -> None:
        self._node, self._since = node, 0.0

    def warn(self) -> str:
        """Return, and log once, that there are some, '' where none is; call it for each report.

        Only what lasts counts. A node that began after another was killed never knows that one;
        one that had begun before takes it for alive for 20 s more.
        """
        own = self._node.get_fully_qualified_name()
        names = [f'{space.rstrip("/")}/{name}'
                 for name, space in self._node.get_node_names_and_namespaces()]
        if names.count(own) < 2:
            self._since = 0.0
            return ''
        now = time.monotonic()
        self._since = self._since or now
        if now < self._since + NAMESAKE_S:
            return ''
        line = (f'{names.count(own)} nodes are named {own}: their answers mix, and parameters and '
                'transitions reach any of them; give one another name or namespace')
        self._node.get_logger().warning(line, once=True)
        return line


class Cameras:
    """The state of each camera of a source; logs why frames are missing once that lasts."""

    def __init__(self, source: FrameSource, logger: Any) -> None:
        self._source, self._logger = source, logger
        # (camera, why) -> since when, when to log it
        self._missing: dict[tuple[str, str], tuple[float, float]] = {}

    def statuses(self, name: str, cameras: Sequence[str], clock: Callable[[], int],
                 max_age_s: float, pipeline: Pipeline | None) -> list[DiagnosticStatus]:
        """Return one status per camera; call it once for each report, of the node ``name``.

        ``clock`` tells the node's nanoseconds: a frame's age is that of when it was taken.
        """
        return [self._status(f'{name}: camera {camera}'.rstrip(), camera, clock, max_age_s,
                             pipeline)
                for camera in cameras]

    def _status(self, name: str, camera: str, clock: Callable[[], int], max_age_s: float,
                pipeline: Pipeline | None) -> DiagnosticStatus:
        source = self._source
        values: dict[str, Any] = {'topic': source.topic(camera),
                                  'publishers': source.publishers(camera)}
        try:
            frame = source.newest(camera)
        except Exception as error:  # whatever the middleware makes of a broken message
            return status(name, ERROR, one_line(error), values)
        if frame is None:
            why = source.why_absent(camera)
            lasts = self._warn_missing(camera, why) or bool(source.mismatch(camera))
            return status(name, ERROR if lasts else WARN, why, values)
        self._forget_missing(camera)
        now_ns = clock()
        values |= {'image_age_ms': round(frame.age_s(now_ns) * 1e3, 1), 'frame_id': frame.frame_id}
        level, message = _judge(frame, now_ns, max_age_s, values['publishers'],
                                source.mismatch(camera))
        if source.clock_is_missing:  # a cause is said first
            level, message = max(level, WARN), f'{NO_CLOCK}; {message}'
        try:
            grey = _is_grey(frame, pipeline)
        except Exception as error:  # as a question about it would meet
            return status(name, max(level, WARN), f'{one_line(error)}; {message}', values)
        if grey:
            values['colours'], message = 'none', f'{message}; {NO_COLOURS}'
        return status(name, level, message, values)

    def _warn_missing(self, camera: str, why: str) -> bool:
        """Log why a frame is missing once it lasts; return whether it lasts."""
        now = time.monotonic()
        since, again = self._missing.setdefault((camera, why), (now, now + WARN_AFTER))
        if now >= again:
            self._missing[camera, why] = since, now + WARN_AGAIN
            self._logger.warning(why)
        return now >= since + WARN_AFTER

    def _forget_missing(self, camera: str) -> None:
        """Begin anew with the reasons why the camera's frames are missing: one is there."""
        for key in [key for key in self._missing if key[0] == camera]:
            del self._missing[key]


def _is_grey(frame: Frame, pipeline: Pipeline | None) -> bool:
    """Return whether a camera shows no colours: by its newest frame, where that tells it cheaply.

    Else by the last one that a question was answered about. Raises ImageError for a bad frame.
    """
    found = frame.is_grey()
    if found is not None:
        return found
    return pipeline is not None and not pipeline.shows_colours(frame.camera)


def _judge(frame: Frame, now_ns: int, max_age_s: float, publishers: int,
           mismatch: str) -> tuple[bytes, str]:
    """Return level and message of a camera with this newest frame."""
    old_s, ahead_s = frame.outdated_s(now_ns), -frame.age_s(now_ns)
    gone = '' if publishers else '; nobody publishes it any more'
    if 0 < max_age_s < old_s:
        waited_s = frame.waited_s
        comes = waited_s is not None and waited_s <= max_age_s  # by a wrong clock's stamp
        return WARN if comes else STALE, frame.why_outdated(now_ns, max_age_s) + gone
    if mismatch:
        return WARN, mismatch
    if gone:
        return WARN, f'the newest image is {old_s:.1f} s old{gone}'
    if ahead_s > FUTURE_S:
        return WARN, (f'the newest image is stamped {ahead_s:.1f} s in the future; do camera and '
                      'node use the same clock (use_sim_time)?')
    if old_s > FRESH_S:
        return OK, f'the newest image is {old_s:.1f} s old, max_image_age allows it'
    return OK, 'frames arrive'

"""The node's state as DiagnosticStatus messages: the node, its answering, each camera.

    ERROR  the node failed, or a camera cannot be answered about: no publisher or no frame for
           longer than a start takes, wrong type, incompatible QoS
    WARN   somebody should look: not active, disabled, questions dropped, images that cannot be
           used, a camera not there yet, a second publisher whose QoS does not match, stamps in
           the future
    STALE  a camera went silent: its newest image is older than max_image_age; questions are not
           answered because the node is not active or disabled

Whether a camera is alive is seen by taking its newest frame once per report: 0.9 ms for 2.7 MB,
where receiving 30 of them a second costs a fifth of a core. Looks at a VqaNode; begins a new
period of its statistics, lets it log missing frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticStatus

from latent_vqa_ros.ros.answering import DISABLED
from latent_vqa_ros.ros.diagnostics import ERROR, OK, STALE, WARN, answering, rss_mb, status
from latent_vqa_ros.ros.frame_source import FrameSource

if TYPE_CHECKING:
    from latent_vqa_ros.core.pipeline import Frame
    from latent_vqa_ros.ros.node import VqaNode

FRESH_S = 2.0  # age of a newest frame that still says that they arrive
FUTURE_S = 1.0  # that a stamp may lie ahead of the node's clock without a warning


def statuses(node: VqaNode) -> list[DiagnosticStatus]:
    """Return one status for the node, one for its answering, one per camera while active."""
    name = node.get_fully_qualified_name()
    waiting = node.worker.waiting if node.worker else 0
    extra = {'standing_questions': len(node.standing), 'standing_skipped': node.rounds_skipped}
    found = [_node(node, name),
             answering(node.statistics.snapshot(), f'{name}: questions', waiting,
                       'not active' if node.worker is None else '' if node.enabled else DISABLED,
                       extra)]
    if node.source:
        now_ns = node.get_clock().now().nanoseconds
        found += [_camera(node, node.source, camera, f'{name}: camera {camera}'.rstrip(), now_ns)
                  for camera in node.settings.camera_names]
    return found


def _node(node: VqaNode, name: str) -> DiagnosticStatus:
    level, message = (OK if node.state == 'active' else WARN), node.state
    if not node.enabled:
        level, message = WARN, DISABLED
    if node.failure:
        level, message = ERROR, node.failure
    values = {'state': node.state, 'enabled': node.enabled, 'memory_rss_mb': rss_mb()}
    pipeline = node.pipeline
    if pipeline:
        model, version, sha256 = pipeline.bundle.identity
        values |= {'model': model, 'model_version': version, 'model_sha256': sha256,
                   'backend': pipeline.backend.name}
    return status(f'{name}: node', level, message, values)


def _camera(node: VqaNode, source: FrameSource, camera: str, name: str,
            now_ns: int) -> DiagnosticStatus:
    topic = source.topic(camera)
    values: dict[str, Any] = {'topic': topic, 'publishers': node.count_publishers(topic)}
    try:
        frame = source.newest(camera)
    except Exception as error:  # whatever the middleware makes of a broken message
        return status(name, ERROR, ' '.join(str(error).split()), values)
    if frame is None:
        why = source.why_absent(camera)
        lasts = node.warn_missing(camera, why) or bool(source.mismatch(camera))
        return status(name, ERROR if lasts else WARN, why, values)
    node.forget_missing(camera)
    values |= {'image_age_ms': round(frame.age_s(now_ns) * 1e3, 1), 'frame_id': frame.frame_id}
    level, message = _judge(frame, now_ns, node.settings.max_image_age, values['publishers'],
                            source.mismatch(camera))
    return status(name, level, message, values)


def _judge(frame: Frame, now_ns: int, max_age_s: float, publishers: int,
           mismatch: str) -> tuple[bytes, str]:
    """Return level and message of a camera with this newest frame."""
    old_s, ahead_s = frame.outdated_s(now_ns), -frame.age_s(now_ns)
    gone = '' if publishers else '; nobody publishes it any more'
    if 0 < max_age_s < old_s:
        return STALE, f'the newest image is {old_s:.1f} s old{gone}'
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

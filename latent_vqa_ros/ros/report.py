"""The node's state as DiagnosticStatus messages: the node, its answering, each camera.

Levels: ERROR where something failed, WARN where somebody should look, STALE where a camera went
silent. Looks at a VqaNode; begins a new period of its statistics, lets it warn of missing frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus

from latent_vqa_ros.ros.diagnostics import ERROR, OK, STALE, WARN, answering, rss_mb, status
from latent_vqa_ros.ros.frame_source import FrameSource

if TYPE_CHECKING:
    from latent_vqa_ros.ros.node import VqaNode


def statuses(node: VqaNode) -> list[DiagnosticStatus]:
    """Return one status for the node, one for its answering, one per camera while active."""
    name = node.get_fully_qualified_name()
    waiting = node.worker.waiting if node.worker else 0
    found = [_node(node, name),
             answering(node.statistics.snapshot(), f'{name}: questions', waiting)]
    if node.source:
        now_ns = node.get_clock().now().nanoseconds
        found += [_camera(node, node.source, camera, f'{name}: camera {camera}'.rstrip(), now_ns)
                  for camera in node.settings.camera_names]
    return found


def _node(node: VqaNode, name: str) -> DiagnosticStatus:
    level, message = (OK, node.state)
    if node.state == 'unconfigured':
        level = WARN
    elif not node.enabled:
        level, message = WARN, 'disabled through ~/enable'
    if node.failure:
        level, message = ERROR, node.failure
    values = {'state': node.state, 'enabled': node.enabled, 'memory_rss_mb': rss_mb()}
    if node.pipeline:
        model, version, sha256 = node.pipeline.bundle.identity
        values |= {'model': model, 'model_version': version, 'model_sha256': sha256,
                   'backend': node.pipeline.backend.name}
    return status(f'{name}: node', level, message, values)


def _camera(node: VqaNode, source: FrameSource, camera: str, name: str,
            now_ns: int) -> DiagnosticStatus:
    topic = {'topic': source.topic(camera)}
    try:
        frame = source.newest(camera)
    except Exception as error:  # whatever the middleware makes of a broken message
        return status(name, ERROR, ' '.join(str(error).split()), topic)
    if frame is None:
        why = source.why_absent(camera)
        node.warn_missing(why)
        return status(name, WARN, why, topic)
    age_s = (now_ns - (frame.stamp_ns or frame.received_ns)) / 1e9
    values = topic | {'image_age_ms': round(age_s * 1e3, 1), 'frame_id': frame.frame_id}
    max_age_s = node.settings.max_image_age
    if max_age_s and age_s > max_age_s:
        return status(name, STALE, f'the newest image is {age_s:.1f} s old', values)
    return status(name, OK, 'frames arrive', values)

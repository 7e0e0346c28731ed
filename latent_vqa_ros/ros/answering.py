"""The worker's side of the node: the newest frame, an answer about it, its publication.

``Answering(node).handle`` is what the worker runs for each item of its queue: a question that came
on the topic, or a round of standing questions. Refuses to know lifecycle, timers and services.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.pipeline import Frame, Pipeline
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros.parameters import Settings
from latent_vqa_ros.ros.standing import ALWAYS, Memory, Round

if TYPE_CHECKING:
    from latent_vqa_ros.ros.node import VqaNode


DISABLED = 'disabled through ~/enable'


@dataclass(frozen=True)
class Asked:
    """A request in the queue, and when it came (s, monotonic)."""

    request: Request
    arrived: float


class Answering:
    """Answers for one activation of a node; ``handle`` is called from the worker's thread."""

    def __init__(self, node: VqaNode) -> None:
        self._node = node
        self._memory = Memory()

    def handle(self, item: Asked | Round) -> None:
        """Answer a question, or each question of a round; publish what came of it."""
        if isinstance(item, Round):
            self._node.round_waits = False
            try:
                self._go_round(item)
            finally:
                self._node.round_open = False
            return
        if not self._node.enabled:  # since it was asked
            self._node.publish(self._node.bare(item.request, Status.INACTIVE, DISABLED))
            return
        detail, frame = self._answer(item.request)
        self._node.publish(detail, (time.monotonic() - item.arrived) * 1e3)
        self._draw(detail, frame)

    def _go_round(self, round_: Round) -> None:
        self._memory.keep_only(round_.requests)
        for request in round_.requests:
            if self._node.worker is None or not self._node.enabled:
                return  # deactivated or disabled while the round waited
            settings = self._node.settings
            always = settings.standing_publish == ALWAYS
            if self._changed(request, settings) or always:
                detail, frame = self._answer(request)
                if self._memory.is_news(request, detail) or always:
                    self._node.publish(detail, detail.latency_ms.total)
                self._draw(detail, frame)

    def _changed(self, request: Request, settings: Settings) -> bool:
        """Return whether frame, model, settings or staleness differ from those of last time."""
        try:
            frame, _ = self._look(request)
        except Exception as error:  # a message that the middleware cannot read
            self._node.report_failure(error)
            return False  # the next frame will do
        now_ns = self._node.get_clock().now().nanoseconds
        stale = bool(frame and 0 < settings.max_image_age < frame.outdated_s(now_ns))
        return self._memory.is_new_view(
            request, (frame, self._node.pipeline, settings, stale))

    def _answer(self, request: Request) -> tuple[Detail, Frame | None]:
        frame = None
        try:
            frame, absent = self._look(request)
            detail = self._ask(request, frame, absent)
        except Exception as error:  # whatever arrived, the question gets its answer
            status = Status.NO_IMAGE if frame is None else Status.BAD_IMAGE
            detail = self._node.bare(request, status, f'internal error: {one_line(error)}')
            self._node.report_failure(error)
        return detail, frame

    def _look(self, request: Request) -> tuple[Frame | None, str]:
        """Return the newest frame of the camera asked, or why there is none."""
        source = self._node.source
        if request.error or source is None:
            return None, ''
        frame = source.newest(request.camera)
        return frame, '' if frame else source.why_absent(request.camera)

    def _ask(self, request: Request, frame: Frame | None, absent: str) -> Detail:
        settings, pipeline = self._node.settings, self._node.pipeline_in_use
        _adjust(pipeline, settings)
        return pipeline.respond(request, frame, self._node.get_clock().now().nanoseconds, absent)

    def _draw(self, detail: Detail, frame: Frame | None) -> None:
        """Publish the picture after the detail, while somebody looks and no question waits."""
        node = self._node
        if frame is None or node.outputs is None or (node.worker and node.worker.waiting):
            return
        try:
            if node.outputs.picture_wanted:
                node.outputs.draw(detail, frame)
        except Exception as error:  # the answer is out; a picture is not worth a question
            node.report_failure(error)


def _adjust(pipeline: Pipeline, settings: Settings) -> None:
    """Set what may change between two questions."""
    pipeline.top_k, pipeline.max_age_s = settings.top_k, settings.max_image_age
    pipeline.min_confidence = (
        settings.min_confidence if settings.min_confidence >= 0
        else pipeline.bundle.manifest.min_confidence)


def one_line(error: BaseException) -> str:
    """Return an error as one line, with its type where it is not one of ours."""
    text = ' '.join(str(error).split())[:500]
    ours = type(error).__module__.startswith('latent_vqa_ros')
    return text if ours else f'{type(error).__name__}: {text}'

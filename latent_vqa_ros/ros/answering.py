"""An answer about a camera's newest frame, whatever happens on the way to it.

    detail, frame = Answerer(source, models, now_ns, failed).answer(request, settings)

Runs in the worker's thread. Refuses to know queues, topics, lifecycle and standing questions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import ref

from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.pipeline import Frame, Pipeline
from latent_vqa_ros.core.process import typed_line
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros.frame_source import FrameSource
from latent_vqa_ros.ros.model_switch import ModelSwitch
from latent_vqa_ros.ros.parameters import Settings
from latent_vqa_ros.ros.teaching import Absent, Teaching


class Answerer:
    """Looks through a source's cameras with the model in use."""

    def __init__(self, source: FrameSource, models: ModelSwitch, now_ns: Callable[[], int],
                 failed: Callable[[Exception], None], teaching: Teaching | None = None) -> None:
        """``now_ns`` is the node's clock; ``failed`` is told of errors of our own.

        ``teaching`` has the taught questions, and counts what they see.
        """
        self._source, self._models = source, models
        self._now_ns, self._failed, self._teaching = now_ns, failed, teaching
        self._taught = teaching.taught if teaching else None

    def answer(self, request: Request, settings: Settings,
               frames: dict[str, Frame | None] | None = None) -> tuple[Detail, Frame | None]:
        """Return what became of the request, and the frame it is about where there is one.

        ``frames`` are those of the cameras that were looked at before, and are to be again.
        """
        frame = None
        try:
            frame, absent = self._look(request, settings, frames)
            pipeline = self._models.in_use(settings.model)
            _adjust(pipeline, settings)
            pipeline.taught = self._taught
            detail = pipeline.respond(request, frame, self._now_ns(), absent)
            if self._teaching:
                self._teaching.saw(detail, frame)
            return detail, frame
        except Exception as error:  # whatever arrived, the question gets its answer
            self._failed(error)
            return without_answer(request, Status.FAILED, f'internal error: {typed_line(error)}',
                                  self._models.pick(settings.model)), frame

    def prospect(self, request: Request, settings: Settings,
                 pipeline: Pipeline | None = None) -> Detail:
        """Return what becomes of a request without a frame: ``no_image`` where one may answer it.

        ``pipeline`` is asked, None: the one in use.
        """
        pipeline = pipeline or self._models.in_use(settings.model)
        pipeline.taught = self._taught
        return pipeline.respond(request, None)

    def answers(self, settings: Settings) -> tuple[str, ...]:
        """Return the words that the model in use can answer; none where there is no model."""
        pipeline = self._models.pick(settings.model)
        return pipeline.bundle.manifest.answers if pipeline else ()

    def forget(self) -> None:
        """Let the models keep no frame and no taught question."""
        self._models.forget()

    def remember(self, detail: Detail, frame: Frame | None, settings: Settings,
                 asked: bool = True) -> None:
        """Keep what a detail was about, before it is published, so that it can be corrected."""
        if self._teaching:
            self._teaching.remember(detail, frame, settings, asked)

    def view(self, request: Request, settings: Settings,
             frames: dict[str, Frame | None] | None = None) -> Any:
        """Return what an answer depends on: compares equal where it would be the same.

        It keeps no frame. Raises what the middleware raises about a message that it cannot read.
        """
        frame, _ = self._look(request, settings, frames)
        stale = bool(frame and self._is_stale(frame, settings))
        taught = self._taught and self._taught.folder.change()
        return (ref(frame) if frame else None, self._models.pick(settings.model), settings, stale,
                taught)

    def take(self, camera: str, settings: Settings) -> Frame | Absent:
        """Return a camera's newest frame for teaching, or why there is none."""
        frame = self._source.newest(camera)
        if frame is None:
            return Absent(Status.NO_IMAGE.value, self._source.why_absent(camera))
        if self._is_stale(frame, settings):
            return Absent(Status.STALE_IMAGE.value,
                          frame.why_outdated(self._now_ns(), settings.max_image_age))
        return frame

    def _is_stale(self, frame: Frame, settings: Settings) -> bool:
        return 0 < settings.max_image_age < frame.outdated_s(self._now_ns())

    def _look(self, request: Request, settings: Settings,
              frames: dict[str, Frame | None] | None = None) -> tuple[Frame | None, str]:
        """Return the frame of the camera asked, or why there is none.

        The one in ``frames``, unless that has become too old; else the newest.
        """
        if request.error:
            return None, ''
        frames = {} if frames is None else frames
        frame = frames.get(request.camera)
        if frame is None or self._is_stale(frame, settings):
            frame = frames[request.camera] = self._source.newest(request.camera)
        return frame, '' if frame else self._source.why_absent(request.camera)


def without_answer(request: Request, status: Status, reason: str,
                   pipeline: Pipeline | None) -> Detail:
    """Return the detail of a request that no model has seen; ``pipeline`` None: there is none."""
    detail = Detail(status, request.question, request.id, request.camera, reason)
    return detail if pipeline is None else replace(detail, model=pipeline.bundle.identity)


def _adjust(pipeline: Pipeline, settings: Settings) -> None:
    """Set what may change between two questions."""
    pipeline.top_k, pipeline.max_age_s = settings.top_k, settings.max_image_age
    pipeline.min_confidence = (
        settings.min_confidence if settings.min_confidence >= 0
        else pipeline.bundle.manifest.min_confidence)

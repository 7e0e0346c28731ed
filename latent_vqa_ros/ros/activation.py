"""Everything that exists only while the node is active: made in activate, dropped in deactivate.

    activation = Activation(node, models, outputs, lambda: enabled)
    activation.ask(requests)       # from a callback; a Refusal where they were not queued
    activation.close()             # what still waits gets `inactive`

Cameras, the queue with its worker, the memory of the standing questions and their timer live here.
Callbacks put into the worker's queue and read; ``_handle`` and what it calls run in the worker's
thread, and are all that answers. Refuses to know lifecycle and services.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

from rclpy.node import Node

from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.pipeline import Frame, Pipeline
from latent_vqa_ros.core.process import one_line, typed_line
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros import parameters, standing, timers
from latent_vqa_ros.ros.answering import Answerer, without_answer
from latent_vqa_ros.ros.conditions import Check, Conditions, Due, Topics
from latent_vqa_ros.ros.frame_source import FrameSource
from latent_vqa_ros.ros.model_switch import ModelSwitch
from latent_vqa_ros.ros.parameters import Settings
from latent_vqa_ros.ros.publishers import Publishers
from latent_vqa_ros.ros.report import DISABLED, Cameras
from latent_vqa_ros.ros.standing import ALWAYS, Round
from latent_vqa_ros.ros.teaching import (
    DEPTH,
    FULL,
    NEWEST,
    Absent,
    Lesson,
    Teaching,
    not_one,
)
from latent_vqa_ros.ros.worker import Worker
from latent_vqa_ros.teach.features import RegionEncoder
from latent_vqa_ros.teach.messages import REFUSED, Message, blank
from latent_vqa_ros.teach.question import TeachError


@dataclass(frozen=True)
class Asked:
    """A request in the queue, and when it came (s, monotonic)."""

    request: Request
    arrived: float


@dataclass(frozen=True)
class Look:
    """A wish to see what a camera sees, before anybody has asked anything."""

    camera: str


@dataclass(frozen=True)
class Review:
    """A wish to know which standing questions a pipeline cannot answer; None: the one in use."""

    pipeline: Pipeline | None


class Refusal(NamedTuple):
    """Why requests were not queued."""

    status: Status
    reason: str


Item = Asked | Round | Look | Review | Due | Check | Lesson  # what the worker handles
PREVIEW_S = 0.5  # between two pictures before the first question
NO_QUESTION = Detail(Status.OK, 'no question yet', answer='')  # what such a picture shows


class Activation:
    """One time of being active."""

    def __init__(self, node: Node, models: ModelSwitch, outputs: Publishers,
                 condition_topics: Topics, enabled: Callable[[], bool],
                 encoder: RegionEncoder | None = None) -> None:
        """``models`` holds one; ``enabled`` says whether ``~/enable`` lets the node answer.

        ``encoder`` is that of what is taught, None where nothing can be.
        """
        self._node, self._models, self._outputs = node, models, outputs
        self._enabled = enabled
        settings = self._settings
        with ExitStack() as made:  # where a part cannot be made, those before it go
            self.source = FrameSource(
                node, settings.camera_names, settings.image_transport, settings.image_qos)
            made.callback(self.source.close)
            self.cameras = Cameras(self.source, node.get_logger())
            self.teaching = self._teaching(encoder, settings) if encoder else None
            if self.teaching:
                made.callback(self.teaching.close)
            self._answerer = Answerer(self.source, models, self._now_ns, outputs.fail,
                                      self.teaching)
            self._memory = standing.Memory()  # the worker's
            self.prospects = standing.Prospects(node.get_logger().warning)
            self._stood = False  # the callbacks': whether the last round asked something
            self.rounds_skipped = 0  # the callbacks'
            self._drawn = False  # the worker's: whether a question was in a picture
            self.worker: Worker[Item] = Worker(self._handle, outputs.fail)
            made.callback(self.worker.stop)
            self._timer = timers.every(node, 1 / settings.standing_rate, self._ask_standing)
            made.callback(node.destroy_timer, self._timer)
            self._preview = timers.every(node, PREVIEW_S, self._look)
            made.callback(node.destroy_timer, self._preview)
            self.conditions = Conditions(node, condition_topics, self.source, self._answerer,
                                         self.worker, enabled)
            made.pop_all()
        self.review()

    def _teaching(self, encoder: RegionEncoder, settings: Settings) -> Teaching | None:
        try:
            return Teaching(encoder, settings, self._outputs.publish_lesson, self._outputs.fail)
        except (TeachError, OSError) as error:  # no reason not to answer
            self._node.get_logger().warning(
                f'nothing can be taught: taught_folder: {one_line(error)}')
            return None

    @property
    def _settings(self) -> Settings:
        return parameters.read(self._node)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    # callbacks of the executor

    def ask(self, requests: Sequence[Request]) -> Refusal | None:
        """Queue the requests of one message, all or none; return why they were not."""
        if not self._enabled():
            return Refusal(Status.INACTIVE, DISABLED)
        now, depth = time.monotonic(), self._settings.queue_depth
        if self.worker.put([Asked(request, now) for request in requests], depth):
            return None
        return Refusal(Status.OVERLOADED, f'{depth} questions wait already (queue_depth)')

    def teach(self, message: Message) -> Refusal | None:
        """Queue a message of teaching; return why it was not."""
        if self.teaching is None:
            return Refusal(Status.INACTIVE, 'the parameter taught_folder is empty, or has no home')
        lesson = Lesson(message, self.teaching.memory.about(message.about, message.camera),
                        self._newest(message))
        waiting = [frame for item in self.worker.items() if isinstance(item, Lesson)
                   for frame in item.frames.values()]
        if (self.teaching.has_room(lesson.frames.values(), waiting)
                and self.worker.put([lesson], DEPTH)):
            return None
        return Refusal(Status.OVERLOADED, FULL)

    def _newest(self, message: Message) -> dict[str, Frame | Absent]:
        """Return the newest frame of each camera that a message may mean, if it takes one."""
        settings = self._settings
        return {camera: self._taken(camera, settings) for camera in settings.camera_names
                if message.do in NEWEST and message.camera in (None, '', camera)}

    def note(self, detail: Detail) -> None:
        """Forget the frame kept for this id: the detail that is about to go out has none."""
        self._answerer.remember(detail, None, self._settings)

    def set_standing_rate(self, rate_hz: float) -> None:
        """Ask the standing questions at this pace from now on."""
        timers.set_period(self._timer, 1 / rate_hz)

    def review(self, pipeline: Pipeline | None = None) -> None:
        """Find out which standing questions no frame can answer, before one has come.

        ``pipeline`` is what will answer from now on; None: what does.
        """
        if any(map(str.strip, self._settings.standing_questions)):
            self.worker.put([Review(pipeline)], sys.maxsize)

    def close(self) -> None:
        """Finish the question in hand, refuse those that wait, give the cameras back."""
        for timer in (self._timer, self._preview):
            self._node.destroy_timer(timer)
        self.conditions.close()
        waiting = self.worker.stop()
        lessons = any(isinstance(item, Lesson) for item in waiting)
        for item in waiting:
            if isinstance(item, Check):
                self.conditions.refuse(item)
            elif isinstance(item, Lesson):
                self._outputs.publish_lesson(blank(item.message.do, item.message.id, 'inactive',
                                                   'the node was deactivated'))
        if self.teaching:
            lessons |= self.teaching.close()
        left = [item for item in waiting if isinstance(item, Asked)]
        for item in left:
            self._outputs.publish(self._bare(item, 'the node was deactivated'))
        if left or lessons:
            self._outputs.wait_until_received()
        self.source.close()
        self._answerer.forget()

    def _ask_standing(self) -> None:
        """Queue a round of the standing questions unless the last one is not done yet."""
        settings = self._settings
        asks = any(map(str.strip, settings.standing_questions))
        if not self._enabled() or not (asks or self._stood):
            return
        if self.worker.holds(lambda item: isinstance(item, Round)):
            self.rounds_skipped += 1
            return
        asked = standing.requests(settings)
        self._stood = bool(asked)  # an empty round: all are forgotten
        self.worker.put([Round(asked)], sys.maxsize)

    def _look(self) -> None:
        """Queue a picture without a question where somebody looks and none was drawn yet."""
        if not self._drawn and self._outputs.picture_wanted and not self.worker.holds(
                lambda item: isinstance(item, Look)):
            self.worker.put([Look(self._settings.camera_names[0])], sys.maxsize)

    # the worker's thread

    def _handle(self, item: Item) -> None:
        """Answer a question, each question of a round, or a condition's; publish the outcome."""
        if isinstance(item, Round):
            self._go_round(item)
        elif isinstance(item, Review):
            settings = self._settings
            for request in standing.requests(settings):
                self.prospects.note(
                    request, self._answerer.prospect(request, settings, item.pipeline))
        elif isinstance(item, Lesson):
            self._take_lesson(item)
        elif isinstance(item, (Due, Check)):
            self.conditions.look(item)
        elif isinstance(item, Look):
            if not self._drawn:  # a round may have drawn since it was queued
                self._draw(NO_QUESTION, self.source.newest(item.camera))
        elif not self._enabled():  # since it was asked
            self._out(self._bare(item, DISABLED), None, None, self._settings)
        else:
            settings = self._settings
            detail, frame = self._answerer.answer(item.request, settings)
            self._out(detail, (time.monotonic() - item.arrived) * 1e3, frame, settings)

    def _go_round(self, round_: Round) -> None:
        self._memory.keep_only(round_.requests)
        self.prospects.keep_only(round_.requests)
        frames: dict[str, Frame | None] = {}  # all questions of a round are about one of a camera
        for request in round_.requests:
            if self.worker.stopping or not self._enabled():
                return
            settings = self._settings
            always = settings.standing_publish == ALWAYS
            if self._changed(request, settings, frames) or always:
                detail, frame = self._answerer.answer(request, settings, frames)
                self.prospects.note(request, detail)
                if self._memory.is_news(request, detail) or always:
                    self._out(detail, detail.latency_ms.total, frame, settings)
                else:
                    self._draw(detail, frame)

    def _changed(self, request: Request, settings: Settings,
                 frames: dict[str, Frame | None]) -> bool:
        """Return whether frame, model, settings or staleness differ from those of last time."""
        try:
            view = self._answerer.view(request, settings, frames)
        except Exception as error:  # a message that the middleware cannot read
            self._outputs.fail(error)
            return False  # the next frame will do
        return self._memory.is_new_view(request, view)

    def _out(self, detail: Detail, latency_ms: float | None, frame: Frame | None,
             settings: Settings) -> None:
        """Publish a detail, remember what it was about, draw it."""
        self._answerer.remember(detail, frame, settings)
        self._outputs.publish(detail, latency_ms)
        self._draw(detail, frame)

    def _take_lesson(self, lesson: Lesson) -> None:
        """Hand a message to the teaching thread, with the frame that it takes, if it takes one."""
        assert self.teaching is not None  # else it was not queued
        message, settings, asked = lesson.message, self._settings, ('', '')
        frame: Frame | Absent = Absent()
        if message.do == 'correct':
            # the second: asked just before, and answered only now
            kept = lesson.kept or self.teaching.memory.about(message.about, message.camera)
            if len(kept) == 1:
                frame, asked = kept[0].frame, (kept[0].detail.question, kept[0].slug)
                self.teaching.memory.label(kept[0])
            else:
                frame = Absent(REFUSED, not_one(message, kept, settings))
        elif message.do in NEWEST:
            camera = message.camera or self._own_camera(message, settings)
            frame = lesson.frames.get(camera) or Absent(
                REFUSED, f'unknown camera {camera[:40]!r}; known: ' + ', '.join(
                    name or '(unnamed)' for name in settings.camera_names))
        self.teaching.do(message, frame, settings, *asked)

    def _own_camera(self, message: Message, settings: Settings) -> str:
        """Return the camera of the question that a message means, or else the first.

        The folder is read only where there is a choice: answers wait for it.
        """
        assert self.teaching is not None
        first, *others = settings.camera_names
        if not others:
            return first
        try:
            known = self.teaching.taught.folder.find(message.question)
        except TeachError:
            return first
        meant = message.do == 'try' or known.slug == message.question
        return known.question.camera if meant and known.question.camera in others else first

    def _taken(self, camera: str, settings: Settings) -> Frame | Absent:
        try:
            return self._answerer.take(camera, settings)
        except Exception as error:  # a message that the middleware cannot read
            self._outputs.fail(error)
            return Absent(Status.BAD_IMAGE.value, f'internal error: {typed_line(error)}')

    def _draw(self, detail: Detail, frame: Frame | None) -> None:
        """Publish the picture after the detail, while somebody looks and no question waits."""
        if frame is None or self.worker.waits(lambda item: isinstance(item, Asked)):
            return
        try:
            if self._outputs.picture_wanted:
                self._outputs.draw(detail, frame, self._rule(detail))
                self._drawn = detail is not NO_QUESTION
        except Exception as error:  # the answer is out; a picture is not worth a question
            self._outputs.fail(error)

    def _rule(self, detail: Detail) -> PreprocessConfig | None:
        """Return how the model takes its part of a frame; None for what was taught: it has all."""
        bundle = self._models.in_use(self._settings.model).bundle
        by_model = detail is NO_QUESTION or detail.model == bundle.identity
        return bundle.manifest.preprocess if by_model else None

    def _bare(self, item: Asked, reason: str) -> Detail:
        return without_answer(item.request, Status.INACTIVE, reason,
                              self._models.pick(self._settings.model))

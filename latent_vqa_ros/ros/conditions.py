"""Conditions for behaviour trees: a Bool per condition, and a service that looks at a new frame.

    topics = Topics(node, names, check)                  # stand as long as the node
    conditions = Conditions(node, topics, source, answerer, worker, enabled)
    outcome = conditions.check('tray_empty')             # a Future of an Outcome

``conditions/NAME`` is published at the condition's rate while its state is known;
``when_unknown`` says what else. A frame counts towards ``hold`` once: asked about again it says
nothing new. An answer is judged by the words that were expected when it was asked for. Callbacks
put items into the worker's queue; ``look`` runs in the worker's thread. Refuses to know how an
answer is found.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from latent_vqa_ros.core.answer import Detail, on_one_line
from latent_vqa_ros.core.conditions import Hysteresis, any_expected, verdict
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.questions import Request, plain
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros import parameters, timers
from latent_vqa_ros.ros.answering import Answerer, without_answer
from latent_vqa_ros.ros.diagnostics import OK, WARN, status
from latent_vqa_ros.ros.frame_source import FrameSource
from latent_vqa_ros.ros.parameters import FALSE, SILENT, ConditionSettings, Settings
from latent_vqa_ros.ros.publishers import BURST
from latent_vqa_ros.ros.report import DISABLED
from latent_vqa_ros.ros.worker import Worker

CLOCKS = ('images arrive that are not stamped after it: the clocks of camera and node differ, or '
          '/clock stands')
CHECK_LIMIT = 5.0  # s that a check waits for a frame stamped after the call
MAX_CHECKS = 100  # that wait at a time
POLL = 0.02  # s between two looks for that frame
# Results that no frame gave: each counts, however often the last frame was looked at.
WITHOUT_FRAME = (Status.NO_IMAGE, Status.STALE_IMAGE, Status.INACTIVE, Status.FAILED,
                 Status.UNKNOWN_WORDS, Status.BAD_QUESTION)


@dataclass(frozen=True)
class Due:
    """It is time to look at a condition: an item of the worker's queue."""

    name: str


class Outcome(NamedTuple):
    """What a check has found; ``holds`` is None where that is unknown."""

    detail: Detail
    holds: bool | None = None


@dataclass(frozen=True, eq=False)
class Check:
    """Somebody waits for an answer about the present frame: an item of the worker's queue."""

    name: str
    condition: ConditionSettings  # as it was at the call
    outcome: Future  # of an Outcome


@dataclass(eq=False)
class _Waiting:
    """A check whose frame has not come yet."""

    check: Check
    camera: str
    before: Frame | None  # the newest frame when it was called
    called_ns: int  # by the node's clock; less, once that has jumped back
    until_s: float  # time.monotonic()


class Topics:
    """The topics and the service of each condition; ``publish`` may be called from any thread."""

    def __init__(self, node: Node, names: Sequence[str],
                 check: Callable[[str], Awaitable[Outcome]]) -> None:
        """``check`` is awaited for each call of a service, with the condition's name."""
        self.waiting = 0  # calls of a service that have no response yet
        self._check = check
        self._bools = {name: node.create_publisher(Bool, f'conditions/{name}', 10)
                       for name in names}
        self._details = {name: node.create_publisher(String, f'conditions/{name}/detail', 10)
                         for name in names}
        group = ReentrantCallbackGroup()  # a check that waits keeps nothing else waiting
        for name in names:
            node.create_service(Trigger, f'~/check/{name}', partial(self._on_check, name),
                                callback_group=group, qos_profile=QoSProfile(depth=BURST))

    def publish(self, name: str, condition: ConditionSettings, state: bool | None,
                detail: Detail, result: bool | None, in_a_row: int) -> None:
        """Publish the state, or what stands for it where it is unknown, and the detail."""
        document = detail.to_dict() | {'condition': {
            'name': name, 'holds': state, 'result': result, 'in_a_row': in_a_row}}
        self._details[name].publish(String(data=on_one_line(document)))
        if state is None and condition.when_unknown != SILENT:
            state = condition.when_unknown != FALSE
        if state is not None:
            self._bools[name].publish(Bool(data=state))

    async def _on_check(self, name: str, request: Any, response: Any) -> Any:
        self.waiting += 1
        try:
            detail, holds = await self._check(name)
        finally:
            self.waiting -= 1
        response.success = holds is True
        response.message = plain(f'{detail.answer} ({detail.confidence:.3f})'
                                 if detail.status is Status.OK and detail.confidence is not None
                                 else f'{detail.status.value}: {detail.reason}')
        return response


@dataclass(eq=False)
class _Memory:
    """What is known of one condition; the worker's thread writes, diagnostics read."""

    about: tuple[Any, ...] = ()  # the parameters that decide what the state means
    holds: Hysteresis = field(default_factory=Hysteresis)
    frame: ReferenceType[Frame] | None = None  # of the last look, as the rest
    detail: Detail | None = None
    result: bool | None = None
    never: str = ''  # the expected words, where the model has none of them


class Conditions:
    """All conditions during one time of being active."""

    def __init__(self, node: Node, topics: Topics, source: FrameSource, answerer: Answerer,
                 worker: Worker[Any], enabled: Callable[[], bool]) -> None:
        self._node, self._topics, self._source = node, topics, source
        self._answerer, self._worker, self._enabled = answerer, worker, enabled
        names = parameters.read(node).condition_names
        self.memories = {name: _Memory() for name in names}
        self._timers = {name: timers.every(node, 1 / parameters.read_condition(node, name).rate,
                                           partial(self._due, name)) for name in names}
        self._waiting: list[_Waiting] = []  # the callbacks'
        self._poll = timers.every(node, POLL, self._send_on)  # runs while somebody waits
        self._poll.cancel()  # to make one for each check leaks (ros2/rclpy issue 1356)

    # callbacks of the executor

    def set_rate(self, name: str, rate_hz: float) -> None:
        """Look at this condition at this pace from now on."""
        timers.set_period(self._timers[name], 1 / rate_hz)

    def check(self, name: str) -> Future:
        """Return a future of the Outcome about a frame stamped after now."""
        outcome = Future(executor=self._node.executor)
        outcome.add_done_callback(lambda _: None)  # a task, which wakes the executor
        check = Check(name, parameters.read_condition(self._node, name), outcome)
        if not self._enabled():
            self.refuse(check, Status.INACTIVE, DISABLED)
        elif len(self._waiting) >= MAX_CHECKS:
            self.refuse(check, Status.OVERLOADED, f'{MAX_CHECKS} checks wait already')
        else:
            self._wait(check)
        return outcome

    def _wait(self, check: Check) -> None:
        """Let a check wait for its frame."""
        camera = _request(check.name, check.condition, self._settings).camera
        now_ns = int(self._node.get_clock().now().nanoseconds)
        self._waiting.append(_Waiting(check, camera, self._newest(camera), now_ns,
                                      time.monotonic() + CHECK_LIMIT))
        if self._poll.is_canceled():
            self._poll.reset()

    def close(self) -> None:
        """Stop to look; who still waits for a check hears that the node was deactivated."""
        for timer in (*self._timers.values(), self._poll):
            self._node.destroy_timer(timer)
        for waiting in self._waiting:
            self.refuse(waiting.check)
        self._waiting.clear()

    def refuse(self, check: Check, status: Status = Status.INACTIVE,
               reason: str = 'the node was deactivated') -> None:
        """Answer a check that will not be made."""
        request = _request(check.name, check.condition, self._settings)
        check.outcome.set_result(Outcome(without_answer(request, status, reason, None)))

    def _due(self, name: str) -> None:
        if not self._worker.holds(lambda item: item == Due(name)):
            self._worker.put([Due(name)], len(self.memories))

    def _send_on(self) -> None:
        """Send on the checks whose frame has come; refuse those that wait in vain."""
        for waiting in tuple(self._waiting):
            check = waiting.check
            if not self._enabled():  # since the call
                self.refuse(check, Status.INACTIVE, DISABLED)
            elif not self._has_come(waiting):
                if time.monotonic() < waiting.until_s:
                    continue
                newest = self._newest(waiting.camera) or waiting.before
                why = (self._why_late(waiting, newest) if newest
                       else self._source.why_absent(waiting.camera))
                self.refuse(check, Status.STALE_IMAGE if newest else Status.NO_IMAGE,
                            f'no image stamped after the call came within {CHECK_LIMIT:g} s'
                            + (why and f'; {why}'))
            elif not self._worker.put([check], MAX_CHECKS):
                self.refuse(check, Status.OVERLOADED, f'{MAX_CHECKS} checks wait already')
            self._waiting.remove(waiting)
        if not self._waiting:
            self._poll.cancel()

    def _why_late(self, waiting: _Waiting, newest: Frame) -> str:
        """Return why no frame is stamped after the call, '' where that is open."""
        if newest is not waiting.before and (newest.waited_s or 0.0) < CHECK_LIMIT / 2:
            return CLOCKS
        return self._source.lost(waiting.camera, newest.nbytes)

    def _has_come(self, waiting: _Waiting) -> bool:
        frame = self._newest(waiting.camera)
        now_ns = int(self._node.get_clock().now().nanoseconds)
        waiting.called_ns = min(waiting.called_ns, now_ns)
        return (frame is not None and frame is not waiting.before
                and (frame.stamp_ns or frame.received_ns) > waiting.called_ns)

    def _newest(self, camera: str) -> Frame | None:
        try:
            return self._source.newest(camera)
        except Exception:  # a message that the middleware cannot read; /diagnostics says so
            return None

    def statuses(self, name: str) -> list[DiagnosticStatus]:
        """Return one status per condition of the node ``name`` for /diagnostics."""
        return [self._status(f'{name}: condition {each}', memory)
                for each, memory in self.memories.items()]

    def _status(self, name: str, memory: _Memory) -> DiagnosticStatus:
        state, detail = memory.holds.state, memory.detail
        if detail is None:
            return status(name, WARN, 'not looked at yet', {})
        values = {'question': detail.question, 'answer': detail.answer,
                  'status': detail.status.value, 'in_a_row': memory.holds.in_a_row}
        if memory.never:
            return status(name, WARN, f'expects {memory.never}, which is no answer of the model',
                          values)
        if state is None:
            return status(name, WARN, f'unknown: {detail.status.value} {detail.reason}', values)
        return status(name, OK, 'holds' if state else 'does not hold', values)

    # the worker's thread

    def look(self, item: Due | Check) -> None:
        """Look at a condition; publish its state, or answer the one who waits."""
        settings, conditions = parameters.read_all(self._node)  # once: they may change
        if isinstance(item, Check):
            detail, _ = self._ask(item.name, item.condition, settings)
            item.outcome.set_result(Outcome(detail, verdict(detail, item.condition.expected)))
            return
        condition = conditions[item.name]
        detail, frame = self._ask(item.name, condition, settings)
        about = condition.question, condition.expected, condition.camera
        if self.memories[item.name].about != about:  # the state was one of something else
            self.memories[item.name] = _Memory(about)
        memory = self.memories[item.name]
        result = verdict(detail, condition.expected)
        last = memory.frame and memory.frame()  # None, too, once nobody has it any more
        if (detail.status in WITHOUT_FRAME or frame is not last
                or result is not memory.result):
            memory.holds.feed(result, condition.hold)
        if detail.model[0]:  # else nobody knows who would answer
            memory.never = self._never(condition.expected, detail, settings)
        memory.frame = ref(frame) if frame else None
        memory.detail, memory.result = detail, result
        self._answerer.remember(detail, frame, settings, asked=False)
        self._topics.publish(item.name, condition, memory.holds.state, detail, result,
                             memory.holds.in_a_row)

    def _never(self, expected: Sequence[str], detail: Detail, settings: Settings) -> str:
        """Return the expected words where none of them is an answer of the bundle, else ''."""
        taught = detail.model[0].startswith('taught/')
        known = () if taught else self._answerer.answers(settings)
        return '' if not known or any_expected(known, expected) else ', '.join(map(repr, expected))

    def _ask(self, name: str, condition: ConditionSettings,
             settings: Settings) -> tuple[Detail, Frame | None]:
        request = _request(name, condition, settings)
        if not self._enabled():
            return without_answer(request, Status.INACTIVE, DISABLED, None), None
        if condition.min_confidence >= 0:
            settings = replace(settings, min_confidence=condition.min_confidence)
        return self._answerer.answer(request, settings)

    # any thread

    @property
    def _settings(self) -> Settings:
        return parameters.read(self._node)


def _request(name: str, condition: ConditionSettings, settings: Settings) -> Request:
    return Request(condition.question, condition.camera or settings.camera_names[0],
                   id=f'condition {name}')

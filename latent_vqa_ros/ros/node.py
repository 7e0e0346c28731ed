"""The managed node: questions come in on a topic, answers about the newest camera frame go out.

Run it through ``latent_vqa_ros.ros.main``. Callbacks never compute: a question is parsed and put
into a bounded queue, one worker takes the newest frame and answers. Acquires in configure, enables
in activate, frees in deactivate and cleanup. Refuses to know how an answer is found: that is
``core.pipeline``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from std_msgs.msg import String
from std_srvs.srv import SetBool

from latent_vqa_ros import backends
from latent_vqa_ros.core import bundle, questions
from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.models import find_model
from latent_vqa_ros.core.pipeline import Frame, Pipeline
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros import parameters, report
from latent_vqa_ros.ros.conversions import working_cv_bridge
from latent_vqa_ros.ros.diagnostics import Statistics
from latent_vqa_ros.ros.frame_source import FrameSource
from latent_vqa_ros.ros.parameters import Settings
from latent_vqa_ros.ros.worker import Worker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
WARN_AFTER, WARN_AGAIN = 3.0, 60.0  # s that a frame is missing until it is logged, and once more
BURST = 1000  # questions and details the middleware holds: with 10 it loses some of a burst
LAST_WORDS = Duration(seconds=0.5)  # that deactivate waits for `inactive` details to be received


@dataclass(frozen=True)
class Asked:
    """A request in the queue, and when it came (s, monotonic)."""

    request: Request
    arrived: float


class VqaNode(LifecycleNode):
    """The node ``vqa``; the transitions and ``~/enable`` are all that is asked of it from code."""

    def __init__(self, **options: Any) -> None:
        """``options`` are those of rclpy.node.Node; ParameterError where a start value is bad."""
        super().__init__('vqa', **options)
        parameters.declare(self, lambda: self.state == 'unconfigured')
        self.failure = ''  # why the last configure or activate failed
        self.enabled = True
        self.statistics = Statistics()
        self.pipeline: Pipeline | None = None
        self.source: FrameSource | None = None
        self.worker: Worker[Asked] | None = None
        self._missing: dict[str, float] = {}  # why a frame is missing, when to log it
        self._answer: Any = None
        self._detail: Any = None
        self._question: Any = None
        self._enable: Any = None
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._timer = self.create_timer(
            self.settings.diagnostics_period, self._report,
            clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._answer_impossible_transitions()
        for name in parameters.unknown_overrides(self):
            self.get_logger().warning(f'parameter {name} is ignored: there is none of that name; '
                                      f'known: {", ".join(parameters.TABLE)}')

    @property
    def state(self) -> str:
        """The lifecycle state: unconfigured, inactive, active, finalized or one between."""
        return str(self._state_machine.current_state[1])

    @property
    def settings(self) -> Settings:
        """The present parameters."""
        return parameters.read(self)

    # transitions

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Load the bundle, open the topics; a bad bundle fails the transition with its reason."""
        return self._attempt('configure', self._acquire, self._release)

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Subscribe to the cameras and start to answer."""
        return self._attempt('activate', self._start, self._stop)

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Stop to answer; questions still waiting get ``inactive``."""
        self._stop()
        return SUCCESS

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Give back everything that configure took."""
        self._release()
        return SUCCESS

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """Stop and give back everything."""
        self._stop()
        self._release()
        return SUCCESS

    def on_error(self, state: Any) -> TransitionCallbackReturn:
        """Go back to unconfigured with nothing held."""
        return self.on_shutdown(state)

    def start(self) -> bool:
        """Configure and activate; False when that failed, the reason is logged."""
        return bool(self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS)

    def close(self) -> None:
        """Go down through deactivate and cleanup and destroy the node; nobody may spin it."""
        if self.state == 'active':
            self.trigger_deactivate()
        if self.state == 'inactive':
            self.trigger_cleanup()
        self.destroy_node()

    def _attempt(self, name: str, action: Any, undo: Any) -> TransitionCallbackReturn:
        self.failure = ''
        try:
            action()
        except Exception as error:  # rclpy would drop it: the transition fails without a word
            undo()
            self.failure = f'{name} failed: {one_line(error)}'
            self.get_logger().error(self.failure)
            return FAILURE
        return SUCCESS

    def _acquire(self) -> None:
        settings = self.settings
        loaded = bundle.load(find_model(settings.model))
        self.pipeline = Pipeline(
            loaded, backends.load(loaded, settings.backend, settings.num_threads))
        working_cv_bridge()  # decided here, as it may take half a second
        self.enabled = True
        self._answer = self.create_publisher(String, 'answer', BURST)
        self._detail = self.create_publisher(String, 'answer/detail', BURST)
        self._enable = self.create_service(SetBool, '~/enable', self._on_enable)
        self._question = self.create_subscription(
            String, 'question', self._on_question, BURST)

    def _release(self) -> None:
        for destroy, entity in ((self.destroy_subscription, self._question),
                                (self.destroy_service, self._enable),
                                (self.destroy_publisher, self._detail),
                                (self.destroy_publisher, self._answer)):
            if entity is not None:
                destroy(entity)
        self._answer = self._detail = self._question = self._enable = None
        self.pipeline = None

    def _start(self) -> None:
        settings = self.settings
        self.source = FrameSource(
            self, settings.camera_names, settings.image_transport, settings.image_qos)
        self._missing.clear()
        self.worker = Worker(self._respond, self.report_failure)
        name, version, _ = self._pipeline_in_use.bundle.identity
        topics = ', '.join(map(self.source.topic, settings.camera_names))
        self.get_logger().info(f'answering with {name} {version} about {topics}')

    def _stop(self) -> None:
        worker, self.worker = self.worker, None
        left = worker.stop() if worker else []
        for asked in left:
            self._refuse(asked.request, Status.INACTIVE, 'the node was deactivated')
        if left and self._detail is not None:
            self._detail.wait_for_all_acked(LAST_WORDS)
        if self.source:
            self.source.close()
            self.source = None

    # callbacks of the executor

    def _on_question(self, message: String) -> None:
        settings = self.settings
        for request in questions.parse(
                message.data, settings.camera_names, settings.max_question_length):
            if self.worker is None:
                self._refuse(request, Status.INACTIVE, 'the node is not active; activate it')
            elif not self.enabled:
                self._refuse(request, Status.INACTIVE, 'disabled through ~/enable')
            elif not self.worker.put(Asked(request, time.monotonic()), settings.queue_depth):
                self._refuse(request, Status.OVERLOADED,
                             f'{settings.queue_depth} questions wait already (queue_depth)')

    def _on_enable(self, request: Any, response: Any) -> Any:
        self.enabled = request.data
        response.success = True
        response.message = 'enabled' if request.data else 'disabled'
        return response

    def warn_missing(self, why: str) -> None:
        """Log why a frame is missing once it lasts; called for each report on /diagnostics."""
        now = time.monotonic()
        if now >= self._missing.setdefault(why, now + WARN_AFTER):
            self._missing[why] = now + WARN_AGAIN
            self.get_logger().warning(why)

    def _report(self) -> None:
        period_ns = int(self.settings.diagnostics_period * 1e9)
        if self._timer.timer_period_ns != period_ns:
            self._timer.timer_period_ns = period_ns
        message = DiagnosticArray(status=report.statuses(self))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    # the worker's thread

    def _respond(self, asked: Asked) -> None:
        frame, request = None, asked.request
        try:
            frame, absent = self._look(request)
            detail = self._ask(request, frame, absent)
        except Exception as error:  # whatever arrived, the question gets its answer
            status = Status.NO_IMAGE if frame is None else Status.BAD_IMAGE
            detail = self._bare(request, status, f'internal error: {one_line(error)}')
            self.report_failure(error)
        self._publish(detail, (time.monotonic() - asked.arrived) * 1e3)

    def _look(self, request: Request) -> tuple[Frame | None, str]:
        """Return the newest frame of the camera asked, or why there is none."""
        if request.error or self.source is None:
            return None, ''
        frame = self.source.newest(request.camera)
        return frame, '' if frame else self.source.why_absent(request.camera)

    def _ask(self, request: Request, frame: Frame | None, absent: str) -> Detail:
        settings, pipeline = self.settings, self._pipeline_in_use
        pipeline.top_k, pipeline.max_age_s = settings.top_k, settings.max_image_age
        pipeline.min_confidence = (
            settings.min_confidence if settings.min_confidence >= 0
            else pipeline.bundle.manifest.min_confidence)
        return pipeline.respond(request, frame, self.get_clock().now().nanoseconds, absent)

    # both

    @property
    def _pipeline_in_use(self) -> Pipeline:
        if self.pipeline is None:
            raise RuntimeError('the node is not configured')
        return self.pipeline

    def _bare(self, request: Request, status: Status, reason: str) -> Detail:
        """Return a detail without an answer."""
        return Detail(status, request.question, request.id, request.camera, reason,
                      model=self._pipeline_in_use.bundle.identity)

    def _refuse(self, request: Request, status: Status, reason: str) -> None:
        self._publish(self._bare(request, status, reason))

    def _publish(self, detail: Detail, latency_ms: float | None = None) -> None:
        """Publish the one detail of a request, and the word where there is an answer."""
        self.statistics.count(detail.status, latency_ms)
        if detail.status is Status.OK:
            self._answer.publish(String(data=detail.answer))
        self._detail.publish(String(data=detail.to_json()))

    def report_failure(self, error: Exception) -> None:
        """Log an unexpected error and show it in the diagnostics."""
        self.statistics.fail(one_line(error))
        self.get_logger().error(f'internal error: {one_line(error)}')

    def _answer_impossible_transitions(self) -> None:
        """Make rclpy answer a transition that is impossible now: it raises in the executor."""
        service = self._service_change_state
        change = service.callback

        def guarded(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except Exception as error:  # RCLError is private to rclpy
                wanted = request.transition.label or request.transition.id
                self.get_logger().warning(
                    f'transition {wanted} is not possible while {self.state}: {one_line(error)}')
                response.success = False
                return response

        service.callback = guarded


def one_line(error: BaseException) -> str:
    """Return an error as one line, with its type where it is not one of ours."""
    text = ' '.join(str(error).split())[:500]
    ours = type(error).__module__.startswith('latent_vqa_ros')
    return text if ours else f'{type(error).__name__}: {text}'

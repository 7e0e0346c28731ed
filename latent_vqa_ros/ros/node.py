"""The managed node: questions come in on a topic, answers about the newest camera frame go out.

Run it through ``latent_vqa_ros.ros.main``. Callbacks never compute: a question is parsed and put
into a bounded queue, one worker (``answering``) takes the newest frame and answers. Acquires in
configure, enables in activate, frees in deactivate and cleanup. A live change of ``model`` loads
the new bundle in the parameter callback; questions wait meanwhile. Refuses to know how an answer
is found: that is ``core.pipeline``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.timer import Timer
from std_msgs.msg import String
from std_srvs.srv import SetBool

from latent_vqa_ros.core import questions
from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.pipeline import Pipeline
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros import model_switch, parameters, report, standing
from latent_vqa_ros.ros.answering import DISABLED, Answering, Asked, one_line
from latent_vqa_ros.ros.conversions import working_cv_bridge
from latent_vqa_ros.ros.diagnostics import Statistics
from latent_vqa_ros.ros.frame_source import FrameSource
from latent_vqa_ros.ros.parameters import Settings
from latent_vqa_ros.ros.publishers import BURST, Publishers
from latent_vqa_ros.ros.worker import Worker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
WARN_AFTER, WARN_AGAIN = 3.0, 60.0  # s that a frame is missing until it is logged, and once more


class VqaNode(LifecycleNode):
    """The node ``vqa``; the transitions and ``~/enable`` are all that is asked of it from code."""

    def __init__(self, **options: Any) -> None:
        """``options`` are those of rclpy.node.Node; ParameterError where a start value is bad."""
        super().__init__('vqa', **options)
        self.failure = ''  # why the last configure or activate failed
        self.enabled = True
        self.statistics = Statistics()
        self.source: FrameSource | None = None
        self.worker: Worker[Asked | standing.Round] | None = None
        self.outputs: Publishers | None = None
        self.round_open = self.round_waits = False  # standing: not done yet; still in the queue
        self.rounds_skipped = 0
        self._stood = False  # whether the last round asked something
        self._models = model_switch.ModelSwitch()
        # (camera, why) -> since when, when to log it
        self._missing: dict[tuple[str, str], tuple[float, float]] = {}
        self._question: Any = None
        self._enable: Any = None
        self._paced: dict[str, Timer] = {}  # by the parameter that sets their pace
        parameters.declare(self, lambda: self.state == 'unconfigured', self._before_change)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._pace('diagnostics_period', self.settings.diagnostics_period, self._report)
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

    @property
    def pipeline(self) -> Pipeline | None:
        """What answers now; None while unconfigured."""
        return self._models.pick(self.get_parameter('model').value)

    @property
    def pipeline_in_use(self) -> Pipeline:
        """What answers now; RuntimeError while unconfigured."""
        pipeline = self.pipeline
        if pipeline is None:
            raise RuntimeError('the node is not configured')
        return pipeline

    @property
    def standing(self) -> tuple[Request, ...]:
        """The standing questions, one request per camera."""
        return standing.requests(self.settings)

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
        self._models.start(model_switch.load(settings.model, settings))
        cv2.setNumThreads(settings.num_threads)
        working_cv_bridge()  # decided here, as it may take half a second
        self.enabled = True
        self.outputs = Publishers(self)
        self._enable = self.create_service(SetBool, '~/enable', self._on_enable)
        self._question = self.create_subscription(
            String, 'question', self._on_question, BURST)

    def _release(self) -> None:
        for destroy, entity in ((self.destroy_subscription, self._question),
                                (self.destroy_service, self._enable)):
            if entity is not None:
                destroy(entity)
        if self.outputs:
            self.outputs.close()
        self.outputs = self._question = self._enable = None
        self._models.start(None)

    def _start(self) -> None:
        settings = self.settings
        self.source = FrameSource(
            self, settings.camera_names, settings.image_transport, settings.image_qos)
        self._missing.clear()
        self.round_open = self.round_waits = False
        self.worker = Worker(Answering(self).handle, self.report_failure)
        self._pace('standing_rate', settings.standing_rate, self._ask_standing)
        name, version, _ = self.pipeline_in_use.bundle.identity
        topics = ', '.join(map(self.source.topic, settings.camera_names))
        self.get_logger().info(f'answering with {name} {version} about {topics}')

    def _stop(self) -> None:
        if 'standing_rate' in self._paced:
            self.destroy_timer(self._paced.pop('standing_rate'))
        worker, self.worker = self.worker, None
        left = [item for item in (worker.stop() if worker else []) if isinstance(item, Asked)]
        for asked in left:
            self._refuse(asked.request, Status.INACTIVE, 'the node was deactivated')
        if left and self.outputs:
            self.outputs.wait_until_received()
        if self.source:
            self.source.close()
            self.source = None

    # callbacks of the executor

    def _on_question(self, message: String) -> None:
        settings, now = self.settings, time.monotonic()
        requests = questions.parse(
            message.data, settings.camera_names, settings.max_question_length)
        if self.worker is None:
            status, reason = Status.INACTIVE, 'the node is not active; activate it'
        elif not self.enabled:
            status, reason = Status.INACTIVE, DISABLED
        elif self.worker.put([Asked(request, now) for request in requests],
                             settings.queue_depth + self.round_waits):
            return
        else:
            status = Status.OVERLOADED
            reason = f'{settings.queue_depth} questions wait already (queue_depth)'
        for request in requests:
            self._refuse(request, status, reason)

    def _ask_standing(self) -> None:
        """Queue a round of the standing questions unless the last one is not done yet."""
        asked = self.standing
        if self.worker is None or not self.enabled or not (asked or self._stood):
            return
        if self.round_open:
            self.rounds_skipped += 1
            return
        self.round_open = self.round_waits = True
        self._stood = bool(asked)  # an empty round: all are forgotten
        self.worker.put([standing.Round(asked)], sys.maxsize)

    def _before_change(self, values: Mapping[str, Any]) -> str:
        """Prepare for values that are about to be set; return why that fails, '' otherwise."""
        if 'model' in values and self.pipeline:
            settings = self.settings
            try:
                new = model_switch.load(values['model'], settings)
            except Exception as error:  # whatever is wrong with it, the present one stays
                return f'model: {one_line(error)}'
            self._models.stage(values['model'], new)
            self.get_logger().info('switching to {} {}'.format(*new.bundle.identity))
        for name in self._paced.keys() & values.keys():
            _set_period(self._paced[name], _period_s(name, values[name]))
        return ''

    def _pace(self, name: str, value: float, callback: Any) -> None:
        """Create the timer whose pace is the parameter ``name``; its clock never jumps."""
        self._paced[name] = self.create_timer(
            _period_s(name, value), callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_enable(self, request: Any, response: Any) -> Any:
        self.enabled = request.data
        response.success = True
        response.message = 'enabled' if request.data else 'disabled'
        return response

    def warn_missing(self, camera: str, why: str) -> bool:
        """Log why a frame is missing once it lasts; return whether it lasts.

        Called for each report on /diagnostics.
        """
        now = time.monotonic()
        since, again = self._missing.setdefault((camera, why), (now, now + WARN_AFTER))
        if now >= again:
            self._missing[camera, why] = since, now + WARN_AGAIN
            self.get_logger().warning(why)
        return now >= since + WARN_AFTER

    def forget_missing(self, camera: str) -> None:
        """Begin anew with the reasons why the camera's frames are missing: one is there."""
        for key in [key for key in self._missing if key[0] == camera]:
            del self._missing[key]

    def _report(self) -> None:
        message = DiagnosticArray(status=report.statuses(self))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    # any thread

    def bare(self, request: Request, status: Status, reason: str) -> Detail:
        """Return a detail without an answer."""
        return Detail(status, request.question, request.id, request.camera, reason,
                      model=self.pipeline_in_use.bundle.identity)

    def _refuse(self, request: Request, status: Status, reason: str) -> None:
        self.publish(self.bare(request, status, reason))

    def publish(self, detail: Detail, latency_ms: float | None = None) -> None:
        """Count and publish the one detail of a request; only answers count as latencies."""
        answered = detail.latency_ms.answer is not None
        self.statistics.count(detail.status, latency_ms if answered else None)
        if self.outputs:
            self.outputs.publish(detail)

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


def _period_s(name: str, value: float) -> float:
    return 1 / value if name == 'standing_rate' else value


def _set_period(timer: Timer, period_s: float) -> None:
    timer.timer_period_ns = int(period_s * 1e9)
    timer.reset()  # the period under way may be long

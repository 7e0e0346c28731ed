"""The managed node: questions come in on a topic, answers about the newest camera frame go out.

Run it through ``latent_vqa_ros.ros.main``. The node is lifecycle, parameters and callbacks; what
answers exists while it is active and is its ``Activation``. Callbacks never compute. The model is
acquired in configure, the cameras in activate; they are freed in cleanup and deactivate. The
topics stand as long as the node: whoever asks a node that cannot answer hears why. A live change
of ``model`` loads the new bundle in the parameter callback; questions wait meanwhile. Refuses to
know how an answer is found: that is ``core.pipeline``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import SetBool

from latent_vqa_ros.core import questions
from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.pipeline import Pipeline
from latent_vqa_ros.core.process import typed_line
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros import (
    declaration,
    diagnostics,
    model_switch,
    parameters,
    params_files,
    rclpy_private,
    report,
    standing,
    teaching,
    timers,
)
from latent_vqa_ros.ros.activation import Activation, Refusal
from latent_vqa_ros.ros.answering import without_answer
from latent_vqa_ros.ros.conditions import Outcome, Topics
from latent_vqa_ros.ros.conversions import working_cv_bridge
from latent_vqa_ros.ros.parameters import Settings
from latent_vqa_ros.ros.publishers import BURST, Publishers
from latent_vqa_ros.teach import messages
from latent_vqa_ros.teach.features import RegionEncoder

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class VqaNode(LifecycleNode):
    """The node ``vqa``; the transitions and ``~/enable`` are all that is asked of it from code."""

    def __init__(self, **options: Any) -> None:
        """``options`` are those of rclpy.node.Node; ParameterError where a start value is bad."""
        super().__init__('vqa', **options)
        self._questions = self.create_subscription(String, 'question', self._on_question, BURST)
        rclpy_private.check(self, self._questions)
        self._lessons = self.create_subscription(String, 'teach', self._on_teach, BURST)
        self.failure = ''  # why the last configure or activate failed
        self._namesakes = report.Namesakes(self)
        self.enabled = True
        self.activation: Activation | None = None
        self._encoder: RegionEncoder | None = None  # of what is taught
        self._models = model_switch.ModelSwitch()
        declaration.declare(self, lambda: self.state == 'unconfigured', self._before_change)
        self.outputs = Publishers(self)
        self._conditions = Topics(self, self.settings.condition_names, self._check)
        self.create_service(SetBool, '~/enable', self._on_enable)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._reports = timers.every(self, self.settings.diagnostics_period, self._report)
        rclpy_private.guard_transitions(self, self._warn_impossible)
        for name in declaration.unknown_overrides(self):
            self.get_logger().warning(f'parameter {name} is ignored: there is none of that name; '
                                      f'known: {", ".join(parameters.TABLE)}')
        for line in params_files.unread(sys.argv, self.get_fully_qualified_name()):
            self.get_logger().warning(questions.plain(line))

    @property
    def state(self) -> str:
        """The lifecycle state: unconfigured, inactive, active, finalized or one between."""
        return rclpy_private.state(self)

    @property
    def settings(self) -> Settings:
        """The present parameters."""
        return parameters.read(self)

    @property
    def checks_waiting(self) -> int:
        """How many calls of ``~/check/NAME`` have no response yet."""
        return self._conditions.waiting

    @property
    def pipeline(self) -> Pipeline | None:
        """What answers now; None while unconfigured."""
        return self._models.pick(self.settings.model)

    def set_parameters(self, parameter_list: list[Parameter]) -> list[SetParametersResult]:
        """Set one after another."""
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set all or none; who reads the settings meanwhile has those of before, whole."""
        changing = declaration.without_start_values(self, parameter_list)
        if parameter_list and not changing:
            return SetParametersResult(successful=True)
        try:
            return super().set_parameters_atomically(changing)
        finally:
            parameters.remember(self)

    # transitions

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Load the bundle; a bad one fails the transition with its reason."""
        return self._attempt('configure', self._acquire, self.on_cleanup)

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Subscribe to the cameras and start to answer."""
        return self._attempt('activate', self._start, self.on_deactivate)

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Stop to answer; questions still waiting get ``inactive``."""
        activation, self.activation = self.activation, None
        if activation:
            activation.close()
        return SUCCESS

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Give the model back."""
        self._models.start(None)
        self._encoder = None
        return SUCCESS

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """Stop and give back everything."""
        self.on_deactivate(state)
        return self.on_cleanup(state)

    def on_error(self, state: Any) -> TransitionCallbackReturn:
        """Go back to unconfigured with nothing held."""
        return self.on_shutdown(state)

    def start(self) -> bool:
        """Configure and activate; False when that failed, the reason is logged."""
        return bool(self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS)

    def stop(self) -> None:
        """Deactivate the node where it is active; who waits for an answer gets ``inactive``."""
        if self.state == 'active':
            self.trigger_deactivate()

    def refuse_waiting(self) -> None:
        """Answer what the middleware still holds once the node is stopped: ``inactive``."""
        waited = False
        for subscription, handle in ((self._questions, self._on_question),
                                     (self._lessons, self._on_teach)):
            for message in rclpy_private.waiting(subscription, String, BURST):
                handle(message)
                waited = True
        if waited:
            self.outputs.wait_until_received()

    def close(self) -> None:
        """Go down through deactivate and cleanup and destroy the node; nobody may spin it."""
        self.stop()
        if self.state == 'inactive':
            self.trigger_cleanup()
        self.destroy_node()

    def _attempt(self, name: str, action: Callable[[], None],
                 undo: Callable[[Any], Any]) -> TransitionCallbackReturn:
        self.failure = ''
        try:
            action()
        except Exception as error:  # rclpy would drop it: the transition fails without a word
            undo(None)
            self.failure = f'{name} failed: {typed_line(error)}'
            self.get_logger().error(self.failure)
            return FAILURE
        return SUCCESS

    def _acquire(self) -> None:
        settings = self.settings
        self._models.start(model_switch.load(settings.model, settings))
        self._encoder = teaching.make_encoder(settings) if settings.taught_folder else None
        cv2.setNumThreads(settings.num_threads)
        working_cv_bridge()  # decided here, as it may take half a second
        self.enabled = True

    def _start(self) -> None:
        self.activation = Activation(self, self._models, self.outputs, self._conditions,
                                     lambda: self.enabled, self._encoder)
        model = self._models.in_use(self.settings.model).bundle.identity
        topics = ', '.join(map(self.activation.source.topic, self.settings.camera_names))
        self.get_logger().info('answering with {} {} about {}'.format(*model[:2], topics))

    # callbacks of the executor

    def _on_question(self, message: String) -> None:
        settings = self.settings
        requests = questions.parse(
            message.data, settings.camera_names, settings.max_question_length)
        refusal = (self.activation.ask(requests) if self.activation
                   else Refusal(Status.INACTIVE, self._why_inactive()))
        if not refusal:
            return
        for request in requests:
            detail = without_answer(request, *refusal, self.pipeline)
            if self.activation:
                self.activation.note(detail)
            self.outputs.publish(detail)

    async def _check(self, condition: str) -> Outcome:
        """Return what a condition is on a frame stamped after now."""
        if self.activation:
            return await self.activation.conditions.check(condition)  # type: ignore[no-any-return]
        return Outcome(Detail(Status.INACTIVE, '', reason=self._why_inactive()))

    def _on_teach(self, message: String) -> None:
        try:
            lesson = messages.parse(message.data)
        except messages.MessageError as error:
            self.outputs.publish_lesson(messages.blank(
                error.do, error.id, messages.BAD_MESSAGE, str(error)))
            return
        refusal = (self.activation.teach(lesson) if self.activation
                   else Refusal(Status.INACTIVE, self._why_inactive()))
        if refusal:
            self.outputs.publish_lesson(messages.blank(
                lesson.do, lesson.id, refusal.status.value, refusal.reason))

    def _why_inactive(self) -> str:
        if self.failure:
            return f'the node is {self.state}: {self.failure}'
        if self.state == 'finalized':
            return 'the node is shut down; start the process again'
        return ('the node is not active; activate it' if self.state == 'inactive' else
                f'the node is {self.state}; configure and activate it')

    def _on_enable(self, request: Any, response: Any) -> Any:
        self.enabled = request.data
        response.success = True
        response.message = 'enabled' if request.data else 'disabled'
        return response

    def _before_change(self, values: Mapping[str, Any]) -> str:
        """Prepare for values that are about to be set; return why that fails, '' otherwise."""
        if 'model' in values and self.pipeline:
            settings = self.settings
            try:
                new = model_switch.load(values['model'], settings)
            except Exception as error:  # whatever is wrong with it, the present one stays
                return f'model: {typed_line(error)}'
            self._models.stage(values['model'], new)
            if self.activation:
                self.activation.review(new)
            self.get_logger().info('switching to {} {}'.format(*new.bundle.identity))
        if 'diagnostics_period' in values:
            timers.set_period(self._reports, values['diagnostics_period'])
        if 'standing_rate' in values and self.activation:
            self.activation.set_standing_rate(values['standing_rate'])
        for name in self.settings.condition_names:
            if f'{name}.rate' in values and self.activation:
                self.activation.conditions.set_rate(name, values[f'{name}.rate'])
        return ''

    def _warn_impossible(self, wanted: str, error: Exception) -> None:
        hint = ('' if not self.settings.autostart else '; the node has configured and activated '
                'itself (autostart): under a lifecycle manager, such as that of Nav2, set '
                "autostart to false, and the manager's bond_timeout to 0.0")
        self.get_logger().warning(
            f'transition {wanted} is not possible while {self.state}: {typed_line(error)}{hint}')

    def _report(self) -> None:
        settings, name = self.settings, self.get_fully_qualified_name()
        activation = self.activation
        stopped, asked = '' if self.enabled else report.DISABLED, standing.requests(settings)
        message = DiagnosticArray(status=[
            report.of_node(name, self.state, self.enabled, self.failure, self.pipeline,
                           self._namesakes.warn()),
            diagnostics.answering(
                self.outputs.statistics.snapshot(), f'{name}: questions',
                activation.worker.waiting if activation else 0,
                stopped if activation else 'not active',
                {'standing_questions': len(asked),
                 'standing_skipped': activation.rounds_skipped if activation else 0})])
        if activation:
            message.status += activation.prospects.statuses(
                f'{name}: standing questions', asked)
            message.status += activation.cameras.statuses(
                name, settings.camera_names, lambda: self.get_clock().now().nanoseconds,
                settings.max_image_age, self.pipeline)
            message.status += activation.conditions.statuses(name)
            if activation.teaching:
                message.status.append(activation.teaching.status(f'{name}: teaching'))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

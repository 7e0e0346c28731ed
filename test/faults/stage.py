"""The stage of the fault test: one node process, one asker, and the services they meet through."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path

import rclpy
from faults.rig import MODEL, Asker, Child, node_command, until
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import SetBool

TRANSITIONS = {'create': 0, 'configure': 1, 'cleanup': 2, 'activate': 3, 'deactivate': 4,
               'unconfigured_shutdown': 5, 'inactive_shutdown': 6, 'made_up': 99}


class Stage:
    """A node that answers from a copy of the model, so that the folder can be deleted."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.model = folder / 'model'
        shutil.copytree(MODEL, self.model)
        self.node = Child(node_command(namespace, model=self.model), folder / 'node.txt')
        self.pid = self.node.pid
        self.transport = 'raw'
        try:
            self.asker = Asker(namespace)
            self.asker.greet()
        except BaseException:
            self.node.stop()
            raise

    def close(self) -> None:
        self.asker.close()
        self.node.stop()

    # the node's services

    def transition(self, name: str, label: str = '') -> bool:
        request = ChangeState.Request()
        request.transition.id, request.transition.label = TRANSITIONS[name], label
        return self.asker.call(ChangeState, 'vqa/change_state', request).success

    def state(self) -> str:
        return self.asker.call(GetState, 'vqa/get_state', GetState.Request()).current_state.label

    def set(self, **values: object) -> list:
        """Set parameters one by one as `ros2 param set` does; return the results."""
        return self.set_raw([Parameter(name, value=value).to_parameter_msg()
                             for name, value in values.items()])

    def set_raw(self, parameters: list[ParameterMessage]) -> list:
        request = SetParameters.Request(parameters=parameters)
        return self.asker.call(SetParameters, 'vqa/set_parameters', request).results

    def get(self, names: list[str]) -> list[ParameterValue]:
        request = GetParameters.Request(names=names)
        return self.asker.call(GetParameters, 'vqa/get_parameters', request).values

    def enable(self, value: bool) -> bool:
        return self.asker.call(SetBool, 'vqa/enable', SetBool.Request(data=value)).success

    def reconfigure(self, **values: object) -> None:
        """Change parameters that are read at configure."""
        for name in ('deactivate', 'cleanup'):
            assert self.transition(name), name
        results = self.set(**values)
        assert all(result.successful for result in results), results
        for name in ('configure', 'activate'):
            assert self.transition(name), name
        self.asker.greet()

    def use(self, transport: str) -> None:
        if transport != self.transport:
            self.reconfigure(image_transport=transport)
            self.transport = transport

    @contextmanager
    def stranger(self):
        """Yield a node of another participant: in one, a topic has but one type."""
        context = Context()
        rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node('stranger', namespace=self.asker.namespace, context=context)
        try:
            yield node
        finally:
            node.destroy_node()
            rclpy.shutdown(context=context)

    # what must hold after each fault

    def check(self) -> None:
        """The same process answers a good question; no question was lost or answered twice."""
        self.asker.show_until_ok(self.transport)
        assert self.node.alive()
        assert self.node.pid == self.pid
        wrong = self.asker.imbalance()
        self.asker.forget()
        assert wrong == []
        said = self.node.said()
        for unwanted in ('Traceback', 'Corrupt JPEG', 'Premature end', 'libpng'):
            assert unwanted not in said, said[said.index(unwanted):][:2000]

    def matched(self, publisher) -> None:
        """Wait until somebody subscribes to what ``publisher`` sends."""
        until(publisher.get_subscription_count, f'a subscription to {publisher.topic_name}')

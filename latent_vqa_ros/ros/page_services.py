"""The parameters of a node of another process, read and set through its services.

    services = NodeServices(node, 'vqa', on_parameters, on_there)

A timer asks whether the node is there; then its parameters are read with their descriptions and
ranges, again after each change and each time that somebody opens the page. Calls never block the
thread that spins; ``set`` and ``enable`` wait for their result in the caller's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
)
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from std_srvs.srv import SetBool

from latent_vqa_ros.ros import parameters, timers

Row = dict[str, Any]
PERIOD = 2.0  # s between two looks whether the node is there
AGAIN = 5  # looks until the parameters are read again while the page is open: others set them
PATIENCE = 15.0  # s that a change may take: a model is loaded within it
GONE = 'The node does not answer; is it running?'
OURS = ('use_sim_time', 'start_type_description_service')  # and qos_overrides: nobody's to change
_ONE_OF = 'one of '  # how the node's table says that there are choices
_KINDS = {bool: 'flag', int: 'integer', float: 'number', tuple: 'list', list: 'list'}  # else text


class NodeServices:
    """Clients of one node's services; ``refresh``, ``set`` and ``enable`` from any thread."""

    def __init__(self, node: Node, of: str, on_parameters: Callable[[dict[str, Row]], None],
                 on_there: Callable[[bool], None], heard: Callable[[], bool]) -> None:
        """``heard`` says whether somebody has the page open."""
        self._node = node
        self._on_parameters = on_parameters
        self._on_there = on_there
        self._list = node.create_client(ListParameters, f'{of}/list_parameters')
        self._describe = node.create_client(DescribeParameters, f'{of}/describe_parameters')
        self._get = node.create_client(GetParameters, f'{of}/get_parameters')
        self._set = node.create_client(SetParameters, f'{of}/set_parameters')
        self._enable = node.create_client(SetBool, f'{of}/enable')
        self._heard = heard
        self._there: bool | None = None
        self._looks = 0
        timers.every(node, PERIOD, self._look)

    def refresh(self) -> None:
        """Read the parameters again."""
        executor = self._node.executor
        if executor is not None:
            executor.create_task(self._ask_names)

    def _look(self) -> None:
        self._looks += 1
        there = self._get.service_is_ready() and self._list.service_is_ready()
        if there != self._there:
            self._there = there
            self._on_there(there)
            if there:
                self._ask_names()
        elif self._looks % AGAIN == 0 and self._heard():
            self._ask_names()

    def _ask_names(self) -> None:
        if self._list.service_is_ready():
            self._list.call_async(ListParameters.Request()).add_done_callback(self._ask_rows)

    def _ask_rows(self, future: Any) -> None:
        names = [name for name in future.result().result.names
                 if name not in OURS and not name.startswith('qos_overrides.')]

        def ask_values(described: Any) -> None:
            descriptors = described.result().descriptors
            self._get.call_async(GetParameters.Request(names=names)).add_done_callback(
                lambda got: self._on_parameters({
                    name: _row(name, value, about) for name, value, about
                    in zip(names, got.result().values, descriptors, strict=True)}))

        self._describe.call_async(DescribeParameters.Request(names=names)).add_done_callback(
            ask_values)

    def set(self, name: str, value: Any) -> str:
        """Set a parameter; return why it is refused, '' where it is not.

        JSON has one kind of number: a whole one is sent as the decimal that is meant.
        """
        row = parameters.row_of(name)
        decimal = row is not None and isinstance(row.default, float) and type(value) is int
        try:
            message = Parameter(name, value=float(value) if decimal else value).to_parameter_msg()
        except (TypeError, ValueError, AssertionError, OverflowError):
            return f'{name}: the node takes no such value'
        result = _wait(self._set, SetParameters.Request(parameters=[message]))
        self.refresh()
        return GONE if result is None else str(result.results[0].reason)

    def enable(self, value: bool) -> str:
        """Let the node answer or not; return why that fails."""
        result = _wait(self._enable, SetBool.Request(data=value))
        return GONE if result is None else '' if result.success else str(result.message)


def _wait(client: Any, request: Any) -> Any:
    """Call a service and wait for its response; None where none comes."""
    if not client.service_is_ready():
        return None
    done = threading.Event()
    future = client.call_async(request)
    future.add_done_callback(lambda _: done.set())
    if not done.wait(PATIENCE):
        client.remove_pending_request(future)
        return None
    return future.result()


def _row(name: str, value: Any, about: ParameterDescriptor) -> Row:
    """Return a parameter as plain types; its kind is the table's, whatever it was given as."""
    limits = [*about.floating_point_range, *about.integer_range]
    constraint = str(about.additional_constraints)
    choices = (constraint.partition(_ONE_OF)[2].partition(';')[0].split(', ')
               if constraint.startswith(_ONE_OF) else [])
    found, row = parameter_value_to_python(value), parameters.row_of(name)
    meant = found if row is None else parameters.normal(row, found)  # false as 'false', 5 as 5.0
    kind = _KINDS.get(type(meant if row is None else row.default), 'text')
    return {'name': name, 'value': list(meant) if kind == 'list' else meant, 'kind': kind,
            'description': str(about.description), 'read_only': bool(about.read_only),
            'live': not about.read_only and 'may be set' not in constraint, 'choices': choices,
            'from': limits[0].from_value if limits else None,
            'to': limits[0].to_value if limits else None}

"""Declares the parameters of the tables on a node, and refuses values that cannot be.

    declare(node, may_configure, before_change)    # ParameterError for a start value

A set of values is taken or refused as a whole, with a reason that names the parameter. Refuses to
know what parameters are used for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, replace
from types import MappingProxyType
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.core.questions import parse
from latent_vqa_ros.ros import rclpy_private
from latent_vqa_ros.ros.parameters import (
    CONDITION_TABLE,
    EXPECTED,
    START,
    TABLE,
    UNCONFIGURED,
    Settings,
    as_meant,
    normal,
    read,
    read_condition,
    remember,
)


class ParameterError(ValueError):
    """A parameter that the node cannot start with; the message is one line."""


def declare(node: Node, may_configure: Callable[[], bool],
            before_change: Callable[[Mapping[str, Any]], str]) -> None:
    """Declare the table on ``node``; ParameterError where a start value is refused.

    ``may_configure`` says whether parameters that are read at configure may be set now.
    ``before_change`` prepares for valid new values and returns why that fails, '' otherwise.
    """
    declared: list[bool] = []
    rows = dict(TABLE)  # by the parameter's name, those of the conditions included

    def judge(values: list[Parameter]) -> SetParametersResult:
        given = [value for value in values if not (_is_unchanged(node, value) if declared
                                                   else _is_empty_list(rows, value))]
        result = _validate(rows, given, may_configure())
        new = {value.name: normal(rows[value.name], value.value) for value in values
               if value.name in rows} if result.successful and declared else {}
        reason = new and (conflict(replace(read(node), **{
            name: value for name, value in new.items() if name in TABLE}),
            _cameras(node) | new) or before_change(new))
        return SetParametersResult(successful=False, reason=reason) if reason else result

    node.add_on_set_parameters_callback(judge)
    for name, row in TABLE.items():
        _declare_one(node, name, row)
    remember(node, conditions=False)
    for condition in read(node).condition_names:
        more = {f'{condition}.{name}': row for name, row in CONDITION_TABLE.items()}
        rows |= more
        for name, row in more.items():
            _declare_one(node, name, row)
    remember(node)
    declared.append(True)
    reason = conflict(read(node), _cameras(node))
    if reason:
        raise ParameterError(reason)


def _declare_one(node: Node, name: str, row: Field[Any]) -> None:
    default = list(row.default) if isinstance(row.default, tuple) else row.default
    try:
        node.declare_parameter(name, default, _descriptor(row))
    except Exception as error:  # rclpy has several kinds, each names parameter and reason
        raise ParameterError(one_line(error)) from None


def _cameras(node: Node) -> dict[str, Any]:
    """Return the camera of each condition by the parameter's name."""
    return {f'{name}.camera': read_condition(node, name).camera
            for name in read(node).condition_names}


def conflict(settings: Settings, values: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Return which standing question or condition cannot be asked with these settings, or ''.

    ``values`` are those of conditions' parameters; NAME.camera is looked at.
    """
    for name, camera in values.items():
        if name.endswith('.camera') and camera and camera not in settings.camera_names:
            known = ', '.join(settings.camera_names) or 'one without a name'
            return f'{name}: unknown camera {camera[:40]!r}; known: {known}'
    for entry in filter(str.strip, settings.standing_questions):
        for request in parse(entry, settings.camera_names, settings.max_question_length):
            if request.error:
                return f'standing_questions: {entry[:80]!r}: {request.error}'
    return ''


def unknown_overrides(node: Node) -> list[str]:
    """Return names given at start (command line, file) that this node does not have."""
    return sorted(name for name in rclpy_private.overrides(node)
                  if not node.has_parameter(name) and not name.startswith('qos_overrides.')
                  and name != 'start_type_description_service')


def _is_empty_list(rows: Mapping[str, Field[Any]], parameter: Parameter) -> bool:
    """Tell whether this stands for [], which has no type in a file and comes as None.

    Once a parameter is declared None would take it away.
    """
    row = rows.get(parameter.name)
    return row is not None and isinstance(row.default, tuple) and parameter.value is None


def without_start_values(node: Node, given: Sequence[Parameter]) -> list[Parameter]:
    """Return what is given without read-only values that stand already; rclpy refuses these."""
    return [each for each in given if not (
        each.name in TABLE and TABLE[each.name].metadata['when'] == START
        and _is_unchanged(node, each))]


def _is_unchanged(node: Node, parameter: Parameter) -> bool:
    """Tell whether the parameter has this value: a file with all of them may be loaded."""
    if not node.has_parameter(parameter.name):
        return False
    value = node.get_parameter(parameter.name).value
    return type(value) is type(parameter.value) and value == parameter.value


def _descriptor(row: Field[Any]) -> ParameterDescriptor:
    meta = row.metadata
    description = ParameterDescriptor(
        description=meta['description'], read_only=meta['when'] == START,
        additional_constraints='; '.join(filter(None, [
            'one of ' + ', '.join(meta['choices']) if meta['choices'] else '',
            f'may be set {meta["when"]}' if meta['when'] == UNCONFIGURED else ''])),
        dynamic_typing=isinstance(row.default, (float, tuple, str)))  # _wrong judges it
    if meta['between'] and isinstance(row.default, float):
        low, high = map(float, meta['between'])
        description.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif meta['between']:
        low, high = map(int, meta['between'])
        description.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return description


def _validate(rows: Mapping[str, Field[Any]], values: list[Parameter],
              may_configure: bool) -> SetParametersResult:
    """Accept all values or none; the reason names the parameter and what it takes."""
    for parameter in values:
        if not parameter.name:  # rclpy lets it pass as declared
            return SetParametersResult(successful=False, reason='a parameter needs a name')
        row = rows.get(parameter.name)
        reason = '' if row is None else _wrong(row, parameter, may_configure)
        if reason:
            return SetParametersResult(successful=False, reason=f'{parameter.name}: {reason}')
    return SetParametersResult(successful=True)


def _wrong(row: Field[Any], parameter: Parameter, may_configure: bool) -> str:
    meta, value = row.metadata, as_meant(row, parameter.value)
    if isinstance(row.default, float) and (
            isinstance(value, bool) or not isinstance(value, (int, float))):
        return f'expected a number, got {value!r}'
    if isinstance(row.default, str) and not isinstance(value, str):
        return f'expected a string, got {value!r} (quote it)'
    if isinstance(row.default, tuple) and not (
            isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
            or isinstance(value, str) and row.name == EXPECTED):
        return f'expected a list of strings, got {value!r} (quote them)'
    if meta['when'] == UNCONFIGURED and not may_configure:
        return 'is read at configure; deactivate and clean up the node first'
    if meta['choices'] and value not in meta['choices']:
        return f'{value!r} is none of {", ".join(meta["choices"])}'
    if meta['between'] and not meta['between'][0] <= value <= meta['between'][1]:
        return f'{value!r} is not from {meta["between"][0]:g} to {meta["between"][1]:g}'
    return str(meta['check'](normal(row, value))) if meta['check'] else ''

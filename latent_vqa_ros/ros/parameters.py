"""The one table of the node's parameters: type, default, range, description, when it may change.

``declare(node)`` declares all of them, ``read(node)`` returns them as one typed ``Settings``.
A field of ``Settings`` is a parameter and nothing else is. Refuses to know what they are used for.
The table of docs/parameters.md is made from it:

    python3 -m latent_vqa_ros.ros.parameters > docs/parameters.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from latent_vqa_ros.backends import BACKENDS
from latent_vqa_ros.core.models import DEFAULT_MODEL
from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.core.questions import ALL, parse
from latent_vqa_ros.ros import rclpy_private

START, UNCONFIGURED, LIVE = 'read-only', 'while unconfigured', 'live'
TRANSPORTS = ('raw', 'compressed', 'points')
QOS = ('sensor_data', 'reliable')
STANDING_PUBLISH = ('on_change', 'always')
MAX_STANDING = 1000
_CAMERA = re.compile(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')


class ParameterError(ValueError):
    """A parameter that the node cannot start with; the message is one line."""


def _parameter(default: Any, when: str, description: str,
               between: tuple[float, float] | None = None, choices: tuple[str, ...] = (),
               check: Callable[[Any], str] | None = None) -> Any:
    """Make a row of the table; ``check`` returns what is wrong with a value, '' if nothing is."""
    return field(default=default, metadata={
        'when': when, 'description': description, 'between': between, 'choices': choices,
        'check': check})


def _check_cameras(cameras: tuple[str, ...]) -> str:
    names = [name for name in cameras if name]
    for name in names:
        if not _CAMERA.fullmatch(name) or name == ALL:
            return f'{name!r} cannot be a camera name: letters, digits, _ and /, and not "{ALL}"'
    return 'a camera is named twice' if len(set(names)) != len(names) else ''


def _check_model(model: str) -> str:
    return '' if model.strip() else 'give the name or the folder of a bundle'


def _check_standing(entries: tuple[str, ...]) -> str:
    return '' if len(entries) <= MAX_STANDING else f'at most {MAX_STANDING} are taken'


@dataclass(frozen=True)
class Settings:
    """The value of each parameter; a double may be set as an integer, a list is a tuple here."""

    model: str = _parameter(
        DEFAULT_MODEL, LIVE,
        'The bundle that answers: a name under share/latent_vqa_ros/models, or a folder. A change '
        'while configured loads it at once, the same value reads it again; a bad one is refused.',
        check=_check_model)
    backend: str = _parameter(
        'onnxruntime', UNCONFIGURED, 'What executes the bundle.', choices=BACKENDS)
    num_threads: int = _parameter(
        1, UNCONFIGURED, 'Threads that compute one answer.', between=(1, 64))
    cameras: tuple[str, ...] = _parameter(
        ('',), UNCONFIGURED,
        'Camera names, the first is the default; each has its topics under NAME/. '
        'One empty name: a single camera on image_raw.', check=_check_cameras)
    image_transport: str = _parameter(
        'raw', UNCONFIGURED,
        'raw: image_raw, compressed: image_raw/compressed, points: points (organized, with rgb).',
        choices=TRANSPORTS)
    image_qos: str = _parameter(
        'sensor_data', UNCONFIGURED,
        'sensor_data: best effort, matches every publisher. reliable: lost frames are sent again.',
        choices=QOS)
    max_image_age: float = _parameter(
        2.0, LIVE, 'Seconds; a question about an older image gets stale_image. 0: any age.',
        between=(0.0, 1e9))
    min_confidence: float = _parameter(
        -1.0, LIVE, 'Below this confidence an answer is unsure. -1: the limit in the bundle.',
        between=(-1.0, 1.0))
    top_k: int = _parameter(
        3, LIVE, 'How many answers stand under "top" in answer/detail.', between=(1, 1000))
    queue_depth: int = _parameter(
        10, LIVE, 'Questions that may wait; one that finds the queue full gets overloaded. '
        'One to all cameras is taken or refused as a whole.',
        between=(1, 10000))
    max_question_length: int = _parameter(
        256, LIVE, 'Characters; a longer question gets bad_question.', between=(1, 65536))
    standing_questions: tuple[str, ...] = _parameter(
        ('',), LIVE,
        'Asked again and again, each as on the topic question: text, @front text, @all text, '
        'JSON with an id. One empty entry: none.', check=_check_standing)
    standing_rate: float = _parameter(
        1.0, LIVE, 'How often the standing questions are asked, Hz; a tick is skipped while the '
        'one before is not answered.', between=(0.001, 1000.0))
    standing_publish: str = _parameter(
        'on_change', LIVE,
        'on_change: publish when status or answer changed for that question and camera; a frame '
        'that was answered about is not answered about again. '
        'always: at each tick.', choices=STANDING_PUBLISH)
    autostart: bool = _parameter(
        True, START, 'Configure and activate at start.')
    diagnostics_period: float = _parameter(
        1.0, LIVE, 'Seconds between two messages on /diagnostics.', between=(0.1, 3600.0))

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras, the default one first; ('',) where a single camera has no name."""
        return tuple(name for name in self.cameras if name) or ('',)


TABLE: dict[str, Field[Any]] = {row.name: row for row in fields(Settings)}


def declare(node: Node, may_configure: Callable[[], bool],
            before_change: Callable[[Mapping[str, Any]], str]) -> None:
    """Declare the table on ``node``; ParameterError where a start value is refused.

    ``may_configure`` says whether parameters that are read at configure may be set now.
    ``before_change`` prepares for valid new values and returns why that fails, '' otherwise.
    """
    declared: list[bool] = []

    def judge(values: list[Parameter]) -> SetParametersResult:
        result = _validate(values, may_configure())
        new = {value.name: _normal(TABLE[value.name], value.value) for value in values
               if value.name in TABLE} if result.successful and declared else {}
        reason = new and (conflict(replace(read(node), **new)) or before_change(new))
        return SetParametersResult(successful=False, reason=reason) if reason else result

    node.add_on_set_parameters_callback(judge)
    for row in TABLE.values():
        default = list(row.default) if isinstance(row.default, tuple) else row.default
        try:
            node.declare_parameter(row.name, default, _descriptor(row))
        except Exception as error:  # rclpy has several kinds, each names parameter and reason
            raise ParameterError(one_line(error)) from None
    declared.append(True)
    reason = conflict(read(node))
    if reason:
        raise ParameterError(reason)


def conflict(settings: Settings) -> str:
    """Return which standing question cannot be asked with these settings, '' if all can."""
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


def read(node: Node) -> Settings:
    """Return the present value of each parameter."""
    return Settings(**{row.name: _normal(row, node.get_parameter(row.name).value)
                       for row in TABLE.values()})


def _normal(row: Field[Any], value: Any) -> Any:
    if isinstance(row.default, tuple):
        return tuple(value)
    return float(value) if isinstance(row.default, float) else value


def _descriptor(row: Field[Any]) -> ParameterDescriptor:
    meta = row.metadata
    description = ParameterDescriptor(
        description=meta['description'], read_only=meta['when'] == START,
        additional_constraints='; '.join(filter(None, [
            'one of ' + ', '.join(meta['choices']) if meta['choices'] else '',
            f'may be set {meta["when"]}' if meta['when'] == UNCONFIGURED else ''])),
        dynamic_typing=isinstance(row.default, (float, tuple)))  # 2 for 2.0; [] has no type
    if meta['between'] and isinstance(row.default, float):
        low, high = map(float, meta['between'])
        description.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif meta['between']:
        low, high = map(int, meta['between'])
        description.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return description


def _validate(values: list[Parameter], may_configure: bool) -> SetParametersResult:
    """Accept all values or none; the reason names the parameter and what it takes."""
    for parameter in values:
        if not parameter.name:  # rclpy lets it pass as declared
            return SetParametersResult(successful=False, reason='a parameter needs a name')
        row = TABLE.get(parameter.name)
        reason = '' if row is None else _wrong(row, parameter, may_configure)
        if reason:
            return SetParametersResult(successful=False, reason=f'{parameter.name}: {reason}')
    return SetParametersResult(successful=True)


def _wrong(row: Field[Any], parameter: Parameter, may_configure: bool) -> str:
    meta, value = row.metadata, parameter.value
    if isinstance(row.default, float) and (
            isinstance(value, bool) or not isinstance(value, (int, float))):
        return f'expected a number, got {value!r}'
    if isinstance(row.default, tuple) and not (
            isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)):
        return f'expected a list of strings, got {value!r}'
    if meta['when'] == UNCONFIGURED and not may_configure:
        return 'is read at configure; deactivate and clean up the node first'
    if meta['choices'] and value not in meta['choices']:
        return f'{value!r} is none of {", ".join(meta["choices"])}'
    if meta['between'] and not meta['between'][0] <= value <= meta['between'][1]:
        return f'{value!r} is not from {meta["between"][0]:g} to {meta["between"][1]:g}'
    return str(meta['check'](_normal(row, value))) if meta['check'] else ''


def as_markdown() -> str:
    """Return the text of docs/parameters.md."""
    lines = ['# Parameters of the node', '',
             'Made from the table in `latent_vqa_ros/ros/parameters.py`; `config/vqa.yaml` holds',
             'each at its default.', '',
             '| name | type | default | values | may be set | meaning |',
             '|---|---|---|---|---|---|']
    for row in TABLE.values():
        meta, default = row.metadata, row.default
        values = ', '.join(f'`{choice}`' for choice in meta['choices'])
        if meta['between']:
            values = '{:g} to {:g}'.format(*meta['between'])
        shown = json.dumps(list(default) if isinstance(default, tuple) else default)
        kind = 'string[]' if isinstance(default, tuple) else _KINDS[type(default)]
        lines.append(f'| `{row.name}` | {kind} | `{shown}` | {values} | {meta["when"]} | '
                     f'{meta["description"]} |')
    return '\n'.join(lines) + '\n'


_KINDS = {str: 'string', int: 'integer', float: 'double', bool: 'bool'}

if __name__ == '__main__':
    print(as_markdown(), end='')

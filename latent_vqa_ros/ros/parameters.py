"""The one table of the node's parameters: type, default, range, description, when it may change.

``read(node)`` returns them as one typed ``Settings``, ``read_condition(node, name)`` those of one
condition: as they were after the last whole set, so that no thread sees half of one. A field of
these two is a parameter and nothing else is; ``declaration`` declares them.
Refuses to know what they are used for.
The table of docs/parameters.md is made from it:

    python3 -m latent_vqa_ros.ros.parameters > docs/parameters.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any
from weakref import WeakKeyDictionary

from rclpy.node import Node

from latent_vqa_ros.backends import BACKENDS
from latent_vqa_ros.core.models import DEFAULT_MODEL
from latent_vqa_ros.core.questions import ALL

START, UNCONFIGURED, LIVE = 'read-only', 'while unconfigured', 'live'
TRANSPORTS = ('raw', 'compressed', 'points')
QOS = ('sensor_data', 'reliable')
STANDING_PUBLISH = ('on_change', 'always')
EXPECTED = 'expected'  # of a condition: takes a word, too
_YES_NO = {True: ['yes', 'on', 'true'], False: ['no', 'off', 'false']}
SILENT, FALSE, TRUE = WHEN_UNKNOWN = ('silent', 'false', 'true')
MAX_STANDING, MAX_CONDITIONS = 1000, 100
_CAMERA = re.compile(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')
_CONDITION = re.compile(r'[A-Za-z][A-Za-z0-9_]{0,63}')


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
    if names and len(names) < len(cameras):
        return 'a camera without a name cannot stand beside others: give each a name'
    return 'a camera is named twice' if len(set(names)) != len(names) else ''


def _check_least(confidence: float) -> str:
    return '' if confidence >= 0 or confidence == -1 else 'give 0 to 1, or -1'


def _check_model(model: str) -> str:
    return '' if model.strip() else 'give the name or the folder of a bundle'


def _check_standing(entries: tuple[str, ...]) -> str:
    return '' if len(entries) <= MAX_STANDING else f'at most {MAX_STANDING} are taken'


def _check_conditions(conditions: tuple[str, ...]) -> str:
    names = [name for name in conditions if name]
    for name in names:
        if not _CONDITION.fullmatch(name) or name in TABLE:
            return (f'{name[:80]!r} cannot be the name of a condition: letters, digits and _, and '
                    'no parameter')
    if len(names) > MAX_CONDITIONS:
        return f'at most {MAX_CONDITIONS} are taken'
    return 'a condition is named twice' if len(set(names)) != len(names) else ''


def _check_question(question: str) -> str:
    if question.strip()[:1] in ('@', '{'):
        return 'the text alone; the camera stands in the parameter camera of the condition'
    return '' if question.strip() else 'say what the condition asks'


def _check_expected(words: tuple[str, ...]) -> str:
    return '' if any(map(str.strip, words)) else 'name a word that the answer has to be'


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
        between=(-1.0, 1.0), check=_check_least)
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
    taught_folder: str = _parameter(
        '~/.ros/latent_vqa_ros/taught', UNCONFIGURED,
        'Where questions of your own are kept (docs/teaching.md). Empty: nothing is taught.')
    remembered_frames: int = _parameter(
        16, LIVE, 'Frames of the last answers with an id, kept so that these can be corrected; '
        '16 MiB at most.',
        between=(0, 1000))
    conditions: tuple[str, ...] = _parameter(
        ('',), START,
        'Names of conditions; each has the parameters below, as NAME.question, the topics '
        'conditions/NAME and conditions/NAME/detail and the service ~/check/NAME. One empty '
        'name: none.', check=_check_conditions)
    autostart: bool = _parameter(
        True, START, 'Configure and activate at start.')
    diagnostics_period: float = _parameter(
        1.0, LIVE, 'Seconds between two messages on /diagnostics.', between=(0.1, 3600.0))

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras, the default one first; ('',) where a single camera has no name."""
        return tuple(name for name in self.cameras if name) or ('',)

    @property
    def condition_names(self) -> tuple[str, ...]:
        """The conditions; none where the only name is empty."""
        return tuple(name for name in self.conditions if name)


@dataclass(frozen=True)
class ConditionSettings:
    """The parameters of one condition, each named NAME.question and so on."""

    question: str = _parameter('', LIVE, 'Asked at each look.', check=_check_question)
    expected: tuple[str, ...] = _parameter(
        ('yes',), LIVE, 'The condition holds while the answer is this word, or one of these.',
        check=_check_expected)
    camera: str = _parameter('', LIVE, 'Which camera is asked about; empty: the first.')
    rate: float = _parameter(
        1.0, LIVE, 'Looks a second; conditions/NAME is published as often.', between=(0.001, 1e3))
    hold: int = _parameter(
        1, LIVE, 'Equal results in a row until the condition changes; unknown is a result, too. A '
        'frame that was answered about counts once.', between=(1, 1000))
    min_confidence: float = _parameter(
        -1.0, LIVE, 'Below this confidence the result is unknown. -1: as the node has it.',
        between=(-1.0, 1.0), check=_check_least)
    when_unknown: str = _parameter(
        SILENT, LIVE, 'What conditions/NAME says while the state is unknown: nothing, or this.',
        choices=WHEN_UNKNOWN)


TABLE: dict[str, Field[Any]] = {row.name: row for row in fields(Settings)}
CONDITION_TABLE: dict[str, Field[Any]] = {row.name: row for row in fields(ConditionSettings)}


def row_of(name: str) -> Field[Any] | None:
    """Return the row of a parameter, as ``tray_empty.rate`` too; None where there is none."""
    condition, _, last = name.rpartition('.')
    return CONDITION_TABLE.get(last) if condition else TABLE.get(name)


def read(node: Node) -> Settings:
    """Return the value of each parameter, without those of the conditions."""
    return read_all(node)[0]


def read_condition(node: Node, name: str) -> ConditionSettings:
    """Return the parameters of a condition."""
    return read_all(node)[1][name]


def read_all(node: Node) -> tuple[Settings, Mapping[str, ConditionSettings]]:
    """Return both, those of the conditions by name, as one set left them."""
    return _remembered[node]


def remember(node: Node, conditions: bool = True) -> None:
    """Let ``read`` and ``read_condition`` return what the node's parameters are now.

    ``conditions`` False: those of the conditions are not declared yet.
    """
    settings = Settings(**{row.name: normal(row, node.get_parameter(row.name).value)
                           for row in TABLE.values()})
    _remembered[node] = settings, {name: ConditionSettings(**{
        row.name: normal(row, node.get_parameter(f'{name}.{row.name}').value)
        for row in CONDITION_TABLE.values()})
        for name in settings.condition_names if conditions}


_remembered: WeakKeyDictionary[Node, tuple[Settings, dict[str, ConditionSettings]]] = (
    WeakKeyDictionary())


def normal(row: Field[Any], value: Any) -> Any:
    """Return a parameter's value as it stands in the settings: a list as a tuple, 2 as 2.0."""
    value = as_meant(row, value)
    if isinstance(row.default, tuple):
        return (value,) if isinstance(value, str) else tuple(value or ())  # None: see declaration
    return float(value) if isinstance(row.default, float) else value


def as_meant(row: Field[Any], value: Any) -> Any:
    """Return the words that were written where YAML made true or false of them, else the value.

    It does so with yes, no, on, off, true and false without quotes: each of them may be meant.
    """
    if isinstance(value, bool) and row.metadata['choices'] == WHEN_UNKNOWN:
        return TRUE if value else FALSE
    if row.name == EXPECTED:
        if isinstance(value, bool):
            return _YES_NO[value]
        if isinstance(value, (list, tuple)):
            return [word for one in value
                    for word in (_YES_NO[one] if isinstance(one, bool) else [one])]
    return value


def as_markdown() -> str:
    """Return the text of docs/parameters.md."""
    lines = ['# Parameters of the node', '',
             'Made from the table in `latent_vqa_ros/ros/parameters.py`; `config/vqa.yaml` holds',
             'each at its default.', '',
             '| name | type | default | values | may be set | meaning |',
             '|---|---|---|---|---|---|']
    lines += map(_markdown_row, TABLE.values())
    lines += ['', 'Each name in `conditions` has these, as `tray_empty.question`:', '',
              *lines[5:7], *map(_markdown_row, CONDITION_TABLE.values())]
    return '\n'.join(lines) + '\n'


def _markdown_row(row: Field[Any]) -> str:
    meta, default = row.metadata, row.default
    values = ', '.join(f'`{choice}`' for choice in meta['choices'])
    if meta['between']:
        values = '{:g} to {:g}'.format(*meta['between'])
    shown = json.dumps(list(default) if isinstance(default, tuple) else default)
    kind = 'string[]' if isinstance(default, tuple) else _KINDS[type(default)]
    kind = 'string or string[]' if row.name == EXPECTED else kind
    return f'| `{row.name}` | {kind} | `{shown}` | {values} | {meta["when"]} | ' \
           f'{meta["description"]} |'


_KINDS = {str: 'string', int: 'integer', float: 'double', bool: 'bool'}

if __name__ == '__main__':
    print(as_markdown(), end='')

"""Parameter abuse over the real services: a table from the fault's name to values to be refused.

    abuse(stage, ABUSE['parameters out of range'])
"""

from __future__ import annotations

from faults.stage import Stage
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue


def value(kind: int, **fields: object) -> ParameterValue:
    return ParameterValue(type=kind, **fields)


def number(given: float) -> ParameterValue:
    return value(ParameterType.PARAMETER_DOUBLE, double_value=given)


def integer(given: int) -> ParameterValue:
    return value(ParameterType.PARAMETER_INTEGER, integer_value=given)


def string(given: str) -> ParameterValue:
    return value(ParameterType.PARAMETER_STRING, string_value=given)


UNSET = value(ParameterType.PARAMETER_NOT_SET)
ABUSE: dict[str, dict[str, list[ParameterValue]]] = {
    'parameters of a wrong type': {
        'top_k': [string('many'), number(1.5), UNSET], 'queue_depth': [string('10'), UNSET],
        'min_confidence': [string('high'), UNSET,
                           value(ParameterType.PARAMETER_BOOL, bool_value=True)],
        'max_image_age': [value(ParameterType.PARAMETER_DOUBLE_ARRAY,
                                double_array_value=[1.0])],
        'model': [integer(5), UNSET], 'cameras': [string('front')]},
    'parameters out of range': {
        'top_k': [integer(0), integer(-2**63), integer(2**63 - 1)],
        'min_confidence': [number(1.01), number(float('nan')), number(float('inf'))],
        'max_image_age': [number(-1.0), number(float('nan'))],
        'queue_depth': [integer(0), integer(10**9)],
        'max_question_length': [integer(0), integer(10**9)],
        'diagnostics_period': [number(0.0), number(-1.0), number(1e300)]},
    'parameters of an unknown name': {
        'max_imge_age': [number(1.0)], ' ': [number(1.0)], 'a.b..c': [integer(1)],
        'x' * 10_000: [integer(1)], 'what\nnow': [integer(1)]},
    'parameters that may not change now': {
        'autostart': [value(ParameterType.PARAMETER_BOOL, bool_value=False)],
        'image_transport': [string('points')], 'image_qos': [string('reliable')],
        'backend': [string('torch')], 'num_threads': [integer(2)]},
    'values that are no choice': {
        'model': [string(''), string('/nonexistent'), string('../../etc')],
        'image_qos': [string('perfect')], 'image_transport': [string('carrier pigeon')]},
}


def abuse(stage: Stage, wrong: dict[str, list[ParameterValue]]) -> None:
    """Set bad values, each alone and all of a name at once: all refused, nothing changes."""
    known = [name for name in wrong if stage.get([name])]
    before = stage.get(known)
    for name, values in wrong.items():
        for each in values:
            result, = stage.set_raw([ParameterMessage(name=name, value=each)])
            assert not result.successful, f'{name:.40} took {each}'
            assert result.reason, name
        stage.set_raw([ParameterMessage(name=name, value=each) for each in values])
    assert stage.get(known) == before

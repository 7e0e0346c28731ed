"""The parameters of a condition: what is taken, what is refused."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import QUESTION

from latent_vqa_ros.ros.declaration import ParameterError
from latent_vqa_ros.ros.parameters import read_condition

CONDITION = {'conditions': ['red'], 'red.question': QUESTION, 'red.expected': 'red'}


@pytest.mark.parametrize(('name', 'given', 'meant'), [
    ('when_unknown', False, 'false'), ('when_unknown', True, 'true'),
    ('expected', True, ('yes', 'on', 'true')), ('expected', False, ('no', 'off', 'false')),
    ('expected', [False, True], ('no', 'off', 'false', 'yes', 'on', 'true'))])
def test_words_that_yaml_takes_for_true_and_false_are_taken_as_words(robot, name, given, meant):
    at_start = robot(autostart=False, **{**CONDITION, f'red.{name}': given})
    assert getattr(read_condition(at_start.vqa, 'red'), name) == meant
    later = robot(autostart=False, **CONDITION)
    assert later.set(**{f'red.{name}': given})[0].successful
    assert getattr(read_condition(later.vqa, 'red'), name) == meant


@pytest.mark.parametrize(('given', 'reason'), [
    ({'red.question': ' '}, 'red.question: say what'),
    ({'red.question': '@rear is it red?'}, 'red.question: the text alone'),
    ({'red.expected': []}, 'red.expected: name a word'),
    ({'red.expected': 1}, 'quote them'),
    ({'red.camera': 'moon'}, 'red.camera: unknown camera'),
    ({'red.when_unknown': 'maybe'}, 'silent, false, true'),
    ({'red.when_unknown': 0}, r'red.when_unknown: .* got 0 \(quote it\)'),
    ({'red.question': True}, r'red.question: .* got True \(quote it\)'),
    ({'red.hold': 0}, 'red.hold'),
    ({'conditions': ['a b']}, 'cannot be the name of a condition'),
    ({'conditions': ['red', 'red']}, 'named twice'),
    ({'conditions': ['model']}, 'cannot be the name of a condition'),
])
def test_a_condition_that_cannot_be_is_refused_at_the_start(robot, given, reason):
    with pytest.raises(ParameterError, match=reason):
        robot(autostart=False, **{**CONDITION, **given})

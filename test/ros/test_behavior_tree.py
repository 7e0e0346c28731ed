"""The example of docs/behavior_trees.md: a real py_trees tree against the real node."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
py_trees = pytest.importorskip('py_trees', reason='pip install py_trees')
import yaml  # noqa: E402
from helpers.node_harness import QUESTION, until  # noqa: E402

from latent_vqa_ros.ros.parameters import CONDITION_TABLE  # noqa: E402

DOCS = Path(__file__).parents[2] / 'docs'
RED, BLUE = (0, 0, 255), (255, 0, 0)


@pytest.fixture(scope='module')
def example():
    """Return the example as a module."""
    path = DOCS / 'examples' / 'py_trees_condition.py'
    spec = importlib.util.spec_from_file_location('py_trees_condition', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_tree_goes_on_when_the_condition_holds_and_waits_while_it_is_unknown(robot, example):
    seeing = robot(min_confidence=0.0, max_image_age=0.3, conditions=['red'], **{
        'red.question': QUESTION, 'red.expected': 'red', 'red.rate': 50.0})
    leaf = example.Condition(seeing.node, 'red', max_age_s=0.5)
    tree = py_trees.trees.BehaviourTree(py_trees.composites.Sequence(
        'refill', memory=False, children=[leaf, py_trees.behaviours.Success('go on')]))

    def ticked(status):
        tree.tick()
        return tree.root.status is status

    assert ticked(py_trees.common.Status.RUNNING)  # no frame yet: neither yes nor no
    assert leaf.feedback_message.startswith('unknown')

    def sees(colour, status):
        seeing.show_now(colour=colour)
        return ticked(status)

    until(lambda: sees(RED, py_trees.common.Status.SUCCESS), 'the condition to hold')
    until(lambda: sees(BLUE, py_trees.common.Status.FAILURE), 'the condition not to hold')
    until(lambda: ticked(py_trees.common.Status.RUNNING), 'the dead camera to be unknown')


def test_the_parameters_of_the_documentation_are_those_of_the_node():
    text = (DOCS / 'behavior_trees.md').read_text()
    start = text.index('    /**:')
    written = yaml.safe_load(text[start:text.index('\n\n', start)])['/**']['ros__parameters']
    assert written.pop('conditions') == ['tray_empty']
    assert len(written) >= 5
    assert {name.partition('.')[2] for name in written} < set(CONDITION_TABLE)

"""A py_trees behaviour that is a condition of latent_vqa_ros, and a tree that waits for it.

    ros2 launch latent_vqa_ros vqa.launch.py params_file:=conditions.yaml
    python3 py_trees_condition.py tray_empty

SUCCESS while the condition holds, FAILURE while it does not, RUNNING while that is unknown: the
node publishes nothing then (``when_unknown: silent``), and what it said last is too old.
"""

from __future__ import annotations

import sys
import time

import py_trees
import rclpy
from py_trees.common import Status
from rclpy.node import Node
from std_msgs.msg import Bool


class Condition(py_trees.behaviour.Behaviour):
    """The newest value of ``conditions/NAME``; older than ``max_age_s`` it is unknown."""

    def __init__(self, node: Node, name: str, max_age_s: float = 3.0) -> None:
        super().__init__(name)
        self._max_age_s = max_age_s
        self._value, self._at = False, -float('inf')  # s, time.monotonic()
        node.create_subscription(Bool, f'conditions/{name}', self._hear, 10)

    def _hear(self, message: Bool) -> None:
        self._value, self._at = message.data, time.monotonic()

    def update(self) -> Status:
        """Return what is known now."""
        if time.monotonic() - self._at > self._max_age_s:
            self.feedback_message = 'unknown: the camera or the model cannot tell'
            return Status.RUNNING
        self.feedback_message = ''
        return Status.SUCCESS if self._value else Status.FAILURE


def main(name: str, ticks_per_second: float = 5.0) -> int:
    """Tick a tree until the condition holds."""
    rclpy.init()
    node = rclpy.create_node('behaviour_tree')
    tree = py_trees.trees.BehaviourTree(py_trees.composites.Sequence(
        'refill', memory=False, children=[
            Condition(node, name), py_trees.behaviours.Success('ask for more parts')]))
    try:
        while tree.root.status is not Status.SUCCESS:
            rclpy.spin_once(node, timeout_sec=1 / ticks_per_second)
            tree.tick()
            print(py_trees.display.ascii_tree(tree.root, show_status=True), end='', flush=True)
    except KeyboardInterrupt:
        return 130
    finally:
        node.destroy_node()
        rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:2]))

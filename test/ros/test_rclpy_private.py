"""A distribution whose rclpy lacks what the node needs is told at the start, in one line."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from latent_vqa_ros.ros import rclpy_private
from latent_vqa_ros.ros.rclpy_private import RclpyError


def fake():
    """Return a node, a subscription and its event handler with all that is looked for."""
    handler = SimpleNamespace(_ready_to_take_data=False, take_data=None, callback=None)
    subscription = SimpleNamespace(handle=SimpleNamespace(take_message=None),
                                   event_handlers=[handler])
    node = SimpleNamespace(_state_machine=SimpleNamespace(current_state=(1, 'unconfigured')),
                           _service_change_state=SimpleNamespace(callback=None),
                           _parameter_overrides={})
    return node, subscription, handler


def test_this_rclpy_has_all_of_them(robot):
    node = robot(autostart=False).vqa
    rclpy_private.check(node, next(iter(node.subscriptions)))
    rclpy_private.check(*fake()[:2])


@pytest.mark.parametrize(('index', 'name'), [
    (0, '_state_machine'), (0, '_service_change_state'), (0, '_parameter_overrides'),
    (1, 'handle'), (1, 'event_handlers'), (2, '_ready_to_take_data'), (2, 'take_data'),
    (2, 'callback')])
def test_each_missing_name_is_told_in_one_line(index, name):
    things = fake()
    delattr(things[index], name)
    with pytest.raises(RclpyError, match=name) as error:
        rclpy_private.check(*things[:2])
    assert len(str(error.value).splitlines()) == 1
    assert 'distributions.md' in str(error.value)


def test_a_node_with_another_rclpy_does_not_start(start, ros_environment, tmp_path):
    """``sitecustomize`` stands for a distribution that renamed what is private."""
    (tmp_path / 'sitecustomize.py').write_text(
        'from rclpy.lifecycle.node import LifecycleNodeMixin as mixin\n'
        'made = mixin.__init__\n'
        'def init(self, **given):\n'
        '    made(self, **given)\n'
        '    self._machine = self._state_machine\n'
        '    del self._service_change_state\n'
        'mixin.__init__ = init\n')
    path = os.pathsep.join([str(tmp_path), ros_environment['PYTHONPATH']])
    process = start(environment={**ros_environment, 'PYTHONPATH': path})
    assert process.wait(60) == 1
    assert process.said().splitlines() == [
        'vqa_node: this rclpy has no VqaNode._service_change_state.callback; the distributions '
        'that vqa_node knows stand in docs/distributions.md']

"""A launch_testing test of the launched node: launch_test test/launch/launched_vqa.py

The installed package is launched, so source the workspace first. test_launch.py runs this file
against the checkout, and holds the rest about the launch files.
"""

from __future__ import annotations

import json
import unittest
from pathlib import Path

import launch_testing
import launch_testing.actions
import launch_testing.asserts
import rclpy
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import String

from launch import LaunchDescription

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = 'launch_test'
LIMIT = 30  # s


def generate_test_description() -> LaunchDescription:
    """Launch the node in a namespace."""
    return LaunchDescription([
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(ROOT / 'launch' / 'vqa.launch.py')),
            launch_arguments={'namespace': NAMESPACE, 'model': 'easy_vqa'}.items()),
        launch_testing.actions.ReadyToTest()])


class TestRunning(unittest.TestCase):
    """While the node runs."""

    def setUp(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('asker', namespace=NAMESPACE, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def tearDown(self):
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def test_a_question_gets_a_detail(self, proc_output):
        proc_output.assertWaitFor('answering with', timeout=LIMIT)
        details = []
        self.node.create_subscription(String, 'answer/detail', details.append, 10)
        questions = self.node.create_publisher(String, 'question', 10)
        for _ in range(LIMIT * 2):
            questions.publish(String(data='what shape is in the image?'))
            self.executor.spin_once(timeout_sec=0.5)
            if details:
                break
        assert json.loads(details[0].data)['status'] == 'no_image'


@launch_testing.post_shutdown_test()
class TestEnded(unittest.TestCase):
    """After launch has ended it."""

    def test_it_ended_cleanly(self, proc_info):
        launch_testing.asserts.assertExitCodes(proc_info)

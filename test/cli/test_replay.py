"""The verb replay while it opens a bag: what it does then is test/ros/tools/test_replayer.py's."""

import signal
import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')

TINY = 'test/data/tiny_bag'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_bag_is_opened_ends_it_at_once(ros_environment, number):
    code = ('import sys, time; from latent_vqa_ros.bags.read import BagReader; '
            'BagReader.__enter__ = lambda bag: (print("opening", flush=True), time.sleep(60)); '
            'from latent_vqa_ros.cli.main import main; sys.exit(main(sys.argv[1:]))')
    with subprocess.Popen([sys.executable, '-c', code, 'replay', TINY], env=ros_environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as opening:
        assert opening.stdout.readline() == 'opening\n'
        opening.send_signal(number)
        _, errors = opening.communicate(timeout=20)
    assert opening.returncode == 128 + number
    assert 'Traceback' not in errors

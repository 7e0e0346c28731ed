"""The parameters of the page's executable."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
pytest.importorskip('aiohttp', reason='needs aiohttp')

from latent_vqa_ros.ros import page_main
from latent_vqa_ros.web.safety import Safety, SafetyError


@pytest.fixture
def safety(ros):
    """Return a function that reads a token from the command line."""
    def read(token: str) -> Safety:
        node = ros.create_node('vqa_web', use_global_arguments=False, cli_args=[
            '--ros-args', '-p', f'token:={token}'])
        try:
            return page_main._safety(page_main._declare(node))
        finally:
            node.destroy_node()

    return read


@pytest.mark.parametrize('token', ['1234567890123456', 'a-token', '7'])
def test_a_token_of_digits_is_a_text(safety, token):
    assert safety(token).token == token


@pytest.mark.parametrize('token', ['1.5', 'true', '[a, b]'])
def test_a_token_that_is_another_thing_is_one_line(safety, token):
    with pytest.raises(SafetyError, match='token: expected a text, got'):
        safety(token)


@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM'])
def test_a_signal_while_starting_ends_the_page_cleanly(ros_environment, name):
    code = ('import os, signal, sys; from latent_vqa_ros.ros import page_main; '
            'run = page_main._run; page_main._run = lambda *given: ('
            f'os.kill(os.getpid(), signal.{name}), run(*given))[1]; sys.exit(page_main.main())')
    done = subprocess.run([sys.executable, '-c', code, '--ros-args', '-p', 'port:=0'],
                          env=ros_environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')

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


def run(environment, *arguments):
    return subprocess.run([sys.executable, '-m', 'latent_vqa_ros.ros.page_main', *arguments],
                          env=environment, capture_output=True, text=True, timeout=60)


def test_help_serves_nothing_and_names_each_parameter(ros_environment):
    done = run(ros_environment, '--help')
    assert (done.returncode, done.stderr) == (0, '')
    assert all(f'  {name}' in done.stdout for name in page_main.DEFAULTS)


def test_an_argument_that_is_none_of_its_own_is_refused(ros_environment):
    done = run(ros_environment, 'port:=0')
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith('vqa_web: port:=0 is none of its arguments')


def test_a_folder_of_logs_that_cannot_be_made_is_told_with_the_way_out(ros_environment, tmp_path):
    (tmp_path / 'file').write_text('')
    place = {'ROS_LOG_DIR': str(tmp_path / 'file' / 'log')}
    for module in ('page_main', 'main'):
        done = subprocess.run([sys.executable, '-m', f'latent_vqa_ros.ros.{module}'],
                              env=ros_environment | place, capture_output=True, text=True,
                              timeout=60)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert done.stderr.rstrip().endswith('set ROS_LOG_DIR to a folder that can be written')


def test_without_a_home_the_accounts_own_is_used(ros_environment):
    bare = {name: value for name, value in ros_environment.items()
            if name not in ('HOME', 'ROS_HOME', 'ROS_LOG_DIR')}
    done = run(bare, '--ros-args', '-p', 'port:=-1')
    assert (done.returncode, done.stderr) == (2, 'vqa_web: port must be from 0 to 65535\n')

"""colcon builds the package, and what it installs runs from the install space.

A copy of the sources is built, so that neither build folders nor the checkout can help. ROS
itself comes from the running interpreter; of ament's environment hooks only AMENT_PREFIX_PATH
and PYTHONPATH are needed, and set by hand where ament_package is not installed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.sources import ROOT

NAME = 'latent_vqa_ros'
LEFT_OUT = shutil.ignore_patterns(
    '.*', '__pycache__', '*.egg-info', 'build', 'install', 'log', 'runs', 'tmp*')
START_LIMIT, STOP_LIMIT = 60, 20  # s

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope='module', params=['copied', 'symlinked'])
def install(request, tmp_path_factory):
    """The install space of a workspace that was built from a copy of the sources."""
    workspace = tmp_path_factory.mktemp(request.param)
    shutil.copytree(ROOT, workspace / 'src' / NAME, ignore=LEFT_OUT)
    command = [sys.executable, '-m', 'colcon', 'build', '--packages-select', NAME,
               '--event-handlers', 'console_direct+']
    if request.param == 'symlinked':
        command.append('--symlink-install')
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'Summary: 1 package finished' in done.stdout + done.stderr
    return workspace / 'install' / NAME


@pytest.fixture
def environment(install, ros_environment, tmp_path):
    """What `source install/setup.bash` sets, the checkout being nowhere in it."""
    packages, = install.glob('lib/python3*/site-packages')
    build = install.parents[1] / 'build' / NAME
    paths = [str(packages)] + ([str(build)] if (build / NAME).exists() else [])
    kept = {name: value for name, value in os.environ.items()
            if name not in ('PYTHONPATH', 'AMENT_PREFIX_PATH')}
    return kept | {'AMENT_PREFIX_PATH': str(install), 'PYTHONPATH': os.pathsep.join(paths),
                   'ROS_DOMAIN_ID': ros_environment['ROS_DOMAIN_ID'], 'ROS_LOG_DIR': str(tmp_path)}


def run(install, environment, tmp_path, *argv):
    return subprocess.run([install / 'lib' / NAME / 'latent_vqa', *argv], env=environment,
                          cwd=tmp_path, capture_output=True, text=True, check=False)


def test_the_share_folder_holds_launch_config_bag_and_marker(install):
    share = install / 'share'
    for path in (f'{NAME}/package.xml', f'{NAME}/launch/vqa.launch.py', f'{NAME}/config/vqa.yaml',
                 f'{NAME}/demo_bag/metadata.yaml', f'{NAME}/episode/metadata.yaml',
                 f'{NAME}/tray/metadata.yaml',
                 f'ament_index/resource_index/packages/{NAME}'):
        assert (share / path).is_file(), path


def test_the_package_comes_from_the_install_space(install, environment, tmp_path):
    code = f'import {NAME}; print({NAME}.__file__)'
    done = subprocess.run([sys.executable, '-c', code], env=environment, cwd=tmp_path,
                          capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(install.parents[1])


def test_latent_vqa_runs(install, environment, tmp_path):
    done = run(install, environment, tmp_path, '--help')
    assert done.returncode == 0, done.stderr
    assert 'questions' in done.stdout
    done = run(install, environment, tmp_path, 'inspect')
    assert done.returncode == 0, done.stderr
    assert str(install.parents[1]) in done.stdout.splitlines()[0]
    done = run(install, environment, tmp_path, 'questions')
    assert done.returncode == 0, done.stderr
    assert 'answers (' in done.stdout


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_vqa_node_starts_and_ends_cleanly(install, environment, tmp_path, number):
    log = tmp_path / 'node.log'
    with log.open('wb') as output:
        node = subprocess.Popen([install / 'lib' / NAME / 'vqa_node'], env=environment,
                                cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + START_LIMIT
        while not re.search(r'answering with \S+', log.read_text()):
            assert node.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        node.send_signal(number)
        assert node.wait(STOP_LIMIT) == 0, log.read_text()
    finally:
        node.kill()
        node.wait()
    assert 'Traceback' not in log.read_text()

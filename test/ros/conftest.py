"""What starts a node under test: in this process, or as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def robot(ros, bundle_path):
    """Return a function that starts the node under test and an asker; both end with the test."""
    from helpers.node_harness import Robot

    started = []

    def start(*rules, **parameters):
        given = {'model': str(bundle_path), 'taught_folder': '', **parameters}
        started.append(Robot(given, rules))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            each.close()


@pytest.fixture
def start(ros_environment, tmp_path):
    """Return a function that starts vqa_node with its output in files; ends what still runs."""
    processes = []

    def starter(*arguments, environment=None):
        out = (tmp_path / f'{len(processes)}.txt').open('w+')
        process = subprocess.Popen(
            [sys.executable, '-m', 'latent_vqa_ros.ros.main', '--ros-args', *arguments],
            env=environment or ros_environment, stdout=out, stderr=subprocess.STDOUT, text=True)
        process.said = lambda: Path(out.name).read_text()
        processes.append(process)
        return process

    yield starter
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()

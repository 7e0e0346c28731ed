"""Fixtures of all tests: the bundle to test with, and one ROS context in a domain of its own.

``make test`` runs them in three worker processes (pytest-xdist), a file at a time: no test may
depend on what another worker does.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from helpers.workers import longest_first, own_domain
from hypothesis import settings

from latent_vqa_ros.core.models import find_model

ROOT = Path(__file__).resolve().parents[1]
settings.register_profile('any machine', deadline=None)  # no test asserts a time
settings.load_profile('any machine')
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell started us with &
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else it is ignored in children, too


def pytest_collection_modifyitems(items):
    """Hand out the longest files first."""
    items[:] = longest_first(items)


@pytest.fixture(scope='session')
def bundle_path() -> Path:
    """Return the shipped bundle: its images are pastel with one flat shape (EasyVQA)."""
    return find_model('easy_vqa')


@pytest.fixture(scope='session')
def ros_environment():
    """Return the environment of every ROS process of the tests, this one included."""
    os.environ['ROS_DOMAIN_ID'] = str(own_domain(os.environ.get('PYTEST_XDIST_WORKER', '')))
    os.environ.setdefault('FASTDDS_BUILTIN_TRANSPORTS', 'DEFAULT?sockets_size=5MB')
    for name in ('ROS_LOCALHOST_ONLY', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        os.environ.pop(name, None)  # they undo the transport setting
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    return {**os.environ, 'PYTHONPATH': python_path}


@pytest.fixture(scope='session')
def ros(ros_environment):
    """Start rclpy for the session."""
    rclpy = pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        yield rclpy
    finally:
        rclpy.shutdown()

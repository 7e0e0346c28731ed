"""A staged model is used from the moment when the parameter names it, and not before."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from latent_vqa_ros.core.bundle import BundleError
from latent_vqa_ros.core.pipeline import Pipeline
from latent_vqa_ros.ros.model_switch import ModelSwitch, load
from latent_vqa_ros.ros.parameters import Settings


def test_a_staged_model_waits_until_the_parameter_says_so(bundle_path):
    old, new = load(str(bundle_path), Settings()), load(str(bundle_path), Settings())
    assert isinstance(old, Pipeline)
    models = ModelSwitch()
    assert models.pick('old') is None
    models.start(old)
    models.stage('new', new)
    assert models.pick('old') is old  # the set of parameters was refused after all
    assert models.pick('new') is new
    assert models.pick('new') is new
    models.start(None)
    assert models.pick('new') is None


def test_stopping_forgets_what_was_staged(bundle_path):
    models = ModelSwitch()
    models.stage('new', load(str(bundle_path), Settings()))
    models.start(None)
    assert models.pick('new') is None


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(BundleError, match='nowhere'):
        load('nowhere', Settings())


def test_the_nodes_number_of_threads_reaches_the_sessions():
    for threads in (1, 3):
        executor = load('easy_vqa', Settings(num_threads=threads)).backend.executor
        assert {session.get_session_options().intra_op_num_threads
                for session in executor.sessions.values()} == {threads}

"""What is told apart when no frame arrives, with real publishers, and what it advises to try."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import Spinner, until
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from latent_vqa_ros.ros.frame_source import FrameSource

CAMERA = Path(__file__).parents[1] / 'helpers' / 'small_camera.py'
NOBODY = '65534'
_names = itertools.count()


@pytest.fixture
def node(ros):
    """Return a node that is spun, in a namespace of its own."""
    made = ros.create_node('seer', namespace=f'/absence_{next(_names)}')
    spinner = Spinner(made)
    yield made
    spinner.stop()
    made.destroy_node()
    assert not spinner.errors


@pytest.fixture
def source(node):
    """Return a function that makes a source which is closed with the test."""
    made = []

    def make(transport='raw', camera=''):
        made.append(FrameSource(node, (camera,), transport, 'sensor_data'))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def camera(node, ros_environment, tmp_path):
    """Return a function that starts a camera as a process, of another user where it is told to."""
    processes = []

    def start(*wrapper, **environment):
        logs = tmp_path / f'log_{len(processes)}'
        logs.mkdir(mode=0o777)
        logs.chmod(0o777)
        processes.append(subprocess.Popen(
            [*wrapper, sys.executable, str(CAMERA), node.get_namespace(), 'image_raw'],
            env={**ros_environment, 'ROS_LOG_DIR': str(logs), **environment},
            stdout=subprocess.PIPE, text=True))
        assert processes[-1].stdout.readline() == 'publishing\n'

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_the_compressed_topic_beside_is_named_with_the_parameter_to_set(node, source):
    frames = source()
    assert frames.why_absent('') == (
        f'no publisher on {frames.topic("")}; does the camera run, is the topic remapped?')
    node.create_publisher(CompressedImage, 'image_raw/compressed', 1)
    until(lambda: frames.why_absent('') == (
        f'no publisher on {frames.topic("")}; {frames.topic("")}/compressed is published: '
        'set image_transport to compressed'), 'the topic to be named')


def test_the_raw_topic_beside_is_named_with_the_parameter_to_set(node, source):
    frames = source('compressed')
    node.create_publisher(Image, 'image_raw', 1)
    until(lambda: frames.why_absent('').endswith(
        '/image_raw is published: set image_transport to raw'), 'the topic to be named')


def test_pictures_on_other_topics_are_named_with_the_arguments_that_lead_there(node, source):
    frames, space = source(), node.get_namespace()
    node.create_publisher(Image, 'image_annotated', 1)  # what the node itself draws is no camera
    node.create_publisher(CompressedImage, 'kinect/rgb/compressed', 1)
    node.create_publisher(CompressedImage, 'of_no_use', 1)  # no image_topic leads there
    node.create_publisher(Image, 'kinect/ir', 1)
    until(lambda: f'image_topic:={space}/kinect/rgb ' in frames.why_absent('')
          and f'{space}/kinect/ir' in frames.why_absent(''), 'both to be named')
    assert frames.why_absent('') == (
        f'no publisher on {space}/image_raw; what is published is reached by '
        f'image_topic:={space}/kinect/ir image_transport:=raw, or '
        f'image_topic:={space}/kinect/rgb image_transport:=compressed')


def test_a_camera_with_a_name_is_told_what_to_remap(node, source):
    frames, space = source('points', 'front'), node.get_namespace()
    node.create_publisher(Image, 'kinect/color', 1)
    node.create_publisher(PointCloud2, 'kinect/cloud', 1)
    until(lambda: frames.why_absent('front') == (
        f'no publisher on {space}/front/points; what is published is reached by '
        f'-r front/points:={space}/kinect/cloud, or '
        f'-r front/image_raw:={space}/kinect/color -p image_transport:=raw'), 'the remappings')


def test_depth_infrared_and_annotated_pictures_are_named_last(node, source):
    frames, space = source(), node.get_namespace()
    for name in ('a_depth', 'b_infra1', 'c/image_annotated', 'z_color'):
        node.create_publisher(Image, name, 1)
    until(lambda: f'reached by image_topic:={space}/z_color ' in frames.why_absent('')
          and frames.why_absent('').count('image_topic:=') == 3
          and 'c/image_annotated' not in frames.why_absent(''), 'colour to be first')


def test_a_publisher_that_is_heard_is_asked_first_whether_it_publishes(node, source):
    frames = source()
    node.create_publisher(Image, 'image_raw', 1)
    until(lambda: 'has a publisher' in frames.why_absent(''), 'the publisher')
    until(lambda: f'does {node.get_namespace()}/seer publish (ros2 topic hz {frames.topic("")})? '
          in frames.why_absent(''), 'its node')
    assert 'too large for the transport' in frames.why_absent('')
    assert 'UDPv4' not in frames.why_absent('')


@pytest.mark.skipif(os.getuid() != 0 or shutil.which('setpriv') is None,
                    reason='only root may start a process of another user')
def test_a_camera_of_another_user_is_told_and_the_advice_helps(source, camera):
    # the capability lets the other user read this Python, not write to our shared memory
    other = ('setpriv', '--reuid', NOBODY, '--clear-groups', '--inh-caps', '+dac_read_search',
             '--ambient-caps', '+dac_read_search')
    frames = source()
    camera(*other)
    until(lambda: 'has a publisher' in frames.why_absent(''), 'the publisher')
    time.sleep(2.0)
    assert frames.newest('') is None
    assert 'shared memory does not work between two users' in frames.why_absent('')
    assert 'FASTDDS_BUILTIN_TRANSPORTS=UDPv4' in frames.why_absent('')
    camera(*other, FASTDDS_BUILTIN_TRANSPORTS='UDPv4')
    until(lambda: frames.newest(''), 'a frame')


def test_a_camera_of_the_same_user_is_seen(source, camera):
    frames = source()
    camera()
    until(lambda: frames.newest(''), 'a frame')

"""Frames are taken on demand, the newest one, and a missing one has a reason."""

from __future__ import annotations

import itertools
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import Spinner, header, image, until
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField

from latent_vqa_ros.core.image_formats import ImageError, finish_rgb
from latent_vqa_ros.ros import absence
from latent_vqa_ros.ros.frame_source import FrameSource

_names = itertools.count()


@pytest.fixture
def node(ros):
    """Return a node that is spun, as the real one is, in a namespace of its own."""
    made = ros.create_node('seer', namespace=f'/source_{next(_names)}')
    spinner = Spinner(made)
    yield made
    spinner.stop()
    made.destroy_node()
    assert not spinner.errors


@pytest.fixture
def source(node):
    """Return a function that makes a source which is closed with the test."""
    made = []

    def make(cameras=('',), transport='raw', qos='sensor_data'):
        made.append(FrameSource(node, cameras, transport, qos))
        return made[-1]

    yield make
    for each in made:
        each.close()


def publish_until_seen(source, publisher, message, camera=''):
    stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec

    def seen():
        publisher.publish(message)
        frame = source.newest(camera)
        return frame is not None and frame.stamp_ns == stamp and frame
    return until(seen, 'the frame')


def test_the_newest_frame_wins_and_is_the_same_object_until_a_newer_one_comes(node, source):
    frames = source()
    publisher = node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
    assert frames.newest('') is None
    first = publish_until_seen(frames, publisher, image(stamp_ns=1, frame_id='first'))
    until(lambda: frames.newest('') is frames.newest(''))
    witness = []
    node.create_subscription(
        Image, 'image_raw', lambda msg: witness.append(msg.header.stamp.nanosec),
        qos_profile_sensor_data)
    until(lambda: publisher.get_subscription_count() == 2)
    for stamp in range(2, 30):
        publisher.publish(image(stamp_ns=stamp))
    until(lambda: 29 in witness, 'the last frame to arrive')
    time.sleep(0.2)  # the other subscription has it by now
    newest = frames.newest('')
    assert newest.stamp_ns == 29
    assert newest is frames.newest('')
    assert first.frame_id == 'first'
    assert newest.received_ns > 0
    assert 0 < newest.arrived_s <= time.monotonic()


def test_a_frame_stays_the_same_object_whether_a_clock_runs_or_not(node, source):
    node.set_parameters([Parameter('use_sim_time', value=True)])
    frames, clock = source(), node.create_publisher(Clock, '/clock', 1)
    publisher = node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
    until(lambda: node.get_clock().ros_time_is_active and not frames.clock_is_missing)
    publish_until_seen(frames, publisher, image(stamp_ns=1))
    time.sleep(0.2)  # what was published since has arrived, too
    frame = frames.newest('')
    assert frame.waited_s is None
    node.executor.create_task(lambda: node.destroy_publisher(clock))
    until(lambda: frames.clock_is_missing, 'the end of the clock')
    assert frames.newest('') is frame
    assert frame.waited_s > 0
    node.create_publisher(Clock, '/clock', 1)
    until(lambda: not frames.clock_is_missing, 'another clock')
    assert frames.newest('') is frame
    assert frame.waited_s is None


def test_the_executor_never_takes_a_frame(node, source):
    frames = source()
    publisher = node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
    publish_until_seen(frames, publisher, image(stamp_ns=1))
    subscription = next(s for s in node.subscriptions if s.topic_name.endswith('image_raw'))
    assert not node.executor.can_execute(subscription)
    assert subscription.event_handlers  # in the wait set they wake it as long as a frame waits
    assert not any(node.executor.can_execute(each) for each in subscription.event_handlers)
    other = node.create_publisher(Image, 'other', 1)  # wakes the executor, which rebuilds its set
    publisher.publish(image(stamp_ns=2))
    other.publish(image())
    until(lambda: frames.newest('').stamp_ns == 2)


def test_raw_compressed_and_points_give_the_same_pixels(node, source):
    rgb = np.zeros((6, 8, 3), np.uint8)
    rgb[:3] = (250, 20, 40)
    raw = Image(header=header(1, 'c'), height=6, width=8, encoding='rgb8', step=24,
                data=rgb.tobytes())
    png = CompressedImage(header=header(1, 'c'), format='png',
                          data=cv2.imencode('.png', rgb[:, :, ::-1])[1].tobytes())
    packed = np.concatenate([rgb[:, :, ::-1], np.zeros((6, 8, 1), np.uint8)], axis=2)
    cloud = PointCloud2(
        header=header(1, 'c'), height=6, width=8, point_step=4, row_step=32, data=packed.tobytes(),
        fields=[PointField(name='rgb', offset=0, datatype=PointField.FLOAT32, count=1)])
    for transport, message, topic in (
            ('raw', raw, 'image_raw'), ('compressed', png, 'image_raw/compressed'),
            ('points', cloud, 'points')):
        frames = source(transport=transport)
        assert frames.topic('') == f'{node.get_namespace()}/{topic}'
        publisher = node.create_publisher(type(message), topic, qos_profile_sensor_data)
        frame = publish_until_seen(frames, publisher, message)
        assert np.array_equal(finish_rgb(*frame.decode()), rgb), transport
        assert frame.frame_id == 'c'
        assert not frame.is_grey()
    cloud.header, cloud.height, cloud.width, cloud.row_step = header(2, 'c'), 1, 48, 192
    frame = publish_until_seen(frames, publisher, cloud)
    with pytest.raises(ImageError, match='not organized'):  # for /diagnostics
        frame.is_grey()


@pytest.mark.parametrize(('transport', 'rules', 'topics'), [
    ('raw', ['image_raw:=/kinect/rgb'], {'': '/kinect/rgb'}),
    ('points', ['points:=/kinect/points'], {'': '/kinect/points'}),
    ('compressed', ['image_raw:=/kinect/rgb'], {'': '/kinect/rgb/compressed'}),
    ('compressed', ['image_raw/compressed:=/kinect/jpeg'], {'': '/kinect/jpeg'}),
    ('raw', ['front/image_raw:=/rear/image_raw', 'rear/image_raw:=/front/image_raw'],
     {'front': '/rear/image_raw', 'rear': '/front/image_raw'}),
])
def test_a_camera_knows_the_topic_that_its_frames_come_from(ros, transport, rules, topics):
    given = [word for rule in rules for word in ('-r', rule)]
    node = ros.create_node('remapped', cli_args=['--ros-args', *given])
    frames = FrameSource(node, tuple(topics), transport, 'reliable')
    assert {name: frames.topic(name) for name in topics} == topics
    heard = {name: camera.subscription.topic_name for name, camera in frames._cameras.items()}
    assert heard == topics
    frames.close()
    node.destroy_node()


def test_each_camera_has_its_own_topic_and_frames(node, source):
    frames = source(('front', 'arm/left'))
    publishers = {name: node.create_publisher(Image, f'{name}/image_raw', 1)
                  for name in ('front', 'arm/left')}
    for number, (name, publisher) in enumerate(publishers.items(), 1):
        frame = publish_until_seen(frames, publisher, image(stamp_ns=number), name)
        assert frame.camera == name
    assert frames.newest('front').stamp_ns == 1


def test_a_missing_frame_has_its_reason(node, source):
    topic = f'{node.get_namespace()}/image_raw'
    assert 'no publisher on ' + topic in source().why_absent('')
    node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
    strict = source(qos='reliable')
    until(lambda: node.count_publishers(topic))
    assert 'incompatible QoS' in strict.why_absent('')
    assert 'set image_qos to sensor_data' in strict.why_absent('')
    assert 'fastdds_large_frames.xml' in source().why_absent('')


def test_frames_that_stay_away_for_another_quality_of_service_are_told_with_the_last_one(
        node, source):
    strict = source(qos='reliable')
    camera = node.create_publisher(Image, 'image_raw', 1)
    frame = publish_until_seen(strict, camera, image(stamp_ns=1))
    node.destroy_publisher(camera)
    node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
    until(lambda: 'incompatible QoS' in frame.why_outdated(10**12, 0.0), 'the reason')


def test_a_topic_of_another_type_is_named(ros, node, source):
    frames = source()
    context = ros.Context()  # one participant cannot hold two types of a topic
    ros.init(context=context)
    camera = ros.create_node('camera', context=context)
    camera.create_publisher(CompressedImage, frames.topic(''), 1)
    until(lambda: node.count_publishers(frames.topic('')))
    assert 'sensor_msgs/msg/CompressedImage, not sensor_msgs/msg/Image' in frames.why_absent('')
    camera.destroy_node()
    context.shutdown()


def test_closing_leaves_no_subscription(node, source):
    before = len(list(node.subscriptions))
    frames = source(('a', 'b'))
    assert len(list(node.subscriptions)) == before + 2
    frames.close()
    assert len(list(node.subscriptions)) == before
    with pytest.raises(Exception, match='topic name'):
        source(('a', 'b' * 300))
    assert len(list(node.subscriptions)) == before


@pytest.mark.parametrize(('size', 'told'), [(420, True), (400, False)])
def test_a_camera_that_runs_and_whose_large_frames_are_lost_is_told_so(node, source, monkeypatch,
                                                                       size, told):
    monkeypatch.setattr(absence, '_is_fast_dds', lambda: True)
    frames = source()
    publisher = node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
    frame = publish_until_seen(frames, publisher, image(stamp_ns=1, size=size))
    time.sleep(0.05)
    now_ns = node.get_clock().now().nanoseconds
    assert ('too large for the transport' in frame.why_outdated(now_ns, 0.01)) == told
    assert 'too large' not in frame.why_outdated(now_ns, 60.0)  # it has just arrived
    node.destroy_publisher(publisher)
    until(lambda: not frames.publishers(''))
    assert 'too large' not in frame.why_outdated(now_ns, 0.01)

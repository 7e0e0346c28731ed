"""A bag replayed twice at 25 times its speed: whatever gets through, answers are the same."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
from helpers.node_harness import until
from sensor_msgs.msg import Image

from latent_vqa_ros.bags.read import BagReader

BAG = Path(__file__).parents[1] / 'data' / 'demo_bag'
STANDING = ['{"id": "shape", "question": "what shape is present?"}',
            '{"id": "color", "question": "what color is the shape?"}']


def replay(node) -> dict[tuple, tuple]:
    """Publish every frame, 50 a second; return (answer, confidence) by stamp and question."""
    publisher = node.node.create_publisher(Image, 'image_raw', 10)
    until(publisher.get_subscription_count, 'the node to subscribe')
    node.details.clear()
    with BagReader(BAG) as bag:
        frames = [record for record in bag if record.topic == '/image_raw']
        for record in frames:
            publisher.publish(record.cdr)
            time.sleep(0.02)
        last = bag.deserialize(frames[-1]).header.stamp
    until(lambda: any(d['stamp'] == {'sec': last.sec, 'nanosec': last.nanosec}
                      for d in node.details), 'an answer about the last frame')
    node.node.destroy_publisher(publisher)
    return {(d['stamp']['sec'], d['stamp']['nanosec'], d['id']): (
        d['status'], d['answer'], d['confidence']) for d in list(node.details) if d['stamp']}


def test_a_bag_replayed_twice_gives_equal_answers_per_stamp(robot):
    node = robot(max_image_age=0.0, standing_rate=200.0, standing_publish='always',
                 image_qos='reliable', standing_questions=STANDING)
    first, second = replay(node), replay(node)
    common = first.keys() & second.keys()
    assert len({(sec, nanosec) for sec, nanosec, _ in common}) > 2
    assert {key: first[key] for key in common} == {key: second[key] for key in common}
    assert {value[0] for value in first.values()} == {'ok'}

"""The bag of an episode: all topics, stamps that agree, a camera that puts things into boxes."""

import json
import math
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.simulation.episode_bag import START_NS, choose, jpeg, record, shoot, truth
from latent_vqa_ros.simulation.truth import Scene
from latent_vqa_ros.simulation.world.picture import Studio

SEED, SECONDS, RATE, SIZE = 6, 2, 12, 64
SHIPPED = Path(__file__).resolve().parents[1] / 'data' / 'episode'
TOPICS = {'/camera/image_raw': 'sensor_msgs/msg/Image',
          '/camera/camera_info': 'sensor_msgs/msg/CameraInfo',
          '/clock': 'rosgraph_msgs/msg/Clock', '/truth': 'std_msgs/msg/String'}


@pytest.fixture(scope='module', params=['mcap', 'sqlite3'])
def recorded(request, tmp_path_factory):
    """Return the document of a short episode, and its messages as topic → list."""
    path = tmp_path_factory.mktemp('episode') / request.param
    ticks = []
    document = record(path, SEED, SECONDS, RATE, SIZE, request.param, lambda: ticks.append(1))
    assert len(ticks) == SECONDS * RATE
    with BagReader(path) as bag:
        assert bag.topics == TOPICS
        found = {topic: [] for topic in TOPICS}
        for each in bag:
            found[each.topic].append((each.stamp_ns, bag.deserialize(each)))
    return document, found


def nanoseconds(stamp):
    return stamp.sec * 10**9 + stamp.nanosec


def test_each_frame_has_its_four_messages_of_one_stamp(recorded):
    document, found = recorded
    assert document['frames'] == SECONDS * RATE
    stamps = [START_NS + round(i * 10**9 / RATE) for i in range(SECONDS * RATE)]
    for topic, messages in found.items():
        assert [stamp for stamp, _ in messages] == stamps, topic
    for topic in ('/camera/image_raw', '/camera/camera_info'):
        assert [nanoseconds(message.header.stamp) for _, message in found[topic]] == stamps
        assert {message.header.frame_id for _, message in found[topic]} == {'camera'}
    assert [nanoseconds(message.clock) for _, message in found['/clock']] == stamps
    truths = [json.loads(message.data) for _, message in found['/truth']]
    assert [t['stamp']['sec'] * 10**9 + t['stamp']['nanosec'] for t in truths] == stamps


def test_ambiguous_frames_are_in_the_bag_without_a_scene(recorded):
    document, found = recorded
    scenes = [json.loads(message.data)['scene'] for _, message in found['/truth']]
    assert document['ambiguous_frames'] == scenes.count(None) > 0
    pictures = [message.data.reshape(SIZE, SIZE, 3) for _, message in found['/camera/image_raw']]
    assert all(picture.std() > 5 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    read = [Scene.from_json(json.dumps(scene)) for scene in scenes if scene]
    assert {(scene.split, scene.seed, scene.width) for scene in read} == {('episode', SEED, SIZE)}
    assert {thing.held for scene in read for thing in scene.things} == {True, False}


def test_the_answers_are_those_of_the_scene_and_none_where_it_is_ambiguous(recorded):
    _, found = recorded
    truths = [json.loads(message.data) for _, message in found['/truth']]
    assert len({tuple(told['answers']) for told in truths}) == 1
    for told in truths:
        if told['scene'] is None:
            assert set(told['answers'].values()) == {None}
        else:
            in_tray = sum(thing['in_tray'] for thing in told['scene']['things'])
            held = [thing['shape'] for thing in told['scene']['things'] if thing['held']]
            assert told['answers']['how many things are in the tray?'] == str(in_tray)
            assert told['answers']['what is the gripper holding?'] == (held or ['nothing'])[0]
    carried = [q for q in truths[0]['answers'] if q.startswith('is the') and 'in the tray' in q]
    assert truths[0]['answers'][carried[0]] == 'no'
    assert truths[-1]['answers'][carried[0]] == 'yes'


def test_the_shipped_episode_is_what_the_command_makes():
    # latent_vqa simulate bag test/data/episode --seed 0 --rate 5 --size 224 --compressed
    studio, frames, rate = Studio(224), 120, 5
    script = choose(studio, 0)
    with BagReader(SHIPPED) as bag:
        found = {topic: [bag.deserialize(record) for record in bag if record.topic == topic]
                 for topic in ('/camera/image_raw/compressed', '/truth')}
    assert {len(messages) for messages in found.values()} == {frames}
    for frame in (0, 40, 80, 119):
        stamp_ns = START_NS + frame * 10**9 // rate
        shot = shoot(studio, script, 0, frame, frame / (frames - 1), stamp_ns)
        told, made = (json.loads(text) for text in (found['/truth'][frame].data, truth(shot)))
        for each in (told, made):  # a field that has come since has its default
            each['scene'] = each['scene'] and Scene.from_json(json.dumps(each['scene']))
        assert told == made
        shipped_hwc = cv2.imdecode(found['/camera/image_raw/compressed'][frame].data, 1)
        made_hwc = cv2.imdecode(np.frombuffer(jpeg(shot.image_hwc), np.uint8), 1)
        assert np.abs(shipped_hwc.astype(int) - made_hwc).mean() < 1  # grey level: other libraries


def project(camera, info, position):
    """Return the pixel (x, y), first one's middle 0, of a place in the camera's ground frame."""
    e, r = math.radians(camera['elevation']), math.radians(camera['roll'])
    x, y, z = position[0], position[1], position[2] - camera['height']
    up, ahead = math.sin(e) * y + math.cos(e) * z, math.cos(e) * y - math.sin(e) * z
    right = math.cos(r) * x + math.sin(r) * up
    up = math.cos(r) * up - math.sin(r) * x
    u, v, w = np.array(info.k).reshape(3, 3) @ (right, -up, ahead)
    return u / w, v / w


def test_the_intrinsics_put_each_object_into_its_box(recorded):
    _, found = recorded
    errors, checked = [], Counter()
    for (_, info), (_, message) in zip(found['/camera/camera_info'], found['/truth'],
                                       strict=True):
        assert (info.width, info.height) == (SIZE, SIZE)
        assert info.k.tolist() == info.p.reshape(3, 4)[:, :3].ravel().tolist()
        truth = json.loads(message.data)
        for thing in truth['scene']['things'] if truth['scene'] else ():
            if thing['visible'] > 0.97 and thing['shape'] in ('cube', 'ball', 'cylinder'):
                x, y, width, height = thing['box']
                u, v = project(truth['camera'], info, thing['position'])
                errors.append((u - (x + (width - 1) / 2), v - (y + (height - 1) / 2)))
                checked[thing['shape']] += 1
    assert len(errors) >= 10, checked
    assert np.abs(errors).max() < 1.5  # pixels; boxes are whole pixels
    assert np.abs(np.mean(errors, axis=0)).max() < 0.35  # half a pixel off would be seen

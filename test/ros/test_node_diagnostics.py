"""What stands on /diagnostics is true: levels, rates, latencies, model, memory."""

from __future__ import annotations

import json
import os
import time

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
import cv2
import numpy as np
import rclpy
from helpers.node_harness import image, picture, until
from helpers.pupil import LID, Pupil
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros.diagnostics import ERROR, OK, STALE, WARN, Statistics, answering
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.question import Question


def values(status) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def await_level(node, name, level):
    until(lambda: name in node.diagnostics and node.diagnostics[name].level == level,
          f'{name} at level {level}')
    return node.diagnostics[name]


def test_an_unconfigured_node_reports_and_warns(robot):
    node = robot(autostart=False, diagnostics_period=0.1)
    status = await_level(node, 'node', WARN)
    assert values(status)['state'] == 'unconfigured'
    assert 'not active' in await_level(node, 'questions', STALE).message
    assert float(values(status)['memory_rss_mb']) > 1
    assert not any(name.startswith('camera') for name in node.diagnostics)


def test_model_latency_and_image_age_are_reported(robot):
    node = robot(min_confidence=0.0, diagnostics_period=0.1, cameras=['front'])
    await_level(node, 'camera front', WARN)
    assert 'no publisher' in node.diagnostics['camera front'].message
    node.show(image(node.now_ns()), 'front', 'front/image_raw')
    assert node.ask()['status'] == 'ok'
    status = await_level(node, 'node', OK)
    name, version, sha256 = node.vqa.pipeline.bundle.identity
    found = values(status)
    assert (found['model'], found['model_version'], found['model_sha256']) == (
        name, version, sha256)
    assert (found['backend'], found['state']) == ('onnxruntime', 'active')
    camera = values(await_level(node, 'camera front', OK))
    assert float(camera['image_age_ms']) >= 0
    assert camera['topic'] == f'{node.node.get_namespace()}/front/image_raw'
    until(lambda: values(node.diagnostics['questions'])['status_ok'] == '1')
    figures = values(node.diagnostics['questions'])
    assert 0 < float(figures['latency_p50_ms']) <= float(figures['latency_p95_ms'])


def test_a_silent_camera_goes_stale(robot):
    node = robot(diagnostics_period=0.1)
    node.show(image(stamp_ns=node.now_ns() - 10**10))
    status = await_level(node, 'camera', STALE)
    assert float(values(status)['image_age_ms']) >= 10e3
    assert values(status)['publishers'] == '1'
    node.set(max_image_age=0)
    await_level(node, 'camera', OK)


def test_a_camera_with_a_wrong_clock_is_not_a_silent_one(robot):
    node = robot(diagnostics_period=0.1, max_image_age=30.0)
    node.show(image(stamp_ns=node.now_ns() - 10**12))
    until(lambda: 'the clocks of camera and node differ' in node.diagnostics['camera'].message)
    assert node.diagnostics['camera'].level == WARN


def colours(node) -> str:
    """Return what the next report says of the camera's colours, '' for nothing."""
    node.diagnostics.clear()
    status = await_level(node, 'camera', OK)
    assert ('shows no colours' in status.message) == ('colours' in values(status))
    return values(status).get('colours', '')


def test_a_camera_that_shows_no_colours_is_told_before_anything_is_asked(robot):
    node = robot(diagnostics_period=0.1, max_image_age=0.0)
    node.show(image(stamp_ns=node.now_ns(), encoding='mono8', step=64, data=bytes(64 * 64)))
    until(lambda: colours(node) == 'none', 'the report')
    node.show_now()
    until(lambda: not colours(node), 'the report')
    node.show(image(stamp_ns=node.now_ns(), data=bytes([200]) * 64 * 64 * 3))
    until(lambda: colours(node) == 'none', 'the report')


def test_a_camera_whose_images_cannot_be_read_is_warned_of_as_long_as_they_come(robot):
    node = robot(diagnostics_period=0.1, max_image_age=0.0)
    node.show(image(node.now_ns(), step=7))
    until(lambda: 'step 7 is too small' in node.diagnostics['camera'].message, 'the report')
    time.sleep(0.3)
    assert 'step 7 is too small' in await_level(node, 'camera', WARN).message
    node.show_now()
    assert await_level(node, 'camera', OK).message == 'frames arrive'


def test_a_standing_question_about_images_that_cannot_be_read_is_warned_of(robot):
    node = robot(diagnostics_period=0.1, max_image_age=0.0, min_confidence=0.0,
                 image_transport='compressed', standing_questions=['what color is the shape?'])
    node.show_compressed(b'no image')
    until(lambda: 'not a JPEG or PNG' in node.diagnostics['camera'].message, 'the report')
    status = await_level(node, 'standing questions', WARN)
    assert "'what color is the shape?' gets no answer: bad_image: " in status.message
    node.show_compressed(cv2.imencode('.jpg', picture())[1].tobytes())
    await_level(node, 'standing questions', OK)


def test_colours_that_only_a_decoded_picture_tells_are_told_from_the_first_question_on(robot):
    node = robot(diagnostics_period=0.1, min_confidence=0.0, max_image_age=0.0,
                 image_transport='compressed')
    grey = cv2.imencode('.jpg', np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
    node.show_compressed(grey)
    assert colours(node) == ''
    assert node.ask()['status'] == 'unsure'
    until(lambda: colours(node) == 'none', 'the report')
    node.show_compressed(cv2.imencode('.jpg', picture())[1].tobytes())
    assert node.ask()['status'] == 'ok'
    until(lambda: not colours(node), 'the report')


def test_a_camera_that_is_gone_is_told_from_a_silent_one(robot):
    node = robot(diagnostics_period=0.1, max_image_age=0.0)
    node.show_now()
    await_level(node, 'camera', OK)
    node.stop_publishing('image_raw')
    assert 'nobody publishes' in await_level(node, 'camera', WARN).message
    node.set(max_image_age=0.01)
    assert 'nobody publishes' in await_level(node, 'camera', STALE).message
    node.set(max_image_age=0)
    node.show_now()
    await_level(node, 'camera', OK)


def test_a_camera_that_stays_away_becomes_an_error(robot, monkeypatch):
    monkeypatch.setattr('latent_vqa_ros.ros.report.WARN_AFTER', 0.5)
    node = robot(diagnostics_period=0.1)
    assert 'no publisher' in await_level(node, 'camera', ERROR).message
    assert node.ask()['status'] == 'no_image'
    node.show_now()
    await_level(node, 'camera', OK)


def test_incompatible_qos_is_named_at_once_by_the_event(robot, capfd, monkeypatch):
    monkeypatch.setattr('latent_vqa_ros.ros.report.WARN_AFTER', 3600.0)  # not the later log line
    node = robot(diagnostics_period=0.1, image_qos='reliable', max_image_age=0.0)
    topic = f'{node.node.get_namespace()}/image_raw'
    weak = node.node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
    logged = []
    until(lambda: logged.append(capfd.readouterr().err)
          or f'incompatible QoS on {topic}, RELIABILITY' in ''.join(logged), 'the event')
    status = await_level(node, 'camera', ERROR)
    assert status.message.startswith(f'incompatible QoS on {topic}, RELIABILITY')
    assert 'set image_qos to sensor_data' in status.message
    node.show_now()  # a second camera, reliable
    assert 'incompatible QoS' in await_level(node, 'camera', WARN).message
    node.spinner.executor.create_task(lambda: node.node.destroy_publisher(weak))
    await_level(node, 'camera', OK)


def test_the_report_changes_its_pace_at_once(robot):
    node = robot(diagnostics_period=3600.0)
    node.set(diagnostics_period=0.1)
    await_level(node, 'node', OK)


def test_an_inactive_node_warns_and_answers_nothing(robot):
    node = robot(diagnostics_period=0.1)
    await_level(node, 'questions', OK)
    node.transition('deactivate')
    await_level(node, 'questions', STALE)
    assert values(await_level(node, 'node', WARN))['state'] == 'inactive'


def test_a_second_node_of_the_same_name_is_told_once_it_lasts(robot, monkeypatch, capfd):
    monkeypatch.setattr('latent_vqa_ros.ros.report.NAMESAKE_S', 0.3)
    node = robot(diagnostics_period=0.1)
    await_level(node, 'node', OK)
    twin = rclpy.create_node('vqa', namespace=node.node.get_namespace())
    name = f'{node.node.get_namespace()}/vqa'
    assert await_level(node, 'node', WARN).message.startswith(f'2 nodes are named {name}: ')
    time.sleep(0.5)
    twin.destroy_node()
    await_level(node, 'node', OK)
    lines = capfd.readouterr().err.splitlines()
    assert sum(f'nodes are named {name}' in line for line in lines) == 1


def test_a_killed_node_that_is_still_known_is_no_namesake(robot):
    node = robot(diagnostics_period=0.1)
    twin = rclpy.create_node('vqa', namespace=node.node.get_namespace())
    until(lambda: node.node.get_node_names_and_namespaces().count(
        ('vqa', node.node.get_namespace())) == 2)
    node.diagnostics.clear()
    await_level(node, 'node', OK)
    twin.destroy_node()


def test_a_disabled_node_warns(robot):
    node = robot(diagnostics_period=0.1)
    await_level(node, 'node', OK)
    node.enable(False)
    assert 'enable' in await_level(node, 'node', WARN).message
    assert 'enable' in await_level(node, 'questions', STALE).message


def test_latencies_are_those_of_answers(robot):
    node = robot(min_confidence=0.0)
    node.ask('what is this zebra?')
    node.show_now()
    until(lambda: 'questions' in node.diagnostics, 'a report')
    assert 'latency_p50_ms' not in values(node.diagnostics['questions'])
    node.set(standing_publish='always', standing_questions=['what color is the shape?'])
    until(lambda: 'latency_p50_ms' in values(node.diagnostics['questions']),
          'latencies of standing questions')


def test_levels_rates_and_percentiles_follow_what_happened():
    statistics = Statistics()
    for latency in range(1, 101):
        statistics.count(Status.OK, float(latency))
    first = statistics.snapshot()
    status = answering(first, 'n', 3)
    figures = values(status)
    assert status.level == OK
    assert (figures['latency_p50_ms'], figures['latency_p95_ms']) == ('50.500', '95.050')
    assert (figures['status_ok'], figures['waiting']) == ('100', '3')
    assert first.new == {Status.OK: 100}
    stopped = answering(first, 'n', 3, 'not active')
    assert (stopped.level, stopped.message) == (STALE, 'not active: nothing is answered')
    statistics.count(Status.OVERLOADED)
    dropped = answering(statistics.snapshot(), 'n', 0)
    assert dropped.level == WARN
    assert values(dropped)['dropped'] == '1'
    statistics.count(Status.BAD_IMAGE)
    unreadable = answering(statistics.snapshot(), 'n', 0)
    assert (unreadable.level, unreadable.message[:11]) == (WARN, '1 questions')
    statistics.fail('broken')
    failed = answering(statistics.snapshot(), 'n', 0)
    assert (failed.level, failed.message) == (ERROR, 'broken')
    assert answering(statistics.snapshot(), 'n', 0).level == OK


def test_a_name_that_is_not_utf8_silences_no_topic(robot, tmp_path):
    known, _ = Folder(tmp_path).add(Question(LID), 'yes', b'picture', 5)
    (known.path / 'active').write_text('[')  # on, and broken: each text names its folder
    os.rename(known.path, tmp_path / os.fsdecode(b'l\xefd'))
    pupil = Pupil(robot(taught_folder=str(tmp_path), diagnostics_period=0.1, max_image_age=0.0,
                        conditions=['lid'], **{'lid.question': LID}))
    heard = []
    pupil.robot.node.create_subscription(
        String, 'conditions/lid/detail', lambda msg: heard.append(json.loads(msg.data)), 10)
    pupil.robot.show_now()
    detail = pupil.robot.ask(LID)
    assert (detail['status'], detail['model']['name']) == ('failed', 'taught/l\ufffdd')
    assert 'l\ufffdd' in detail['reason']
    question, = pupil.say(do='list')['questions']
    assert question['slug'] == 'l\ufffdd'
    until(lambda: 'l\ufffdd' in pupil.diagnosed(), 'the report')
    assert until(lambda: heard, "the condition's detail")[0]['reason'] == detail['reason']
    checked = pupil.robot.call(Trigger, 'vqa/check/lid', Trigger.Request())
    assert not checked.success


def test_an_old_frame_is_not_called_arriving_where_any_age_is_allowed(robot):
    node = robot(diagnostics_period=0.1, max_image_age=0.0)
    node.show(image(node.now_ns() - 60 * 10**9), '', 'image_raw')
    until(lambda: 's old' in await_level(node, 'camera', OK).message)


def test_a_cause_of_missing_frames_that_ended_begins_anew(robot, monkeypatch):
    node = robot(diagnostics_period=0.1)
    await_level(node, 'camera', WARN)
    monkeypatch.setattr('latent_vqa_ros.ros.report.WARN_AFTER', 0.0)
    await_level(node, 'camera', ERROR)
    assert node.vqa.activation.cameras._missing
    node.show(image(node.now_ns()), '', 'image_raw')
    await_level(node, 'camera', OK)
    assert not node.vqa.activation.cameras._missing


def test_the_latency_window_is_bounded():
    statistics = Statistics()
    for _ in range(5000):
        statistics.count(Status.OK, 1.0)
    assert len(statistics.snapshot().latencies_ms) == 1000


def test_a_lasting_cause_of_missing_frames_is_logged_once(robot, capfd, monkeypatch):
    monkeypatch.setattr('latent_vqa_ros.ros.report.WARN_AFTER', 0.3)
    node = robot(diagnostics_period=0.1)
    logged = []
    until(lambda: logged.append(capfd.readouterr().err) or 'no publisher' in ''.join(logged))
    for _ in range(5):
        node.diagnostics.clear()
        await_level(node, 'camera', ERROR)
        assert node.ask()['status'] == 'no_image'
    lines = (''.join(logged) + capfd.readouterr().err).splitlines()
    assert sum('WARN' in line and 'no publisher' in line for line in lines) == 1

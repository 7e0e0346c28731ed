"""Faults that are no broken frame and no broken text: a table from the name to what happens.

    OPERATIONS['kill -9 and respawn'](stage)

Each function leaves the stage as it found it (the node active, the raw transport, defaults).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable

import numpy as np
from faults import texts
from faults.parameters import ABUSE, abuse
from faults.rig import MODEL, QUESTION, image, picture, until
from faults.stage import Stage
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import String

SEEN = {'ok', 'unsure', 'stale_image'}  # a question that met a usable frame; storms take time


def statuses(stage: Stage, ids: list[str]) -> set[str]:
    """Wait for the details of these questions and return their statuses."""
    details = stage.asker.by_id
    until(lambda: all(details.get(id_) for id_ in ids), f'{len(ids)} details')
    return {details[id_][0]['status'] for id_ in ids}


def storm(stage: Stage, count: int, pause_s: float = 0.001) -> list[str]:
    """Ask without waiting for answers; return the ids."""
    ids = []
    for _ in range(count):
        ids.append(stage.asker.send())
        time.sleep(pause_s)
    return ids


# storms

def storm_of_a_second(stage: Stage) -> None:
    assert statuses(stage, storm(stage, 1000)) <= SEEN | {'overloaded'}


def storm_at_once(stage: Stage) -> None:
    assert statuses(stage, storm(stage, 1000, 0)) <= SEEN | {'overloaded'}


def storm_during(stage: Stage, disturb: Callable[[], None]) -> set[str]:
    ids: list[str] = []
    thread = threading.Thread(target=lambda: ids.extend(storm(stage, 500)))
    thread.start()
    disturb()
    thread.join()
    return statuses(stage, ids)


def storm_during_deactivate(stage: Stage) -> None:
    def cycle() -> None:
        for _ in range(5):
            assert stage.transition('deactivate')
            assert stage.transition('activate')
    found = storm_during(stage, cycle)
    assert found <= SEEN | {'overloaded', 'inactive', 'no_image'}


def storm_during_parameters(stage: Stage) -> None:
    def change() -> None:
        for depth in (1, 500, 3, 1000, 10):
            assert stage.set(queue_depth=depth)[0].successful
    assert storm_during(stage, change) <= SEEN | {'overloaded'}


def broken_storm(stage: Stage) -> None:
    before = len(stage.asker.nameless)
    for _ in range(10):
        for content, _expected in texts.QUESTIONS.values():
            if len(content) < 10_000:
                stage.asker.nameless_sent += 1
                stage.asker.questions.publish(texts.message(content))
    sent = stage.asker.nameless_sent
    until(lambda: len(stage.asker.nameless) >= sent, 'a detail of each broken question')
    assert len(stage.asker.nameless) - before >= 300


def storm_while_frozen(stage: Stage) -> None:
    os.kill(stage.node.pid, signal.SIGSTOP)
    try:
        ids = storm(stage, 200)
    finally:
        os.kill(stage.node.pid, signal.SIGCONT)
    assert statuses(stage, ids) <= SEEN | {'overloaded'}


def deepest_nesting(stage: Stage) -> None:
    assert stage.set(max_question_length=65536)[0].successful
    for opening, closing in (('[', ']'), ('{"a":', '}')):
        depth = 60_000 // len(opening + closing)
        text = '{"question": ' + opening * depth + closing * depth + '}'
        assert stage.asker.say(String(data=text))['status'] == 'bad_question'
    assert stage.set(max_question_length=256)[0].successful


def no_cdr(stage: Stage) -> None:
    """Publish what cannot be deserialized: no question, so no detail is owed."""
    whole = texts.text(b'what')
    for content in (whole[:6], whole[:4] + b'\xff\xff\xff\xff' + whole[8:], b'\xff' * 64):
        stage.asker.questions.publish(content)


def frame_that_is_no_cdr(stage: Stage) -> None:
    message = serialize_message(image(stage.asker.header()))
    at = message.rindex((64 * 64 * 3).to_bytes(4, 'little'))  # the length of data
    for content in (message[:40], message[:at] + b'\xff\xff\xff\xff' + message[at + 4:],
                    message[:4] + np.random.default_rng(0).bytes(300)):
        stage.asker.publish(content, 'image_raw', Image)
        stage.asker.ask()


# cameras

def camera_silence(stage: Stage) -> None:
    asker = stage.asker
    asker.show_until_ok()
    assert stage.set(max_image_age=0.3)[0].successful
    until(lambda: asker.ask()['status'] == 'stale_image', 'stale_image')
    asker.show_until_ok()
    assert stage.set(max_image_age=2.0)[0].successful


def camera_lost(stage: Stage) -> None:
    """Activate anew: the frames from before are forgotten."""
    assert stage.transition('deactivate')
    assert stage.transition('activate')
    assert stage.asker.ask()['status'] == 'no_image'


def stamped(stage: Stage, shift_s: float | None, expected: set[str]) -> None:
    header = stage.asker.header(shift_s or 0.0)
    if shift_s is None:
        header.stamp.sec = header.stamp.nanosec = 0
    assert stage.asker.see(image(header))['status'] in expected


def impossible_stamp(stage: Stage) -> None:
    for sec, nanosec in ((-5, 0), (-2**31, 0), (2**31 - 1, 2**32 - 1), (0, 2**32 - 1)):
        header = stage.asker.header()
        header.stamp.sec, header.stamp.nanosec = sec, nanosec
        stage.asker.see(image(header))


def long_frame_id(stage: Stage) -> None:
    header = stage.asker.header()
    header.frame_id = f'{header.frame_id} \x00\x1b[31m ' + 'x' * 100_000
    stage.asker.publish(image(header), 'image_raw')
    stage.asker.ask()


def another_type(stage: Stage) -> None:
    with stage.stranger() as stranger:
        publisher = stranger.create_publisher(String, 'image_raw', 10)
        for _ in range(10):
            publisher.publish(String(data='no image'))
            stage.asker.ask()


def incompatible_qos(stage: Stage) -> None:
    stage.reconfigure(image_qos='reliable')
    with stage.stranger() as stranger:
        publisher = stranger.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
        for _ in range(10):
            publisher.publish(image(stage.asker.header()))
            assert stage.asker.ask()['status'] == 'no_image'
    stage.asker.show_until_ok()
    stage.reconfigure(image_qos='sensor_data')


def best_effort_asker(stage: Stage) -> None:
    """Publish questions that the node's reliable subscription cannot take: none arrives."""
    with stage.stranger() as stranger:
        publisher = stranger.create_publisher(
            String, 'question', QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT))
        for _ in range(10):
            publisher.publish(String(data=json.dumps({'id': 'lost', 'question': QUESTION})))


def two_publishers(stage: Stage) -> None:
    stage.asker.show_until_ok()
    with stage.stranger() as stranger:
        publisher = stranger.create_publisher(Image, 'image_raw', 10)
        stage.matched(publisher)
        for _ in range(20):
            publisher.publish(image(stage.asker.header(), picture(120, 160)))
            stage.asker.publish(image(stage.asker.header()), 'image_raw')
            assert stage.asker.ask()['status'] in SEEN


def camera_restarts(stage: Stage) -> None:
    for _ in range(3):
        with stage.stranger() as stranger:
            publisher = stranger.create_publisher(Image, 'image_raw', 10)
            stage.matched(publisher)
            publisher.publish(image(stage.asker.header()))
            stage.asker.ask()


def a_size_for_each_frame(stage: Stage) -> None:
    for size in (1, 2, 3, 7, 64, 500, 1, 333):
        detail = stage.asker.see(image(stage.asker.header(), picture(size, size + 1)))
        assert detail['status'] in SEEN | {'unfamiliar_image', 'bad_image'}


# the model, lifecycle, the process

def model_deleted(stage: Stage) -> None:
    shutil.rmtree(stage.model)
    try:
        stage.asker.show_until_ok()
        for name in ('deactivate', 'cleanup'):
            assert stage.transition(name), name
        assert not stage.transition('configure')
        assert stage.state() == 'unconfigured'
    finally:
        shutil.copytree(MODEL, stage.model)
    for name in ('configure', 'activate'):
        assert stage.transition(name), name
    stage.asker.greet()


def cycle_50_times(stage: Stage) -> None:
    for _ in range(50):
        for name in ('deactivate', 'cleanup', 'configure', 'activate'):
            assert stage.transition(name), name
    stage.asker.greet()


def impossible_transitions(stage: Stage) -> None:
    for name in ('create', 'configure', 'activate', 'cleanup', 'unconfigured_shutdown',
                 'inactive_shutdown', 'made_up'):
        assert not stage.transition(name), name
    assert not stage.transition('create', label='nonsense')
    assert stage.state() == 'active'


def disabled_and_enabled(stage: Stage) -> None:
    for _ in range(3):
        assert stage.enable(False)
        assert statuses(stage, storm(stage, 5, 0)) == {'inactive'}
        assert stage.enable(True)


def kill_and_respawn(stage: Stage) -> None:
    """Questions are lost with the process, so none may be under way."""
    before = stage.node.pid
    stage.node.kill_and_respawn()
    stage.pid = stage.node.pid
    assert stage.pid != before
    stage.asker.greet()


OPERATIONS: dict[str, Callable[[Stage], None]] = {
    'a storm of 1,000 questions in a second': storm_of_a_second,
    'a storm of 1,000 questions at once': storm_at_once,
    'a storm of questions during deactivate': storm_during_deactivate,
    'a storm of questions during parameter changes': storm_during_parameters,
    'a storm of broken questions': broken_storm,
    'a storm of questions to a frozen process': storm_while_frozen,
    'JSON nested as deep as a message may be': deepest_nesting,
    'a question that is no message': no_cdr,
    'a frame that is no message': frame_that_is_no_cdr,
    'a camera that falls silent and returns': camera_silence,
    'a camera that has not come back after activate': camera_lost,
    'a zero stamp': lambda stage: stamped(stage, None, {'ok'}),
    'a stamp an hour in the future': lambda stage: stamped(stage, 3600.0, SEEN),
    'a stamp an hour in the past': lambda stage: stamped(stage, -3600.0, {'stale_image'}),
    'stamps that no clock gives': impossible_stamp,
    'a frame_id of 100 kB with control characters': long_frame_id,
    'a publisher of another type on the camera topic': another_type,
    'a camera of incompatible QoS': incompatible_qos,
    'an asker of incompatible QoS': best_effort_asker,
    'two publishers on the camera topic': two_publishers,
    'a camera that restarts': camera_restarts,
    'a size for each frame': a_size_for_each_frame,
    'the model folder deleted while running': model_deleted,
    **{name: lambda stage, wrong=wrong: abuse(stage, wrong) for name, wrong in ABUSE.items()},
    'the lifecycle cycled 50 times': cycle_50_times,
    'impossible transitions': impossible_transitions,
    'disabled and enabled': disabled_and_enabled,
}

"""The ROS side of the demo: start the node as a process, show it frames, ask over its topics.

    with running('latent_vqa_ros.ros.main', log_path) as process, Asker() as asker:
        asker.await_node(process)
        asker.show(image_cdr)
        reply = asker.ask('what is in the tray?', stamp_ns)
        image = asker.look('what is in the tray?', stamp_ns)
        document = asker.teach({'do': 'list'})

All names lie in a namespace of their own, so that a robot's topics are left alone. It knows
neither bags nor truths, and nothing of how the node answers.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from latent_vqa_ros.core.answer import NANO
from latent_vqa_ros.ros import open_node

NAMESPACE = '/latent_vqa_demo'
START_LIMIT = 30.0  # s for a process to start and be discovered
ANSWER_LIMIT = 10.0  # s for one question, repeated frames included
TEACH_LIMIT = 30.0  # s for one message of teaching
PATIENCE = 1.0  # s until a question is asked again
STOP_LIMIT = 10.0  # s for a process to end after SIGINT
PICTURE_PATIENCE = 0.2  # s until it is asked again for a picture
FRAME_PAUSE = 0.02  # s for a frame to arrive before its first question
AWAITING_FRAME = ('no_image', 'inactive')


class DemoError(OSError):
    """The demo cannot go on; the message is one line that says what to look at."""


@dataclass(frozen=True)
class Reply:
    """A detail, milliseconds from publishing the question to receiving it, and attempts."""

    detail: dict[str, Any]
    milliseconds: float
    attempts: int


@contextmanager
def running(module: str, log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module of this package as a process in the namespace; end it with SIGINT.

    Its output goes to the file `log`. After the block `returncode` tells how it ended.
    """
    command = [sys.executable, '-m', module, '--ros-args', '-r', f'__ns:={NAMESPACE}', *arguments]
    with log.open('wb') as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Asker:
    """Publishes frames and questions, one at a time, and waits for what comes back."""

    def __init__(self, compressed: bool = False) -> None:
        """``compressed``: the frames are sensor_msgs/CompressedImage. OSError without ROS 2."""
        self._node = open_node('asker', NAMESPACE)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._images = (
            self._node.create_publisher(CompressedImage, 'image_raw/compressed', 10)
            if compressed else self._node.create_publisher(Image, 'image_raw', 10))
        self._questions = self._node.create_publisher(String, 'question', 10)
        self._pings = self._node.create_publisher(String, 'ping', 10)
        self._lessons = self._node.create_publisher(String, 'teach', 10)
        self._details: dict[Any, tuple[float, dict[str, Any]]] = {}
        self._taught: dict[Any, dict[str, Any]] = {}
        self._pongs: dict[str, float] = {}
        self._picture: Image | None = None
        self._pictures: Any = None
        self._node.create_subscription(String, 'answer/detail', self._on_detail, 10)
        self._node.create_subscription(String, 'teach/detail', self._on_taught, 10)
        self._node.create_subscription(String, 'pong', self._on_pong, 10)
        self._asked = 0
        self._image = b''

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        if rclpy.ok():  # type: ignore[attr-defined]
            rclpy.shutdown()

    def _on_detail(self, message: String) -> None:
        received = time.perf_counter()
        detail = json.loads(message.data)
        self._details[detail['id']] = received, detail

    def _on_taught(self, message: String) -> None:
        document = json.loads(message.data)
        self._taught[document['id']] = document

    def _on_pong(self, message: String) -> None:
        self._pongs[message.data] = time.perf_counter()

    def _on_picture(self, message: Image) -> None:
        self._picture = message

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Handle messages until done() is true or the time is over; return done()."""
        end = time.perf_counter() + seconds
        while not done() and time.perf_counter() < end:
            self._executor.spin_once(timeout_sec=min(0.1, seconds))
        return done()

    def await_node(self, process: subprocess.Popen[bytes], question: str) -> None:
        """Ask until the node answers at all, be it no_image; DemoError when it does not."""
        end = time.perf_counter() + START_LIMIT
        while time.perf_counter() < end:
            if process.poll() is not None:
                raise DemoError(f'the node ended with {process.returncode} instead of answering')
            found = self._ask_once(question, 0.2)
            if found is not None and found[1]['status'] != 'inactive':
                if not self._wait(lambda: self._images.get_subscription_count() > 0, PATIENCE):
                    raise DemoError(f'the node does not subscribe to {self._images.topic_name}')
                return
        raise DemoError(f'the node did not answer within {START_LIMIT:g} s')

    def wait_until(self, due: float) -> None:
        """Handle messages until time.perf_counter() is ``due``."""
        self._wait(lambda: False, due - time.perf_counter())

    def show(self, image_cdr: bytes) -> None:
        """Publish a frame, a serialized message."""
        self._image = image_cdr
        self._images.publish(image_cdr)
        self._wait(lambda: False, FRAME_PAUSE)

    def ask(self, question: str, stamp_ns: int) -> Reply:
        """Ask about the frame with that stamp; one that has not arrived is sent again.

        Raises DemoError when no answer about this frame comes.
        """
        end, attempts = time.perf_counter() + ANSWER_LIMIT, 0
        status = 'nothing'
        while time.perf_counter() < end:
            attempts += 1
            found = self._ask_once(question, PATIENCE)
            if found is not None:
                milliseconds, detail = found
                if _is_about(detail, stamp_ns):
                    return Reply(detail, milliseconds, attempts)
                status = detail['status']
            self.show(self._image)
        raise DemoError(f'{question!r}: no answer about its frame within {ANSWER_LIMIT:g} s, '
                        f'the last was {status}')

    def look(self, question: str, stamp_ns: int) -> Image:
        """Return the node's annotated picture of the frame with that stamp and the question.

        From the first call on the node draws one for each question.
        """
        if self._pictures is None:
            self._pictures = self._node.create_subscription(
                Image, 'image_annotated', self._on_picture, qos_profile_sensor_data)
        end = time.perf_counter() + ANSWER_LIMIT
        while time.perf_counter() < end:
            self._picture = None
            self.ask(question, stamp_ns)
            if self._wait(lambda: self._has_picture_of(stamp_ns), PICTURE_PATIENCE):
                assert self._picture is not None
                return self._picture
        raise DemoError(f'{question!r}: no picture on image_annotated within {ANSWER_LIMIT:g} s')

    def _has_picture_of(self, stamp_ns: int) -> bool:
        found = self._picture
        return found is not None and (
            found.header.stamp.sec * NANO + found.header.stamp.nanosec == stamp_ns)

    def _ask_once(self, question: str, seconds: float) -> tuple[float, dict[str, Any]] | None:
        self._asked += 1
        asked = self._asked
        message = String(data=json.dumps({'id': asked, 'question': question}))
        start = time.perf_counter()
        self._questions.publish(message)
        if not self._wait(lambda: asked in self._details, seconds):
            return None
        received, detail = self._details.pop(asked)
        return (received - start) * 1e3, detail

    def teach(self, message: dict[str, Any]) -> dict[str, Any]:
        """Publish a message on ``teach``; return its document, DemoError when none comes."""
        self._asked += 1
        asked = self._asked
        self._lessons.publish(String(data=json.dumps(message | {'id': asked})))
        if not self._wait(lambda: asked in self._taught, TEACH_LIMIT):
            raise DemoError(f'teach: no answer to {message["do"]!r} within {TEACH_LIMIT:g} s')
        return self._taught.pop(asked)

    def round_trips(self, count: int) -> list[float]:
        """Return milliseconds of String round trips through the echo process."""
        if not self._wait(self._echo_is_there, START_LIMIT):
            raise DemoError(f'the echo process did not appear within {START_LIMIT:g} s')
        trips = []
        for index in range(count):
            text, start = f'ping {index}', time.perf_counter()
            self._pings.publish(String(data=text))
            if self._wait(lambda text=text: text in self._pongs, PATIENCE):  # type: ignore[misc]
                trips.append((self._pongs.pop(text) - start) * 1e3)
        return trips

    def _echo_is_there(self) -> bool:
        return bool(self._pings.get_subscription_count()
                    and self._node.count_publishers(f'{NAMESPACE}/pong'))


def _is_about(detail: dict[str, Any], stamp_ns: int) -> bool:
    """Tell whether a detail is the last word about that frame: a bad question needs none."""
    stamp = detail['stamp']
    if stamp is None:
        return detail['status'] not in AWAITING_FRAME
    return bool(stamp['sec'] * NANO + stamp['nanosec'] == stamp_ns)

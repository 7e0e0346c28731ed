"""Processes under test, and somebody who asks them over real topics and counts the answers by id.

    with Child(node_command('/ns', model='models/easy_vqa'), log) as node, Asker('/ns') as asker:
        asker.greet()
        asker.show_until_ok()
        assert asker.imbalance() == []

Used by the fault test and by the scripts of test/performance. Refuses to know the node's code:
all that it sees is topics, services, /proc and stderr.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header, String

from latent_vqa_ros.ros import use_large_frames

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / 'models' / 'easy_vqa'
QUESTION = 'what color is the shape?'
LIMIT = 30.0  # s until a wait has failed
DEPTH = 5000  # questions and details that the asker's side of the middleware holds
TICK_S = os.sysconf('SC_CLK_TCK')


def prepare_environment() -> dict[str, str]:
    """Set a ROS domain of our own and the transport for large frames, here and for children."""
    os.environ.setdefault('ROS_DOMAIN_ID', str(100 + os.getpid() % 100))
    for name in ('ROS_LOCALHOST_ONLY', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        os.environ.pop(name, None)  # they undo the transport setting
    use_large_frames()
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    os.environ['PYTHONPATH'] = path
    return dict(os.environ)


def node_command(namespace: str, **parameters: object) -> list[str]:
    """Return the command of the real node with these parameters."""
    given = [part for name, value in parameters.items() for part in ('-p', f'{name}:={value}')]
    return [sys.executable, '-m', 'latent_vqa_ros.ros.main', '--ros-args',
            '-r', f'__ns:={namespace}', *given]


def until(condition: Callable[[], object], what: str, limit: float = LIMIT):
    """Return the first true value of ``condition``; AssertionError when there is none in time."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    raise AssertionError(f'waited {limit:g} s in vain for {what}')


class Child:
    """A process with its output in a file; it is ended with the block."""

    def __init__(self, command: list[str], log: Path, cpus: set[int] | None = None) -> None:
        """``cpus``: the cores that it may use; None: all."""
        self.command, self.log, self.cpus = command, log, cpus
        self._start()

    def _start(self) -> None:
        with self.log.open('ab') as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=output)
        if self.cpus:
            os.sched_setaffinity(self.process.pid, self.cpus)
        self.pid = self.process.pid

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def alive(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        return self.log.read_text(errors='replace')

    def stop(self) -> int:
        """Ask the process to end, kill it where it does not; return its exit status."""
        if self.alive():
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill_and_respawn(self) -> None:
        """End the process with SIGKILL and start it anew, as launch's respawn does."""
        self.process.kill()
        self.process.wait()
        self._start()

    def cpu_s(self) -> float:
        """Return user and system time so far, all threads, in seconds."""
        fields = Path(f'/proc/{self.pid}/stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK_S

    def memory_mb(self) -> dict[str, float]:
        """Return resident memory in MB (10^6 bytes): all of it, and what is the process's own."""
        kib = dict(line.split()[:2] for line in
                   Path(f'/proc/{self.pid}/status').read_text().splitlines() if ' kB' in line)
        return {'rss_mb': round(int(kib['VmRSS:']) * 1.024e-3, 3),
                'anon_mb': round(int(kib['RssAnon:']) * 1.024e-3, 3)}


class Asker:
    """Publishes frames and questions in a namespace; keeps each detail under the id it carries."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.node = rclpy.create_node('asker', namespace=namespace)
        self.questions = self.node.create_publisher(String, 'question', DEPTH)
        self.sent: dict[object, float] = {}  # id → s, perf_counter
        self.greetings: set[str] = set()  # asked before both sides knew each other
        self.by_id: defaultdict[object, list[dict]] = defaultdict(list)
        self.received: dict[object, float] = {}  # id → s of its first detail
        self.nameless: list[dict] = []  # details that carry no id
        self.nameless_sent = 0
        self.node.create_subscription(String, 'answer/detail', self._on_detail, DEPTH)
        self._publishers: dict[tuple, object] = {}
        self._clients: dict[str, object] = {}
        self._numbers = itertools.count()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._running = True
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spin(self) -> None:
        while self._running:
            self._executor.spin_once(timeout_sec=0.2)

    def _on_detail(self, message: String) -> None:
        now, detail = time.perf_counter(), json.loads(message.data)
        if detail['id'] is None:
            self.nameless.append(detail)
        else:
            self.received.setdefault(detail['id'], now)
            self.by_id[detail['id']].append(detail)

    def close(self) -> None:
        self._running = False
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()

    # questions

    def new_id(self) -> str:
        return f'q{next(self._numbers)}'

    def send(self, question: object = QUESTION, **fields: object) -> str:
        """Ask with an id of its own and do not wait; return the id."""
        id_ = self.new_id()
        text = json.dumps({'id': id_, 'question': question, **fields})
        self.sent[id_] = time.perf_counter()
        self.questions.publish(String(data=text))
        return id_

    def ask(self, question: object = QUESTION, **fields: object) -> dict:
        """Ask and return the detail."""
        id_ = self.send(question, **fields)
        return until(lambda: self.by_id.get(id_), f'a detail of {question!r:.80}')[0]

    def say(self, message: String | bytes) -> dict:
        """Publish a message that carries no id, a serialized one too; return its one detail."""
        self.nameless_sent += 1
        self.questions.publish(message)
        until(lambda: len(self.nameless) >= self.nameless_sent, 'a detail without an id')
        return self.nameless[-1]

    def greet(self) -> None:
        """Ask until the node answers: both directions are connected then."""
        mine: list[str] = []

        def greeted() -> bool:
            mine.append(f'hello {self.new_id()}')
            self.greetings.add(mine[-1])
            self.questions.publish(String(data=json.dumps({'id': mine[-1], 'question': 'hello'})))
            time.sleep(0.05)
            return any(id_ in self.by_id for id_ in mine)

        until(greeted, 'a first answer')
        self.ask('hello')  # the greetings on their way are answered before this one

    def imbalance(self) -> list[str]:
        """Return what contradicts that each question got exactly one detail."""
        counts = {id_: len(details) for id_, details in list(self.by_id.items())}
        wrong = [f'{id_}: {counts.get(id_, 0)} details' for id_ in self.sent
                 if counts.get(id_, 0) != 1]
        wrong += [f'{id_}: {count} details, never asked' for id_, count in counts.items()
                  if id_ not in self.sent and not (id_ in self.greetings and count == 1)]
        if len(self.nameless) != self.nameless_sent:
            wrong.append(f'{self.nameless_sent} questions without an id got '
                         f'{len(self.nameless)} details')
        return wrong

    def forget(self) -> None:
        """Forget what was asked and answered; nothing may be under way."""
        for kept in (self.sent, self.greetings, self.by_id, self.received, self.nameless):
            kept.clear()
        self.nameless_sent = 0

    def latencies_ms(self) -> list[float]:
        """Return the time from publishing a question to receiving its detail, in ms."""
        return [(self.received[id_] - sent) * 1e3 for id_, sent in list(self.sent.items())
                if id_ in self.received]

    # frames

    def publish(self, message: object, topic: str, kind: type | None = None) -> None:
        """Publish on a topic; a serialized message needs its ``kind``."""
        key = (kind or type(message), topic)
        if key not in self._publishers:
            self._publishers[key] = self.node.create_publisher(*key, 10)
        self._publishers[key].publish(message)

    def header(self, shift_s: float = 0.0) -> Header:
        """Return a header with the present time and a frame_id of its own."""
        stamp_ns = time.time_ns() + int(shift_s * 1e9)
        header = Header(frame_id=f'f{next(self._numbers)}')
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 10**9)
        return header

    def see(self, message: object, topic: str = 'image_raw') -> dict:
        """Show a frame until a question is answered about it; return the detail."""
        def seen() -> dict | None:
            self.publish(message, topic)
            time.sleep(0.01)
            detail = self.ask()
            return detail if detail['frame_id'] == message.header.frame_id else None
        return until(seen, f'an answer about the frame on {topic}')

    def show_until_ok(self, transport: str = 'raw') -> dict:
        """Show a good frame and ask a good question until the answer is about it, and ok."""
        def seen() -> dict | None:
            topic, message = good_frame(transport, self.header())
            self.publish(message, topic)
            time.sleep(0.01)
            detail = self.ask()
            last.append(detail)
            about = detail['frame_id'] == message.header.frame_id
            return detail if about and detail['status'] == 'ok' else None

        last: list[dict] = []
        try:
            return until(seen, 'ok')
        except AssertionError as error:
            raise AssertionError(f'{error}; the last was {last[-1:]}') from None

    # services

    def call(self, kind: type, name: str, request: object, limit: float = LIMIT):
        """Return the response of a service of the node."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        client = self._clients[name]
        until(client.service_is_ready, f'the service {name}')
        future = client.call_async(request)
        until(future.done, f'{name} to respond', limit)
        return future.result()


def picture(height: int = 64, width: int = 64) -> np.ndarray:
    """Return an EasyVQA-like scene, bgr (height, width, 3): one red circle."""
    scene = np.full((height, width, 3), (232, 230, 236), np.uint8)
    side = min(height, width)
    cv2.circle(scene, (int(0.55 * width), int(0.45 * height)), side // 4, (38, 19, 220), -1)
    return scene


def image(header: Header, pixels: np.ndarray | None = None, **fields: object) -> Image:
    """Return a bgr8 image; ``fields`` replace what it would have."""
    pixels = picture() if pixels is None else pixels
    height, width, channels = pixels.shape
    values = {'height': height, 'width': width, 'encoding': 'bgr8', 'step': channels * width,
              'data': pixels.tobytes(), **fields}
    return Image(header=header, **values)


def cloud(header: Header, **fields: object) -> PointCloud2:
    """Return an organized cloud of float32 x, y, z, rgb; ``fields`` replace what it would have."""
    bgr = picture()
    points = np.zeros((*bgr.shape[:2], 16), np.uint8)
    points[:, :, 12:15] = bgr
    names = [PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
             for index, name in enumerate(('x', 'y', 'z', 'rgb'))]
    values = {'height': 64, 'width': 64, 'fields': names, 'is_bigendian': False, 'point_step': 16,
              'row_step': 16 * 64, 'data': points.tobytes(), **fields}
    return PointCloud2(header=header, **values)


def jpeg(extension: str = '.jpg') -> bytes:
    """Return the good scene as a compressed picture."""
    return encoded(picture(), extension)


def encoded(pixels: np.ndarray, extension: str) -> bytes:
    """Return a compressed picture."""
    return cv2.imencode(extension, pixels)[1].tobytes()


def good_frame(transport: str, header: Header) -> tuple[str, object]:
    """Return the topic and a good message of that transport."""
    if transport == 'compressed':
        return 'image_raw/compressed', CompressedImage(header=header, format='png',
                                                       data=jpeg('.png'))
    if transport == 'points':
        return 'points', cloud(header)
    return 'image_raw', image(header)

"""A node under test and somebody who asks it, over real topics, each in a thread of its own."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable

import cv2
import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
from std_srvs.srv import SetBool

from latent_vqa_ros.ros.node import VqaNode

LIMIT = 20.0  # s until a wait has failed
QUESTION = 'what color is the shape?'
TRANSITIONS = {'configure': 1, 'cleanup': 2, 'activate': 3, 'deactivate': 4}
_names = itertools.count()


def picture(height: int = 64, width: int = 64, colour=(0, 0, 255)) -> np.ndarray:
    """Return BGR pixels as EasyVQA has them: pastel, with one circle of a flat colour."""
    pixels_hwc = np.full((height, width, 3), (240, 245, 250), np.uint8)
    return cv2.circle(pixels_hwc, (width // 2, height // 2), min(height, width) // 6, colour, -1)


def image(stamp_ns: int = 0, frame_id: str = 'camera', size: int = 64, colour=(0, 0, 255),
          **fields) -> Image:
    """Return a bgr8 image of a circle, red by default; ``fields`` replace what it would have."""
    values = {'height': size, 'width': size, 'encoding': 'bgr8', 'step': 3 * size,
              'data': picture(size, size, colour).tobytes(), **fields}
    return Image(header=header(stamp_ns, frame_id), **values)


def header(stamp_ns: int, frame_id: str) -> Header:
    sec, nanosec = divmod(stamp_ns, 10**9)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)


def until(condition: Callable[[], object], what: str = 'it', limit: float = LIMIT):
    """Return the first true value of ``condition``; fail when there is none in time."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f'waited {limit} s in vain for {what}')


class Spinner:
    """A node in a thread of its own."""

    def __init__(self, node) -> None:
        self.node = node
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(node)
        self.running = True
        self.errors: list[BaseException] = []
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()

    def _spin(self) -> None:
        while self.running:
            try:
                self.executor.spin_once()
            except Exception as error:
                self.errors.append(error)

    def stop(self) -> None:
        self.running = False
        self.executor.create_task(lambda: None)
        self.thread.join()
        self.executor.remove_node(self.node)
        self.executor.shutdown()


class Asker:
    """Publishes images and questions in a namespace and keeps what the node publishes."""

    def __init__(self, namespace: str) -> None:
        self.node = rclpy.create_node('asker', namespace=namespace)
        self.questions = self.node.create_publisher(String, 'question', 1000)
        self.answers: list[str] = []
        self.details: list[dict] = []
        self.diagnostics: dict[str, object] = {}
        self.node.create_subscription(
            String, 'answer', lambda msg: self.answers.append(msg.data), 1000)
        self.node.create_subscription(
            String, 'answer/detail', lambda msg: self.details.append(json.loads(msg.data)), 1000)
        self.node.create_subscription(
            DiagnosticArray, '/diagnostics', self._diagnose, 10)
        self.publishers: dict[tuple, object] = {}
        self.spinner = Spinner(self.node)
        self.ids = itertools.count()

    def _diagnose(self, message: DiagnosticArray) -> None:
        for status in message.status:
            prefix = self.node.get_namespace() + '/vqa: '
            if status.name.startswith(prefix):
                self.diagnostics[status.name[len(prefix):]] = status

    def publish(self, message, topic: str, qos=10, kind=None) -> None:
        """Publish a message, or the bytes of one of that ``kind``."""
        key = (kind or type(message), topic)
        if key not in self.publishers:
            self.publishers[key] = self.node.create_publisher(key[0], topic, qos)
        self.publishers[key].publish(message)

    def tell(self, topic: str, document: dict) -> None:
        """Publish a document as JSON in a String."""
        self.publish(String(data=json.dumps(document)), topic, 1000)

    def stop_publishing(self, topic: str) -> None:
        """Destroy the publishers of a topic, as a camera that goes."""
        for key in [key for key in self.publishers if key[1] == topic]:
            gone = self.publishers.pop(key)
            self.spinner.executor.create_task(lambda gone=gone: self.node.destroy_publisher(gone))

    def ask(self, question: str = QUESTION, camera: str | None = None) -> dict:
        """Ask with an id of its own and return the detail."""
        id_ = f'q{next(self.ids)}'
        document = {'id': id_, 'question': question}
        self.say(json.dumps(document | ({'camera': camera} if camera else {})))
        return until(lambda: self.detail(id_), f'a detail of {question!r}')

    def say(self, text: str) -> None:
        self.questions.publish(String(data=text))

    def detail(self, id_: str) -> dict | None:
        return next((detail for detail in self.details if detail['id'] == id_), None)

    def say_and_wait(self, text: str) -> dict:
        """Publish a text as it is and return the one detail that comes."""
        before = len(self.details)
        self.say(text)
        until(lambda: len(self.details) > before, f'a detail of {text[:80]!r}')
        return self.details[-1]

    def greet(self) -> None:
        """Ask until the node answers: both directions are connected then."""
        def greeted() -> bool:
            self.say('{"id": "hello", "question": "hello"}')
            time.sleep(0.05)
            return self.detail('hello') is not None
        until(greeted, 'a first answer')
        last = self.ask('hello')  # all details of greetings have arrived before this one
        self.details = [detail for detail in self.details if detail is last]
        self.details.clear()

    def call(self, kind, name: str, request):
        client = self.node.create_client(kind, name)
        try:
            assert client.wait_for_service(timeout_sec=LIMIT), f'no service {name}'
            future = client.call_async(request)
            until(future.done, f'{name} to respond')
            return future.result()
        finally:
            self.spinner.executor.create_task(lambda: self.node.destroy_client(client))

    def close(self) -> None:
        self.spinner.stop()
        self.node.destroy_node()


class Robot(Asker):
    """An Asker with a VqaNode in the same process, active unless ``autostart`` is false."""

    def __init__(self, parameters: dict, rules: tuple[str, ...] = ()) -> None:
        """``rules`` remap names: ``/clock:=/sim/clock``."""
        namespace = f'/robot_{next(_names)}'
        self.vqa = VqaNode(namespace=namespace, parameter_overrides=[
            Parameter(name, value=value) for name, value in parameters.items()], cli_args=[
                '--ros-args', *(word for rule in rules for word in ('-r', rule))])
        super().__init__(namespace)
        if parameters.get('autostart', True):
            self.vqa.start()
        self.vqa_spinner = Spinner(self.vqa)
        if self.vqa.state == 'active':
            self.greet()

    def show(self, message, camera: str = '', topic: str = 'image_raw') -> None:
        """Publish a frame until the node holds it."""
        stamp = message.header.stamp

        def held() -> bool:
            self.publish(message, topic)
            time.sleep(0.02)
            frame = self.vqa.activation.source.newest(camera)
            return bool(frame and frame.stamp_ns == stamp.sec * 10**9 + stamp.nanosec)
        until(held, f'a frame on {topic}')

    def show_now(self, **values) -> Image:
        """Show an image with the present time as its stamp; return it."""
        message = image(stamp_ns=self.now_ns(), **values)
        self.show(message)
        return message

    def show_compressed(self, data: bytes, **values) -> None:
        message = CompressedImage(
            header=header(self.now_ns(), 'camera'), format='jpeg', data=data, **values)
        self.show(message, topic='image_raw/compressed')

    def now_ns(self) -> int:
        return self.vqa.get_clock().now().nanoseconds

    def set(self, **values):
        """Set parameters one by one as `ros2 param set` does; return the results."""
        from rcl_interfaces.srv import SetParameters

        request = SetParameters.Request(parameters=[
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()])
        return self.call(SetParameters, 'vqa/set_parameters', request).results

    def transition(self, name: str) -> bool:
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[name]
        return self.call(ChangeState, 'vqa/change_state', request).success

    def enable(self, value: bool) -> bool:
        return self.call(SetBool, 'vqa/enable', SetBool.Request(data=value)).success

    def hold(self, monkeypatch) -> tuple[threading.Event, threading.Event]:
        """Hold each answer back; return an event that tells of the first, and one that lets go."""
        begun, gate, respond = threading.Event(), threading.Event(), self.vqa.pipeline.respond

        def slow(*given):
            begun.set()
            gate.wait(LIMIT)
            return respond(*given)

        monkeypatch.setattr(self.vqa.pipeline, 'respond', slow)
        return begun, gate

    def close(self) -> None:
        self.vqa_spinner.stop()
        self.vqa.close()
        super().close()
        assert not self.vqa_spinner.errors, self.vqa_spinner.errors
        assert not self.spinner.errors, self.spinner.errors

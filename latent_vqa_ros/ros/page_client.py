"""The page's side of ROS: a client of the node's topics and services, in a process of its own.

    client = PageClient(node, 'vqa')        a web.source.Source

It can do nothing that another ROS participant cannot: it publishes on ``question`` and ``teach``,
listens to what the node says, receives a camera only while somebody looks, and reads and sets
parameters through the node's services. Refuses to know browsers, and how an answer is found.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_msgs.msg import String

from latent_vqa_ros.core.bundle import BundleError, read_manifest
from latent_vqa_ros.core.manifest import Manifest
from latent_vqa_ros.core.models import find_model
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.preprocess import source_box
from latent_vqa_ros.core.questions import parse
from latent_vqa_ros.ros.frame_source import FrameSource
from latent_vqa_ros.ros.page_services import NodeServices, Row
from latent_vqa_ros.web.source import Command, Event, Story, Tell

Kind = tuple[str, str]  # image_transport and image_qos, as the node has them
BURST = 1000  # as the node's own: publishers.BURST


class PageClient:
    """A ``web.source.Source`` on a node's topics. ``node`` is the page's own; it must spin."""

    def __init__(self, node: Node, of: str) -> None:
        """``of`` is the name of the node that answers, relative to the page's namespace."""
        self._node = node
        self._story = Story()
        self._watched: set[str] = set()
        self._sources: dict[str, tuple[FrameSource, Kind]] = {}
        self._parameters: dict[str, Row] = {}
        self._reported = ''  # version and digest of the node's model
        self._manifest: tuple[tuple[str, str], Manifest | None] = ('', ''), None
        self._conditions: dict[str, Any] = {}  # name → subscription
        self._full_name = node.resolve_service_name(of)
        self._question = node.create_publisher(String, 'question', BURST)
        self._teach = node.create_publisher(String, 'teach', BURST)
        node.create_subscription(String, 'answer/detail', self._on_detail, BURST)
        node.create_subscription(String, 'teach/detail', self._on_teach, BURST)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._services = NodeServices(node, of, self._on_parameters, self._on_there,
                                      lambda: self._story.heard)
        self._story.tell(self._hello())

    # what the server asks

    def snapshot(self) -> list[Event]:
        """Return what is known."""
        self._services.refresh()
        return self._story.snapshot()

    def listen(self, tell: Tell) -> Callable[[], None]:
        """Tell what the topics say from now on."""
        return self._story.listen(tell)

    def watch(self, camera: str, wanted: bool) -> None:
        """Subscribe to a camera, or end that; done by the thread that spins the node."""
        (self._watched.add if wanted else self._watched.discard)(camera)
        executor = self._node.executor
        if executor is not None:
            executor.create_task(self._subscribe)

    def newest(self, camera: str) -> Frame | None:
        """Return the newest frame of a camera that is watched."""
        source, _ = self._sources.get(camera, (None, None))
        try:
            return source.newest(camera) if source else None
        except Exception:  # closed in this moment, or whatever is made of a broken message
            return None

    def seen(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """Return what the model sees, where its bundle is on this computer."""
        manifest = self._manifest[1]
        return source_box(height, width, manifest.preprocess) if manifest else None

    def do(self, command: Command) -> str:
        """Publish a question or what is taught; set a parameter; enable."""
        kind = command['do']
        if kind == 'ask':
            message = {'id': command['id'], 'question': command['question']}
            camera = {} if command['camera'] is None else {'camera': command['camera']}
            self._question.publish(String(data=json.dumps(message | camera)))
            return ''
        if kind == 'teach':
            self._teach.publish(String(data=json.dumps(command['message'])))
            return ''
        if kind == 'set':
            return self._services.set(command['name'], command['value'])
        if kind == 'enable':
            return self._services.enable(command['value'])
        return 'A camera cannot be played or wound.'

    def add_picture(self, content: bytes, name: str) -> None:
        """Uploads are not the node's business: web.beside answers about them."""
        raise NotImplementedError

    def close(self) -> None:
        """End the subscriptions; the node is its owner's."""
        self._watched.clear()
        self._subscribe()

    @property
    def model(self) -> str:
        """The name or folder of the bundle that answers, as the node tells it."""
        return str(self._value('model', ''))

    @property
    def bundle(self) -> tuple[str, str]:
        """The model, and what the node reports of it: another one may have the same name."""
        return self.model, self._reported

    @property
    def settings(self) -> dict[str, Any]:
        """What of the node's parameters decides whether and how a pipeline answers."""
        least = self._value('min_confidence', -1.0)
        return {'top_k': self._value('top_k', 3), 'min_confidence': least if least >= 0 else None}

    # what the topics say; in the thread that spins

    def _on_detail(self, message: String) -> None:
        detail = _object(message.data)
        if detail is not None:
            self._story.tell({'kind': 'detail', 'detail': detail, 'at': time.time()})

    def _on_teach(self, message: String) -> None:
        detail = _object(message.data)
        if detail is not None:
            self._story.tell({'kind': 'teach', 'detail': detail, 'at': time.time()})

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        prefix = f'{self._full_name}: '
        statuses = [
            {'name': status.name.removeprefix(prefix), 'level': status.level[0],
             'message': status.message,
             'values': {pair.key: pair.value for pair in status.values}}
            for status in message.status if status.name.startswith(prefix)]
        reported = [f'{values["model_version"]} {values["model_sha256"]}' for values in (
            status['values'] for status in statuses) if 'model_sha256' in values]
        if reported and reported[0] != self._reported:
            self._reported = reported[0]
            if self._know_model():
                self._story.tell(self._hello())
        if statuses:
            self._story.tell({'kind': 'diagnostics', 'statuses': statuses, 'at': time.time()})

    def _on_there(self, there: bool) -> None:
        self._story.tell({'kind': 'node', 'there': there})

    def _on_parameters(self, rows: dict[str, Row]) -> None:
        self._parameters = rows
        self._story.tell({'kind': 'parameters', 'rows': list(rows.values())})
        self._know_model()
        self._listen_to_conditions(self._value('conditions', []))
        self._subscribe()
        self._story.tell(self._hello())

    def _know_model(self) -> bool:
        """Read the manifest where the bundle is another one; return whether it is."""
        if not self.model or self._manifest[0] == self.bundle:
            return False
        self._manifest = self.bundle, _manifest(self.model)
        return True

    def _listen_to_conditions(self, names: list[str]) -> None:
        for name in self._conditions.keys() - set(names):
            self._node.destroy_subscription(self._conditions.pop(name))
            self._story.tell({'kind': 'condition', 'name': name, 'gone': True})
        for name in filter(str.strip, names):
            if name not in self._conditions:
                self._conditions[name] = self._node.create_subscription(
                    String, f'conditions/{name}/detail', partial(self._on_condition, name), 10)
                self._tell_condition(name, None, None)

    def _on_condition(self, name: str, message: String) -> None:
        detail = _object(message.data)
        if detail is not None:
            self._tell_condition(name, detail, time.time())

    def _tell_condition(self, name: str, detail: dict[str, Any] | None, at: float | None) -> None:
        state = (detail or {}).get('condition')
        asked = {key: self._value(f'{name}.{key}', None)
                 for key in ('question', 'expected', 'camera', 'rate')}
        self._story.tell({'kind': 'condition', 'name': name, 'detail': detail, 'at': at, **asked,
                          'value': state.get('holds') if isinstance(state, dict) else None})

    def _subscribe(self) -> None:
        """Have a subscription for each watched camera of the node, and no more.

        Before the node's parameters are known there is none: they say how pictures come.
        """
        kind = self._value('image_transport', ''), self._value('image_qos', '')
        wanted = self._watched & set(self._cameras()) if kind[0] else set()
        for camera, (source, of_kind) in list(self._sources.items()):
            if camera not in wanted or of_kind != kind:
                del self._sources[camera]
                source.close()
        for camera in wanted - self._sources.keys():
            self._sources[camera] = FrameSource(self._node, (camera,), *kind), kind

    # what a browser is told first

    def _hello(self) -> Event:
        manifest = self._manifest[1]
        known: dict[str, Any] = {'questions': [], 'answers': [], 'words': [], 'limit': None}
        limit = self._value('min_confidence', -1.0)
        if manifest:
            known = {'questions': list(manifest.questions), 'answers': list(manifest.answers),
                     'words': list(manifest.words), 'limit': manifest.min_confidence}
        if limit >= 0:
            known['limit'] = limit
        standing = [[one.camera, one.question] for entry in self._value('standing_questions', [])
                    if entry.strip() for one in parse(entry, self._cameras())]
        return {'kind': 'hello', 'page': 'node', 'cameras': self._cameras(),
                'can': {'teach': True, 'state': True}, 'model': {'name': self.model},
                'standing': standing, **known}

    def _cameras(self) -> list[str]:
        return [name for name in self._value('cameras', ['']) if name] or ['']

    def _value(self, name: str, otherwise: Any) -> Any:
        row = self._parameters.get(name)
        return otherwise if row is None or row['value'] is None else row['value']


def _object(text: str) -> dict[str, Any] | None:
    """Return a JSON object, None where the text is something else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _manifest(model: str) -> Manifest | None:
    """Return what the bundle says of itself, None where it is not on this computer."""
    try:
        return read_manifest(find_model(model))[0] if model else None
    except (BundleError, OSError):
        return None

"""Uploads beside a running node: what people upload is answered here, all else by the node.

A picture that somebody uploads never goes out on a topic. The bundle that the node names is
loaded when the first picture comes, if it is on this computer.
"""

from __future__ import annotations

from collections.abc import Callable

from latent_vqa_ros.core.pipeline import Frame, Pipeline
from latent_vqa_ros.web.source import Command, Event, Source, Tell
from latent_vqa_ros.web.stills import Stills


class Beside:
    """A ``Source`` of a node's cameras and, once there is one, of uploaded pictures."""

    def __init__(self, node: Source, load: Callable[[], Pipeline],
                 of: Callable[[], object]) -> None:
        """``load`` makes what answers about uploads; BundleError where it cannot.

        ``of`` tells which bundle the node has: where it has another one, that is loaded.
        """
        self._node = node
        self._stills = Stills(load, [], of)

    def snapshot(self) -> list[Event]:
        """Return what the node tells, the uploads, and the details of both as they came."""
        events = [*self._node.snapshot(), *self._stills.reels_and_answers()]
        details = [event for event in events if event['kind'] == 'detail']
        return [*(event for event in events if event['kind'] != 'detail'),
                *sorted(details, key=lambda event: event['at'])]

    def listen(self, tell: Tell) -> Callable[[], None]:
        """Tell the events of both."""
        ends = self._node.listen(tell), self._stills.listen(tell)

        def end() -> None:
            for each in ends:
                each()
        return end

    def watch(self, camera: str, wanted: bool) -> None:
        """Begin or end to receive a camera of the node."""
        if camera not in self._stills.cameras:
            self._node.watch(camera, wanted)

    def newest(self, camera: str) -> Frame | None:
        """Return a frame of whoever has the camera."""
        return self._whose(camera).newest(camera)

    def seen(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """Return what the node's model sees."""
        return self._node.seen(height, width)

    def do(self, command: Command) -> str:
        """Let whoever has the camera do it."""
        return self._whose(command.get('camera')).do(command)

    def _whose(self, camera: str | None) -> Source:
        return self._stills if camera in self._stills.cameras else self._node

    def add_picture(self, content: bytes, name: str) -> None:
        """Show an upload; ImageError."""
        self._stills.add_picture(content, name)

    def close(self) -> None:
        """Close both."""
        self._stills.close()
        self._node.close()

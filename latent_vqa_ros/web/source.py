"""Whom the page serves: a running node over its topics, or pictures without ROS.

``Source`` is all that the server knows of either. An event is a dict with ``kind``:

    hello       page, cameras, questions, answers, limit (a confidence), can (teach, state, reels);
                to a browser also ``now``: this machine's clock, which each ``at`` is of
    detail      detail (a document of answer/detail), at (s, wall clock)
    teach       detail (a document of teach/detail), at
    diagnostics statuses [{name, level, message, values}]
    parameters  rows [{name, kind, value, description, from, to, read_only, choices, live}]; the
                kind is flag, integer, number, list or text
    condition   name, value (true, false or null: not known), detail, at
    node        there (whether the node answers its services)
    reel        camera, seconds, count, position, playing, label: where a bag or a folder stands;
                ``look``: show it now. Its camera is there although ``hello`` may not name it
    notice      text: one line for people

Refuses to know topics, sockets and files.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from latent_vqa_ros.core.pipeline import Frame

Event = dict[str, Any]
Command = Mapping[str, Any]  # a checked message of a browser: web.messages
Tell = Callable[[Event], None]
REMEMBERED = 300  # details that a browser which comes later is told
APART = {'condition': 'name'}  # kind → what tells its events apart
TRIED = 'shadow-'  # so begin the ids of what a page asks each second to compare, for itself alone
PASSING = ('notice', 'teach', 'reel')  # kinds that are told and not remembered


class Source(Protocol):
    """What the server needs; every method may be called from any thread."""

    def snapshot(self) -> list[Event]:
        """Return what a browser that comes now has to be told, ``hello`` first."""

    def listen(self, tell: Tell) -> Callable[[], None]:
        """Tell each event from now on; return the function that ends it."""

    def watch(self, camera: str, wanted: bool) -> None:
        """Begin or end to receive a camera: somebody looks, nobody does any more."""

    def newest(self, camera: str) -> Frame | None:
        """Return a watched camera's newest frame, the same object until there is a newer one."""

    def seen(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """Return the part of a frame that the model sees (x, y, width, height), if known."""

    def do(self, command: Command) -> str:
        """Do what a browser asks for; return why that fails, '' otherwise. May take seconds."""

    def add_picture(self, content: bytes, name: str) -> None:
        """Show an uploaded JPEG or PNG as a camera; ImageError where it is none."""

    def close(self) -> None:
        """Give back everything."""


class Story:
    """What happened, for browsers that come later, and the listeners; used by every source."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._details: deque[Event] = deque(maxlen=REMEMBERED)
        self._last: dict[tuple[str, str], Event] = {}
        self._listeners: list[Tell] = []

    def tell(self, event: Event) -> None:
        """Remember an event and tell it to every listener."""
        with self._lock:
            self._remember(event)
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(event)

    def _remember(self, event: Event) -> None:
        kind = event['kind']
        if kind == 'detail':
            if not str(event['detail'].get('id') or '').startswith(TRIED):
                self._details.append(event)
        elif kind not in PASSING:
            name = kind, str(event.get(APART.get(kind, ''), ''))
            if event.get('gone'):
                self._last.pop(name, None)
            else:
                self._last[name] = event

    def snapshot(self) -> list[Event]:
        """Return ``hello``, what is known of everything else, then the last details."""
        with self._lock:
            known = sorted(self._last.values(), key=lambda event: event['kind'] != 'hello')
            return [*known, *self._details]

    @property
    def heard(self) -> bool:
        """Whether somebody listens."""
        return bool(self._listeners)

    def listen(self, tell: Tell) -> Callable[[], None]:
        """Add a listener; return the function that takes it away."""
        with self._lock:
            self._listeners.append(tell)

        def end() -> None:
            with self._lock:
                if tell in self._listeners:
                    self._listeners.remove(tell)
        return end

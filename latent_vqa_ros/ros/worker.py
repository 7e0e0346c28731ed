"""One thread that handles queued items in their order, so that callbacks never compute.

    worker = Worker(handle, failed)
    worker.put([item], limit=10)   # False: the queue is full, the caller keeps the items
    worker.holds(is_round)         # whether such an item waits or is in hand
    waiting = worker.stop()        # what was not handled

The queue is all that callbacks and worker both write. Refuses to know what an item is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar('T')


class Worker(Generic[T]):
    """Runs ``handle(item)``; an exception goes to ``failed(error)``, the thread goes on."""

    def __init__(self, handle: Callable[[T], None], failed: Callable[[Exception], None]) -> None:
        self._handle, self._failed = handle, failed
        self._waiting: deque[T] = deque()
        self._in_hand: T | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name='vqa_worker', daemon=True)
        self._thread.start()

    def put(self, items: Sequence[T], limit: int) -> bool:
        """Queue all items, which are of one kind, or none.

        False when ``limit`` of their kind wait already, or the worker was stopped.
        """
        with self._changed:
            alike = sum(isinstance(each, type(items[0])) for each in self._waiting)
            if self._stopping or alike >= limit:
                return False
            self._waiting.extend(items)
            self._changed.notify()
            return True

    @property
    def waiting(self) -> int:
        """The number of items in the queue, the one in hand not counted."""
        return len(self._waiting)

    @property
    def stopping(self) -> bool:
        """Whether the item in hand is the last one."""
        return self._stopping

    def holds(self, fits: Callable[[Any], bool]) -> bool:
        """Return whether an item that fits waits or is in hand."""
        with self._changed:
            return any(map(fits, (self._in_hand, *self._waiting)))

    def waits(self, fits: Callable[[Any], bool]) -> bool:
        """Return whether an item that fits waits; the one in hand does not."""
        with self._changed:
            return any(map(fits, self._waiting))

    def items(self) -> list[T]:
        """Return the item in hand, if any, and those that wait."""
        with self._changed:
            return [item for item in (self._in_hand, *self._waiting) if item is not None]

    def stop(self) -> list[T]:
        """Let the item in hand be finished, end the thread, return the items still waiting."""
        with self._changed:
            self._stopping = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()
        return left

    def _run(self) -> None:
        while True:
            with self._changed:
                self._in_hand = None
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if self._stopping:
                    return
                self._in_hand = item = self._waiting.popleft()
            try:
                self._handle(item)
            except Exception as error:  # nothing that arrives may end the thread
                self._failed(error)
            del item  # a frame or a question is not kept until the next one comes

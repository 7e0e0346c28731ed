"""A box for one frame: the newest one wins. Twin of the node's frame source for pushed frames."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar('T')


class Mailbox(Generic[T]):
    """Holds the newest item; ``put`` replaces, ``newest`` looks without removing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._item: T | None = None
        self.replaced = 0  # items that nobody looked at before the next one came
        self._seen = True

    def put(self, item: T) -> None:
        """Replace the item in the box."""
        with self._lock:
            self.replaced += not self._seen
            self._item, self._seen = item, False

    def newest(self) -> T | None:
        """Return the newest item, or None while there was none."""
        with self._lock:
            self._seen = True
            return self._item

"""What the node says about itself on /diagnostics: counts, rates, latencies, levels that mean it.

The node feeds ``Statistics`` and publishes what ``report`` makes of it. No diagnostic_updater: a
timer and a DiagnosticArray are all it takes. Refuses to know lifecycle, cameras and models.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from latent_vqa_ros.core.questions import plain
from latent_vqa_ros.core.statuses import Status

OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN
ERROR, STALE = DiagnosticStatus.ERROR, DiagnosticStatus.STALE
WORRYING = {Status.BAD_IMAGE: 'about images that cannot be used: the details say why',
            Status.OVERLOADED: 'dropped from a full queue'}
WINDOW = 1000  # answers that the latency percentiles look back on


@dataclass(frozen=True)
class Snapshot:
    """What happened since the last snapshot (``new``), and since the start (``counts``)."""

    counts: Mapping[Status, int]
    seconds: float
    new: Mapping[Status, int]
    failures: tuple[str, ...]
    latencies_ms: tuple[float, ...]  # of the last WINDOW answers


class Statistics:
    """Counts what the node does; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Status] = Counter()
        self._latencies_ms: deque[float] = deque(maxlen=WINDOW)
        self._failures: list[str] = []
        self._since = time.monotonic(), Counter[Status]()

    def count(self, status: Status, latency_ms: float | None = None) -> None:
        """Count one detail; ``latency_ms`` from the question's arrival to its answer, if any."""
        with self._lock:
            self._counts[status] += 1
            if latency_ms is not None:
                self._latencies_ms.append(latency_ms)

    def fail(self, reason: str) -> None:
        """Remember an error of the node's own; the next snapshot shows the first ten."""
        with self._lock:
            if len(self._failures) < 10:
                self._failures.append(reason)

    def snapshot(self) -> Snapshot:
        """Return the figures and begin a new period."""
        with self._lock:
            now, counts = time.monotonic(), self._counts.copy()
            then, counts_then = self._since
            failures, self._failures = tuple(self._failures), []
            self._since = now, counts
            return Snapshot(counts, now - then, counts - counts_then, failures,
                            tuple(self._latencies_ms))


def answering(snapshot: Snapshot, name: str, waiting: int, stopped: str = '',
              extra: Mapping[str, Any] | None = None) -> DiagnosticStatus:
    """Return rates, latencies and drops.

    ERROR after a failure, WARN after a dropped question or an image that cannot be used, STALE
    while nothing is answered, for the reason ``stopped``.
    """
    level, message = (STALE, f'{stopped}: nothing is answered') if stopped else (OK, 'answering')
    for kind, what in WORRYING.items():
        if snapshot.new.get(kind):
            level, message = WARN, f'{snapshot.new[kind]} questions {what}'
    if snapshot.failures:
        level, message = ERROR, snapshot.failures[0]
    values: dict[str, Any] = {
        'questions_per_second': round(sum(snapshot.new.values()) / max(snapshot.seconds, 1e-9), 3),
        'waiting': waiting, 'dropped': snapshot.counts.get(Status.OVERLOADED, 0)}
    if snapshot.latencies_ms:
        p50, p95 = np.percentile(snapshot.latencies_ms, (50, 95))
        values |= {'latency_p50_ms': f'{p50:.3f}', 'latency_p95_ms': f'{p95:.3f}'}
    values |= {f'status_{kind.value}': snapshot.counts.get(kind, 0) for kind in Status}
    return status(name, level, message, values | dict(extra or {}))


def status(name: str, level: bytes, message: str, values: Mapping[str, Any]) -> DiagnosticStatus:
    """Return a DiagnosticStatus with ``values`` as text, as a topic takes it."""
    pairs = [KeyValue(key=key, value=plain(str(value))) for key, value in values.items()]
    return DiagnosticStatus(name=name, level=level, message=plain(message), values=pairs)

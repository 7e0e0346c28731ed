"""The worker handles in order, is bounded, survives errors and gives back what it did not do."""

from __future__ import annotations

import threading

from latent_vqa_ros.ros.worker import Worker

LIMIT = 20.0  # s


def test_items_are_handled_in_their_order_and_an_error_does_not_end_it():
    seen, failed, done = [], [], threading.Event()

    def handle(item):
        seen.append(item)
        if item == 2:
            raise ValueError('two')
        if item == 4:
            done.set()

    worker = Worker(handle, failed.append)
    assert all(worker.put([item], 10) for item in range(5))
    assert done.wait(LIMIT)
    assert worker.stop() == []
    assert seen == list(range(5))
    assert [str(error) for error in failed] == ['two']


def test_a_full_queue_refuses_and_stop_returns_what_waits():
    begun, gate, seen = threading.Event(), threading.Event(), []

    def handle(item):
        begun.set()
        gate.wait(LIMIT)
        seen.append(item)

    worker = Worker(handle, seen.append)
    assert worker.put(['in hand'], 2)
    assert begun.wait(LIMIT)
    assert [worker.put(items, 2) for items in ('a', 'bc', 'de')] == [True, True, False]
    assert worker.waiting == 3
    threading.Timer(0.05, gate.set).start()
    assert worker.stop() == ['a', 'b', 'c']
    assert seen == ['in hand']
    assert not worker.put(['late'], 2)

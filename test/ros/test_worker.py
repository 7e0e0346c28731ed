"""The worker handles in order, is bounded, survives errors and gives back what it did not do."""

from __future__ import annotations

import threading
import weakref

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


def test_each_kind_has_a_limit_of_its_own_and_what_is_in_hand_is_held():
    begun, gate = threading.Event(), threading.Event()
    worker = Worker(lambda item: begun.set() or gate.wait(LIMIT), print)
    assert not worker.holds(lambda item: isinstance(item, int))
    assert worker.put([0], 1)
    assert begun.wait(LIMIT)
    assert worker.waiting == 0
    assert worker.holds(lambda item: isinstance(item, int))
    assert not worker.holds(lambda item: isinstance(item, str))
    assert worker.put([1], 1)
    assert worker.put(['a'], 1)
    assert not worker.put([2], 1)
    assert not worker.put(['b'], 1)
    assert worker.holds(lambda item: isinstance(item, str))
    assert not worker.stopping
    gate.set()
    worker.stop()
    assert worker.stopping


def test_an_item_is_forgotten_as_soon_as_it_is_handled():
    class Item:
        pass

    worker, item, handled = Worker(lambda item: None, print), Item(), threading.Event()
    gone = weakref.ref(item, lambda _: handled.set())
    assert worker.put([item], 1)
    del item
    assert handled.wait(LIMIT)
    assert gone() is None
    assert worker.stop() == []


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

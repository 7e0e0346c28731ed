"""What browsers that come later are told, of one source or of two; and how a link ends."""

import asyncio
import threading

import pytest

pytest.importorskip('aiohttp', reason='needs aiohttp')

from latent_vqa_ros.web import browser
from latent_vqa_ros.web.beside import Beside
from latent_vqa_ros.web.source import Story


def detail(question, at):
    return {'kind': 'detail', 'detail': {'id': None, 'question': question}, 'at': at}


def test_answers_of_node_and_uploads_are_told_in_the_order_in_which_they_came():
    node, uploads = Story(), Story()
    for story, name, at in ((uploads, 'a', 1.0), (node, 'b', 2.0), (uploads, 'c', 3.0),
                            (node, 'd', 4.0)):
        story.tell(detail(name, at))
    node.tell({'kind': 'hello'})
    beside = Beside(node, lambda: None, lambda: None)
    beside._stills._story = uploads
    told = beside.snapshot()
    assert told[0] == {'kind': 'hello'}
    assert [event['detail']['question'] for event in told[1:]] == ['a', 'b', 'c', 'd']


def test_a_condition_that_went_is_told_to_nobody_who_comes_later():
    story = Story()
    for name in ('grip', 'tray'):
        story.tell({'kind': 'condition', 'name': name, 'value': True})
    story.tell({'kind': 'condition', 'name': 'grip', 'gone': True})
    assert [event['name'] for event in story.snapshot()] == ['tray']


class Socket:
    """Says nothing and ends at once."""

    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration

    async def send_str(self, text):
        return None


class Watched(Story):
    """A source that tells whether somebody looks."""

    looks = threading.Event()

    def watch(self, camera, wanted):
        (self.looks.set if wanted else self.looks.clear)()

    def newest(self, camera):
        return None


def test_a_link_ends_though_a_task_swallows_its_cancellation(monkeypatch):
    monkeypatch.setattr(browser, 'AGAIN', 0.05)
    source = Watched()

    async def stubborn(self):
        for _ in range(2):  # as wait_for before Python 3.12 does
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                assert not source.looks.is_set()
        await asyncio.sleep(60)

    async def served():
        one = browser.Browser(Socket(), source, None, browser.Viewers(source))
        one._look_at('camera')
        assert source.looks.is_set()
        await asyncio.wait_for(one.serve(), 10)

    monkeypatch.setattr(browser.Browser, '_greet', stubborn)
    asyncio.run(served())
    assert not source.looks.is_set()

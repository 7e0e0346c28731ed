"""Commands of browsers are done in turn; one that waits for the node holds nobody else up."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from aiohttp import WSMessage, WSMsgType

from latent_vqa_ros.web.browser import Browser


class Slow:
    """A source that takes longest over the first commands, and over ``set`` until it may go on."""

    def __init__(self):
        self.done, self.go_on = [], threading.Event()

    def do(self, command):
        if command['do'] == 'set':
            assert self.go_on.wait(20)
        time.sleep(0.05 / (1 + command['id']))
        self.done.append((command['do'], command['id']))


async def obey(browser, *commands):
    for do, number in commands:
        browser._obey({'do': do, 'id': number})
    await asyncio.gather(*browser._jobs[False], *browser._jobs[True])


def test_a_browsers_commands_are_done_in_the_order_in_which_they_are_said():
    async def talk():
        await obey(Browser(None, source, None, None), *said)

    source, said = Slow(), [(do, 2 * i + j) for i in range(10) for j, do in enumerate(
        ('teach', 'ask'))]
    asyncio.run(talk())
    assert source.done == said


def test_settings_that_wait_for_the_node_hold_up_no_question_and_no_other_browser():
    async def talk():
        first, second = (Browser(None, source, None, None, waiting) for _ in range(2))
        waits = asyncio.create_task(obey(first, *[('set', number) for number in range(20)]))
        await asyncio.wait_for(obey(second, ('ask', 1)), 10)
        first._obey({'do': 'ask', 'id': 2})
        while ('ask', 2) not in source.done:
            await asyncio.sleep(0.01)
        source.go_on.set()
        await waits

    source, waiting = Slow(), ThreadPoolExecutor(1)
    asyncio.run(asyncio.wait_for(talk(), 20))
    assert source.done == [('ask', 1), ('ask', 2), *[('set', number) for number in range(20)]]


def test_what_a_browser_said_before_it_left_is_done():
    class Socket:
        """A browser that says three things and leaves."""

        async def __aiter__(self):
            for number in range(3):
                yield WSMessage(WSMsgType.TEXT, json.dumps(
                    {'do': 'teach', 'message': {'do': 'list', 'id': number}}), None)

    class Heard(Slow):
        def do(self, command):
            super().do({'do': 'teach', 'id': command['message']['id']})

        def listen(self, hear):
            return lambda: None

        def snapshot(self):
            return []

    async def talk():
        browser = Browser(Socket(), source, None, None)
        await browser.serve()
        await asyncio.gather(*browser._jobs[False])

    source = Heard()
    asyncio.run(asyncio.wait_for(talk(), 20))
    assert source.done == [('teach', number) for number in range(3)]

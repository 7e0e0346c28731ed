"""One browser at the other end of a WebSocket: what it hears, what it sees, what it asks for.

A picture is sent only when the one before is on the screen, and then the newest: a slow browser
gets fewer pictures and slows nobody. Events wait in a bounded queue; a browser that reads nothing
for a while is let go. Refuses to know where pictures and answers come from.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from concurrent.futures import Executor
from contextlib import suppress

from aiohttp import WSMsgType, web

from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.web.messages import MessageError, parse
from latent_vqa_ros.web.pictures import Pictures
from latent_vqa_ros.web.source import Command, Event, Source

PACE = 1 / 15  # s from one picture to the next, at least
POLL = 0.02  # s between two looks for a newer frame
WAITING = 500  # events that may wait for a browser
PATIENCE = 20.0  # s that a send may take
AGAIN = 1.0  # s until a task that goes on is ended again
RATE, BURST = 20.0, 60.0  # messages per second, and at once; above, the browser is let go
GONE = (OSError, TimeoutError, asyncio.TimeoutError)  # two classes before Python 3.11
SLOW = ('set', 'enable')  # that wait for the node; nothing else waits for them
QUICK = ('drawn',)  # messages that no rate is set for: at most one per picture

log = logging.getLogger(__name__)


class Viewers:
    """How many browsers look at each camera: the first begins to watch it, the last ends it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._counts: dict[str, int] = {}

    def add(self, camera: str) -> None:
        """Count a browser in."""
        self._counts[camera] = self._counts.get(camera, 0) + 1
        if self._counts[camera] == 1:
            self._source.watch(camera, True)

    def remove(self, camera: str) -> None:
        """Count a browser out."""
        self._counts[camera] -= 1
        if not self._counts[camera]:
            del self._counts[camera]
            self._source.watch(camera, False)


class Browser:
    """Serves one WebSocket until it closes."""

    def __init__(self, socket: web.WebSocketResponse, source: Source, pictures: Pictures,
                 viewers: Viewers, waiting: Executor | None = None) -> None:
        """``waiting`` has the threads in which SLOW commands wait."""
        self._socket = socket
        self._waiting = waiting
        self._source = source
        self._pictures = pictures
        self._viewers = viewers
        self._loop = asyncio.get_running_loop()
        self._events: deque[Event] = deque(maxlen=WAITING)
        self._news = asyncio.Event()
        self._camera: str | None = None
        self._last: Frame | None = None  # what was sent last of that camera
        self._width = 640
        self._watching = asyncio.Event()
        self._drawn = asyncio.Event()
        self._drawn.set()
        self._allowance = BURST
        self._counted = time.monotonic()
        self._turns = {slow: asyncio.Lock() for slow in (False, True)}
        self._jobs: dict[bool, set[asyncio.Task[None]]] = {slow: set() for slow in (False, True)}

    async def serve(self) -> None:
        """Talk until the browser is gone or is let go."""
        end = self._source.listen(self._hear)  # before the snapshot, so that nothing is missed
        tasks = [asyncio.create_task(job()) for job in (self._greet, self._show, self._read)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            end()
            self._look_at(None)
            for job in self._jobs[True]:  # the others are done: they were said
                job.cancel()
            left = set(tasks)
            while left:  # before Python 3.12 wait_for may swallow a cancel
                for task in left:
                    task.cancel()
                _, left = await asyncio.wait(left, timeout=AGAIN)
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, GONE):
                raise result

    # to the browser

    def _hear(self, event: Event) -> None:
        """Take an event from any thread."""
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self._queue, event)

    def _queue(self, event: Event) -> None:
        self._events.append(event)  # the oldest goes where too many wait
        self._news.set()

    async def _greet(self) -> None:
        for event in self._source.snapshot():
            await self._send(event)
        while True:
            await self._news.wait()
            self._news.clear()
            while self._events:
                await self._send(self._events.popleft())

    async def _send(self, event: Event) -> None:
        if event['kind'] == 'hello':
            event = event | {'now': time.time()}
        # As ASCII: a lone surrogate, of a file's name or a topic, has no UTF-8.
        await asyncio.wait_for(self._socket.send_str(json.dumps(event)), PATIENCE)

    async def _show(self) -> None:
        while True:
            await self._watching.wait()
            await self._drawn.wait()
            begun, camera = time.monotonic(), self._camera
            frame = None if camera is None else self._source.newest(camera)
            if frame is None or frame is self._last:
                await asyncio.sleep(POLL)
                continue
            self._last = frame
            message = await self._pictures.make(frame, self._width)
            self._drawn.clear()
            await asyncio.wait_for(self._socket.send_bytes(message), PATIENCE)
            await asyncio.sleep(max(0.0, PACE - (time.monotonic() - begun)))

    # from the browser

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                await self._let_go('only text is understood')
                return
            try:
                command = parse(message.data)
            except MessageError as error:
                command = {'do': ''}
                self._queue({'kind': 'notice', 'text': f'Not understood: {error}'})
            if not self._may_say(command['do']):
                await self._let_go('too many messages')
                return
            self._obey(command)

    def _may_say(self, do: str) -> bool:
        """Count a message against the browser's allowance; tell whether it keeps to it."""
        if do in QUICK and not self._drawn.is_set():  # one per picture
            return True
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + RATE * (now - self._counted)) - 1
        self._counted = now
        return self._allowance >= 0

    async def _let_go(self, why: str) -> None:
        await self._socket.close(code=1008, message=why.encode())

    def _obey(self, command: Command) -> None:
        if command['do'] == 'watch':
            if command['width'] > self._width:
                self._last = None  # a still picture is sent again, larger
            self._width = command['width']
            self._look_at(command['camera'])
        elif command['do'] == 'drawn':
            self._drawn.set()
        elif command['do']:
            job = asyncio.create_task(self._have_done(command))
            jobs = self._jobs[command['do'] in SLOW]
            jobs.add(job)
            job.add_done_callback(jobs.discard)

    async def _have_done(self, command: Command) -> None:
        slow = command['do'] in SLOW
        try:
            async with self._turns[slow]:  # in the order in which the browser says it
                why = await self._loop.run_in_executor(self._waiting if slow else None,
                                                       self._source.do, command)
        except Exception as error:  # a fault of ours: said, and the browser stays
            log.exception('a command failed')
            why = f'That failed: {one_line(error)}'
        if why:
            self._queue({'kind': 'notice', 'text': why, 'id': command.get('id')})

    def _look_at(self, camera: str | None) -> None:
        if camera == self._camera:
            return
        before, self._camera = self._camera, camera
        self._last = None  # the browser has forgotten it; a still picture is sent again
        if camera is not None:
            self._viewers.add(camera)
        if before is not None:
            self._viewers.remove(before)
        self._drawn.set()
        if camera is None:
            self._watching.clear()
        else:
            self._watching.set()

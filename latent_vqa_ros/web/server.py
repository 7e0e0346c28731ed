"""The small web server: one page, its parts, the WebSocket, an upload. Everything else is 404.

    await serve(source, Safety(host, token), port, on_open=print)

The page's files are read once at the start; no name from a browser is ever a path. Refuses to
know whom it serves: that is a ``Source``.
"""

from __future__ import annotations

import asyncio
import gzip
import mimetypes
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiohttp import web

from latent_vqa_ros.core.image_formats import ImageError
from latent_vqa_ros.web.browser import Browser, Viewers
from latent_vqa_ros.web.guard import Connections
from latent_vqa_ros.web.messages import LONGEST
from latent_vqa_ros.web.pictures import Pictures
from latent_vqa_ros.web.safety import HEADERS, Safety
from latent_vqa_ros.web.source import Source

STATIC = Path(__file__).parent / 'static'
LARGEST_PICTURE = 20_000_000  # bytes of an upload
UPLOAD_SECONDS = 30.0  # that an upload may take
LONGEST_FORM = 4096  # bytes of the form with the token: anybody may send it
FORM = 'application/x-www-form-urlencoded'
KEEP_ALIVE = 30.0  # s
LINGER = 0.0  # s that the rest of a refused upload is read and dropped
HEARTBEAT = 20.0  # s between two pings of a WebSocket
INDEX, DOOR = 'index.html', 'door.html'
DOOR_FILES = ('page.css', 'icon.svg')  # seen without a token
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page:
    """The application: its routes and what they share."""

    def __init__(self, source: Source, safety: Safety) -> None:
        self._source = source
        self._safety = safety
        self.waiting = ThreadPoolExecutor(4, 'page-waits')
        self._files = {path.name: _File(path) for path in sorted(STATIC.iterdir())
                       if path.is_file()}
        self._pictures = Pictures(source.seen)
        self._viewers = Viewers(source)
        self._decoding = asyncio.Lock()  # one upload at a time
        self._sockets: set[web.WebSocketResponse] = set()
        self.app = web.Application(client_max_size=LARGEST_PICTURE,
                                   middlewares=[self._check])  # type: ignore[list-item]
        self.app.router.add_get('/', self._index)
        self.app.router.add_post('/token', self._token)
        self.app.router.add_get('/link', self._link)
        self.app.router.add_post('/picture', self._picture)
        self.app.router.add_get('/static/{name}', self._static)
        self.app.on_response_prepare.append(_add_headers)
        self.app.on_shutdown.append(self._say_goodbye)
        self.connections: Connections | None = None

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.connections:
            self.connections.asked(request.transport)
        refused = self._safety.refusal(request)
        if refused is not None:
            return refused
        open_to_all = request.path in ('/', '/token') or (
            request.path.removeprefix('/static/') in DOOR_FILES)
        if not open_to_all and not self._safety.known(request):
            return web.Response(status=401, text='Open the page with its token first.')
        return await handler(request)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        given = request.query.get('token')
        if given is not None and self._safety.token:
            return self._safety.admit(request, given) or self._files[DOOR].response(request, 401)
        if not self._safety.known(request):
            return self._files[DOOR].response(request, 401)
        return self._files[INDEX].response(request)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != FORM:
            raise web.HTTPUnsupportedMediaType
        try:
            body = await asyncio.wait_for(_read(request, LONGEST_FORM), UPLOAD_SECONDS)
            form = request.rel_url.build(query_string=body.decode('ascii', 'replace'),
                                         encoded=True).query
        except (TimeoutError, asyncio.TimeoutError):
            raise web.HTTPRequestTimeout from None
        return (self._safety.admit(request, form.get('token', '').strip())
                or self._files[DOOR].response(request, 401))

    async def _static(self, request: web.Request) -> web.StreamResponse:
        found = self._files.get(request.match_info['name'])
        if found is None:
            raise web.HTTPNotFound
        return found.response(request)

    async def _link(self, request: web.Request) -> web.StreamResponse:
        if 'Upgrade' not in request.headers:
            raise web.HTTPBadRequest
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=LONGEST, timeout=2.0,
                                      compress=False)  # pictures are compressed already
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await Browser(socket, self._source, self._pictures, self._viewers,
                          self.waiting).serve()
        finally:
            self._sockets.discard(socket)
            if not socket.closed and request.transport:
                request.transport.abort()
        return socket

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        """Take the bytes of a JPEG or PNG; ``name`` is what people call it."""
        size = request.content_length or 0
        if size > LARGEST_PICTURE:
            raise web.HTTPRequestEntityTooLarge(LARGEST_PICTURE, size)
        try:
            content = await asyncio.wait_for(request.read(), UPLOAD_SECONDS)
        except (TimeoutError, asyncio.TimeoutError):
            return web.Response(status=408, text='The picture took too long to arrive.')
        name = request.query.get('name', '')[:80] or 'picture'
        async with self._decoding:
            try:
                await asyncio.to_thread(self._source.add_picture, content, name)
            except ImageError as error:
                return web.Response(status=422, text=f'That picture cannot be used: {error}.')
        return web.Response(status=204)

    async def _say_goodbye(self, app: web.Application) -> None:
        for socket in set(self._sockets):
            await socket.close(code=1001, message=b'the page ends')
        self._pictures.close()


class _File:
    """A file of the page, whole in memory."""

    def __init__(self, path: Path) -> None:
        self.body = path.read_bytes()
        self.small = gzip.compress(self.body, 9, mtime=0)
        self.type = mimetypes.guess_type(path.name)[0] or 'application/octet-stream'
        if path.suffix == '.js':
            self.type = 'text/javascript'

    def response(self, request: web.Request, status: int = 200) -> web.Response:
        packed = 'gzip' in request.headers.get('Accept-Encoding', '')
        headers = {'Content-Encoding': 'gzip'} if packed else {}
        return web.Response(body=self.small if packed else self.body, headers=headers,
                            content_type=self.type, charset='utf-8', status=status)


async def _read(request: web.Request, most: int) -> bytes:
    """Return a request's body; HTTPRequestEntityTooLarge before more than ``most`` is kept."""
    size, body = request.content_length or 0, b''
    while size <= most:
        chunk = await request.content.readany()
        if not chunk:
            return body
        body += chunk
        size = max(size, len(body))
    raise web.HTTPRequestEntityTooLarge(most, size)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def serve(source: Source, safety: Safety, port: int,
                on_open: Callable[[str], Any] = print,
                stopped: Callable[[], bool] = lambda: False) -> None:
    """Serve until SIGINT or SIGTERM; ``on_open`` is told the address. OSError: port in use.

    ``stopped`` tells whether such a signal has come before; then there is nothing to serve.
    """
    page = Page(source, safety)
    # No access log: an address may hold the token.
    runner = web.AppRunner(page.app, access_log=None, keepalive_timeout=KEEP_ALIVE,
                           lingering_time=LINGER, handle_signals=False,
                           auto_decompress=False)  # a body may unpack to a thousand times its size
    await runner.setup()
    assert runner.server is not None
    page.connections = Connections(runner.server)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    try:
        server = await loop.create_server(page.connections, safety.host, port, backlog=64)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if not stopped():
            on_open(_address(safety.host, server.sockets[0].getsockname()[1]))
            await stop.wait()
        server.close()
    finally:
        await runner.cleanup()
        source.close()
        page.waiting.shutdown(cancel_futures=True)  # as asyncio does with its own


def _address(host: str, port: int) -> str:
    name = f'[{host}]' if ':' in host else host
    return f'http://{name}:{port}/'

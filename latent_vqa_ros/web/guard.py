"""A bound on connections, and on the time that one may take to say something whole.

aiohttp waits for ever for the head of a first request. ``Guard`` stands between the socket and
aiohttp's protocol, passes everything on, and ends a connection that has not asked anything in
time. Refuses to know HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MOST = 64  # connections at once
PATIENCE = 10.0  # s until the head of the first request is whole


class Connections:
    """The connections of one server; ``asked`` says that one has sent a whole request."""

    def __init__(self, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self.open: set[asyncio.BaseTransport] = set()
        self.asking: set[asyncio.BaseTransport] = set()

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection, for ``loop.create_server``."""
        return Guard(self, self._make())

    def asked(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that a request came in whole."""
        if transport in self.open:
            self.asking.add(transport)


class Guard(asyncio.Protocol):
    """Passes everything on to the protocol within."""

    def __init__(self, connections: Connections, within: asyncio.Protocol) -> None:
        self._all = connections
        self._within = within
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or end it where there are too many."""
        assert isinstance(transport, asyncio.Transport)
        if len(self._all.open) >= MOST:
            transport.abort()
            return
        self._transport = transport
        self._all.open.add(transport)
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._judge)
        self._within.connection_made(transport)

    def _judge(self) -> None:
        if self._transport and self._transport not in self._all.asking:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self._transport:
            self._within.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._within.eof_received() if self._transport else None

    def pause_writing(self) -> None:
        """Pass on."""
        self._within.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._within.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection."""
        if self._transport is None:
            return
        if self._timer:
            self._timer.cancel()
        self._all.open.discard(self._transport)
        self._all.asking.discard(self._transport)
        self._within.connection_lost(error)

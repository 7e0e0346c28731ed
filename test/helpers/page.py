"""A page server as a process, and a bare client of it: what a browser or an attacker sends."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EPISODE = ROOT / 'test' / 'data' / 'episode'
NAMESPACE = '/page_tests'  # of the robot that the page stands beside
_ids = itertools.count()
LIMIT = 90.0  # s until a wait has failed; nobody waits that long unless much else runs
ADDRESS = re.compile(r'http://[^ ]+:(\d+)/')


class Page:
    """The address of a page, and what one may say to it."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def host(self) -> str:
        return f'127.0.0.1:{self.port}'

    @property
    def url(self) -> str:
        return f'http://{self.host}/'

    def request(self, method: str = 'GET', path: str = '/', body: bytes = b'',
                **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (lower case) and body of one request."""
        given = {'Host': self.host, 'Connection': 'close', 'Content-Length': str(len(body)),
                 **{name.replace('_', '-'): value for name, value in headers.items()}}
        head = ''.join(f'{name}: {value}\r\n' for name, value in given.items())
        with self.connect() as wire:
            wire.sendall(f'{method} {path} HTTP/1.1\r\n{head}\r\n'.encode() + body)
            return read_response(wire)

    def connect(self) -> socket.socket:
        return socket.create_connection(('127.0.0.1', self.port), LIMIT)

    def upload(self, content: bytes, name: str = 'picture') -> tuple[int, str]:
        status, _, body = self.request('POST', f'/picture?name={name}', content,
                                       Origin=f'http://{self.host}')
        return status, body.decode()

    def link(self, **headers: str) -> Link:
        return Link(self, headers)


class Served(Page):
    """A running server: its address, what it printed, its end."""

    def __init__(self, process: subprocess.Popen, log: Path) -> None:
        self.process = process
        self.log = log
        super().__init__(int(self._await_address()))

    def _await_address(self) -> str:
        end = time.monotonic() + LIMIT
        while time.monotonic() < end and self.process.poll() is None:
            found = ADDRESS.search(self.log.read_text(errors='replace'))
            if found:
                return found[1]
            time.sleep(0.05)
        raise AssertionError(f'no address: {self.log.read_text(errors="replace")}')

    @property
    def memory_mb(self) -> float:
        text = Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+)', text)[1]) / 1e3

    def stop(self) -> None:
        """End it as Ctrl-C does; it must end cleanly."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            assert self.process.wait(LIMIT) == 0, self.log.read_text()
        finally:
            self.process.kill()


def read_response(wire: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read an HTTP response to its end."""
    content = b''
    while chunk := wire.recv(1 << 16):
        content += chunk
    head, _, body = content.partition(b'\r\n\r\n')
    lines = head.decode('latin-1').split('\r\n')
    headers = dict(line.lower().split(': ', 1) for line in lines[1:] if ': ' in line)
    return int(lines[0].split()[1]), headers, body


class Link:
    """A WebSocket of the page, by hand (RFC 6455), so that it may also misbehave."""

    def __init__(self, served: Page, headers: dict[str, str]) -> None:
        given = {'Host': served.host, 'Origin': f'http://{served.host}', 'Upgrade': 'websocket',
                 'Connection': 'Upgrade', 'Sec-WebSocket-Version': '13',
                 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', **headers}
        self.wire = served.connect()
        self.wire.sendall(('GET /link HTTP/1.1\r\n' + ''.join(
            f'{name}: {value}\r\n' for name, value in given.items()) + '\r\n').encode())
        self._left = b''
        head = b''
        while b'\r\n\r\n' not in head:
            chunk = self.wire.recv(4096)
            if not chunk:
                break
            head += chunk
        self.status = int(head.split()[1])
        self._left = head.partition(b'\r\n\r\n')[2]

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()

    def say(self, message: Any) -> None:
        """Send text, or an object as JSON."""
        text = message if isinstance(message, str) else json.dumps(message)
        self.send(text.encode())

    def send(self, payload: bytes, opcode: int = 1) -> None:
        size = len(payload)
        length = (struct.pack('>B', 0x80 | size) if size < 126 else
                  struct.pack('>BH', 0x80 | 126, size) if size < 1 << 16 else
                  struct.pack('>BQ', 0x80 | 127, size))
        self.wire.sendall(bytes([0x80 | opcode]) + length + b'\0\0\0\0' + payload)

    def receive(self) -> dict[str, Any] | None:
        """Return the next event, a picture as kind 'picture', None where it has ended."""
        while True:
            head = self._take(2)
            if len(head) < 2:
                return None
            opcode, size = head[0] & 15, head[1] & 127
            if size > 125:
                size = int.from_bytes(self._take(2 if size == 126 else 8), 'big')
            payload = self._take(size)
            if opcode == 8:
                return {'kind': 'closed', 'code': int.from_bytes(payload[:2], 'big'),
                        'why': payload[2:].decode()}
            if opcode == 9:
                self.send(payload, 10)
            elif opcode == 1:
                return json.loads(payload)
            elif opcode == 2:
                length = int.from_bytes(payload[:4], 'big')
                return {'kind': 'picture', 'head': json.loads(payload[4:4 + length]),
                        'jpeg': payload[4 + length:]}

    def _take(self, size: int) -> bytes:
        while len(self._left) < size:
            try:
                chunk = self.wire.recv(1 << 16)
            except ConnectionError:
                chunk = b''
            if not chunk:
                return b''
            self._left += chunk
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def until(self, kind: str, **values: Any) -> dict[str, Any]:
        """Return the next event of a kind with these values."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            event = self.receive()
            assert event is not None, f'closed before {kind}'
            if event['kind'] == kind and all(event.get(k) == v for k, v in values.items()):
                return event
        raise AssertionError(f'waited in vain for {kind}')

    def ask(self, question: str, id_: str = '', camera: str | None = None) -> dict[str, Any]:
        """Ask and return the detail."""
        id_ = id_ or f'link{next(_ids)}'
        self.say({'do': 'ask', 'id': id_, 'question': question, 'camera': camera})
        while True:
            detail = self.until('detail')['detail']
            if detail['id'] == id_:
                return detail


@contextmanager
def serving(log: Path, *arguments: str, module: str = 'latent_vqa_ros.cli.main',
            env: dict[str, str] | None = None) -> Iterator[Served]:
    """Run a server on a port of its own until the block ends."""
    with log.open('w') as out:
        process = subprocess.Popen([sys.executable, '-m', module, *arguments], stdout=out,
                                   stderr=subprocess.STDOUT, cwd=ROOT,
                                   env={**os.environ, 'PYTHONPATH': str(ROOT), **(env or {})})
    served = None
    try:
        served = Served(process, log)
        yield served
    finally:
        if served is None:
            process.kill()
            process.wait()
        else:
            served.stop()

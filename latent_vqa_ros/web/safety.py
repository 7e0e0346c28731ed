"""Who may use the page, and what a browser may do with it.

Without a token the page listens on this machine alone, and only under this machine's own names: a
foreign site that points its name at 127.0.0.1 is refused. With one, each request needs the cookie
that the token is exchanged for. Requests that change something and WebSockets must come from the
page itself (``Origin``). Refuses to know what the page shows.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

COOKIE = 'vqa_page'
GOOD_TOKEN = 16  # characters; a shorter one is warned of
YEAR = 365 * 24 * 3600  # s
HEADERS = {
    'Content-Security-Policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), microphone=(), geolocation=()', 'Cache-Control': 'no-cache',
    'Server': 'vqa_web',
}


class SafetyError(ValueError):
    """A host that may not be listened on without a token; one line."""


@dataclass(frozen=True)
class Safety:
    """The rules for one server: ``token`` '' means that this machine's own users are trusted."""

    host: str = '127.0.0.1'
    token: str = ''

    def __post_init__(self) -> None:
        if not self.token and not is_this_machine(self.host):
            raise SafetyError(f'the page listens on {self.host} only with a token; make one with '
                              '"openssl rand -hex 16", or leave the host at 127.0.0.1')

    @property
    def warning(self) -> str:
        """What is to be said where the network may guess the token, '' where it may not."""
        if not self.token or len(self.token) >= GOOD_TOKEN or is_this_machine(self.host):
            return ''
        return (f'the token is shorter than {GOOD_TOKEN} characters and may be guessed; make one '
                'with "openssl rand -hex 16"')

    def refusal(self, request: web.Request) -> web.Response | None:
        """Return what a request is answered that may not come in, None where it may."""
        if not self.token and not is_this_machine(_host_name(request.headers.get('Host', ''))):
            return web.Response(status=403, text='This page answers on this machine only.')
        acts = request.method != 'GET' or 'Upgrade' in request.headers
        if acts and not self.from_the_page(request):
            return web.Response(status=403, text='That did not come from the page.')
        return None

    def known(self, request: web.Request) -> bool:
        """Tell whether the browser has shown the token before; compared in constant time."""
        if not self.token:
            return True
        return hmac.compare_digest(
            request.cookies.get(_cookie(request), '').encode('utf-8', 'replace'),
            self._pass().encode())

    def from_the_page(self, request: web.Request) -> bool:
        """Tell whether ``Origin`` is the very host that was asked."""
        try:
            origin = urlsplit(request.headers.get('Origin', ''))
        except ValueError:
            return False
        return bool(origin.scheme in ('http', 'https') and origin.netloc
                    and origin.netloc.lower() == request.headers.get('Host', '').lower())

    def admit(self, request: web.Request, given: str) -> web.Response | None:
        """Return the way in for a right token: a cookie, and the page without the token."""
        if not self.token or not hmac.compare_digest(
                given.encode('utf-8', 'replace'), self.token.encode()):
            return None
        response = web.Response(status=303, headers={'Location': './'})
        response.set_cookie(_cookie(request), self._pass(), max_age=YEAR, httponly=True,
                            samesite='Lax')
        return response

    def _pass(self) -> str:
        """Return what stands in the cookie: made of the token, from which it cannot be told."""
        return hmac.new(self.token.encode(), b'latent_vqa_ros page', hashlib.sha256).hexdigest()


def is_this_machine(name: str) -> bool:
    """Tell whether a host name or address is this machine's own."""
    if name.lower() == 'localhost':
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _cookie(request: web.Request) -> str:
    """Return the cookie's name: browsers keep those of a host's ports together."""
    try:
        port = urlsplit(f'//{request.headers.get("Host", "")}').port
    except ValueError:
        port = None
    return f'{COOKIE}_{port or 0}'


def _host_name(header: str) -> str:
    """Return the name in a Host header, without its port and brackets."""
    try:
        return urlsplit(f'//{header}').hostname or ''
    except ValueError:
        return ''

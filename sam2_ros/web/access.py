"""Who may see the page: names of the robot, the token, and the headers of every answer.

Binding to localhost is not enough: any web page that the operator has open may send requests to localhost, and a name
of the attacker's may lead there (DNS rebinding). So Host and Origin are checked, too.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import stat
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

LOCAL_NAMES = ('localhost', '127.0.0.1', '::1')
TOKEN_BYTES = 16  # of a random token
SHORTEST_TOKEN = 16  # characters of a token from a file
HEADERS = {
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-cache',
}


class AccessError(ValueError):
    """Settings with which the page is not served; a sentence says why and what is accepted."""


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def read_token(file: Path) -> str:
    """The token in a file that only its owner can read.

    Raises:
        AccessError: if there is none, others can read it, or it is too short.
    """
    try:
        mode, token = file.stat().st_mode, file.read_text(encoding='ascii').strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f'token_file: {file} cannot be read: {error}') from error
    if stat.S_IMODE(mode) & 0o077:
        raise AccessError(f'token_file: others may read {file}; make it private: chmod 600 {file}')
    if len(token) < SHORTEST_TOKEN or not all(one.isalnum() or one in '-_' for one in token):
        raise AccessError(
            f'token_file: {file} must hold at least {SHORTEST_TOKEN} letters, digits, - or _; such as '
            'openssl rand -hex 16 prints'
        )
    return token


def is_local(host: str) -> bool:
    """Whether only this machine reaches a server that listens on that name or address."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """The rules of one server.

    Attributes:
        host: name or address that it listens on.
        allowed_hosts: further names under which browsers may open it.
        token: empty: none is needed.
    """

    host: str = '127.0.0.1'
    allowed_hosts: Sequence[str] = ()
    token: str = ''

    def check(self) -> None:
        """Raises AccessError if the page would be open to everyone."""
        if not is_local(self.host) and not self.token:
            raise AccessError(f'host {self.host!r} can be reached from other machines, which needs a token')
        if self.host in ('', '0.0.0.0', '::') and not self.allowed_hosts:
            raise AccessError(
                f'host {self.host!r} listens on every address: name in allowed_hosts the names or addresses under '
                'which browsers open the page'
            )

    def knows_host(self, request: web.Request) -> bool:
        """Whether the browser has opened the page under a name of ours. Any port is fine: ssh -L changes it."""
        name = _host_name(request.headers.get('Host', ''))
        return bool(name) and name in {one.lower() for one in (*LOCAL_NAMES, self.host, *self.allowed_hosts)}

    def knows_origin(self, request: web.Request) -> bool:
        """Whether a WebSocket is opened by our own page, or by a program that has the token."""
        origin = request.headers.get('Origin')
        if origin is None:
            return bool(self.token) and self._has_token(request)
        host = request.headers.get('Host', '')
        return origin in (f'http://{host}', f'https://{host}')

    def admits(self, request: web.Request) -> bool:
        """Whether the request carries the token, where one is needed."""
        cookie = request.cookies.get(self._cookie_name(request), '')
        return not self.token or self._has_token(request) or _equal(cookie, self._cookie())

    def entering(self, request: web.Request) -> web.Response | None:
        """The answer to an address with the right token: it turns the token into a cookie and leaves the address bar.

        None for any other address.
        """
        given = request.query.get('token')
        if given is None or not self.token or not _equal(given, self.token):
            return None
        response = web.Response(status=303, headers={'Location': '/'})
        response.set_cookie(
            self._cookie_name(request), self._cookie(), httponly=True, samesite='Strict', secure=request.secure
        )
        return response

    def _has_token(self, request: web.Request) -> bool:
        return _equal(request.headers.get('Authorization', ''), f'Bearer {self.token}')

    def _cookie(self) -> str:
        return hmac.new(self.token.encode(), b'cookie of the operator page', 'sha256').hexdigest()

    def _cookie_name(self, request: web.Request) -> str:
        """Cookies do not tell ports apart, so each server of a robot has a name of its own."""
        port = request.url.port
        return f'operator_page_{port}'


def _equal(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(errors='replace'), right.encode())


def _host_name(host: str) -> str:
    """The name in a Host header, without its port; empty if it is none."""
    try:
        return urlsplit(f'//{host}').hostname or ''
    except ValueError:
        return ''


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guard(access: Access) -> Any:
    """The aiohttp middleware that asks `access` before every request and adds HEADERS to every answer."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        response: web.StreamResponse | None = None
        try:
            for answered in (_foreign, Access.entering, _stranger):
                if response is None:  # an empty response counts as false
                    response = answered(access, request)
            if response is None:
                response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f'{error.reason}\n', headers=_allow_of(error))
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return guarded


def _stranger(access: Access, request: web.Request) -> web.Response | None:
    if access.admits(request):
        return None
    return web.Response(status=401, text='Open the page with the address that the node has printed.\n')


def _foreign(access: Access, request: web.Request) -> web.Response | None:
    if not access.knows_host(request):
        return web.Response(status=403, text='This name of the robot is not in allowed_hosts.\n')
    upgrade = request.headers.get('Upgrade', '').lower() == 'websocket' or request.path == '/ws'
    if upgrade and not access.knows_origin(request):
        return web.Response(status=403, text='Another page, or a program without the token, asks for the pictures.\n')
    return None


def _allow_of(error: web.HTTPException) -> dict[str, str]:
    return {'Allow': error.headers['Allow']} if 'Allow' in error.headers else {}

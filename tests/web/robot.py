"""A robot that only notes what it is asked, and pages that are programs."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np

from sam2_ros.web.access import Access
from sam2_ros.web.commands import Command
from sam2_ros.web.pictures import NANOSECONDS, Picture, ShownObject, unpacked
from sam2_ros.web.server import PageServer, Serving

TIMEOUT = 30.0  # seconds; generous, because other tests share the processor
SIZE = (120, 160)  # of the images: height, width


class NotingRobot:
    """Keeps the commands."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Command]] = []
        self.watched: frozenset[int] = frozenset()

    def watching(self, cameras: frozenset[int]) -> None:
        self.watched = cameras

    def ask(self, viewer: int, command: Command) -> None:
        self.asked.append((viewer, command))


class Page:
    """A WebSocket as the page has it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def read(self, kind: str) -> tuple[dict[str, Any], bytes]:
        """The next message of this kind; others are passed over."""
        while True:
            message = await self.socket.receive(TIMEOUT)
            assert message.type is aiohttp.WSMsgType.BINARY, message
            head, parts = unpacked(message.data)
            if head['kind'] == kind:
                return head, parts

    async def say(self, **entries: Any) -> None:
        await self.socket.send_str(json.dumps(entries))

    async def refused(self, **entries: Any) -> str:
        """Send a command that is refused; the sentence that says why."""
        await self.say(**entries)
        head, _ = await self.read('answer')
        assert not head['success']
        return head['reason']

    async def closed(self) -> tuple[int, str]:
        """Wait until the server closes; code and reason."""
        while True:
            message = await self.socket.receive(TIMEOUT)
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                return self.socket.close_code, str(message.extra or '')


class Served:
    """A running server and a browser of sorts."""

    def __init__(self, server: PageServer, robot: NotingRobot, address: str, session: aiohttp.ClientSession) -> None:
        self.server, self.robot, self.session = server, robot, session
        self.address = address.rstrip('/')
        self.host = self.address.split('://')[1]

    async def get(self, path: str = '/', **options: Any) -> tuple[int, str, Any]:
        """Status, body and headers."""
        async with self.session.get(self.address + path, allow_redirects=False, **options) as response:
            return response.status, await response.text(), response.headers

    @asynccontextmanager
    async def page(self, **headers: str) -> AsyncIterator[Page]:
        headers.setdefault('Origin', self.address)
        async with self.session.ws_connect(
            self.address + '/ws', headers={name: value for name, value in headers.items() if value}
        ) as socket:
            yield Page(socket)

    async def status_of_page(self, **headers: str) -> int:
        """Status with which the server refuses a WebSocket; 101 if it does not."""
        try:
            async with self.page(**headers):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status

    async def until(self, condition: Callable[[], Any]) -> Any:
        """What `condition` returns once it is true."""
        async with asyncio_timeout():
            while not (found := condition()):
                await asyncio.sleep(0.005)
            return found

    def show(self, index: int, *, camera: int = 0, file: bytes = b'JPEG') -> Picture:
        """Show image `index`, stamped that many seconds, with a cup in it."""
        mask = np.zeros((4, 6), bool)
        mask[1:3, 2:5] = True
        cup = ShownObject('cup', {'label': 1}, (10, 20, 16, 24), mask)
        picture = Picture(index * NANOSECONDS + 7, SIZE, [cup], file, 'image/jpeg')
        self.server.show(camera, picture)
        return picture


@asynccontextmanager
async def asyncio_timeout() -> AsyncIterator[None]:
    """As asyncio.timeout, which Python 3.10 does not have."""
    task = asyncio.current_task()
    handle = asyncio.get_running_loop().call_later(TIMEOUT, task.cancel)
    try:
        yield
    finally:
        handle.cancel()


@asynccontextmanager
async def served(*, access: Access | None = None, **serving: Any) -> AsyncIterator[Served]:
    """A server on a free port with one camera, /tracker."""
    robot = NotingRobot()
    server = PageServer(Serving(access=access or Access(), port=0, **serving), robot)
    address = await server.start()
    # a wildcard is where it listens, not where it is found
    address = re.sub(r'//(0\.0\.0\.0|\[::\])', '//127.0.0.1', address)
    jar = aiohttp.CookieJar(unsafe=True)  # that is, also for addresses
    try:
        async with aiohttp.ClientSession(cookie_jar=jar, connector=aiohttp.TCPConnector(ssl=False, limit=0)) as session:
            server.set_cameras([('/tracker', True, {})])
            yield Served(server, robot, address, session)
    finally:
        await server.stop()


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test that waits, without a plugin."""
    asyncio.run(test)

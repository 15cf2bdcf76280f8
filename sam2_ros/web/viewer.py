"""One open page: what is on its way, what waits, and how fast it may ask."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from aiohttp import WSCloseCode, web

from sam2_ros.web.cameras import Camera
from sam2_ros.web.pictures import Picture, packed_picture

MESSAGES_PER_SECOND = 20.0  # that a page may send for long
MESSAGES_AT_ONCE = 40  # that it may send in a moment
MOST_WAITING = 200  # small messages on their way to a page; of one that reads none, the oldest are lost
RECENT = 100  # pictures whose latency is kept


class Viewer:
    """Sends what a page is to see. Pictures never queue: one is on its way at most, and the newest waits.

    So a slow network lowers the rate, and never adds delay.

    Attributes:
        number: of the page, in order of connection.
        camera: which it shows; None before it has said.
        latencies: seconds from the stamp of an image until the page said that it was on the screen; the newest last.
        drawn: pictures that it has shown.
    """

    def __init__(self, socket: web.WebSocketResponse, number: int) -> None:
        self.number = number
        self.camera: Camera | None = None
        self.latencies: deque[float] = deque(maxlen=RECENT)
        self.drawn = 0
        self._socket = socket
        self._news = asyncio.Event()
        self._messages: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._waiting: Picture | None = None
        self._on_its_way: Picture | None = None
        self._frames_sent = 0
        self._allowance, self._asked = float(MESSAGES_AT_ONCE), time.monotonic()

    def watch(self, camera: Camera) -> None:
        """Show this camera from now on."""
        self.camera, self._frames_sent = camera, 0
        self._waiting = None
        if camera.newest is not None:
            self.offer(camera.newest)

    def offer(self, picture: Picture) -> None:
        """Show this picture as soon as the page is ready for it, unless a newer one comes before."""
        self._waiting = picture
        self._news.set()

    def tell(self, message: bytes) -> None:
        """Send a small message."""
        self._messages.append(message)
        self._news.set()

    def has_drawn(self) -> bool:
        """The page says that the picture is on the screen. False if none was on its way."""
        picture, self._on_its_way = self._on_its_way, None
        if picture is None:
            return False
        self.latencies.append(picture.age_now())
        self.drawn += 1
        self._news.set()
        return True

    def may_ask(self) -> bool:
        """Whether it keeps to the rate of messages; counts this one."""
        now = time.monotonic()
        self._allowance = min(MESSAGES_AT_ONCE, self._allowance + MESSAGES_PER_SECOND * (now - self._asked))
        self._asked = now
        self._allowance -= 1
        return self._allowance >= 0

    async def send(self) -> None:
        """Send until the page is gone."""
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while not self._socket.closed:
                await self._news.wait()
                self._news.clear()
                while self._messages:
                    await self._socket.send_bytes(self._messages.popleft())
                if self._waiting is not None and self._on_its_way is None:
                    picture, self._waiting = self._waiting, None
                    self._on_its_way = picture
                    await self._socket.send_bytes(packed_picture(picture, self._head()))

    async def close(self, code: WSCloseCode, why: str) -> None:
        """`why`: a sentence for the page, of at most 120 bytes."""
        with contextlib.suppress(ConnectionError):
            await self._socket.close(code=code, message=why.encode())

    def _head(self) -> Mapping[str, Any]:
        assert self.camera is not None, 'pictures come from cameras'
        self._frames_sent, frames = self.camera.frames_since(self._frames_sent)
        latency = self.latencies[-1] if self.latencies else None
        return {'camera': self.camera.index, 'frames': frames, 'latency': latency}

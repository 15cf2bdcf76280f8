"""The server in a thread of its own, for programs whose main thread does something else."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from typing import Any

from sam2_ros.web.server import PageServer

STARTING = 10.0  # seconds
STOPPING = 5.0  # seconds


class ServerThread:
    """Runs a server.

    Attributes:
        server: for `post` only.
        address: of the page, without the token.
    """

    def __init__(self, server: PageServer) -> None:
        """Start it.

        Raises:
            OSError: if the port is taken, or the host is not of this machine.
        """
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name='page', daemon=True)
        self._thread.start()
        try:
            self.address = asyncio.run_coroutine_threadsafe(server.start(), self._loop).result(STARTING)
        except BaseException:
            self._end()
            raise

    def post(self, action: Callable[..., object], *args: Any, **options: Any) -> None:
        """Let the server do something soon. Any thread may call this, also when the server has ended."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(lambda: action(*args, **options))

    def close(self) -> None:
        """Close all pages, and end the thread."""
        stopping = asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop)
        with contextlib.suppress(concurrent.futures.TimeoutError):
            stopping.result(STOPPING)
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOPPING)
        if not self._thread.is_alive():
            self._loop.close()

"""A page node beside a tracker, and a page that is a program."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import aiohttp
import numpy as np
from rclpy.parameter import Parameter

from sam2_ros.nodes.edge import diagnostics
from sam2_ros.nodes.operator_page import node as page_node
from sam2_ros.nodes.operator_page.node import OperatorPageNode
from sam2_ros.web.pictures import mask_of_runs
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import Client
from tests.web.robot import Page


class LivePage:
    """What a page sees and says, one call after the other."""

    def __init__(self, client: Client, node: OperatorPageNode) -> None:
        self.client, self.node = client, node
        self.head: dict[str, Any] = {}  # of the newest message
        self._loop = asyncio.new_event_loop()
        self._session: aiohttp.ClientSession | None = None
        self._page: Page | None = None
        self._number = 0

    def open(self, **headers: str) -> dict[str, Any]:
        """Connect; the greeting."""
        address = self.client.wait_for(lambda: self.node.address, 'the address')

        async def connect() -> None:
            self._session = aiohttp.ClientSession()
            headers.setdefault('Origin', address.rstrip('/'))
            given = {name: value for name, value in headers.items() if value}
            self._page = Page(await self._session.ws_connect(address + 'ws', headers=given))

        self._loop.run_until_complete(connect())
        return self.read('hello')

    def say(self, **entries: Any) -> None:
        self._loop.run_until_complete(self._page.say(**entries))

    def read(self, kind: str) -> dict[str, Any]:
        """The next message of this kind; its masks are put in as arrays."""
        head, parts = self._loop.run_until_complete(self._page.read(kind))
        for one in head.get('objects', ()):
            if 'mask' in one:
                (begin, length), (left, top, right, bottom) = one['mask'], one['box']
                runs = np.frombuffer(parts[begin : begin + length], '<u4').tolist()
                one['mask'] = np.zeros((scene.HEIGHT, scene.WIDTH), bool)
                one['mask'][top:bottom, left:right] = mask_of_runs(runs, height=bottom - top, width=right - left)
        if 'file' in head:
            begin, length = head['file']
            head['file'] = parts[begin : begin + length]
        return head

    def watch(self, camera: int = 0) -> None:
        """Look at a camera, once the node has found it and listens to its images."""
        while len(self.cameras()) <= camera:
            self.head = self.read('cameras')
        self.say(do='watch', camera=camera)
        self.client.wait_for(
            lambda: any(one.images for one in self.node._cameras.values() if one.index == camera), 'its images'
        )

    def cameras(self) -> list[dict[str, Any]]:
        return self.head.get('cameras', [])

    def picture(self) -> dict[str, Any]:
        """The next picture; it counts as drawn."""
        head = self.read('picture')
        self.say(do='drawn')
        return head

    def ask(self, **entries: Any) -> dict[str, Any]:
        """The answer to a command."""
        self._number += 1
        self.say(number=self._number, **entries)
        head = self.read('answer')
        assert head['number'] == self._number
        return head

    def close(self) -> None:
        async def disconnect() -> None:
            if self._page is not None:
                await self._page.socket.close()
            if self._session is not None:
                await self._session.close()

        self._loop.run_until_complete(disconnect())
        self._loop.close()


@contextmanager
def page_beside(client: Client, **parameters: Any) -> Iterator[LivePage]:
    """A page node in the graph of this client."""
    values = {'port': 0, 'max_rate': 1000.0, **parameters}
    with (
        mock.patch.object(diagnostics, 'PERIOD', 0.1),
        mock.patch.object(page_node, 'LOOK_PERIOD', 0.1),
    ):
        node = OperatorPageNode(
            context=client.context,
            namespace=f'/page_{os.getpid()}',
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
    client.graph.run(node)
    page = LivePage(client, node)
    try:
        yield page
    finally:
        page.close()
        client.graph.end(node)
        assert node.address == ''


def stamp_text(stamp: Any) -> str:
    return f'{stamp.sec}.{stamp.nanosec:09d}'

"""The web server: the page's files and one WebSocket for each open page. For one asyncio loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from aiohttp import WSCloseCode, WSMsgType, web

from sam2_ros.web.access import Access, AccessError, guard
from sam2_ros.web.cameras import Camera, Seen
from sam2_ros.web.commands import Command, CommandError, Drawn, Watch, read_command
from sam2_ros.web.pictures import Picture, ShownObject, packed, stamp_as_text
from sam2_ros.web.viewer import MESSAGES_PER_SECOND, Viewer

FILES = Path(__file__).parent / 'page'
LARGEST_MESSAGE = 65_536  # bytes that a page may send
HEARTBEAT = 20.0  # seconds between two looks whether a page is still there
CLOSING = 2.0  # seconds that a page gets to say good-bye
NO_CAMERA = 'there is no camera with this number'


class Robot(Protocol):
    """Who does what the pages ask for. It answers through `PageServer.answer`."""

    def ask(self, viewer: int, command: Command) -> None:
        """Called in the loop of the server; must return at once."""

    def watching(self, cameras: frozenset[int]) -> None:
        """Somebody looks at these cameras now, by index; called when that changes."""


@dataclass(frozen=True)
class Figures:
    """How it goes: open pages, refused messages, median and 95th percentile of the time from stamp to screen, in s."""

    viewers: int = 0
    refused: int = 0
    latency: tuple[float, float] | None = None


@dataclass(frozen=True)
class Serving:
    """How the page is served.

    Attributes:
        access: who may see it, and the address.
        port: 0: any that is free.
        read_only: pages only show.
        most_viewers: pages that may be open at once.
        certificate: file of the certificate for https; '': http.
        key: file of its key.
    """

    access: Access = field(default_factory=Access)
    port: int = 8080
    read_only: bool = False
    most_viewers: int = 8
    certificate: str = ''
    key: str = ''

    def tls(self) -> ssl.SSLContext | None:
        """Raises AccessError if certificate and key cannot be used."""
        if not self.certificate and not self.key:
            return None
        if not self.certificate or not self.key:
            raise AccessError('https needs both: certificate and key')
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise AccessError(f'certificate and key: {error}') from error
        return context


class PageServer:
    """Serves the page. All methods are for the loop that `start` ran in.

    Attributes:
        cameras: in the order in which they were found; a camera keeps its index.
        viewers: the open pages, by their number.
        watched: the cameras that somebody looks at, by index.
        refused: messages that were not understood or not accepted.
    """

    def __init__(self, serving: Serving, robot: Robot) -> None:
        """Raises AccessError for settings that would open the page to everyone."""
        serving.access.check()
        self._serving, self._robot, self._tls = serving, robot, serving.tls()
        self.cameras: list[Camera] = []
        self.viewers: dict[int, Viewer] = {}
        self.watched: frozenset[int] = frozenset()
        self.refused = 0
        self._recording: Mapping[str, Any] = {'on': False}
        self._numbers = 0
        self._runner: web.AppRunner | None = None

    def application(self) -> web.Application:
        """The routes. Nothing that a page may ask for by GET changes anything."""
        application = web.Application(middlewares=[guard(self._serving.access)], client_max_size=1024)
        application.router.add_get('/', _file('index.html'))
        for file in sorted(FILES.iterdir()):
            application.router.add_get(f'/{file.name}', _file(file.name))
        application.router.add_get('/ws', self._connect)
        application.on_shutdown.append(self._close_viewers)
        return application

    async def start(self) -> str:
        """Listen. Returns the address of the page, without the token.

        Raises:
            OSError: if the port is taken, or the host is not of this machine.
        """
        # no access log: addresses hold the token
        self._runner = web.AppRunner(self.application(), access_log=None)
        await self._runner.setup()
        host = self._serving.access.host
        try:
            await web.TCPSite(self._runner, host, self._serving.port, ssl_context=self._tls).start()
        except OSError:
            await self.stop()
            raise
        port = self._runner.addresses[0][1]
        return f'{"https" if self._tls else "http"}://{f"[{host}]" if ":" in host else host}:{port}/'

    async def stop(self) -> None:
        """Close all pages and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def set_cameras(self, cameras: Sequence[tuple[str, bool, Mapping[str, Any]]]) -> None:
        """Which cameras there are: name, whether it is there, what else the page is told. None is ever taken out."""
        known = len(self.cameras)
        self.cameras += [Camera(name, index) for index, (name, *_) in enumerate(cameras[known:], known)]
        for camera, (_, alive, facts) in zip(self.cameras, cameras, strict=True):
            camera.alive, camera.facts = alive, facts
        self._tell_all(packed({'kind': 'cameras', 'cameras': [camera.head() for camera in self.cameras]}))

    def set_recording(self, facts: Mapping[str, Any]) -> None:
        """How the recording is: `on`, and what else the page shows of it."""
        self._recording = facts
        self._tell_all(packed({'kind': 'recording', 'recording': facts}))

    def saw(self, camera: int, stamp_ns: int, objects: Mapping[str, Seen]) -> None:
        """How the objects were seen in an image, shown or not: for the curves."""
        self.cameras[camera].saw(stamp_ns, objects)

    def show(self, camera: int, picture: Picture) -> None:
        """A new picture of a camera."""
        shown = self.cameras[camera]
        shown.newest, shown.size = picture, picture.size
        for viewer in self.viewers.values():
            if viewer.camera is shown:
                viewer.offer(picture)

    def answer(
        self,
        viewer: int,
        number: int,
        *,
        success: bool,
        reason: str = '',
        object_id: str = '',
        stamp_ns: int = 0,
        shown: ShownObject | None = None,
    ) -> None:
        """Answer a command, to the page that gave it and to no other.

        Args:
            reason: why not, or a remark.
            object_id: of the object that was prompted or removed.
            stamp_ns: of the image that the prompt was applied to.
            shown: the object on that image.
        """
        asking = self.viewers.get(viewer)
        if asking is None:
            return  # it is gone
        head = {
            'kind': 'answer',
            'number': number,
            'success': success,
            'reason': reason,
            'object': object_id,
            'stamp': stamp_as_text(stamp_ns),
        }
        asking.tell(packed(head, [shown] if shown else ()))

    def figures(self) -> Figures:
        """How it goes now."""
        latencies = [seconds for viewer in self.viewers.values() for seconds in viewer.latencies]
        percentiles = tuple(float(np.percentile(latencies, part)) for part in (50, 95)) if latencies else None
        return Figures(len(self.viewers), self.refused, cast(Any, percentiles))

    def _look_who_watches(self) -> None:
        watched = [viewer.camera for viewer in self.viewers.values()]
        indices = frozenset(index for index, camera in enumerate(self.cameras) if any(camera is one for one in watched))
        if indices != self.watched:
            self.watched = indices
            self._robot.watching(indices)

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=CLOSING, max_msg_size=LARGEST_MESSAGE, heartbeat=HEARTBEAT)
        await socket.prepare(request)
        self._numbers += 1
        viewer = Viewer(socket, self._numbers)
        if len(self.viewers) >= self._serving.most_viewers:
            await viewer.close(
                WSCloseCode.TRY_AGAIN_LATER, f'{len(self.viewers)} pages are open already, the most allowed'
            )
            return socket
        self.viewers[viewer.number] = viewer
        viewer.tell(packed({'kind': 'hello', **self._greeting()}))
        sending = asyncio.create_task(viewer.send())
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    await viewer.close(WSCloseCode.UNSUPPORTED_DATA, 'messages are text')
                elif not self._take(viewer, message.data):
                    await viewer.close(
                        WSCloseCode.POLICY_VIOLATION, f'more than {MESSAGES_PER_SECOND:g} messages a second'
                    )
        finally:
            self.viewers.pop(viewer.number, None)
            sending.cancel()
            self._look_who_watches()
        return socket

    def _greeting(self) -> dict[str, Any]:
        return {
            'read_only': self._serving.read_only,
            'cameras': [camera.head() for camera in self.cameras],
            'recording': self._recording,
        }

    def _take(self, viewer: Viewer, text: str) -> bool:
        """Do what a message says. False for one too many."""
        try:
            command = read_command(text, size_of=self._size_of)
            if isinstance(command, Drawn) and viewer.has_drawn():
                return True
            if not viewer.may_ask():
                return False
            self._do(viewer, command)
        except CommandError as error:
            self.refused += 1
            if not viewer.may_ask():
                return False
            self.answer(viewer.number, error.number, success=False, reason=str(error))
        return True

    def _do(self, viewer: Viewer, command: Command) -> None:
        if isinstance(command, Drawn):
            return
        if command.camera >= len(self.cameras):
            error = CommandError(NO_CAMERA)
            error.number = command.number
            raise error
        if isinstance(command, Watch):
            viewer.watch(self.cameras[command.camera])
            self._look_who_watches()
        elif self._serving.read_only:
            self.answer(viewer.number, command.number, success=False, reason='this page only shows (read_only)')
        else:
            self._robot.ask(viewer.number, command)

    def _size_of(self, camera: int) -> tuple[int, int] | None:
        return self.cameras[camera].size if camera < len(self.cameras) else None

    def _tell_all(self, message: bytes) -> None:
        for viewer in self.viewers.values():
            viewer.tell(message)

    async def _close_viewers(self, _: web.Application) -> None:
        for viewer in list(self.viewers.values()):
            await viewer.close(WSCloseCode.GOING_AWAY, 'the node ends')


def _file(name: str) -> Any:
    """A handler that sends one file of the page."""

    async def send(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(FILES / name)

    return send

"""The operator's page: a browser sees what the trackers see, and prompts the very picture that it shows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter

from sam2_ros.live.journal import Journal
from sam2_ros.nodes.edge.managed_node import ManagedNode
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.process import run
from sam2_ros.nodes.operator_page.camera import TrackedCamera
from sam2_ros.nodes.operator_page.cameras import found_trackers
from sam2_ros.nodes.operator_page.commands import Commands, Inbox
from sam2_ros.nodes.operator_page.diagnostics import Diagnostics, Snapshot
from sam2_ros.nodes.operator_page.parameters import OPERATOR_PAGE_PARAMETERS
from sam2_ros.nodes.operator_page.recorder import RecordButton
from sam2_ros.web.access import Access, is_local, new_token, read_token
from sam2_ros.web.commands import Record
from sam2_ros.web.server import Figures, PageServer, Serving
from sam2_ros.web.thread import ServerThread

LOOK_PERIOD = 1.0  # seconds between two looks at who is there
MOST_CAMERAS = 32


class OperatorPageNode(ManagedNode):
    """A lifecycle node.

    configure serves the page. activate looks for trackers and listens to them. The web server has a thread of its own;
    everything of ROS is done in the executor.

    Attributes:
        address: of the page, without the token; empty while it is not served.
    """

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; with `autostart` the node also configures and activates itself.

        Raises:
            ValueError: a sentence, if a parameter is not accepted.
        """
        super().__init__('operator_page', **options)
        self._settings = ParameterTable(self, OPERATOR_PAGE_PARAMETERS)
        self.add_on_set_parameters_callback(self._check_parameters)
        self._journal = Journal(self.get_logger())
        self._figures = Figures()
        self._page: ServerThread | None = None  # while the node is configured, as the next three
        self._inbox: Inbox | None = None
        self._commands: Commands | None = None
        self._button: RecordButton | None = None
        self._names: list[str] = []  # of all trackers that were ever found; their index is that of the page
        self._cameras: dict[str, TrackedCamera] = {}  # those that are there now
        self._looking = self.create_timer(LOOK_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._looking.cancel()
        self._diagnostics = Diagnostics(self, journal=self._journal, snapshot=self._snapshot)
        if self._settings['autostart']:
            self.start_in(0.0)

    @property
    def address(self) -> str:
        return self._page.address if self._page is not None else ''

    def configure(self) -> None:
        access = self._access()
        self._inbox = Inbox(self, self._work)
        server = PageServer(self._serving(access), self._inbox)
        try:
            page = self._page = ServerThread(server)
        except OSError as error:
            raise OSError(f'host {access.host!r}, port {self._settings["port"]}: {error.strerror or error}') from error
        self._button = RecordButton(self, self._settings, page=page, journal=self._journal)
        self._commands = Commands(self._settings, page=page, journal=self._journal, note=self._button.command)
        self.get_logger().info(f'the page is at {page.address}')
        if access.token:  # not by the logger: every node can read /rosout
            print(f'Open the page with its token: {page.address}?token={access.token}', flush=True)

    def activate(self) -> None:
        self._looking.reset()
        self._look()

    def deactivate(self) -> None:
        self._looking.cancel()
        if self._button is not None:
            self._button.end()
        if self._commands is not None:
            self._commands.close('the page was deactivated')
        cameras, self._cameras = self._cameras, {}
        for camera in cameras.values():
            camera.close()
        self._tell_cameras()

    def stop(self, timeout: float | None = None) -> bool:
        """Whole recordings first, then the pages."""
        self.forget()
        return True

    def forget(self) -> None:
        self.deactivate()
        page, self._page = self._page, None
        inbox, self._inbox = self._inbox, None
        self._commands = self._button = None
        self._names = []
        for part in (page, inbox):
            if part is not None:
                part.close()

    def _check_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        return self._settings.check(parameters, configured=self._page is not None)

    def _access(self) -> Access:
        """Raises AccessError for settings that would open the page to everyone."""
        host, file = self._settings['host'], self._settings['token_file']
        token = ''
        if file or self._settings['token'] == 'always' or not is_local(host):
            token = read_token(Path(file)) if file else new_token()
        return Access(host, self._settings['allowed_hosts'], token)

    def _serving(self, access: Access) -> Serving:
        names = ('port', 'read_only', 'certificate', 'key')
        given = {name: self._settings[name] for name in names}
        return Serving(access=access, most_viewers=self._settings['max_viewers'], **given)

    def _look(self) -> None:
        """Find trackers that have come or gone, and see after what waits."""
        if self._page is None or self._commands is None:
            return
        wanted = self._settings['trackers']
        found = {name: topics for name, *topics in found_trackers(self) if not wanted or name in wanted}
        publishing = {name for name, camera in self._cameras.items() if camera.objects.publishers()}
        for name in set(self._cameras) - set(found) - publishing:
            self._cameras.pop(name).close()
        for name, (objects_topic, image_topic) in found.items():
            if name not in self._cameras and (name in self._names or len(self._names) < MOST_CAMERAS):
                self._add(name, objects_topic, image_topic)
        self._tell_cameras()
        self._want_images()
        self._commands.give_up_late()
        self._page.post(self._collect_figures, self._page.server)

    def _add(self, name: str, objects_topic: str, image_topic: str) -> None:
        assert self._page is not None and self._button is not None, 'the node is configured'
        if name not in self._names:
            self._names.append(name)
            self.get_logger().info(f'showing {name} on {image_topic}')
        self._cameras[name] = TrackedCamera(
            self,
            self._settings,
            index=self._names.index(name),
            tracker=name,
            objects_topic=objects_topic,
            image_topic=image_topic,
            page=self._page,
            journal=self._journal,
            record=self._button.image,
        )

    def _tell_cameras(self) -> None:
        if self._page is None:
            return
        cameras = [
            (name, name in self._cameras, self._cameras[name].facts() if name in self._cameras else {})
            for name in self._names
        ]
        self._page.post(self._page.server.set_cameras, cameras)

    def _want_images(self) -> None:
        if self._inbox is None or self._button is None:
            return
        for camera in self._cameras.values():
            camera.want(shown=camera.index in self._inbox.watched, recorded=self._button.on)

    def _work(self) -> None:
        """Do what pages ask for."""
        if self._inbox is None or self._commands is None or self._page is None or self._button is None:
            return
        for viewer, command in self._inbox.commands():
            if isinstance(command, Record):
                why = self._button.press(command) if self.state == 'active' else 'the node is not active'
                self._page.post(self._page.server.answer, viewer, command.number, success=not why, reason=why)
            else:
                self._commands.do(viewer, command, [self._cameras.get(name) for name in self._names])
        self._want_images()

    def _collect_figures(self, server: PageServer) -> None:
        """In the thread of the server."""
        self._figures = server.figures()

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            state=self.state,
            address=self.address,
            troubles={name: camera.trouble() for name, camera in self._cameras.items()},
            figures=self._figures if self._page is not None else Figures(),
            recording=self._button is not None and self._button.on,
        )


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is interrupted. Exit code 0, or 2 for a parameter that was refused."""
    sys.exit(run(OperatorPageNode, args, name='operator_page'))


if __name__ == '__main__':
    main()

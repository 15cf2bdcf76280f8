"""Several cameras in one process on one network: a tracker node for each, and one that holds the network."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from geometry_msgs.msg import PointStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import InvalidTopicNameException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.parameter import Parameter
from rclpy.validate_full_topic_name import validate_full_topic_name

from sam2_ros.live.account import Account
from sam2_ros.live.engine import Engine
from sam2_ros.model import Sam2Network
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.edge.managed_node import ManagedNode
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.process import run
from sam2_ros.nodes.edge.qos import make_publisher, make_subscription
from sam2_ros.nodes.edge.startup import NAMES
from sam2_ros.nodes.tracker.node import free_memory
from sam2_ros.nodes.tracker.prompt_inputs import QUEUE_DEPTH
from sam2_ros.nodes.trackers.camera import CameraNode, RunningCamera
from sam2_ros.nodes.trackers.diagnostics import CameraState, ProcessDiagnostics, Snapshot
from sam2_ros.nodes.trackers.parameters import CAMERAS, process_parameters

NAME = 'trackers'
ENDING = 1.0  # seconds that the threads of the cameras get beyond what they give to the image in work

CLICKS = Endpoint(
    name='clicked_point',
    type_name='geometry_msgs/PointStamped',
    type=PointStamped,
    description='Publish Point in RViz. Handed on to `<camera>/clicked_point` of the cameras whose `space_clicks` is '
    'true; by default that is the first one.',
)


class TrackersNode(ManagedNode):
    """A lifecycle node that holds the network, and makes a tracker node for each camera.

    configure loads the network and makes the nodes, which then go their own ways: `autostart` of each says whether it
    configures and activates itself, and each can be deactivated or cleaned up alone. activate and deactivate do so to
    all of them that are inactive or active. cleanup ends them and frees the network.
    """

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; with `autostart` the node also configures and activates itself.

        Raises:
            ValueError: a sentence, if a parameter is not accepted.
        """
        super().__init__(NAME, **options)
        self.names: tuple[str, ...] = ParameterTable(self, [CAMERAS])[CAMERAS.name]
        _check_names(self.names)
        self._settings = ParameterTable(self, [row for row in process_parameters(self.names) if row is not CAMERAS])
        for camera in self.names:
            self._check_image(camera)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.cameras: dict[str, RunningCamera] = {}  # by name; empty while the node is unconfigured
        self._engine = Engine()
        self._network: Sam2Network | None = None  # held, so that it outlives cameras that are cleaned up
        self._clicks: Any = None  # the subscription, while the node is configured
        self._click_publishers: dict[str, Any] = {}
        self._diagnostics = ProcessDiagnostics(self, snapshot=self._snapshot)
        if self._settings['autostart']:
            self.start_in(0.0)

    def configure(self) -> None:
        self._network = self._engine.network(self._settings)
        for camera in self.names:
            try:
                self.cameras[camera] = RunningCamera(self._camera_node(camera))
            except ValueError as error:
                raise ValueError(f'{self._namespace_of(camera)}/tracker: {error}') from error
        self._click_publishers = {
            camera: make_publisher(self, CLICKS.type, f'{camera}/{CLICKS.name}', QUEUE_DEPTH) for camera in self.names
        }
        self._clicks = make_subscription(self, CLICKS.type, CLICKS.name, self._hand_on, QUEUE_DEPTH)

    def activate(self) -> None:
        self._change('inactive', CameraNode.trigger_activate)

    def deactivate(self) -> None:
        self._change('active', CameraNode.trigger_deactivate)

    def forget(self) -> None:
        if self._clicks is not None:
            self.destroy_subscription(self._clicks)
            self._clicks = None
        for publisher in self._click_publishers.values():
            self.destroy_publisher(publisher)
        self._click_publishers = {}
        for camera in self.cameras.values():
            camera.do(camera.node.deactivate)
            camera.do(camera.node.forget)
        self.stop()
        self._destroy_cameras()
        self._network = None
        free_memory()

    def stop(self, timeout: float | None = None) -> bool:
        """End all cameras. False if an image in work was not done within `timeout` seconds."""
        for camera in self.cameras.values():
            camera.begin_end()
        deadline = None if timeout is None else time.monotonic() + timeout + ENDING
        ended = [
            camera.ended(None if deadline is None else max(0.0, deadline - time.monotonic()))
            for camera in self.cameras.values()
        ]
        return all(ended)

    def destroy_node(self) -> None:
        """Take the nodes of the cameras off the graph, too. They have been stopped."""
        self._destroy_cameras()
        super().destroy_node()

    def _destroy_cameras(self) -> None:
        cameras, self.cameras = self.cameras, {}
        for camera in cameras.values():
            camera.destroy()

    def _change(self, state: str, trigger: Callable[[CameraNode], object]) -> None:
        """Trigger a transition of the cameras that are in this state. They say themselves if it fails."""

        def change(node: CameraNode) -> None:
            if node.state == state:
                trigger(node)

        for camera in self.cameras.values():
            camera.do(partial(change, camera.node))

    def _camera_node(self, camera: str) -> CameraNode:
        image = self._settings[f'{camera}.image']
        # Its own rules, which win over those of the process: all nodes of a process would get the same name.
        rules = ('__node:=tracker', f'__ns:={self._namespace_of(camera)}', f'image:={image}')
        return CameraNode(
            end_process=self.give_up,
            engine=self._engine,
            network=self._settings,
            account=Account(lambda: self._settings[f'{camera}.weight']),
            context=self.context,
            cli_args=['--ros-args', *(word for rule in rules for word in ('-r', rule))],
        )

    def _namespace_of(self, camera: str) -> str:
        return f'{self.get_namespace().rstrip("/")}/{camera}'

    def _hand_on(self, click: PointStamped) -> None:
        for camera, publisher in self._click_publishers.items():
            if self._settings[f'{camera}.space_clicks']:
                publisher.publish(click)

    def _check_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        return self._settings.check(parameters, configured=self._network is not None)

    def _check_image(self, camera: str) -> None:
        image = self._settings[f'{camera}.image']
        try:
            validate_full_topic_name(expand_topic_name(image, 'tracker', self._namespace_of(camera)))
        except (InvalidTopicNameException, ValueError) as error:
            raise ValueError(f'{camera}.image is {image!r}, but must be the name of a topic; {NAMES}') from error

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            lifecycle=self.state,
            model=self._settings['model'] if self._network is not None else '',
            device=str(self._network.device) if self._network is not None else '',
            cameras={
                name: CameraState(camera.node.state, camera.node.account.seconds)
                for name, camera in self.cameras.items()
            },
        )


def _check_names(cameras: Sequence[str]) -> None:
    """Raises ValueError with a sentence if the cameras cannot be called so."""
    bad = [name for name in cameras if not re.fullmatch('[A-Za-z_][A-Za-z0-9_]*', name)]
    double = [name for name, number in Counter(cameras).items() if number > 1]
    if not cameras:
        raise ValueError('cameras is [], but must be a list of texts, one at least')
    if bad:
        raise ValueError(
            f'cameras holds {bad[0]!r}; names are words of letters, digits and _, which begin with no digit'
        )
    if double:
        raise ValueError(f'cameras holds {double[0]!r} several times; give each camera a name of its own')


def main(args: Sequence[str] | None = None) -> None:
    """Run the process. It then ends at once, because an orderly end of PyTorch takes seconds."""
    code = run(TrackersNode, args, name=NAME)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    main()

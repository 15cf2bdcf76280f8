"""Objects in space: masks of a tracker and depth in, poses, sizes, velocities and boxes out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter

from sam2_ros.live.journal import Journal
from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.msg import Object3DArray
from sam2_ros.nodes.edge.frames import FrameTree
from sam2_ros.nodes.edge.managed_node import ManagedNode
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.process import run
from sam2_ros.nodes.objects_3d.diagnostics import Diagnostics, Snapshot
from sam2_ros.nodes.objects_3d.inputs import Inputs
from sam2_ros.nodes.objects_3d.lifting import Lifted, Lifting
from sam2_ros.nodes.objects_3d.outputs import Outputs
from sam2_ros.nodes.objects_3d.parameters import OBJECTS_3D_PARAMETERS
from sam2_ros.nodes.objects_3d.waiting import WaitingObjects
from sam2_ros.spatial.ring import STEP_BACK, StampedRing

RETRY_PERIOD = 0.02  # seconds between two looks at what waits for depth or a transform


class Objects3DNode(ManagedNode):
    """A lifecycle node.

    configure makes the publishers. activate listens. deactivate stops and keeps nothing: the world moves on meanwhile.
    """

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; with `autostart` the node also configures and activates itself.

        Raises:
            ValueError: a sentence, if a parameter is not accepted.
        """
        super().__init__('objects_3d', **options)
        self._settings = ParameterTable(self, OBJECTS_3D_PARAMETERS)
        self.add_on_set_parameters_callback(self._check_parameters)
        self._journal = Journal(self.get_logger())
        self._outputs: Outputs | None = None  # while the node is configured
        self._inputs: Inputs | None = None  # while it is active, as all below
        self._ring: StampedRing[Any] = StampedRing('depth image')
        self._frames: FrameTree | None = None
        self._lifting: Lifting | None = None
        self._waiting: WaitingObjects | None = None
        self._newest: Object3DArray | None = None
        self._newest_ns = 0  # stamp of the newest array of objects
        self._retry = self.create_timer(RETRY_PERIOD, self._work, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._retry.cancel()  # until something waits
        self._diagnostics = Diagnostics(self, journal=self._journal, snapshot=self._snapshot)
        if self._settings['autostart']:
            self.start_in(0.0)

    def configure(self) -> None:
        self._outputs = Outputs(self, publish_tf=self._settings['publish_tf'])

    def activate(self) -> None:
        ring = self._ring = StampedRing('cloud' if self._settings['source'] == 'points' else 'depth image')
        self._frames = FrameTree(self)
        self._inputs = Inputs(
            self,
            self._settings,
            journal=self._journal,
            ring=ring,
            on_objects=self._take_objects,
            on_depth=self._work,
        )
        self._lifting = Lifting(self._settings, inputs=self._inputs, lookup=self._frames.lookup)
        self._waiting = WaitingObjects(
            self._settings, ring=ring, lifting=self._lifting, journal=self._journal, on_lifted=self._publish
        )
        self.get_logger().info(f'listening to {self._inputs.objects.topic} and {self._inputs.depth.topic}')

    def deactivate(self) -> None:
        self._retry.cancel()
        inputs, self._inputs = self._inputs, None
        frames, self._frames = self._frames, None
        self._waiting = self._lifting = None
        for part in (inputs, frames):
            if part is not None:
                part.close()

    def stop(self, timeout: float | None = None) -> bool:
        """Nothing is in work between two callbacks, so this takes no time."""
        self.deactivate()
        return True

    def forget(self) -> None:
        self.deactivate()
        outputs, self._outputs = self._outputs, None
        self._newest, self._newest_ns = None, 0
        if outputs is not None:
            outputs.close()

    def _check_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        return self._settings.check(parameters, configured=self._outputs is not None)

    def _take_objects(self, message: Any) -> None:
        if self._waiting is None or self._lifting is None or self._frames is None:
            return
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        if stamp_ns and stamp_ns < self._newest_ns - STEP_BACK * NANOSECONDS:
            self._journal.note('time_jumps', 'stamps jump back: what is known of the objects is forgotten')
            self._lifting.reset()
            self._frames.forget()
            self._ring.go_back(stamp_ns)
        self._newest_ns = stamp_ns or self._newest_ns
        self._waiting.add(message)
        self._wait_or_rest()

    def _work(self) -> None:
        if self._waiting is not None and len(self._waiting):
            self._waiting.work()
        self._wait_or_rest()

    def _wait_or_rest(self) -> None:
        """Look again soon while something waits."""
        if self._waiting is None or not len(self._waiting):
            self._retry.cancel()
        elif self._retry.is_canceled():
            self._retry.reset()

    def _publish(self, lifted: Lifted) -> None:
        if self._outputs is not None:
            self._newest = self._outputs.publish(lifted)
            self._journal.published.tick()

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            state=self.state,
            timeout=self._settings['input_timeout'],
            inputs=self._inputs,
            newest=self._newest,
            waiting=len(self._waiting) if self._waiting is not None else 0,
        )


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is interrupted. Exit code 0, or 2 for a parameter that was refused."""
    sys.exit(run(Objects3DNode, args, name='objects_3d'))


if __name__ == '__main__':
    main()

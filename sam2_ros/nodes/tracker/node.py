"""The tracker node: camera images and prompts in, masks, occlusion scores and boxes out."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import rclpy
import torch
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from sam2_ros.interruption import Interruption
from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages
from sam2_ros.live.camera_stream import CameraStream
from sam2_ros.live.engine import Engine
from sam2_ros.live.journal import Journal
from sam2_ros.live.network import describe, make_tracker
from sam2_ros.live.prompt_jobs import PromptJobs
from sam2_ros.live.requests import ignore
from sam2_ros.live.stamps import StampOrder
from sam2_ros.nodes.edge.image_converter import ImageConverter
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.qos import LATCHED, make_publisher
from sam2_ros.nodes.edge.startup import refusals_as_sentences
from sam2_ros.nodes.tracker.diagnostics import Diagnostics, Snapshot
from sam2_ros.nodes.tracker.image_source import ImageSource
from sam2_ros.nodes.tracker.outputs import OutputTopic, Publisher, TrackerOutputs
from sam2_ros.nodes.tracker.parameters import TRACKER_PARAMETERS
from sam2_ros.nodes.tracker.prompt_inputs import PromptInputs
from sam2_ros.tracking import VideoTracker

STOP_TIMEOUT = 3.0  # seconds given to the image in work when the process ends
ANSWER_TIMEOUT = 0.5  # seconds given to the answers of services when the process ends
OUTPUT_QUEUE = 10  # messages
MEGABYTE = 1e6


@dataclass(frozen=True, eq=False)
class TrackerParts:
    """What a node has while it is configured."""

    tracker: VideoTracker
    converter: ImageConverter
    outputs: TrackerOutputs
    jobs: PromptJobs
    inputs: PromptInputs
    device: str


class TrackerNode(LifecycleNode):
    """A lifecycle node.

    configure loads the model and runs it once. activate listens to images. deactivate stops and keeps the objects.
    cleanup forgets everything and frees the device.
    """

    def __init__(self, *, engine: Engine | None = None, **options: Any) -> None:
        """Declare the parameters; with `autostart` the node also configures and activates itself.

        Args:
            engine: shared with other trackers of the process. None: the node has its own.

        Raises:
            ValueError: a sentence, if a parameter is not accepted.
        """
        super().__init__('tracker', **options)
        self.failure = ''  # why the process has to end
        self._engine = engine or Engine()
        self._settings = ParameterTable(self, TRACKER_PARAMETERS)
        self.add_on_set_parameters_callback(self._check_parameters)
        self._journal = Journal(self.get_logger())
        self._ring = ArrivedImages()
        self._order = StampOrder()
        self.parts: TrackerParts | None = None  # None while the node is unconfigured
        self._output_publishers: list[Any] = []  # of the outputs
        self._source: ImageSource | None = None
        self._stream: CameraStream | None = None  # while the node is active
        self._state = 'unconfigured'  # of the lifecycle
        self._diagnostics = Diagnostics(self, journal=self._journal, snapshot=self._snapshot)
        if self._settings['autostart']:
            self._start = self.create_timer(0.0, self._autostart, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._done('configured', self._configure):
            self._state = 'inactive'
            return TransitionCallbackReturn.SUCCESS
        self._forget()
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._done('activated', self._activate):
            self._state = 'active'
            return TransitionCallbackReturn.SUCCESS
        self._done('stopped', self.stop)
        return TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._success_or_error(self._done('deactivated', self.stop), 'inactive')

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._success_or_error(self._done('cleaned up', self._forget), 'unconfigured')

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        stopped, forgotten = self._done('stopped', self.stop), self._done('cleaned up', self._forget)
        return self._success_or_error(stopped and forgotten, 'finalized')

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, never half active."""
        ended = self.on_shutdown(state)
        if ended is TransitionCallbackReturn.SUCCESS:
            self._state = 'unconfigured'
        return ended

    def stop(self, timeout: float | None = None) -> bool:
        """Stop to listen and to track. False if the image in work was not done within `timeout` seconds."""
        source, self._source = self._source, None
        if source is not None:
            source.close()
        inputs = self.parts.inputs if self.parts else None
        if inputs is not None:
            inputs.deactivate()
        stream, self._stream = self._stream, None
        stopped = stream is None or self._engine.thread.remove(stream, timeout)
        if inputs is not None:
            inputs.refuse_calls('the node was deactivated')
        return stopped

    @property
    def answering(self) -> bool:
        """Whether there are service calls whose answer was not sent yet."""
        return self.parts is not None and self.parts.inputs.answering

    def _done(self, what: str, work: Callable[[], object]) -> bool:
        """Whether a part of a transition went well. If not, the reason is logged, which rclpy would not do."""
        try:
            work()
        except Exception as error:
            self.get_logger().error(f'not {what}: {error}')
            return False
        return True

    def _success_or_error(self, done: bool, state: str) -> TransitionCallbackReturn:
        """The end of a transition to `state`."""
        if done:
            self._state = state
        return TransitionCallbackReturn.SUCCESS if done else TransitionCallbackReturn.ERROR

    def _configure(self) -> None:
        network = self._engine.network(self._settings)
        tracker = make_tracker(network, self._settings)
        converter = ImageConverter(self._settings)
        outputs = TrackerOutputs(self._settings, make_publisher=self._make_publisher)
        jobs = PromptJobs(tracker, ring=self._ring, messages=outputs, journal=self._journal, to_rgb=converter.to_rgb)
        inputs = PromptInputs(self, self._settings, ring=self._ring, objects=outputs, journal=self._journal)
        self.parts = TrackerParts(tracker, converter, outputs, jobs, inputs, str(network.device))
        self.get_logger().info(describe(self._settings, network))

    def _make_publisher(self, row: OutputTopic) -> Publisher:
        publisher: Publisher = make_publisher(self, row.type, row.name, LATCHED if row.latched else OUTPUT_QUEUE)
        self._output_publishers.append(publisher)
        return publisher

    def _activate(self) -> None:
        parts = self.parts
        assert parts is not None, 'the lifecycle lets only configured nodes be activated'
        self._stream = CameraStream(
            parts.tracker,
            jobs=parts.jobs,
            outputs=parts.outputs,
            journal=self._journal,
            to_rgb=parts.converter.to_rgb,
            on_fatal=self._give_up,
        )
        self._engine.thread.add(self._stream)
        parts.inputs.stream = self._stream
        self._source = ImageSource(
            self,
            self._settings,
            journal=self._journal,
            order=self._order,
            on_image=self._take_image,
            on_time_jump=self._time_jumped,
        )
        self.get_logger().info(f'listening to {self._source.topic}')

    def _autostart(self) -> None:
        self.destroy_timer(self._start)
        if self.trigger_configure() is TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _forget(self) -> None:
        parts, self.parts = self.parts, None
        self._ring, self._order = ArrivedImages(), StampOrder()
        if parts is not None:
            parts.inputs.close()
        for publisher in self._output_publishers:
            self.destroy_publisher(publisher)
        self._output_publishers = []
        del parts  # and with them the network
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _check_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        return self._settings.check(parameters, configured=self.parts is not None)

    def _take_image(self, image: ArrivedImage) -> None:
        self._ring.add(
            image,
            max_images=self._settings['ring_images'],
            max_bytes=int(self._settings['ring_megabytes'] * MEGABYTE),
        )
        if self._stream is not None and self.parts is not None:
            self._stream.offer(image)
            self.parts.inputs.images_arrived()

    def _time_jumped(self) -> None:
        if self._stream is not None and self.parts is not None:
            self.parts.inputs.time_jumped()
            if self._settings['on_time_jump'] == 'reset':
                self._stream.reset(ignore)

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            state=self._state,
            timeout=self._settings['image_timeout'],
            source=self._source,
            model=self._settings['model'] if self.parts else '',
            memory=self._settings['memory'],
            device=self.parts.device if self.parts else '',
            newest=self.parts.outputs.newest if self.parts else None,
            detections=self.parts.inputs.detections if self.parts and self._stream else None,
        )

    def _give_up(self, reason: str) -> None:
        """End the process. Whoever started it starts it anew: a GPU that failed does not recover within a process."""
        self.get_logger().fatal(reason)
        self.failure = reason
        self.context.try_shutdown()


def spin(executor: Executor, *, until: Callable[[], bool], period: float | None = None) -> None:
    """Run callbacks until `until` is true or ROS is shut down. A callback that fails is logged, and the others go on.

    `until` is asked after every callback, and every `period` seconds.
    """
    while executor.context.ok() and not until():
        try:
            executor.spin_once(timeout_sec=period)
        except ExternalShutdownException:
            return
        except Exception:
            if until():  # an interruption inside rclpy comes out as another error
                return
            rclpy.logging.get_logger('tracker').error(traceback.format_exc())


def end(node: TrackerNode, executor: Executor) -> None:
    """Stop the node and send the answers that services still owe."""
    if not node.stop(STOP_TIMEOUT):
        node.get_logger().warning(f'the image in work is given up: it was not done within {STOP_TIMEOUT:g} s')
    deadline = time.monotonic() + ANSWER_TIMEOUT
    spin(executor, until=lambda: not node.answering or time.monotonic() > deadline, period=ANSWER_TIMEOUT / 10)


def run(args: Sequence[str] | None = None) -> int:
    """Run the node until it is interrupted. Returns 0, or 1 if it gave up, or 2 for a parameter that was refused."""
    interruption = Interruption()

    def interrupt(*_: object) -> None:
        if not interruption.came:  # a further signal does not cut the end off
            # an exception alone may get lost: Python ignores those raised while it deletes an object
            interruption.came = True
            raise KeyboardInterrupt

    # Without rclpy's own handlers the graph stays up until the image in work has been published.
    with refusals_as_sentences():
        rclpy.init(args=list(args) if args is not None else None, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    node = None
    try:
        executor = SingleThreadedExecutor()
        with refusals_as_sentences():
            node = TrackerNode()
        executor.add_node(node)
        spin(executor, until=lambda: interruption.came)
    except ValueError as error:
        rclpy.logging.get_logger('tracker').fatal(str(error))
        return 2
    except KeyboardInterrupt:
        pass
    finally:
        interruption.came = True
        if node is not None:
            end(node, executor)
        rclpy.try_shutdown()
    return 1 if node and node.failure else 0


def main(args: Sequence[str] | None = None) -> None:
    """Run the node. The process then ends at once, because an orderly end of PyTorch takes seconds."""
    code = run(args)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    main()

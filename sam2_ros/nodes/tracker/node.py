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
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from sam2_ros.interruption import Interruption
from sam2_ros.live.account import Account
from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages
from sam2_ros.live.camera_stream import CameraStream
from sam2_ros.live.engine import Engine
from sam2_ros.live.journal import Journal
from sam2_ros.live.network import NETWORK_SETTINGS, describe, make_tracker
from sam2_ros.live.prompt_jobs import PromptJobs
from sam2_ros.live.requests import ignore
from sam2_ros.live.settings import Settings
from sam2_ros.live.stamps import StampOrder
from sam2_ros.nodes.edge.image_converter import ImageConverter
from sam2_ros.nodes.edge.managed_node import ManagedNode
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.qos import LATCHED, make_publisher
from sam2_ros.nodes.edge.startup import end_ros, refusals_as_sentences
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


class TrackerNode(ManagedNode):
    """A lifecycle node.

    configure loads the model and runs it once. activate listens to images. deactivate stops and keeps the objects.
    cleanup forgets everything and frees the device. Transitions wait for the network: nodes that share one need an
    executor each, in a thread of its own.
    """

    def __init__(
        self,
        *,
        engine: Engine | None = None,
        network: Settings | None = None,
        account: Account | None = None,
        **options: Any,
    ) -> None:
        """Declare the parameters; with `autostart` the node also configures and activates itself.

        Args:
            engine: shared with other trackers of the process. None: the node has its own.
            network: the NETWORK_SETTINGS, if they are not for the node to declare.
            account: of the time that the node has had of the network. None: a new one.

        Raises:
            ValueError: a sentence, if a parameter is not accepted.
        """
        super().__init__('tracker', **options)
        self._engine = engine or Engine()
        self.account = account or Account()
        rows = [row for row in TRACKER_PARAMETERS if network is None or row.name not in NETWORK_SETTINGS]
        self._settings = ParameterTable(self, rows)
        self._network_settings: Settings = network or self._settings
        self.add_on_set_parameters_callback(self._check_parameters)
        self._journal = Journal(self.get_logger())
        self._ring = ArrivedImages()
        self._order = StampOrder()
        self.parts: TrackerParts | None = None  # None while the node is unconfigured
        self._output_publishers: list[Any] = []  # of the outputs
        self._source: ImageSource | None = None
        self._stream: CameraStream | None = None  # while the node is active
        self._diagnostics = Diagnostics(self, journal=self._journal, snapshot=self._snapshot)
        if self._settings['autostart']:
            self.start_in(0.0)

    def deactivate(self) -> None:
        self.stop()

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

    def configure(self) -> None:
        network = self._engine.network(self._network_settings)
        tracker = make_tracker(network, self._settings, run=self._engine.thread.call)
        converter = ImageConverter(self._settings)
        outputs = TrackerOutputs(self._settings, make_publisher=self._make_publisher)
        jobs = PromptJobs(tracker, ring=self._ring, messages=outputs, journal=self._journal, to_rgb=converter.to_rgb)
        inputs = PromptInputs(self, self._settings, ring=self._ring, objects=outputs, journal=self._journal)
        self.parts = TrackerParts(tracker, converter, outputs, jobs, inputs, str(network.device))
        self.get_logger().info(describe(self._network_settings, network))

    def _make_publisher(self, row: OutputTopic) -> Publisher:
        publisher: Publisher = make_publisher(self, row.type, row.name, LATCHED if row.latched else OUTPUT_QUEUE)
        self._output_publishers.append(publisher)
        return publisher

    def activate(self) -> None:
        parts = self.parts
        assert parts is not None, 'the lifecycle lets only configured nodes be activated'
        self._stream = CameraStream(
            parts.tracker,
            jobs=parts.jobs,
            outputs=parts.outputs,
            journal=self._journal,
            to_rgb=parts.converter.to_rgb,
            on_fatal=self.give_up,
            account=self.account,
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

    def forget(self) -> None:
        parts, self.parts = self.parts, None
        self._ring, self._order = ArrivedImages(), StampOrder()
        if parts is not None:
            parts.inputs.close()
        for publisher in self._output_publishers:
            self.destroy_publisher(publisher)
        self._output_publishers = []
        del parts  # and with them the network
        free_memory()

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
            state=self.state,
            timeout=self._settings['image_timeout'],
            source=self._source,
            model=self._network_settings['model'] if self.parts else '',
            memory=self._settings['memory'],
            device=self.parts.device if self.parts else '',
            newest=self.parts.outputs.newest if self.parts else None,
            detections=self.parts.inputs.detections if self.parts and self._stream else None,
        )


def free_memory() -> None:
    """Give back the memory of the device that nobody uses any more."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


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


def end(node: ManagedNode, executor: Executor) -> None:
    """Stop the node and send the answers that services still owe."""
    if not node.stop(STOP_TIMEOUT):
        node.get_logger().warning(f'the image in work is given up: it was not done within {STOP_TIMEOUT:g} s')
    deadline = time.monotonic() + ANSWER_TIMEOUT
    spin(executor, until=lambda: not node.answering or time.monotonic() > deadline, period=ANSWER_TIMEOUT / 10)


def run(
    args: Sequence[str] | None = None, *, make: Callable[[], ManagedNode] = TrackerNode, name: str = 'tracker'
) -> int:
    """Run the node until it is interrupted. Returns 0, or 1 if it gave up, or 2 for a parameter that was refused.

    Args:
        make: makes the node.
        name: of the node in the log, if it cannot be made.
    """
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
    node: ManagedNode | None = None
    try:
        executor = SingleThreadedExecutor()
        with refusals_as_sentences():
            node = make()
        executor.add_node(node)
        spin(executor, until=lambda: interruption.came)
    except ValueError as error:
        rclpy.logging.get_logger(name).fatal(str(error))
        return 2
    except KeyboardInterrupt:
        pass
    finally:
        interruption.came = True
        if node is not None:
            end(node, executor)
        end_ros()
    return 1 if node and node.failure else 0


def main(args: Sequence[str] | None = None) -> None:
    """Run the node. The process then ends at once, because an orderly end of PyTorch takes seconds."""
    code = run(args)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    main()

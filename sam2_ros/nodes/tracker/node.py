"""The tracker node: camera images and prompts in, masks, occlusion scores and boxes out."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter

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
from sam2_ros.nodes.edge.diagnostics import MEGABYTE
from sam2_ros.nodes.edge.image_converter import ImageConverter
from sam2_ros.nodes.edge.managed_node import ManagedNode
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.process import run
from sam2_ros.nodes.edge.qos import LATCHED, make_publisher
from sam2_ros.nodes.tracker.diagnostics import Diagnostics, Snapshot
from sam2_ros.nodes.tracker.image_source import ImageSource
from sam2_ros.nodes.tracker.outputs import OutputTopic, Publisher, TrackerOutputs
from sam2_ros.nodes.tracker.parameters import TRACKER_PARAMETERS
from sam2_ros.nodes.tracker.prompt_inputs import PromptInputs
from sam2_ros.tracking import VideoTracker

OUTPUT_QUEUE = 10  # messages


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
            graphs=self.parts.tracker.graphs if self.parts else None,
            newest=self.parts.outputs.newest if self.parts else None,
            detections=self.parts.inputs.detections if self.parts and self._stream else None,
        )


def free_memory() -> None:
    """Give back the memory of the device that nobody uses any more."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def main(args: Sequence[str] | None = None) -> None:
    """Run the node. The process then ends at once, because an orderly end of PyTorch takes seconds."""
    code = run(TrackerNode, args, name='tracker')
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    main()

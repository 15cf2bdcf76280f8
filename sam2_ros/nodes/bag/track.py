"""From a bag to a bag: every image is tracked, every other message is copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from rosbags.rosbag2 import Reader
from tqdm import tqdm

from sam2_ros.live.arrived_images import ArrivedImage
from sam2_ros.live.requests import Source
from sam2_ros.live.stamps import NANOSECONDS
from sam2_ros.nodes.bag.input import ImageTopic, messages_of
from sam2_ros.nodes.bag.output import OutputBag
from sam2_ros.nodes.edge.decode_images import ConversionError
from sam2_ros.nodes.tracker.outputs import OUTPUTS, TrackerOutputs
from sam2_ros.tracking import FrameResult, Prompt, VideoTracker

ImagePrompts = Mapping[int, Sequence[Prompt]]  # by number of the image


class Stopped(Exception):
    """Ctrl-C or SIGTERM came before the end of the bag."""


@dataclass
class BagReport:
    """What was done, and what could not be done. `begun`: the new bag was begun."""

    begun: bool = False
    images: int = 0
    prompts: int = 0
    complaints: list[str] = field(default_factory=list)


class ImageResults(Protocol):
    """Says what is in the images of a bag."""

    def result(self, number: int, rgb: np.ndarray, *, time: float) -> tuple[FrameResult, Sequence[Prompt]]:
        """The objects in the next image, and the prompts that were used on it.

        Args:
            number: of the image.
            rgb: (H, W, 3) uint8.
            time: since the first message, in seconds.
        """


@dataclass
class StreamedBag:
    """Tracks the images of a bag one after the other, as a tracker node that keeps up with every image.

    Attributes:
        prompts: by number of the image.
    """

    tracker: VideoTracker
    prompts: ImagePrompts
    report: BagReport

    def result(self, number: int, rgb: np.ndarray, *, time: float) -> tuple[FrameResult, Sequence[Prompt]]:
        """See `ImageResults`."""
        prompts = [prompt for prompt in self.prompts.get(number, ()) if self._fits(prompt, rgb, number)]
        return self.tracker.step(rgb, prompts, time=time), prompts

    def _fits(self, prompt: Prompt, rgb: np.ndarray, number: int) -> bool:
        try:
            prompt.check_fits(*rgb.shape[:2])
            if prompt.object_id not in self.tracker.object_ids:
                prompt.check_starts_object()
        except ValueError as error:
            self.report.complaints.append(f'the prompt on image {number} is refused: {error}')
            return False
        return True


@dataclass
class BagTracker:
    """Writes what is found in the images of a bag, one after the other.

    Attributes:
        results: says what is found.
        prompts: by number of the image.
        classes: what the prompts say of the kinds of things, by number of the image and object id.
    """

    results: ImageResults
    outputs: TrackerOutputs
    prompts: ImagePrompts
    report: BagReport
    classes: Mapping[tuple[int, str], str] = field(default_factory=dict)

    def take(self, message: Any, rgb: np.ndarray, *, number: int, time: float, recorded: int) -> None:
        """Write the outputs for image `number`.

        Args:
            time: since the first message, in seconds.
            recorded: when the image was recorded, in nanoseconds.
        """
        result, prompts = self.results.result(number, rgb, time=time)
        for prompt in prompts:
            class_name = self.classes.get((number, prompt.object_id), '')
            self.outputs.kind(prompt.object_id).prompted(source=Source.OPERATOR, class_name=class_name)
        self.outputs.publish(ArrivedImage(message, time, received_ns=recorded), rgb, result)
        self.report.images += 1
        self.report.prompts += len(prompts)

    def skip(self, number: int, problem: str) -> None:
        """Image `number` cannot be read."""
        self.report.complaints.append(f'image {number} cannot be read: {problem}')
        for prompt in self.prompts.get(number, ()):
            self.report.complaints.append(f'the prompt for {prompt.object_id!r} on image {number} is lost with it')


def track(
    reader: Reader, bag: OutputBag, *, tracker: BagTracker, images: ImageTopic, stopped: Callable[[], bool]
) -> None:
    """Copy all messages and track the images. Earlier outputs of the node are left out, because they are made anew.

    Raises:
        Stopped: between two messages, when `stopped` says so.
    """
    replaced = {row.topic_of(bag.node): row for row in OUTPUTS}
    copies = {
        connection.id: bag.add_copy_of(connection)
        for connection in reader.connections
        if connection.topic not in replaced
    }
    for connection in reader.connections:
        if copies.get(connection.id, connection) is None:
            tracker.report.complaints.append(f'{connection.topic} is not copied: {connection.msgtype} is not defined')
        elif connection.topic in replaced and replaced[connection.topic].type is None:
            package = replaced[connection.topic].type_name.partition('/')[0]
            tracker.report.complaints.append(
                f'{connection.topic} of IN is left out, and not made anew for want of {package}'
            )
    tracked = {connection.id for connection in images.connections}
    number = 0
    with tqdm(total=images.count, unit='image') as bar:
        for connection, recorded, raw in messages_of(reader):
            if stopped():
                raise Stopped('stopped')
            copy = copies.get(connection.id)
            if copy is not None:
                bag.write(copy, recorded, raw)
            if connection.id not in tracked:
                continue
            bag.time = recorded
            try:
                message, rgb = images.read(raw)
            except ConversionError as error:
                tracker.skip(number, str(error))
            else:
                time = (recorded - reader.start_time) / NANOSECONDS
                tracker.take(message, rgb, number=number, time=time, recorded=recorded)
            number += 1
            bar.update()

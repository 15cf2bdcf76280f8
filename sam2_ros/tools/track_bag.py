"""Track through a recorded bag: `python -m sam2_ros.tools.track_bag IN OUT --box 258,219,291,308`.

OUT holds the messages of IN, and what the tracker node publishes when it keeps up with every image, under the same
names. Prompts come from the command line, or else from the node's prompt topic in IN; each is applied to the very
image it was made on, as if it had been there in time.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError, WriterError
from sensor_msgs.msg import CompressedImage, Image
from tqdm import tqdm

from sam2_ros.interruption import noted_interruption
from sam2_ros.live.arrived_images import ArrivedImage
from sam2_ros.live.network import load_network, make_tracker
from sam2_ros.live.prompt_jobs import extended
from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds, stamp_text
from sam2_ros.msg import Prompt as PromptMessage
from sam2_ros.nodes.bag.output import PICTURES, STORAGES, BagLostError, OutputBag, make_typestore, opened_bag
from sam2_ros.nodes.edge.decode_images import ConversionError
from sam2_ros.nodes.edge.image_converter import ImageConverter
from sam2_ros.nodes.edge.messages import Detection2DArray, prompt_from_message
from sam2_ros.nodes.tracker.outputs import TrackerOutputs
from sam2_ros.nodes.tracker.parameters import TRACKER_PARAMETERS
from sam2_ros.tools.network_arguments import add_model_arguments, node_parameters
from sam2_ros.tracking import Prompt, VideoTracker
from sam2_ros.video.prompts import HOW_TO_PROMPT, add_prompt_arguments, check_prompts, prompts_by_frame

IMAGE_TYPES = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CompressedImage': CompressedImage}
CDR_STAMP = struct.Struct('<4xiI')  # a serialised message that begins with a header: 4 bytes, then its stamp
OUTPUT_TOPICS = ('objects', 'occlusion_scores', 'label_mask', 'overlay', 'overlay/compressed', 'detections')


class Stopped(Exception):
    """By Ctrl-C or SIGTERM, before the end of the bag."""


@dataclass
class BagReport:
    """What was done, and what could not be."""

    begun: bool = False  # the new bag
    images: int = 0
    prompts: int = 0
    complaints: list[str] = field(default_factory=list)


@dataclass
class BagTracker:
    """Tracks the images of a bag, one after the other. `prompts`: by number of the image."""

    tracker: VideoTracker
    outputs: TrackerOutputs
    prompts: Mapping[int, Sequence[Prompt]]
    report: BagReport

    def take(self, message: Any, rgb: np.ndarray, *, number: int, time: float, recorded: int) -> None:
        """Track image `number` and write what is found. `time`: seconds since the first message; `recorded`: when it
        was, in nanoseconds.
        """
        prompts = [prompt for prompt in self.prompts.get(number, ()) if self._fits(prompt, rgb, number)]
        result = self.tracker.step(rgb, prompts, time=time)
        self.outputs.publish(ArrivedImage(message, time, received_ns=recorded), rgb, result)
        self.report.images += 1
        self.report.prompts += len(prompts)

    def skip(self, number: int, problem: str) -> None:
        """Image `number` cannot be read."""
        self.report.complaints.append(f'image {number} cannot be read: {problem}')
        for prompt in self.prompts.get(number, ()):
            self.report.complaints.append(f'the prompt for {prompt.object_id!r} on image {number} is lost with it')

    def _fits(self, prompt: Prompt, rgb: np.ndarray, number: int) -> bool:
        try:
            prompt.check_fits(*rgb.shape[:2])
            if prompt.object_id not in self.tracker.object_ids:
                prompt.check_starts_object()
        except ValueError as error:
            self.report.complaints.append(f'the prompt on image {number} is refused: {error}')
            return False
        return True


@dataclass(frozen=True)
class ImageTopic:
    """What is tracked. A topic has a connection for every way in which it was published."""

    connections: Sequence[Connection]
    converter: ImageConverter

    @property
    def count(self) -> int:
        return sum(connection.msgcount for connection in self.connections)

    def read(self, raw: bytes) -> tuple[Any, np.ndarray]:
        """The message, and its pixels as (H, W, 3) uint8. Raises ConversionError."""
        message = deserialized(raw, IMAGE_TYPES[self.connections[0].msgtype])
        return message, self.converter.to_rgb(message)

    def size(self, reader: Reader) -> tuple[int, int]:
        """(height, width) in pixels of the first image that can be read. Raises ValueError when none can."""
        for _, _, raw in messages_of(reader, self.connections):
            with suppress(ConversionError):
                return self.read(raw)[1].shape[:2]
        raise ValueError(f'none of the {self.count} images can be read')


def deserialized(raw: bytes, kind: type) -> Any:
    """Raises ConversionError for bytes that are no message of this kind."""
    try:
        return deserialize_message(raw, kind)
    except RuntimeError as error:
        raise ConversionError('message', f'{len(raw)} bytes that are no {kind.__name__}') from error


@contextmanager
def opened_input(path: Path) -> Iterator[Reader]:
    """The bag to read. Raises ReaderError."""
    try:
        reader = Reader(path)
        reader.open()
    except Exception as error:  # rosbags lets through whatever goes wrong in the formats inside
        raise ReaderError(f'{path} cannot be read as a bag: {error}') from error
    with closing(reader):
        yield reader


def messages_of(reader: Reader, connections: Sequence[Connection] = ()) -> Iterator[tuple[Connection, int, bytes]]:
    """All messages of these connections, or of all. Raises ReaderError where the bag is damaged."""
    try:
        yield from reader.messages(connections)
    except Exception as error:
        raise ReaderError(f'{reader.path} is damaged: {error}') from error


def choose_image_topic(reader: Reader, wanted: str | None, *, node: str, converter: ImageConverter) -> ImageTopic:
    """The topic to track. Raises ValueError when it is not there, or none was named and there are several."""
    topics: dict[str, list[Connection]] = {}
    for connection in reader.connections:
        if connection.msgtype in IMAGE_TYPES and connection.msgcount and not connection.topic.startswith(f'{node}/'):
            topics.setdefault(connection.topic, []).append(connection)
    found = f'image topics in the bag: {", ".join(sorted(topics)) or "none"}'
    if wanted is None and len(topics) != 1:
        raise ValueError(f'say with --image which topic to track; {found}')
    topic = wanted or next(iter(topics))
    if topic not in topics:
        raise ValueError(f'there are no images on {topic}; {found}')
    return ImageTopic(topics[topic], converter)


def recorded_prompts(
    reader: Reader, topic: str, *, images: ImageTopic, tolerance: float, report: BagReport
) -> dict[int, list[Prompt]]:
    """The prompts recorded on `topic`, by number of the image they were made on.

    `tolerance`: how far, in seconds, a prompt's stamp may be from that of its image. Refused ones go to the report.
    """
    connections = [connection for connection in reader.connections if connection.topic == topic]
    if not connections:
        return {}
    stamps = [(recorded, stamp_of(raw)) for _, recorded, raw in messages_of(reader, images.connections)]
    by_image: dict[int, dict[str, Prompt]] = {}
    unnamed = 0
    for _, recorded, raw in messages_of(reader, connections):
        try:
            message = deserialized(raw, PromptMessage)
            object_id = message.object_id
            if not object_id:
                unnamed += 1
                object_id = f'object_{unnamed}'
            number = _image_of(stamp_nanoseconds(message.header.stamp), recorded, stamps, tolerance=tolerance)
            prompt = prompt_from_message(message, object_id=object_id)
        except (ValueError, TypeError) as error:
            report.complaints.append(f'a prompt recorded at {stamp_text(recorded)} is refused: {error}')
            continue
        prompts = by_image.setdefault(number, {})
        prompts[object_id] = extended(prompts.get(object_id), prompt) if message.extend else prompt
    return {number: list(prompts.values()) for number, prompts in by_image.items()}


def stamp_of(raw: bytes) -> int:
    """The stamp, in nanoseconds, of a serialised message that begins with a header; 0 when it is too short for one."""
    if len(raw) < CDR_STAMP.size:
        return 0
    seconds, nanoseconds = CDR_STAMP.unpack_from(raw)
    return seconds * NANOSECONDS + nanoseconds


def _image_of(stamp: int, recorded: int, images: Sequence[tuple[int, int]], *, tolerance: float) -> int:
    """Number of the image of a prompt. Images: when each was recorded, and its stamp. Raises ValueError."""
    if stamp == 0:  # the newest image of that moment
        earlier = [number for number, (when, _) in enumerate(images) if when <= recorded]
        if not earlier:
            raise ValueError('it has no stamp, and no image was recorded before it')
        return earlier[-1]
    number = min(range(len(images)), key=lambda number: abs(images[number][1] - stamp))
    if abs(images[number][1] - stamp) > tolerance * NANOSECONDS:
        raise ValueError(f'no image is stamped {stamp_text(stamp)}; the nearest is {stamp_text(images[number][1])}')
    return number


def track(
    reader: Reader, bag: OutputBag, *, tracker: BagTracker, images: ImageTopic, stopped: Callable[[], bool]
) -> None:
    """Copy all messages and track the images. Earlier outputs of the node are left out, since they are made anew.

    Raises Stopped when `stopped` says so, between two messages.
    """
    replaced = {f'{bag.node}/{topic}' for topic in OUTPUT_TOPICS}
    copies = {
        connection.id: bag.add_copy_of(connection)
        for connection in reader.connections
        if connection.topic not in replaced
    }
    for connection in reader.connections:
        if copies.get(connection.id, connection) is None:
            tracker.report.complaints.append(f'{connection.topic} is not copied: {connection.msgtype} is not defined')
        elif connection.topic == f'{bag.node}/detections' and Detection2DArray is None:
            tracker.report.complaints.append(
                f'{connection.topic} of IN is left out, and not made anew for want of vision_msgs'
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.tools.track_bag',
        description='Track through every image of a rosbag2 (mcap or sqlite3) and add what the tracker node publishes.',
    )
    parser.add_argument('bag', type=Path, metavar='IN', help='folder of a bag, or its .mcap or .db3 file')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder of the new bag; must not exist')
    parser.add_argument('--image', metavar='TOPIC', help='sensor_msgs/Image or CompressedImage; default: the only one')
    parser.add_argument(
        '--node',
        default='/tracker',
        metavar='NAME',
        help='name of the tracker node, which its topics begin with (default: %(default)s)',
    )
    parser.add_argument('--storage', choices=STORAGES, help='of the new bag (default: as that of IN)')
    parser.add_argument(
        '--overlay',
        action='store_true',
        help='also write the overlay pictures, which are large (always where IN has them)',
    )
    add_prompt_arguments(parser)
    add_model_arguments(parser)
    return parser


def _run(options: argparse.Namespace, report: BagReport) -> None:
    parameters = {row.name: row.default for row in TRACKER_PARAMETERS} | node_parameters(options)
    is_mcap = options.bag.suffix == '.mcap' or any(options.bag.glob('*.mcap*'))
    storage = options.storage or ('mcap' if is_mcap else 'sqlite3')
    with opened_input(options.bag) as reader:
        images = choose_image_topic(reader, options.image, node=options.node, converter=ImageConverter(parameters))
        prompts = prompts_by_frame(options.prompt_parts or ())
        if prompts:
            check_prompts(prompts, size=images.size(reader), frame_count=images.count)
        else:
            prompts = recorded_prompts(
                reader, f'{options.node}/prompts', images=images, report=report, tolerance=parameters['stamp_tolerance']
            )
        if not prompts:
            raise ValueError(f'there is no prompt on {options.node}/prompts; {HOW_TO_PROMPT}')
        tracker = make_tracker(load_network(parameters), parameters)
        pictures = frozenset(name for name in PICTURES if f'{options.node}/{name}' in reader.topics)
        pictures |= {'overlay'} if options.overlay else frozenset()
        with noted_interruption() as interruption, opened_bag(options.out, STORAGES[storage]) as writer:
            bag = OutputBag(writer, make_typestore(), options.node, pictures)
            outputs = TrackerOutputs(bag, parameters)
            report.begun = True
            track(
                reader,
                bag,
                tracker=BagTracker(tracker, outputs, prompts, report),
                images=images,
                stopped=lambda: interruption.came,
            )


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(args)
    options.node = '/' + options.node.strip('/')
    report = BagReport()
    failure = ''
    whole = True
    try:
        _run(options, report)
    except (ValueError, OSError, ReaderError, WriterError, Stopped) as error:
        failure = str(error)
    except (BagLostError, KeyboardInterrupt) as error:
        failure, whole = str(error) or 'stopped at once', False
    for complaint in report.complaints:
        print(complaint, file=sys.stderr)
    if failure:
        if report.begun:
            failure += (
                f'; {options.out} is a whole bag of the {report.images} images tracked until then'
                if whole
                else f'; {options.out} is not whole'
            )
        print(f'error: {failure}', file=sys.stderr)
        return 1
    print(
        f'{report.images} images tracked with {report.prompts} prompts; the new bag is {options.out}, the objects '
        f'are on {options.node}/objects'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())

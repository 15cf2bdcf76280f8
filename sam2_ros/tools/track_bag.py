"""Track through a recorded bag: `python -m sam2_ros.tools.track_bag IN OUT --box 258,219,291,308`.

OUT holds the messages of IN, and what the tracker node publishes when it keeps up with every image, under the same
names. Prompts come from the command line, or else from the node's prompt topic in IN; each is applied to the very
image it was made on, as if it had been there in time.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ament_index_python.packages import get_package_share_directory
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError, StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from sensor_msgs.msg import CompressedImage, Image
from tqdm import tqdm

from sam2_ros.msg import Prompt as PromptMessage
from sam2_ros.nodes.conversions import Detection2DArray, prompt_from_message
from sam2_ros.nodes.image_ring import ArrivedImage
from sam2_ros.nodes.model_loading import load_model, make_tracker
from sam2_ros.nodes.outputs import TrackerOutputs
from sam2_ros.nodes.pixels import ConversionError, compressed_to_rgb, image_to_rgb
from sam2_ros.nodes.prompt_jobs import extended
from sam2_ros.nodes.stamps import NANOSECONDS, stamp_nanoseconds, stamp_text
from sam2_ros.nodes.tracker_parameters import TRACKER_PARAMETERS
from sam2_ros.tools.arguments import (
    HOW_TO_PROMPT,
    add_model_arguments,
    add_prompt_arguments,
    check_prompts,
    node_parameters,
    prompts_by_frame,
)
from sam2_ros.tracking import Prompt, VideoTracker

IMAGE_TYPES = {'sensor_msgs/msg/Image': (Image, image_to_rgb),
               'sensor_msgs/msg/CompressedImage': (CompressedImage, compressed_to_rgb)}
STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
WRITER_VERSION = 8  # of the bag format; the older one of the two that can be written
CDR_STAMP = struct.Struct('<4xiI')  # a serialised message that begins with a header: 4 bytes, then its stamp
OUTPUT_TOPICS = ('objects', 'occlusion_scores', 'label_mask', 'overlay', 'detections')


class BagPublisher:
    """Writes into a bag what a node would publish."""

    def __init__(self, bag: OutputBag, connection: Connection, *, wanted: bool) -> None:
        self._bag = bag
        self._connection = connection
        self._wanted = wanted

    def publish(self, message: Any) -> None:
        self._bag.writer.write(self._connection, self._bag.time, serialize_message(message))

    def get_subscription_count(self) -> int:
        """Pictures are made only for those who listen."""
        return int(self._wanted)


@dataclass
class OutputBag:
    """The bag that is written. `TrackerOutputs` makes its publishers with it, as with a node of the name `node`."""

    writer: Writer
    typestore: Typestore
    node: str
    overlay: bool  # whether pictures for people are wanted
    time: int = 0  # at which the next messages are recorded, nanoseconds

    def create_publisher(self, message_type: type, topic: str, _: int) -> BagPublisher:
        name = topic.replace('~', self.node, 1)
        kind = f'{message_type.__module__.partition(".")[0]}/msg/{message_type.__name__}'
        connection = self.writer.add_connection(name, kind, typestore=self.typestore)
        return BagPublisher(self, connection, wanted=self.overlay or not name.endswith('/overlay'))

    def add_copy_of(self, connection: Connection) -> Connection | None:
        """The same topic here; None when its type is defined neither in its bag nor among the standard ones."""
        definition: dict[str, Any] = {'msgdef': connection.msgdef.data, 'rihs01': connection.digest}
        if not all(definition.values()):  # bags of older ROS versions hold no definitions
            if connection.msgtype not in self.typestore.types:
                return None
            definition = {'typestore': self.typestore}
        return self.writer.add_connection(
            connection.topic, connection.msgtype, serialization_format=connection.ext.serialization_format,
            offered_qos_profiles=connection.ext.offered_qos_profiles, **definition)


@dataclass
class Report:
    """What was done, and what could not be."""

    images: int = 0
    prompts: int = 0
    complaints: list[str] = field(default_factory=list)


@dataclass
class BagTracker:
    """Tracks the images of a bag, one after the other. `prompts`: by number of the image."""

    tracker: VideoTracker
    outputs: TrackerOutputs
    prompts: Mapping[int, Sequence[Prompt]]
    report: Report

    def take(self, message: Any, rgb: np.ndarray, *, number: int, time: float) -> None:
        """Track image `number` and write what is found. `time`: seconds since the first message."""
        prompts = [prompt for prompt in self.prompts.get(number, ()) if self._fits(prompt, rgb, number)]
        result = self.tracker.step(rgb, prompts, time=time)
        self.outputs.publish(ArrivedImage(message, time), rgb, result)
        self.report.images += 1
        self.report.prompts += len(prompts)

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

    @property
    def count(self) -> int:
        return sum(connection.msgcount for connection in self.connections)

    def message(self, raw: bytes) -> Any:
        return deserialize_message(raw, IMAGE_TYPES[self.connections[0].msgtype][0])

    def rgb(self, message: Any) -> np.ndarray:
        """(H, W, 3) uint8. Raises ConversionError."""
        return IMAGE_TYPES[self.connections[0].msgtype][1](message)


def choose_image_topic(reader: Reader, wanted: str | None, *, node: str) -> ImageTopic:
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
    return ImageTopic(topics[topic])


def recorded_prompts(reader: Reader, topic: str, *, images: ImageTopic, tolerance: float,
                     report: Report) -> dict[int, list[Prompt]]:
    """The prompts recorded on `topic`, by number of the image they were made on.

    `tolerance`: how far, in seconds, a prompt's stamp may be from that of its image. Refused ones go to the report.
    """
    connections = [connection for connection in reader.connections if connection.topic == topic]
    if not connections:
        return {}
    stamps = [(recorded, stamp_of(raw)) for _, recorded, raw in reader.messages(images.connections)]
    by_image: dict[int, dict[str, Prompt]] = {}
    unnamed = 0
    for _, recorded, raw in reader.messages(connections):
        message = deserialize_message(raw, PromptMessage)
        object_id = message.object_id
        if not object_id:
            unnamed += 1
            object_id = f'object_{unnamed}'
        try:
            number = _image_of(stamp_nanoseconds(message.header.stamp), recorded, stamps, tolerance=tolerance)
            prompt = prompt_from_message(message, object_id=object_id)
        except (ValueError, TypeError) as error:
            report.complaints.append(f'a prompt recorded at {stamp_text(recorded)} is refused: {error}')
            continue
        prompts = by_image.setdefault(number, {})
        prompts[object_id] = extended(prompts.get(object_id), prompt) if message.extend else prompt
    return {number: list(prompts.values()) for number, prompts in by_image.items()}


def stamp_of(raw: bytes) -> int:
    """The stamp, in nanoseconds, of a serialised message that begins with a header."""
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


def make_typestore() -> Typestore:
    """The standard message types and those of our outputs, as bags describe them."""
    typestore = get_typestore(Stores.LATEST)
    for package in ('sam2_ros', *(['vision_msgs'] if Detection2DArray is not None else [])):
        for file in sorted(Path(get_package_share_directory(package), 'msg').glob('*.msg')):
            typestore.register(get_types_from_msg(file.read_text(), f'{package}/msg/{file.stem}'))
    return typestore


def track(reader: Reader, bag: OutputBag, *, tracker: BagTracker, images: ImageTopic) -> None:
    """Copy all messages and track the images. Earlier outputs of the node are left out, since they are made anew."""
    replaced = {f'{bag.node}/{topic}' for topic in OUTPUT_TOPICS}
    copies = {connection.id: bag.add_copy_of(connection) for connection in reader.connections
              if connection.topic not in replaced}
    for connection in reader.connections:
        if copies.get(connection.id, connection) is None:
            tracker.report.complaints.append(f'{connection.topic} is not copied: {connection.msgtype} is not defined')
        elif connection.topic == f'{bag.node}/detections' and Detection2DArray is None:
            tracker.report.complaints.append(f'{connection.topic} of IN is left out, and not made anew for want of '
                                             'vision_msgs')
    tracked = {connection.id for connection in images.connections}
    number = 0
    with tqdm(total=images.count, unit='image') as bar:
        for connection, recorded, raw in reader.messages():
            copy = copies.get(connection.id)
            if copy is not None:
                bag.writer.write(copy, recorded, raw)
            if connection.id not in tracked:
                continue
            bag.time = recorded
            message = images.message(raw)
            time = (recorded - reader.start_time) / NANOSECONDS
            try:
                tracker.take(message, images.rgb(message), number=number, time=time)
            except ConversionError as error:
                tracker.report.complaints.append(f'image {number} cannot be read: {error}')
            number += 1
            bar.update()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.tools.track_bag',
        description='Track through every image of a rosbag2 (mcap or sqlite3) and add what the tracker node publishes.')
    parser.add_argument('bag', type=Path, metavar='IN', help='folder of a bag, or its .mcap or .db3 file')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder of the new bag; must not exist')
    parser.add_argument('--image', metavar='TOPIC', help='sensor_msgs/Image or CompressedImage; default: the only one')
    parser.add_argument('--node', default='/tracker', metavar='NAME',
                        help='name of the tracker node, which its topics begin with (default: %(default)s)')
    parser.add_argument('--storage', choices=STORAGES, help='of the new bag (default: as that of IN)')
    parser.add_argument('--overlay', action='store_true',
                        help='also write the overlay pictures, which are large (always where IN has them)')
    add_prompt_arguments(parser)
    add_model_arguments(parser)
    return parser


def _run(options: argparse.Namespace, report: Report) -> None:
    parameters = {row.name: row.default for row in TRACKER_PARAMETERS} | node_parameters(options)
    is_mcap = options.bag.suffix == '.mcap' or any(options.bag.glob('*.mcap*'))
    storage = options.storage or ('mcap' if is_mcap else 'sqlite3')
    with Reader(options.bag) as reader:
        images = choose_image_topic(reader, options.image, node=options.node)
        prompts = prompts_by_frame(options.prompt_parts or ())
        if prompts:
            _, _, raw = next(reader.messages(images.connections))
            check_prompts(prompts, size=images.rgb(images.message(raw)).shape[:2], frame_count=images.count)
        else:
            prompts = recorded_prompts(reader, f'{options.node}/prompts', images=images, report=report,
                                       tolerance=parameters['stamp_tolerance'])
        if not prompts:
            raise ValueError(f'there is no prompt on {options.node}/prompts; {HOW_TO_PROMPT}')
        tracker = make_tracker(load_model(parameters), parameters)
        with Writer(options.out, version=WRITER_VERSION, storage_plugin=STORAGES[storage]) as writer:
            overlay = options.overlay or f'{options.node}/overlay' in reader.topics
            bag = OutputBag(writer, make_typestore(), options.node, overlay)
            outputs = TrackerOutputs(bag, parameters)
            track(reader, bag, tracker=BagTracker(tracker, outputs, prompts, report), images=images)


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(args)
    options.node = '/' + options.node.strip('/')
    report = Report()
    failure = ''
    try:
        _run(options, report)
    except (ValueError, OSError, ReaderError, WriterError) as error:
        failure = str(error)
    except KeyboardInterrupt:
        failure = 'stopped; the new bag holds what was tracked so far'
    for complaint in report.complaints:
        print(complaint, file=sys.stderr)
    if failure:
        print(f'error: {failure}', file=sys.stderr)
        return 1
    print(f'{report.images} images tracked with {report.prompts} prompts; the new bag is {options.out}, the objects '
          f'are on {options.node}/objects')
    return 0


if __name__ == '__main__':
    sys.exit(main())

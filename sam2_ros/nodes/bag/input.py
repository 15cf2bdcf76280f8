"""The bag that is read: its images, and the prompts that were recorded with them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.detections.kinds import checked_class
from sam2_ros.live.prompt_rules import NewNames, extended
from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds, stamp_text
from sam2_ros.msg import Prompt as PromptMessage
from sam2_ros.nodes.edge.decode_images import ConversionError
from sam2_ros.nodes.edge.image_converter import ImageConverter
from sam2_ros.nodes.edge.messages import prompt_from_message
from sam2_ros.tracking import Prompt

IMAGE_TYPES = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CompressedImage': CompressedImage}
CDR_STAMP = struct.Struct('<4xiI')  # a serialised message that begins with a header: 4 bytes, then its stamp


@dataclass(frozen=True)
class ImageTopic:
    """The images to be tracked. A topic has several connections when it was published in several ways."""

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
    """The message in these bytes.

    Raises:
        ConversionError: if they are no message of this kind.
    """
    try:
        return deserialize_message(raw, kind)
    except RuntimeError as error:
        raise ConversionError('message', f'{len(raw)} bytes that are no {kind.__name__}') from error


@contextmanager
def opened_input(path: Path) -> Iterator[Reader]:
    """The bag to read.

    Raises:
        ReaderError: if it cannot be read.
    """
    try:
        reader = Reader(path)
        reader.open()
    except Exception as error:  # rosbags passes on the errors of the formats inside
        raise ReaderError(f'{path} cannot be read as a bag: {error}') from error
    with closing(reader):
        yield reader


def messages_of(
    reader: Reader, connections: Sequence[Connection] = (), *, start: int | None = None, stop: int | None = None
) -> Iterator[tuple[Connection, int, bytes]]:
    """The messages of these connections; without any, all messages.

    Args:
        reader: of the bag.
        connections: whose messages.
        start, stop: only messages recorded from `start` on, and before `stop`, in nanoseconds.

    Raises:
        ReaderError: where the bag is damaged.
    """
    try:
        yield from reader.messages(connections, start=start, stop=stop)
    except Exception as error:
        raise ReaderError(f'{reader.path} is damaged: {error}') from error


def choose_image_topic(reader: Reader, wanted: str | None, *, node: str, converter: ImageConverter) -> ImageTopic:
    """The topic to track.

    Raises:
        ValueError: if it is not in the bag, or if none was named and there are several.
    """
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
    reader: Reader,
    topic: str,
    *,
    images: ImageTopic,
    tolerance: float,
    complaints: list[str],
    classes: dict[tuple[int, str], str],
) -> dict[int, list[Prompt]]:
    """The prompts recorded on `topic`, by number of the image they were made on.

    Args:
        tolerance: how far a prompt may be from the stamp of its image, in seconds.
        complaints: why prompts were refused is added here.
        classes: what the prompts say of the kinds of things is added here, by number of the image and object id.
    """
    connections = [connection for connection in reader.connections if connection.topic == topic]
    if not connections:
        return {}
    stamps = [(recorded, stamp_of(raw)) for _, recorded, raw in messages_of(reader, images.connections)]
    by_image: dict[int, dict[str, Prompt]] = {}
    names = NewNames()
    for _, recorded, raw in messages_of(reader, connections):
        try:
            message = deserialized(raw, PromptMessage)
            class_name = checked_class(message.class_name)
            object_id = message.object_id or names.new(class_name, taken=())
            number = _image_of(stamp_nanoseconds(message.header.stamp), recorded, stamps, tolerance=tolerance)
            prompt = prompt_from_message(message, object_id=object_id)
        except (ValueError, TypeError) as error:
            complaints.append(f'a prompt recorded at {stamp_text(recorded)} is refused: {error}')
            continue
        if class_name:
            classes[number, object_id] = class_name
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
    """Number of the image that a prompt was made on.

    Args:
        stamp: of the prompt, in nanoseconds.
        recorded: when the prompt was recorded.
        images: of each image, when it was recorded, and its stamp.
    """
    if stamp == 0:  # the newest image of that moment
        earlier = [number for number, (when, _) in enumerate(images) if when <= recorded]
        if not earlier:
            raise ValueError('it has no stamp, and no image was recorded before it')
        return earlier[-1]
    number = min(range(len(images)), key=lambda number: abs(images[number][1] - stamp))
    if abs(images[number][1] - stamp) > tolerance * NANOSECONDS:
        raise ValueError(f'no image is stamped {stamp_text(stamp)}; the nearest is {stamp_text(images[number][1])}')
    return number

"""What is seen and what is clicked, written to a bag that can be played and tracked again."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from rclpy.serialization import serialize_message
from rosbags.rosbag2 import WriterError
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from sam2_ros.live.settings import Settings
from sam2_ros.msg import Prompt, TrackedObjectArray
from sam2_ros.nodes.bag.storage import STORAGES, BagLostError, make_typestore, opened_bag
from sam2_ros.nodes.edge.decode_images import image_to_rgb
from sam2_ros.nodes.edge.encode_images import rgb_to_compressed
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.edge.startup import COMPRESSED

MEGABYTE = 1e6
RECORDED = (
    Endpoint(
        name='<image>/compressed',
        type_name='sensor_msgs/CompressedImage',
        type=CompressedImage,
        description='Each tracked image at full size: as it came, or as JPEG of recording_quality.',
    ),
    Endpoint(
        name='<tracker>/objects',
        type_name='sam2_ros/TrackedObjectArray',
        type=TrackedObjectArray,
        description='What the tracker said of it.',
    ),
    Endpoint(
        name='<tracker>/prompts',
        type_name='sam2_ros/Prompt',
        type=Prompt,
        description='What was clicked or drawn, with the stamp of its image.',
    ),
    Endpoint(
        name='~/events',
        type_name='std_msgs/String',
        type=String,
        description='Removals and resets, as JSON.',
    ),
)
TYPES = {row.type: row.type_name.replace('/', '/msg/') for row in RECORDED}


class RecordingError(Exception):
    """A recording that cannot be begun, or ended early; the message says why."""


class Recording:
    """A bag that is being written: images at full size, objects, prompts with the stamps of their images.

    Attributes:
        path: its folder.
        images: written so far.
    """

    def __init__(self, settings: Settings, *, events_topic: str) -> None:
        """Begin one.

        Args:
            settings: recordings, recording_quality, recording_megabytes, max_image_pixels.
            events_topic: for what has no message: removals and resets, as JSON.

        Raises:
            RecordingError: if the folder cannot be written.
        """
        self._settings, self._events = settings, events_topic
        self.path = Path(settings['recordings']) / datetime.now().strftime('%Y-%m-%d_%H-%M-%S')
        self.images = 0
        self._bytes = 0
        self._connections: dict[str, Any] = {}
        self._typestore = make_typestore()
        self._stack = ExitStack()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._stack.enter_context(opened_bag(self.path, STORAGES['mcap']))
        except (OSError, WriterError, BagLostError) as error:
            raise RecordingError(f'{self.path} cannot be written: {error}') from error

    def image(self, topic: str, message: Any, objects_topic: str, objects: TrackedObjectArray, *, now_ns: int) -> None:
        """Write an image of `topic`, raw or compressed, and its objects.

        Raises:
            RecordingError: as `_write`.
            ConversionError: if it cannot be read.
        """
        if hasattr(message, 'encoding'):
            rgb = image_to_rgb(message, max_pixels=self._settings['max_image_pixels'])
            quality = self._settings['recording_quality']
            message = rgb_to_compressed(rgb, header=message.header, jpeg_quality=quality)
        self._write(topic + COMPRESSED, message, now_ns)
        self._write(objects_topic, objects, now_ns)
        self.images += 1

    def prompt(self, topic: str, message: Prompt, *, now_ns: int) -> None:
        """Write a prompt. Raises RecordingError, as `_write`."""
        self._write(topic, message, now_ns)

    def event(self, entries: dict[str, Any], *, now_ns: int) -> None:
        """Write what has no message of its own. Raises RecordingError, as `_write`."""
        self._write(self._events, String(data=json.dumps(entries)), now_ns)

    def close(self) -> None:
        """End it. Raises RecordingError if the bag is not whole."""
        try:
            self._stack.close()
        except (OSError, BagLostError) as error:
            raise RecordingError(f'{self.path} is not whole: {error}') from error

    def _write(self, topic: str, message: Any, now_ns: int) -> None:
        """Raises RecordingError if the bag is lost, or as large as is allowed."""
        raw = serialize_message(message)
        self._bytes += len(raw)
        if self._bytes > self._settings['recording_megabytes'] * MEGABYTE:
            raise RecordingError(f'it is {self._settings["recording_megabytes"]:g} MB large (recording_megabytes)')
        try:
            if topic not in self._connections:
                self._connections[topic] = self._writer.add_connection(
                    topic, TYPES[type(message)], typestore=self._typestore
                )
            self._writer.write(self._connections[topic], now_ns, raw)
        except Exception as error:  # of the disk or of the storage
            raise RecordingError(f'{self.path} cannot be written any more: {error}') from error

"""Everything the tracker publishes about an image. To add an output, add a row to OUTPUTS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam2_ros.drawing.overlay import draw_overlay
from sam2_ros.live.arrived_images import ArrivedImage
from sam2_ros.live.settings import Settings
from sam2_ros.msg import OcclusionScoreArray, TrackedObject, TrackedObjectArray
from sam2_ros.nodes.edge import messages
from sam2_ros.nodes.edge.encode_images import array_to_image, rgb_to_compressed
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.tracker.object_records import ObjectRecords
from sam2_ros.tracking import FrameResult, ObjectResult

JPEG_QUALITY = 80  # of the overlay, 1 to 100
HIGHEST_LABEL = {'mono8': 255, 'mono16': 65535}


@dataclass(frozen=True, eq=False)
class ImageOutputs:
    """What is known about one image. What several outputs need is made once.

    Attributes:
        image: its header is that of every output.
        rgb: (H, W, 3) uint8.
        result: of the tracker.
        records: by object id.
        label_encoding: 'mono8' or 'mono16'.
    """

    image: ArrivedImage
    rgb: np.ndarray
    result: FrameResult
    records: Mapping[str, messages.TrackRecord]
    label_encoding: str

    @property
    def header(self) -> Header:
        return self.image.header

    @property
    def labels(self) -> dict[str, int]:
        """By object id."""
        return {object_id: record.label for object_id, record in self.records.items()}

    @cached_property
    def objects(self) -> TrackedObjectArray:
        return messages.tracked_objects(
            self.result, records=self.records, frames_skipped=self.image.skipped_before, header=self.header
        )

    @cached_property
    def overlay(self) -> np.ndarray:
        """The image with masks and names, (H, W, 3) uint8."""
        return draw_overlay(self.rgb, self.result, labels=self.labels)


@dataclass(frozen=True, kw_only=True)
class OutputTopic(Endpoint):
    """One output.

    Attributes:
        make: the message about an image.
        lazy: it is made only while someone listens.
        picture: it is for people to look at; a bag holds it only if it is asked for.
    """

    make: Callable[[ImageOutputs], Any]
    lazy: bool = False
    picture: bool = False


OUTPUTS = (
    OutputTopic(
        name='~/objects',
        type_name='sam2_ros/TrackedObjectArray',
        type=TrackedObjectArray,
        description='Everything about every object, once per processed image.',
        make=lambda outputs: outputs.objects,
    ),
    OutputTopic(
        name='~/occlusion_scores',
        type_name='sam2_ros/OcclusionScoreArray',
        type=OcclusionScoreArray,
        description='Of each object: 0 visible to 1 hidden, the raw logit, the state.',
        make=lambda outputs: messages.occlusion_scores(outputs.result, header=outputs.header),
    ),
    OutputTopic(
        name='~/detections',
        type_name='vision_msgs/Detection2DArray',
        type=messages.Detection2DArray,
        description='Boxes of the objects that have one; only where vision_msgs is installed.',
        make=lambda outputs: messages.detections(outputs.result, header=outputs.header),
    ),
    OutputTopic(
        name='~/label_mask',
        type_name='sensor_msgs/Image',
        type=Image,
        description='Each pixel holds the label of its object, 0 elsewhere. Made while someone listens.',
        make=lambda outputs: messages.label_image(
            outputs.result, labels=outputs.labels, encoding=outputs.label_encoding, header=outputs.header
        ),
        lazy=True,
    ),
    OutputTopic(
        name='~/overlay',
        type_name='sensor_msgs/Image',
        type=Image,
        description='The image with masks and names, to look at. Drawn while someone listens.',
        make=lambda outputs: array_to_image(outputs.overlay, 'rgb8', header=outputs.header),
        lazy=True,
        picture=True,
    ),
    OutputTopic(
        name='~/overlay/compressed',
        type_name='sensor_msgs/CompressedImage',
        type=CompressedImage,
        description='The same as JPEG.',
        make=lambda outputs: rgb_to_compressed(outputs.overlay, header=outputs.header, jpeg_quality=JPEG_QUALITY),
        lazy=True,
        picture=True,
    ),
)


class Publisher(Protocol):
    """The part of an rclpy publisher that is used."""

    def publish(self, message: Any, /) -> object: ...

    def get_subscription_count(self) -> int: ...


class TrackerOutputs:
    """Publishes one set of messages per processed image. Used by the inference thread only, once it runs.

    Attributes:
        newest: the newest `~/objects`; None before the first.
        publishers: by name in OUTPUTS.
    """

    def __init__(self, settings: Settings, *, make_publisher: Callable[[OutputTopic], Publisher]) -> None:
        """`settings`: label_encoding, ring_images, max_objects, max_prompt_points."""
        self.newest: TrackedObjectArray | None = None
        self.publishers = {row.name: make_publisher(row) for row in OUTPUTS if row.type is not None}
        self._settings = settings
        self._encoding: str = settings['label_encoding']
        self._records = ObjectRecords(highest_label=HIGHEST_LABEL[self._encoding], images_kept=settings['ring_images'])

    @property
    def known_objects(self) -> tuple[str, ...]:
        """Ids of the objects that have a record."""
        return self._records.object_ids

    @property
    def max_objects(self) -> int:
        return min(self._settings['max_objects'], self._records.labels.highest)

    @property
    def max_points(self) -> int:
        return self._settings['max_prompt_points']

    def publish(self, image: ArrivedImage, rgb: np.ndarray, result: FrameResult) -> None:
        """Publish all outputs of a processed image, with its header."""
        records = {object_id: self._records.update(tracked, image) for object_id, tracked in result.items()}
        outputs = ImageOutputs(image, rgb, result, records, self._encoding)
        for row in OUTPUTS:
            publisher = self.publishers.get(row.name)
            if publisher is not None and (not row.lazy or publisher.get_subscription_count()):
                publisher.publish(row.make(outputs))
        for message in outputs.objects.objects:
            image.keep_object(message)
        self.newest = outputs.objects

    def object_message(self, image: ArrivedImage, result: ObjectResult) -> TrackedObject:
        """The message about one object on an image that was prompted or is being caught up with."""
        return messages.tracked_object(result, record=self._records.update(result, image), header=image.header)

    def forget(self, object_id: str) -> None:
        """The object is gone."""
        if self.newest is not None:
            kept = [tracked for tracked in self.newest.objects if tracked.object_id != object_id]
            self.newest = TrackedObjectArray(header=self.newest.header, objects=kept)
        self._records.forget(object_id)

    def forget_all(self) -> None:
        for object_id in self.known_objects:
            self.forget(object_id)

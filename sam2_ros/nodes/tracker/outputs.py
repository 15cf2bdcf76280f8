"""Everything the tracker publishes about an image. To add an output, add a row to OUTPUTS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam2_ros.detections.kinds import ObjectKind
from sam2_ros.live.arrived_images import ArrivedImage
from sam2_ros.live.requests import PromptRequest
from sam2_ros.live.settings import Settings
from sam2_ros.msg import OcclusionScoreArray, TrackedObject, TrackedObjectArray
from sam2_ros.nodes.edge import messages
from sam2_ros.nodes.edge.encode_images import array_to_image, rgb_to_compressed
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.tracker.labels import ClassNumbers
from sam2_ros.nodes.tracker.object_records import ObjectRecords
from sam2_ros.nodes.tracker.overlay_effect import OverlayEffect
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
        effect: draws the overlay.
        classes: numbers of the classes, if the label mask is of these; None if it is of the objects.
        mask_object: the object whose full-size mask is wanted; empty: the only one.
    """

    image: ArrivedImage
    rgb: np.ndarray
    result: FrameResult
    records: Mapping[str, messages.TrackRecord]
    label_encoding: str
    effect: OverlayEffect
    classes: ClassNumbers | None = None
    mask_object: str = ''

    @property
    def header(self) -> Header:
        return self.image.header

    @property
    def labels(self) -> dict[str, int]:
        """By object id."""
        return {object_id: record.label for object_id, record in self.records.items()}

    @cached_property
    def pixel_labels(self) -> dict[str, int]:
        """By object id, the value of its pixels in the label mask."""
        if self.classes is None:
            return self.labels
        return {object_id: self.classes.number(record.class_name) for object_id, record in self.records.items()}

    @cached_property
    def label_names(self) -> dict[int, str]:
        """By value in the label mask, what it stands for."""
        if self.classes is None:
            return {label: object_id for object_id, label in self.labels.items()}
        _ = self.pixel_labels  # gives new classes their numbers
        return self.classes.names

    @property
    def chosen(self) -> ObjectResult | None:
        """The object whose full-size mask is wanted. None: there is no such object, or several and none was named."""
        if not self.mask_object and len(self.result) == 1:
            return next(iter(self.result.values()))
        return self.result.get(self.mask_object)

    @cached_property
    def objects(self) -> TrackedObjectArray:
        return messages.tracked_objects(
            self.result, records=self.records, frames_skipped=self.image.skipped_before, header=self.header
        )

    @cached_property
    def overlay(self) -> np.ndarray:
        """The image with masks and names, or with an effect on the objects: (H, W, 3) uint8."""
        classes = {object_id: record.class_name for object_id, record in self.records.items()}
        return self.effect.draw(self.rgb, self.result, labels=self.labels, classes=classes)


@dataclass(frozen=True, kw_only=True)
class OutputTopic(Endpoint):
    """One output.

    Attributes:
        make: the message about an image.
        lazy: it is made only while someone listens.
        depends_on: what the message is made from. It is sent only when that has changed, and kept for those who listen
            later. None: it is sent for every image.
        picture: it is large and says what others say, too; a bag holds it only if it is asked for.
    """

    make: Callable[[ImageOutputs], Any]
    lazy: bool = False
    picture: bool = False
    depends_on: Callable[[ImageOutputs], object] | None = None

    @property
    def latched(self) -> bool:
        """Whether the newest message is kept for those who listen later."""
        return self.depends_on is not None


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
        description='Boxes of the objects that have one, with their classes; only where vision_msgs is installed.',
        make=lambda outputs: messages.detections(outputs.result, records=outputs.records, header=outputs.header),
    ),
    OutputTopic(
        name='~/label_mask',
        type_name='sensor_msgs/Image',
        type=Image,
        description='Each pixel holds the label of its object, or the number of its class (`label_mask_of`), 0 '
        'elsewhere. Made while someone listens.',
        make=lambda outputs: messages.label_image(
            outputs.result, labels=outputs.pixel_labels, encoding=outputs.label_encoding, header=outputs.header
        ),
        lazy=True,
    ),
    OutputTopic(
        name='~/label_info',
        type_name='vision_msgs/LabelInfo',
        type=messages.LabelInfo,
        description='What the values in the label mask stand for, when that changes; transient local, so that late '
        'listeners have it, too. Only where vision_msgs is installed.',
        make=lambda outputs: messages.label_info(outputs.label_names, header=outputs.header),
        depends_on=lambda outputs: outputs.label_names,
    ),
    OutputTopic(
        name='~/mask',
        type_name='sensor_msgs/Image',
        type=Image,
        description='The mask of one object at the size of the image, mono8: 255 on it, 0 elsewhere. Of the object '
        'named by `mask_object`, else of the only one. Made while someone listens.',
        make=lambda outputs: messages.mask_image(
            outputs.chosen, image_size=outputs.result.image_size, header=outputs.header
        ),
        lazy=True,
        picture=True,
    ),
    OutputTopic(
        name='~/overlay',
        type_name='sensor_msgs/Image',
        type=Image,
        description='The image with masks and names, to look at, or with an effect such as blur on the objects '
        '(`overlay_effect`). Drawn while someone listens.',
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
        image_size: (height, width) of the newest image in pixels; (0, 0) before the first.
        publishers: by name in OUTPUTS.
    """

    def __init__(self, settings: Settings, *, make_publisher: Callable[[OutputTopic], Publisher]) -> None:
        """`settings`: label_encoding, label_mask_of, class_names, mask_object, overlay_effect, overlay_effect_objects,
        ring_images, max_objects, max_prompt_points.
        """
        self.newest: TrackedObjectArray | None = None
        self.image_size = (0, 0)
        self.publishers = {row.name: make_publisher(row) for row in OUTPUTS if row.type is not None}
        self._settings = settings
        self._overlay = OverlayEffect(settings)
        self._encoding: str = settings['label_encoding']
        highest = HIGHEST_LABEL[self._encoding]
        self._classes: ClassNumbers | None = None
        if settings['label_mask_of'] == 'class':
            self._classes = ClassNumbers(settings['class_names'], highest=highest)
        self._records = ObjectRecords(highest_label=highest, images_kept=settings['ring_images'])
        self._sent: dict[str, object] = {}  # by topic, what its newest message depended on

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
        outputs = ImageOutputs(
            image, rgb, result, records, self._encoding, self._overlay, self._classes, self._settings['mask_object']
        )
        for row in OUTPUTS:
            publisher = self.publishers.get(row.name)
            if publisher is None or (row.lazy and not publisher.get_subscription_count()):
                continue
            if self._has_changed(row, outputs):
                publisher.publish(row.make(outputs))
        for message in outputs.objects.objects:
            image.keep_object(message)
        self.newest, self.image_size = outputs.objects, result.image_size

    def _has_changed(self, row: OutputTopic, outputs: ImageOutputs) -> bool:
        """Whether a topic has something new to say, which most have about every image."""
        if row.depends_on is None:
            return True
        before, self._sent[row.name] = self._sent.get(row.name), row.depends_on(outputs)
        return before != self._sent[row.name]

    def kind(self, object_id: str) -> ObjectKind:
        """What is known of an object beside its track; change it to say more."""
        return self._records.kind(object_id)

    def note_prompt(self, object_id: str, request: PromptRequest) -> None:
        """A prompt for the object, maybe its first, has been applied."""
        self._records.note_prompt(object_id, request)

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

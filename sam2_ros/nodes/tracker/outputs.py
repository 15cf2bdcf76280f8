"""Everything the tracker node publishes about an image, and what it remembers of each object for that."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.drawing.overlay import draw_overlay
from sam2_ros.live.arrived_images import ArrivedImage
from sam2_ros.live.stamps import NANOSECONDS
from sam2_ros.msg import OcclusionScoreArray, TrackedObject, TrackedObjectArray
from sam2_ros.nodes.edge import messages
from sam2_ros.nodes.edge.encode_images import array_to_image, rgb_to_compressed
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.qos import make_publisher
from sam2_ros.nodes.tracker.labels import LabelTable
from sam2_ros.tracking import FrameResult, ObjectResult

QUEUE_DEPTH = 10
JPEG_QUALITY = 80  # of the overlay, 1 to 100
HIGHEST_LABEL = {'mono8': 255, 'mono16': 65535}


class TrackerOutputs:
    """Publishes one set of messages per processed image. Used by the inference thread only, once it runs."""

    def __init__(self, node: Node, parameters: ParameterTable) -> None:
        self._node = node
        self._parameters = parameters
        self._encoding = parameters['label_encoding']
        self._labels = LabelTable(HIGHEST_LABEL[self._encoding])
        self._first_seen: dict[str, Time] = {}
        self._seen: dict[str, deque[tuple[float, Time]]] = {}  # arrival and stamp of the images that showed it
        self.newest: TrackedObjectArray | None = None
        self._objects = make_publisher(node, TrackedObjectArray, '~/objects', QUEUE_DEPTH)
        self._scores = make_publisher(node, OcclusionScoreArray, '~/occlusion_scores', QUEUE_DEPTH)
        self._label_mask = make_publisher(node, Image, '~/label_mask', QUEUE_DEPTH)
        self._overlay = make_publisher(node, Image, '~/overlay', QUEUE_DEPTH)
        self._overlay_jpeg = make_publisher(node, CompressedImage, '~/overlay/compressed', QUEUE_DEPTH)
        self._detections: Any = None
        if messages.Detection2DArray is not None:
            self._detections = make_publisher(node, messages.Detection2DArray, '~/detections', QUEUE_DEPTH)

    def close(self) -> None:
        for publisher in (
            self._objects,
            self._scores,
            self._label_mask,
            self._overlay,
            self._overlay_jpeg,
            self._detections,
        ):
            if publisher is not None:
                self._node.destroy_publisher(publisher)

    @property
    def max_objects(self) -> int:
        return min(self._parameters['max_objects'], self._labels.highest)

    @property
    def max_points(self) -> int:
        return self._parameters['max_prompt_points']

    def publish(self, image: ArrivedImage, rgb: np.ndarray, result: FrameResult) -> None:
        """Publish all outputs of a processed image, with its header. Pictures are made only where someone listens."""
        header = image.header
        records = {object_id: self._record(tracked, image) for object_id, tracked in result.items()}
        objects = messages.tracked_objects(result, records=records, frames_skipped=image.skipped_before, header=header)
        self._objects.publish(objects)
        self._scores.publish(messages.occlusion_scores(result, header=header))
        if self._detections is not None:
            self._detections.publish(messages.detections(result, header=header))
        labels = {object_id: record.label for object_id, record in records.items()}
        if self._label_mask.get_subscription_count():
            self._label_mask.publish(
                messages.label_image(result, labels=labels, encoding=self._encoding, header=header)
            )
        raw, jpeg = self._overlay.get_subscription_count(), self._overlay_jpeg.get_subscription_count()
        if raw or jpeg:
            overlay = draw_overlay(rgb, result, labels=labels)
            if raw:
                self._overlay.publish(array_to_image(overlay, 'rgb8', header=header))
            if jpeg:
                self._overlay_jpeg.publish(rgb_to_compressed(overlay, header=header, jpeg_quality=JPEG_QUALITY))
        for message in objects.objects:
            image.keep_object(message)
        self.newest = objects

    def object_message(self, image: ArrivedImage, result: ObjectResult) -> TrackedObject:
        """The message about one object on an image that was prompted or is being caught up with."""
        header = image.header
        return messages.tracked_object(result, record=self._record(result, image), header=header)

    def forget(self, object_id: str) -> None:
        """The object is gone: its label may be used again, after all others."""
        if self.newest is not None:
            kept = [tracked for tracked in self.newest.objects if tracked.object_id != object_id]
            self.newest = TrackedObjectArray(header=self.newest.header, objects=kept)
        self._labels.free(object_id)
        self._first_seen.pop(object_id, None)
        self._seen.pop(object_id, None)

    def forget_all(self) -> None:
        for object_id in list(self._first_seen):
            self.forget(object_id)

    def _record(self, result: ObjectResult, image: ArrivedImage) -> messages.TrackRecord:
        """What is remembered of the object after this image, which may be a past one: then it was corrected there, and
        what was seen since is no longer true.
        """
        object_id, stamp = result.object_id, image.header.stamp
        if not image.stamp_ns:
            stamp = Time(sec=image.received_ns // NANOSECONDS, nanosec=image.received_ns % NANOSECONDS)
        if object_id not in self._first_seen:
            self._first_seen[object_id] = stamp
            # as far back as prompts reach, and one more
            self._seen[object_id] = deque(maxlen=self._parameters['ring_images'] + 1)
        seen = self._seen[object_id]
        while seen and seen[-1][0] >= image.arrived:
            seen.pop()
        if result.box is not None:
            seen.append((image.arrived, stamp))
        return messages.TrackRecord(
            label=self._labels.assign(object_id),
            first_seen=self._first_seen[object_id],
            last_seen=seen[-1][1] if seen else Time(),
        )

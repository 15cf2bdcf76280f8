"""Everything the tracker node publishes about an image, and what it remembers of each object for that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import Image

from sam2_ros.msg import OcclusionScoreArray, TrackedObject, TrackedObjectArray
from sam2_ros.nodes import conversions
from sam2_ros.nodes.image_ring import ArrivedImage
from sam2_ros.nodes.images import array_to_image
from sam2_ros.nodes.labels import LabelTable
from sam2_ros.nodes.parameters import ParameterTable
from sam2_ros.tracking import FrameResult, ObjectResult
from sam2_ros.visualization import draw_overlay

QUEUE_DEPTH = 10
HIGHEST_LABEL = {'mono8': 255, 'mono16': 65535}


class TrackerOutputs:
    """Publishes one set of messages per processed image. Used by the inference thread only, once it runs."""

    def __init__(self, node: Node, parameters: ParameterTable) -> None:
        self._node = node
        self._parameters = parameters
        self._encoding = parameters['label_encoding']
        self._labels = LabelTable(HIGHEST_LABEL[self._encoding])
        self._records: dict[str, conversions.TrackRecord] = {}
        self._last_indices: dict[str, int] = {}  # frame in which each object was seen last
        self.newest: TrackedObjectArray | None = None
        self._objects = node.create_publisher(TrackedObjectArray, '~/objects', QUEUE_DEPTH)
        self._scores = node.create_publisher(OcclusionScoreArray, '~/occlusion_scores', QUEUE_DEPTH)
        self._label_mask = node.create_publisher(Image, '~/label_mask', QUEUE_DEPTH)
        self._overlay = node.create_publisher(Image, '~/overlay', QUEUE_DEPTH)
        self._detections: Any = None
        if conversions.Detection2DArray is not None:
            self._detections = node.create_publisher(conversions.Detection2DArray, '~/detections', QUEUE_DEPTH)

    def close(self) -> None:
        for publisher in (self._objects, self._scores, self._label_mask, self._overlay, self._detections):
            if publisher is not None:
                self._node.destroy_publisher(publisher)

    @property
    def max_objects(self) -> int:
        return min(self._parameters['max_objects'], self._labels.highest)

    def publish(self, image: ArrivedImage, rgb: np.ndarray, result: FrameResult) -> None:
        """Publish all outputs of a processed image, with its header. Pictures are made only where someone listens."""
        header = image.header
        records = {object_id: self._record(tracked, header.stamp) for object_id, tracked in result.items()}
        objects = conversions.tracked_objects(
            result, records=records, frames_skipped=image.skipped_before, header=header)
        self._objects.publish(objects)
        self._scores.publish(conversions.occlusion_scores(result, header=header))
        if self._detections is not None:
            self._detections.publish(conversions.detections(result, header=header))
        labels = {object_id: record.label for object_id, record in records.items()}
        if self._label_mask.get_subscription_count():
            self._label_mask.publish(
                conversions.label_image(result, labels=labels, encoding=self._encoding, header=header))
        if self._overlay.get_subscription_count():
            overlay = draw_overlay(rgb, result, labels=labels)
            self._overlay.publish(array_to_image(overlay, 'rgb8', header=header))
        for message in objects.objects:
            image.keep_object(message)
        self.newest = objects

    def object_message(self, image: ArrivedImage, result: ObjectResult) -> TrackedObject:
        """The message about one object on an image that was prompted or is being caught up with."""
        header = image.header
        return conversions.tracked_object(result, record=self._record(result, header.stamp), header=header)

    def forget(self, object_id: str) -> None:
        """The object is gone: its label may be used again, after all others."""
        if self.newest is not None:
            kept = [tracked for tracked in self.newest.objects if tracked.object_id != object_id]
            self.newest = TrackedObjectArray(header=self.newest.header, objects=kept)
        self._labels.free(object_id)
        self._records.pop(object_id, None)
        self._last_indices.pop(object_id, None)

    def forget_all(self) -> None:
        for object_id in list(self._records):
            self.forget(object_id)

    def _record(self, result: ObjectResult, stamp: Time) -> conversions.TrackRecord:
        """Bring up to date what is remembered of the object; on its first image, begin it."""
        object_id, index = result.object_id, result.frame_index
        record = self._records.get(object_id) or conversions.TrackRecord(
            label=self._labels.assign(object_id), first_seen=stamp, last_seen=Time(), frames_since_seen=0)
        last_index = self._last_indices.setdefault(object_id, index)
        if result.box is not None and index >= last_index:
            self._last_indices[object_id] = last_index = index
            record = replace(record, last_seen=stamp)
        self._records[object_id] = replace(record, frames_since_seen=max(index - last_index, 0))
        return self._records[object_id]

"""Listens to a detector, finds the image that each of its messages is about, and hands it to the inference thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from sam2_ros.detections.boxes import DetectedBox
from sam2_ros.detections.class_ids import ClassIds
from sam2_ros.detections.detection_prompts import DetectionPrompts, Objects
from sam2_ros.detections.seen import has_settled
from sam2_ros.live.arrived_images import ArrivedImages
from sam2_ros.live.camera_stream import CameraStream
from sam2_ros.live.journal import Journal
from sam2_ros.live.stamps import stamp_nanoseconds
from sam2_ros.nodes.edge.detections import boxes_from_message
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.edge.following import FollowingSubscription
from sam2_ros.nodes.edge.messages import Detection2DArray, LabelInfo
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.qos import LATCHED, make_subscription

QUEUE_DEPTH = 10  # messages; taken off the queue at once
MAX_WAITING = 50  # messages whose image has not had its turn; the oldest make room
LABEL_INFO = '/label_info'  # beside the detections

DETECTIONS = (
    Endpoint(
        name='detections',
        type_name='vision_msgs/Detection2DArray',
        type=Detection2DArray,
        description='Boxes of a detector, with the stamp of their image: they start objects and name them, with '
        '`detections: true` and vision_msgs.',
    ),
    Endpoint(
        name=f'<detections>{LABEL_INFO}',
        type_name='vision_msgs/LabelInfo',
        type=LabelInfo,
        description='What the numbers stand for that the detector sends as classes, unless `class_names` says it.',
    ),
)


@dataclass(frozen=True)
class _Waiting:
    """A message whose image has not arrived, or has not had its turn."""

    stamp_ns: int
    boxes: list[DetectedBox]
    expires: float  # seconds, monotonic clock; from then on the image must have arrived


class DetectionInput:
    """The detector at the edge of the node. Its methods run in the executor and return at once.

    Attributes:
        prompts: what is done with the boxes, by the inference thread.
        newest_ns: stamp of the newest message in nanoseconds; 0 before the first.
    """

    def __init__(
        self,
        node: Node,
        parameters: ParameterTable,
        *,
        ring: ArrivedImages,
        objects: Objects,
        journal: Journal,
        why_no_image: Callable[[int], str],
    ) -> None:
        """Subscribe.

        Args:
            why_no_image: why there is no image of a stamp, in nanoseconds, as a sentence.

        Raises:
            ValueError: a sentence, if vision_msgs is not installed.
        """
        if Detection2DArray is None:
            raise ValueError(
                'detections is true, but vision_msgs is not installed, so that no detection can be heard: '
                'install it (apt install ros-$ROS_DISTRO-vision-msgs), or set detections to false'
            )
        self.prompts = DetectionPrompts(parameters, ring=ring, objects=objects, journal=journal)
        self.newest_ns = 0
        self._node = node
        self._parameters = parameters
        self._ring = ring
        self._journal = journal
        self._why_no_image = why_no_image
        self._class_ids = ClassIds(parameters)
        self._stream: CameraStream | None = None
        self._waiting: list[_Waiting] = []
        self._subscription = FollowingSubscription(
            node, Detection2DArray, DETECTIONS[0].name, self.take, depth=QUEUE_DEPTH
        )
        # The names may be kept for late listeners or sent again and again: no subscription hears both.
        self._names = [
            make_subscription(node, LabelInfo, self.topic + LABEL_INFO, self.take_names, qos)
            for qos in (LATCHED, qos_profile_sensor_data)
        ]

    @property
    def topic(self) -> str:
        return self._subscription.topic

    def silence(self, timeout: float) -> str | None:
        """Why no message came for `timeout` seconds, as a sentence; None if one did."""
        return self._subscription.silence(timeout)

    def follow(self, stream: CameraStream | None) -> None:
        """Work for this stream from now on; None: the node is inactive. What was seen before is forgotten."""
        self._stream, self._waiting = stream, []
        if stream is not None:
            stream.do(partial(self.prompts.begin, stream))

    def forget(self) -> None:
        """Objects or stamps begin anew: what was seen so far counts no more."""
        self._waiting = []
        if self._stream is not None:
            self._stream.do(self.prompts.forget)

    def removing(self, object_id: str) -> None:
        """Call this just before an object is removed on request."""
        if self._stream is not None:
            self._stream.do(partial(self.prompts.removing, object_id))

    def close(self) -> None:
        """Stop listening."""
        self._subscription.close()
        for subscription in self._names:
            self._node.destroy_subscription(subscription)

    def take_names(self, message: Any) -> None:
        """A LabelInfo."""
        self._class_ids.hear((entry.class_id, entry.class_name) for entry in message.class_map)

    def take(self, message: Any) -> None:
        """A Detection2DArray."""
        self._journal.count('detection_messages')
        if self._stream is None:
            return
        self.newest_ns = stamp_nanoseconds(message.header.stamp)
        boxes, problems = boxes_from_message(message, name_of=self._class_ids.name_of)
        for problem in problems:
            self._journal.note('detections_invalid', f'a detection is refused: {problem}')
        expires = time.monotonic() + self._parameters['prompt_wait']
        self._waiting.append(_Waiting(self.newest_ns, boxes, expires))
        self.images_arrived()
        while len(self._waiting) > MAX_WAITING:
            self._waiting.pop(0)
            self._journal.note('detections_unplaced', f'{MAX_WAITING} messages of the detector wait for their image')

    def images_arrived(self) -> None:
        """Look again for the images of messages that wait. Call it after every new image, and now and then."""
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            if not self._place(message):
                self._waiting.append(message)

    def _place(self, message: _Waiting) -> bool:
        """Whether the message waits no longer: it is handed on, or there is no such image."""
        image = None
        if message.stamp_ns:
            image = self._ring.at_stamp(message.stamp_ns, tolerance=self._parameters['stamp_tolerance'])
        if image is None:
            newest = self._ring.newest()
            if message.stamp_ns > (newest.stamp_ns if newest else 0) and time.monotonic() < message.expires:
                return False
            why = (
                self._why_no_image(message.stamp_ns)
                if message.stamp_ns
                else 'it has no stamp; copy the header of the image'
            )
            self._journal.note('detections_unplaced', f'a message of the detector finds no image: {why}')
            return True
        if not has_settled(self._ring.images(), image):
            return False
        if self._stream is not None:
            self._stream.do(partial(self.prompts.take, image, message.boxes))
        return True

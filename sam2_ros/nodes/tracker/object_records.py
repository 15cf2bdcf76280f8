"""What the node remembers of each object beside its track: its label and kind, and when it was seen."""

from __future__ import annotations

from collections import deque

from builtin_interfaces.msg import Time

from sam2_ros.detections.kinds import ObjectKind
from sam2_ros.live.arrived_images import ArrivedImage
from sam2_ros.live.requests import PromptRequest
from sam2_ros.live.stamps import NANOSECONDS
from sam2_ros.nodes.edge.messages import TrackRecord
from sam2_ros.nodes.tracker.labels import LabelTable
from sam2_ros.tracking import ObjectResult


class ObjectRecords:
    """The records of all objects.

    Args:
        highest_label: labels are 1 to this.
        images_kept: how far back prompts reach, in images.
    """

    def __init__(self, *, highest_label: int, images_kept: int) -> None:
        self.labels = LabelTable(highest_label)
        self._images_kept = images_kept
        self._kinds: dict[str, ObjectKind] = {}
        self._first_seen: dict[str, Time] = {}
        self._seen: dict[str, deque[tuple[float, Time]]] = {}  # arrival and stamp of the images that showed it

    @property
    def object_ids(self) -> tuple[str, ...]:
        """All objects that there are records of."""
        return tuple(self._first_seen)

    def kind(self, object_id: str) -> ObjectKind:
        """What is known of the object; change it to say more."""
        return self._kinds.setdefault(object_id, ObjectKind())

    def note_prompt(self, object_id: str, request: PromptRequest) -> None:
        """A prompt for the object, maybe its first, has been applied."""
        kind = self._kinds.setdefault(object_id, ObjectKind(request.source))
        kind.prompted(source=request.source, class_name=request.class_name)

    def update(self, result: ObjectResult, image: ArrivedImage) -> TrackRecord:
        """The record of an object after an image.

        In a past image the object was corrected, so that what was seen of it since does not count any more.

        Raises:
            ValueError: if all labels are in use.
        """
        object_id, stamp = result.object_id, image.header.stamp
        if not image.stamp_ns:
            stamp = Time(sec=image.received_ns // NANOSECONDS, nanosec=image.received_ns % NANOSECONDS)
        if object_id not in self._first_seen:
            self._first_seen[object_id] = stamp
            self._seen[object_id] = deque(maxlen=self._images_kept + 1)
        seen = self._seen[object_id]
        while seen and seen[-1][0] >= image.arrived:
            seen.pop()
        if result.box is not None:
            seen.append((image.arrived, stamp))
        kind = self.kind(object_id)
        return TrackRecord(
            label=self.labels.assign(object_id),
            first_seen=self._first_seen[object_id],
            last_seen=seen[-1][1] if seen else Time(),
            class_name=kind.class_name,
            class_score=kind.class_score,
            source=kind.source,
            detections_missed=kind.missed,
        )

    def forget(self, object_id: str) -> None:
        """The object is gone: its label may be used again, after all others."""
        self.labels.free(object_id)
        self._kinds.pop(object_id, None)
        self._first_seen.pop(object_id, None)
        self._seen.pop(object_id, None)

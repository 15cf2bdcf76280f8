"""The newest images of a camera, also those that were skipped, so that a prompt finds the image it was made on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic
from typing import Any, Protocol

from sam2_ros.live.stamps import stamp_nanoseconds
from sam2_ros.tracking import Prompt


class ImageStatus(Enum):
    """What became of an arrived image."""

    WAITING = 'waiting'
    TRACKED = 'tracked'
    SKIPPED = 'skipped'
    FAILED = 'failed'


class ImageMessage(Protocol):
    """The part of an image message that is used. sensor_msgs/Image and CompressedImage have it."""

    @property
    def header(self) -> Any:
        """With a stamp of `sec` and `nanosec`."""

    @property
    def data(self) -> Sized: ...


class ShownObject(Protocol):
    """The part of a message about an object that is used. sam2_ros/TrackedObject has it.

    Attributes:
        box: x0, y0, x1, y1, half-open, in pixels.
        mask: an image, cropped to the box, with `data` and with `step`, the bytes per row. Object pixels are not 0.
    """

    object_id: str
    has_box: bool
    box: Sequence[float]
    area: int
    mask: Any


@dataclass(eq=False)
class ArrivedImage:
    """One image and what became of it. Only the inference thread writes to it after it arrived."""

    message: ImageMessage
    time: float  # seconds since the stream began; never goes back
    arrived: float = field(default_factory=monotonic)  # seconds, monotonic clock
    received_ns: int = 0  # nanoseconds, clock of the node: stands in for the stamp where there is none
    status: ImageStatus = ImageStatus.WAITING
    skipped_before: int = 0  # images that were skipped for this one
    frame_index: int = -1  # of the tracker, once TRACKED
    objects: dict[str, ShownObject] = field(default_factory=dict)  # by id, as handed out for this image
    objects_nbytes: int = 0  # of their masks
    prompts: dict[str, Prompt] = field(default_factory=dict)  # newest prompt by object, with all it extends

    @property
    def header(self) -> Any:
        return self.message.header

    @property
    def stamp_ns(self) -> int:
        return stamp_nanoseconds(self.message.header.stamp)

    @property
    def nbytes(self) -> int:
        return len(self.message.data) + self.objects_nbytes

    def keep_object(self, message: ShownObject) -> None:
        """Remember an object that is handed out for this image."""
        self.forget_object(message.object_id, prompts=False)
        self.objects[message.object_id] = message
        self.objects_nbytes += len(message.mask.data)

    def forget_object(self, object_id: str, *, prompts: bool = True) -> None:
        """Drop what was handed out of the object, and the prompts given for it."""
        message = self.objects.pop(object_id, None)
        if message is not None:
            self.objects_nbytes -= len(message.mask.data)
        if prompts:
            self.prompts.pop(object_id, None)


class ArrivedImages:
    """The newest images in order of arrival, bounded in number and bytes.

    Three kinds are always kept: the newest image, images that the tracker has not finished, and the newest tracked one.
    """

    def __init__(self) -> None:
        self._images: deque[ArrivedImage] = deque()
        self._lock = threading.Lock()
        self.overflowed = False  # an image was forgotten since the start or `restart`

    def __len__(self) -> int:
        return len(self._images)

    @property
    def nbytes(self) -> int:
        return sum(image.nbytes for image in self.images())

    def add(self, image: ArrivedImage, *, max_images: int, max_bytes: int) -> None:
        """Append an image. Then forget the oldest images beyond either limit, except those that are always kept."""
        with self._lock:
            # In this order, because the inference thread may finish an image meanwhile: then one of the two has it.
            pinned = [kept for kept in self._images if kept.status is ImageStatus.WAITING]
            pinned += [kept for kept in reversed(self._images) if kept.status is ImageStatus.TRACKED][:1]
            old = [kept for kept in self._images if kept not in pinned]
            self._images.append(image)
            nbytes = sum(kept.nbytes for kept in self._images)
            for forgotten in old:
                if len(self._images) <= max_images and nbytes <= max_bytes:
                    break
                self._images.remove(forgotten)
                nbytes -= forgotten.nbytes
                self.overflowed = True

    def forget_object(self, object_id: str) -> None:
        """The object is gone: no image knows it any more."""
        for image in self.images():
            image.forget_object(object_id)

    def restart(self) -> None:
        """The tracker begins anew: tracked images count as skipped, and what is known of their objects is forgotten."""
        with self._lock:
            for image in self._images:
                if image.status is ImageStatus.TRACKED:
                    image.status, image.frame_index = ImageStatus.SKIPPED, -1
                image.objects, image.objects_nbytes, image.prompts = {}, 0, {}
            self.overflowed = False

    def images(self) -> list[ArrivedImage]:
        """All images, oldest first."""
        with self._lock:
            return list(self._images)

    def at_stamp(self, stamp_ns: int, *, tolerance: float) -> ArrivedImage | None:
        """The image whose stamp is nearest to `stamp_ns`; None if it is further away than `tolerance`.

        Stamps come again when a bag starts again: the image that arrived last counts. Images without a stamp never
        match.

        Args:
            stamp_ns: in nanoseconds.
            tolerance: in seconds.
        """
        stamped = [image for image in reversed(self.images()) if image.stamp_ns]
        nearest = min(stamped, key=lambda image: abs(image.stamp_ns - stamp_ns), default=None)
        if nearest is None or abs(nearest.stamp_ns - stamp_ns) > tolerance * 1e9:
            return None
        return nearest

    def newest(self) -> ArrivedImage | None:
        """The image that arrived last."""
        return next(iter(reversed(self.images())), None)

    def at_frame(self, frame_index: int) -> ArrivedImage | None:
        """The image that was the frame of this index of the tracker; None when it is not kept."""
        tracked = (image for image in reversed(self.images()) if image.status is ImageStatus.TRACKED)
        return next((image for image in tracked if image.frame_index == frame_index), None)

    def newest_tracked(self, *, not_after_ns: int | None = None) -> ArrivedImage | None:
        """The newest image that was tracked, of those stamped at or before `not_after_ns` if that is given."""
        for image in reversed(self.images()):
            if image.status is ImageStatus.TRACKED and (not_after_ns is None or image.stamp_ns <= not_after_ns):
                return image
        return None

    def tracked_before(self, image: ArrivedImage) -> ArrivedImage | None:
        """The last tracked image that arrived before `image`; None if there is none in the ring."""
        earlier = None
        for candidate in self.images():
            if candidate is image:
                return earlier
            if candidate.status is ImageStatus.TRACKED:
                earlier = candidate
        return None

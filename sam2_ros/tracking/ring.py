"""The ring of recent images: how far back a prompt may reach."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sam2_ros.tracking.errors import FrameNotKeptError
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.track import Track


@dataclass(eq=False)
class RecentImage:
    """One image and what is needed to track an object in it again.

    Attributes:
        frame_index: of the tracker. An image that was inserted afterwards has the index of the frame before it.
        pixels: (3, S, S) in [0, 255], at the network's size.
        size: (height, width) of the original image in pixels.
        time: as given to `step`, seconds.
        inserted_for: the object that an inserted image belongs to; None for a frame, which belongs to all objects.
        before: each object's track before this image, by object id.
        prompts: the prompts given on this image, by object id.
    """

    frame_index: int
    pixels: Tensor
    size: tuple[int, int]
    time: float | None
    inserted_for: str | None = None
    before: dict[str, Track] = field(default_factory=dict)
    prompts: dict[str, tuple[Prompt, ...]] = field(default_factory=dict)

    @property
    def masks_nbytes(self) -> int:
        """Bytes of host memory of the masks in prompts."""
        masks = [one.mask for prompts in self.prompts.values() for one in prompts if one.mask is not None]
        return sum(mask.nbytes for mask in masks)

    def shows(self, other: RecentImage) -> bool:
        """Whether this is the same picture at the same place, for any object."""
        same_place = (self.frame_index, self.size) == (other.frame_index, other.size)
        return same_place and torch.equal(self.pixels, other.pixels)

    def repeats(self, other: RecentImage) -> bool:
        """Whether this is the same picture at the same place, for the same object and not at another time."""
        same_time = self.time is None or other.time is None or self.time == other.time
        return self.inserted_for == other.inserted_for and same_time and self.shows(other)

    def precedes(self, other: RecentImage) -> bool:
        """Whether this image comes before `other`, an image to be inserted.

        Between two inserted images their times decide, or, where a time is missing, the order of insertion.
        """
        if self.frame_index != other.frame_index or self.inserted_for is None:
            return self.frame_index <= other.frame_index
        return self.time is None or other.time is None or self.time <= other.time


class ImageRing:
    """The newest images, limited in number and bytes; the newest frame is always kept.

    An inserted image is dropped together with the frame that it follows. So all images after a kept frame are kept,
    too. There is one exception: if the limits leave no room beside the newest frame, the images inserted after it are
    dropped, oldest first. Then a prompt for that frame no longer reaches them.

    Args:
        max_images: most images.
        max_bytes: most bytes of images and mask prompts.
    """

    def __init__(self, *, max_images: int, max_bytes: int) -> None:
        self._max_images = max_images
        self._max_bytes = max_bytes
        self._images: deque[RecentImage] = deque()
        self._complete = True  # nothing was dropped so far

    @property
    def oldest_frame_index(self) -> int:
        """Oldest frame that is kept; -1 if there is none."""
        return next((frame.frame_index for frame in self._frames()), -1)

    def add(self, image: RecentImage) -> None:
        """Append a frame, or put an inserted image in its place if it is not there yet; then `trim`."""
        if image not in self._images:
            self._images.insert(self._position(image), image)
        self.trim()

    def trim(self) -> None:
        """Drop the oldest images until the limits hold. A picture that was inserted for several objects counts once."""
        while len(self._images) > 1 and self._exceeds_limits():
            self._drop_oldest()

    def same_image(self, image: RecentImage) -> RecentImage:
        """The inserted image in the ring that `image` repeats, or `image` itself if there is none."""
        return next((kept for kept in self._images if kept.repeats(image)), image)

    def reaches(self, frame_index: int) -> bool:
        """Whether an image can be inserted after this frame; -1 = before all."""
        if frame_index == -1:
            return self._complete or self.oldest_frame_index == -1
        return any(frame.frame_index == frame_index for frame in self._frames())

    def check_reaches(self, frame_index: int) -> None:
        """Raise FrameNotKeptError unless the ring `reaches` this frame."""
        if frame_index == -1 and not self.reaches(frame_index):
            raise FrameNotKeptError(
                f'the beginning is no longer kept; the ring of recent images reaches back to frame '
                f'{self.oldest_frame_index}'
            )
        if frame_index != -1:
            self.find(frame_index)

    def find(self, frame_index: int) -> RecentImage:
        """The frame of this index.

        Raises:
            FrameNotKeptError: if the ring does not hold it. The message says how far the ring reaches.
        """
        newest = -1
        for frame in self._frames():
            newest = frame.frame_index
            if newest == frame_index:
                return frame
        if frame_index > newest or frame_index < 0:
            seen = f'the newest frame is {newest}' if newest >= 0 else 'no frame has been seen yet'
            raise FrameNotKeptError(f'there is no frame {frame_index}: {seen}')
        raise FrameNotKeptError(
            f'frame {frame_index} is {newest - frame_index} frames old; the ring of recent images reaches back '
            f'{newest - self.oldest_frame_index} frames, to frame {self.oldest_frame_index}'
        )

    def seen_by(self, object_id: str, *, after: RecentImage) -> list[RecentImage]:
        """The images of an object's track after the image `after`, which need not be in the ring yet."""
        images = list(self._images)
        position = images.index(after) + 1 if after in images else self._position(after)
        return [image for image in images[position:] if image.inserted_for in (None, object_id)]

    def forget_object(self, object_id: str) -> None:
        """Remove all traces of an object."""
        for image in self._images:
            image.before.pop(object_id, None)
            image.prompts.pop(object_id, None)
        self._images = deque(image for image in self._images if image.inserted_for != object_id)

    def _exceeds_limits(self) -> bool:
        count = len({(id(image.pixels), image.time) for image in self._images})
        pictures = {id(image.pixels): image.pixels.nbytes for image in self._images}
        nbytes = sum(pictures.values()) + sum(image.masks_nbytes for image in self._images)
        return count > self._max_images or nbytes > self._max_bytes

    def inserted(self) -> list[RecentImage]:
        """The images that were inserted afterwards."""
        return [image for image in self._images if image.inserted_for is not None]

    def _frames(self) -> Iterator[RecentImage]:
        return (image for image in self._images if image.inserted_for is None)

    def _position(self, image: RecentImage) -> int:
        later = (position for position, kept in enumerate(self._images) if not kept.precedes(image))
        return next(later, len(self._images))

    def _drop_oldest(self) -> None:
        self._complete = False
        frames = list(self._frames())
        if len(frames) == 1 and self._images[0] is frames[0]:
            del self._images[1]
            return
        self._images.popleft()
        while frames and self._images[0].inserted_for is not None:
            self._images.popleft()

"""The ring of recent images: how far back a prompt may reach."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from torch import Tensor

from sam2_ros.tracking.errors import FrameNotKeptError
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.track import Track


@dataclass(eq=False)
class RecentImage:
    """One image and what is needed to track an object in it again.

    Attributes:
        frame_index: of the tracker; an image that was inserted afterwards has that of the frame before it.
        pixels: (3, S, S) in [0, 255], at the network's size, on the host.
        size: (height, width) of the image as it came, in pixels.
        time: as given to `step`, seconds.
        only: the object an inserted image belongs to; None for a frame, which all objects saw.
        before: each object's track before this image, by object id.
        prompts: the prompts given on this image, by object id.
    """

    frame_index: int
    pixels: Tensor
    size: tuple[int, int]
    time: float | None
    only: str | None = None
    before: dict[str, Track] = field(default_factory=dict)
    prompts: dict[str, tuple[Prompt, ...]] = field(default_factory=dict)


class ImageRing:
    """The newest images, bounded in number and bytes; the newest one is always kept."""

    def __init__(self, *, max_images: int, max_bytes: int) -> None:
        self._max_images = max_images
        self._max_bytes = max_bytes
        self._images: deque[RecentImage] = deque()
        self._bytes = 0

    @property
    def oldest_frame_index(self) -> int:
        """Oldest frame that is kept; -1 if there is none."""
        return next((image.frame_index for image in self._images if image.only is None), -1)

    def add(self, image: RecentImage) -> None:
        """Append a frame, or put an inserted image after the frame it follows; drop what exceeds the limits."""
        position = sum(kept.frame_index <= image.frame_index for kept in self._images)
        self._images.insert(position, image)
        self._bytes += image.pixels.nbytes
        while len(self._images) > 1 and (len(self._images) > self._max_images or self._bytes > self._max_bytes):
            self._bytes -= self._images.popleft().pixels.nbytes

    def find(self, frame_index: int) -> RecentImage:
        """The frame of this index.

        Raises:
            FrameNotKeptError: if the ring does not hold it, saying how old it is and how far the ring reaches.
        """
        for image in self._images:
            if image.frame_index == frame_index and image.only is None:
                return image
        newest = self._images[-1].frame_index if self._images else -1
        if frame_index > newest or frame_index < 0:
            seen = f'the newest frame is {newest}' if self._images else 'no frame has been seen yet'
            raise FrameNotKeptError(f'there is no frame {frame_index}: {seen}')
        raise FrameNotKeptError(
            f'frame {frame_index} is {newest - frame_index} frames old; the ring of recent images reaches back '
            f'{newest - self.oldest_frame_index} frames, to frame {self.oldest_frame_index}'
        )

    def seen_by(self, object_id: str, *, after: RecentImage) -> list[RecentImage]:
        """The images of an object's track that follow `after`, which may be an image still to be inserted."""
        position = next((n + 1 for n, image in enumerate(self._images) if image is after), None)
        if position is None:
            position = sum(image.frame_index <= after.frame_index for image in self._images)
        return [image for image in list(self._images)[position:] if image.only in (None, object_id)]

    def forget_object(self, object_id: str) -> None:
        """Remove all traces of an object that was removed."""
        for image in self._images:
            image.before.pop(object_id, None)
            image.prompts.pop(object_id, None)
        self._bytes -= sum(image.pixels.nbytes for image in self._images if image.only == object_id)
        self._images = deque(image for image in self._images if image.only != object_id)

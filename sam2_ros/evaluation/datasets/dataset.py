"""What every data set offers: videos whose frames are read one by one, the objects in them, and their truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from sam2_ros.video.source import read_image

# By object the mask in a frame, (H, W) bool.
Masks = Mapping[str, np.ndarray]


class DatasetError(ValueError):
    """A data set is damaged or incomplete. The message names the file."""


@dataclass(frozen=True, eq=False)
class TrackedObject:
    """One object to track. Its truth is masks, which its video reads, or boxes.

    Attributes:
        object_id: its name in the data set, such as its label in the images.
        start: index of the frame in which it is prompted.
        scored: indices of the frames whose truth counts, ascending, none before `start`. Empty where a server keeps
            the truth.
        boxes: (T, 4) x, y, width, height in pixels, without area where there is none; None for masks.
        visible: (T,) bool, neither fully hidden nor out of view; None for masks, which tell it themselves.
        attributes: what the data set says about it, by name.
    """

    object_id: str
    start: int
    scored: tuple[int, ...]
    boxes: np.ndarray | None = None
    visible: np.ndarray | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class VideoSequence:
    """One video.

    Attributes:
        name: within its data set; may have slashes.
        frames: files of the images, in order.
        objects: in it; at least one.
        read_masks: gives the masks of all objects in a frame that is scored; None where the truth is boxes.
        read_first_mask: gives the mask with which an object begins; None: that of `read_masks` at its start.
        disjoint: in the masks of this data set a pixel is of one object only.
        anchors: frames from which a tracker is started in VOT's protocol, forwards where the value is True, else
            backwards.
        submitted: indices of the frames that a server wants; None: all.
        attributes: what the data set says about the whole video, by name.
    """

    name: str
    frames: tuple[Path, ...]
    objects: tuple[TrackedObject, ...]
    read_masks: Callable[[int], Masks] | None = None
    read_first_mask: Callable[[str], np.ndarray] | None = None
    disjoint: bool = False
    anchors: Mapping[int, bool] = field(default_factory=dict)
    submitted: tuple[int, ...] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.objects:
            raise DatasetError(f'{self.frames[0].parent if self.frames else self.name} has no object that is labelled')

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of the first image in pixels."""
        height, width = self.image(0).shape[:2]
        return height, width

    def image(self, frame: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB. Raises SourceError (an OSError) if the file cannot be read."""
        return read_image(self.frames[frame])

    def images(self, frames: Sequence[int]) -> Iterator[np.ndarray]:
        """Those of some frames, read when asked for."""
        return (self.image(frame) for frame in frames)

    def masks(self, frame: int) -> dict[str, np.ndarray]:
        """By object the true mask in a frame that is scored, (H, W) bool; filled boxes where the truth is boxes.

        Raises:
            DatasetError: if a mask has another size than the images.
        """
        if self.read_masks is None:
            return {
                one.object_id: _filled(one.boxes[frame], self.size) for one in self.objects if one.boxes is not None
            }
        return {name: self._checked(mask, frame) for name, mask in self.read_masks(frame).items()}

    def first_mask(self, one: TrackedObject) -> np.ndarray:
        """The mask with which an object begins, (H, W) bool.

        Raises:
            DatasetError: if there is none, or it is empty.
        """
        if self.read_first_mask is not None:
            mask = self._checked(self.read_first_mask(one.object_id), one.start)
        elif self.read_masks is not None:
            mask = self.masks(one.start)[one.object_id]
        else:
            raise DatasetError(f'{self.name} has boxes, and no mask to begin with')
        if not mask.any():
            raise DatasetError(f'{self.frames[one.start]}: the mask of object {one.object_id} in this frame is empty')
        return mask

    def _checked(self, mask: np.ndarray, frame: int) -> np.ndarray:
        if mask.shape != self.size:
            sizes = [f'{width} x {height}' for height, width in (mask.shape, self.size)]
            raise DatasetError(f'{self.frames[frame]}: its masks are {sizes[0]} pixels, but the images {sizes[1]}')
        return mask


class Dataset(Protocol):
    """A data set of such videos. Small enough to send to another process."""

    @property
    def names(self) -> Sequence[str]:
        """Names of its videos.

        Raises:
            DatasetError: if there are none.
        """
        ...

    def sequence(self, name: str) -> VideoSequence:
        """Read one, without its images.

        Raises:
            DatasetError, OSError, ValueError: if it is damaged or incomplete; the message names the file.
        """
        ...


def _filled(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    x, y, width, height = (round(float(number)) for number in np.nan_to_num(box))
    mask[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = True
    return mask


def scored_frames(annotated: Sequence[int], start: int) -> tuple[int, ...]:
    """The annotated frames of a video that count for an object: from its start on, without the first and the last.

    So do the evaluators of DAVIS, SA-V and vos-benchmark: the prompted frame of an object that appears later counts.
    """
    return tuple(frame for frame in annotated[1:-1] if frame >= start)

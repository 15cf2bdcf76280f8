"""Where each object was at the time of an image, by what was handed out about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sam2_ros.detections.boxes import Box, area, overlap
from sam2_ros.live.arrived_images import ArrivedImage, ImageStatus, ShownObject

MASK_WITHIN = 0.8  # of the mask must be within a box that matches for that reason
MASK_WITHIN_OVERLAP = 0.3  # and boxes must overlap by so much: those of an object that is hidden in part


@dataclass(frozen=True, eq=False)
class SeenObject:
    """One object at the time of an image.

    Attributes:
        box: None while it is hidden, or if it was prompted on a later image only.
        place: its box, or that in which it was seen last, or first if that was later; None if neither is known.
        mask: (h, w) uint8, not 0 on the object; its first pixel is the pixel `origin`, (x, y), of the image.
    """

    object_id: str
    box: Box | None = None
    place: Box | None = None
    mask: np.ndarray | None = None
    origin: tuple[int, int] = (0, 0)

    def pixels_within(self, box: Box) -> int:
        """Pixels of the mask in that box."""
        if self.mask is None:
            return 0
        left, top = self.origin
        x0, y0 = max(math.floor(box[0]) - left, 0), max(math.floor(box[1]) - top, 0)
        x1, y1 = max(math.ceil(box[2]) - left, 0), max(math.ceil(box[3]) - top, 0)
        return int(np.count_nonzero(self.mask[y0:y1, x0:x1]))

    def match(self, box: Box, *, least: float) -> float | None:
        """How much the box overlaps with that of the object, if it may be of this object; None if not.

        Either the boxes overlap by `least` (intersection over union), or most of the mask is within the box.
        """
        if self.box is None:
            return None
        common = overlap(self.box, box)
        if common >= least:
            return common
        if common >= MASK_WITHIN_OVERLAP and self.pixels_within(box) >= MASK_WITHIN * self._pixels:
            return common
        return None

    def covers(self, box: Box) -> float:
        """The share of the box that the mask fills, from 0 to 1 or hardly more."""
        return self.pixels_within(box) / area(box)

    def common_pixels(self, other: SeenObject) -> int:
        """Pixels that both masks have."""
        if self.mask is None or other.mask is None:
            return 0
        crops = []
        x0, y0 = (max(one, another) for one, another in zip(self.origin, other.origin, strict=True))
        for seen in (self, other):
            assert seen.mask is not None
            left, top = seen.origin
            crops.append(seen.mask[y0 - top :, x0 - left :])
        height, width = (min(crop.shape[axis] for crop in crops) for axis in (0, 1))
        return int(np.count_nonzero((crops[0][:height, :width] != 0) & (crops[1][:height, :width] != 0)))

    def mask_overlap(self, other: SeenObject) -> float:
        """Intersection over union of the masks, from 0 to 1; 0 if one is hidden."""
        common = self.common_pixels(other)
        return common / (self._pixels + other._pixels - common) if common else 0.0

    @cached_property
    def _pixels(self) -> int:
        return 0 if self.mask is None else int(np.count_nonzero(self.mask))


def objects_at(images: Sequence[ArrivedImage], image: ArrivedImage) -> dict[str, SeenObject]:
    """The objects at the time of an image, by id.

    An image that was not tracked lies between two that were: the boxes are those in between, the masks those of the
    nearer one. What was handed out for the image itself, because a prompt was for it, counts more.

    Args:
        images: those that are kept, in order of arrival.
        image: one of them, or one that is not kept any more; then only what was handed out for it is known.
    """
    position = next((index for index, kept in enumerate(images) if kept is image), None)
    images = images if position is not None else ()
    position = position or 0
    shown: dict[str, SeenObject] = {}
    if image.status is not ImageStatus.TRACKED:
        before = next((kept for kept in reversed(images[:position]) if kept.status is ImageStatus.TRACKED), None)
        after = next((kept for kept in images[position + 1 :] if kept.status is ImageStatus.TRACKED), None)
        shown = _between(before, after, time=image.time)
    shown |= {object_id: seen_as(message) for object_id, message in image.objects.items()}
    earlier, later = images[:position], images[position + 1 :]
    ids = {**shown, **{object_id: None for kept in later for object_id in kept.objects}}
    hidden = [object_id for object_id in ids if object_id not in shown or shown[object_id].box is None]
    return shown | {
        object_id: SeenObject(object_id, place=_first_place([*reversed(earlier), *later], object_id))
        for object_id in hidden
    }


def has_settled(images: Sequence[ArrivedImage], image: ArrivedImage) -> bool:
    """Whether all is known of an image that `objects_at` asks for: it had its turn, or one after it had."""
    if image.status is ImageStatus.SKIPPED:
        position = next((index for index, kept in enumerate(images) if kept is image), None)
        had_a_turn = (ImageStatus.TRACKED, ImageStatus.FAILED)
        return position is None or any(kept.status in had_a_turn for kept in images[position + 1 :])
    return image.status is not ImageStatus.WAITING


def seen_as(message: ShownObject) -> SeenObject:
    """An object as it was handed out."""
    if not message.has_box:
        return SeenObject(message.object_id)
    x0, y0, x1, y1 = (float(edge) for edge in message.box)
    rows = np.frombuffer(message.mask.data, np.uint8).reshape(-1, message.mask.step)
    mask = rows[:, : int(x1) - int(x0)]
    return SeenObject(message.object_id, (x0, y0, x1, y1), (x0, y0, x1, y1), mask, (int(x0), int(y0)))


def _between(before: ArrivedImage | None, after: ArrivedImage | None, *, time: float) -> dict[str, SeenObject]:
    """The objects at a time between two tracked images."""
    earlier, later = ({} if one is None else one.objects for one in (before, after))
    found = {}
    for object_id in {**earlier, **later}:
        sides = [seen_as(objects[object_id]) for objects in (earlier, later) if object_id in objects]
        if before is not None and after is not None and len(sides) == 2 and all(side.box for side in sides):
            share = (time - before.time) / max(after.time - before.time, 1e-9)
            found[object_id] = _mixed(sides[0], sides[1], share=min(max(share, 0.0), 1.0))
        else:
            found[object_id] = next((side for side in sides if side.box), sides[0])
    return found


def _mixed(before: SeenObject, after: SeenObject, *, share: float) -> SeenObject:
    """An object on its way. `share`: how much of the way it has gone, 0 to 1."""
    assert before.box is not None and after.box is not None
    x0, y0, x1, y1 = (old + share * (new - old) for old, new in zip(before.box, after.box, strict=True))
    nearer = after if share > 0.5 else before
    return SeenObject(before.object_id, (x0, y0, x1, y1), (x0, y0, x1, y1), nearer.mask, (round(x0), round(y0)))


def _first_place(images: Sequence[ArrivedImage], object_id: str) -> Box | None:
    """The box of the object in the first of these images that shows it."""
    for image in images:
        message = image.objects.get(object_id)
        if message is not None and message.has_box:
            return seen_as(message).box
    return None

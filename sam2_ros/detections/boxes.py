"""Boxes of a detector: what one is, from the detector's pixels to those of the image, how much two overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels, half-open, with x0 < x1 and y0 < y1

# How a detector makes its input of an image: the share of the padding that lies before the image, to the left or above.
# None: there is no padding, the image is stretched.
FITS: dict[str, float | None] = {'stretch': None, 'letterbox': 0.5, 'letterbox_top_left': 0.0}
SAME_THING = 0.8  # intersection over union above which boxes of two classes are taken for one thing with two names
SAME_BOX = 0.5  # and above which two boxes in messages that follow each other are of one new thing
SAME_PLACE = 0.3  # the same for a thing that is known: it needs no proof that it is one
LEAST_SIDE = 1.0  # pixels of the image; what is smaller after it was cut off at the border is not a box


@dataclass(frozen=True)
class DetectedBox:
    """One thing that a detector has found.

    Attributes:
        box: in pixels of the image, or of the detector's input before `Fit.to_image`.
        class_id: as the detector sent it, often a number.
        class_name: what that stands for; as sent where no names are known. Empty: no class.
        score: how sure the detector is, from 0 to 1.
    """

    box: Box
    class_id: str
    class_name: str
    score: float


def upright_box(x: float, y: float, width: float, height: float, *, angle: float = 0.0) -> Box:
    """The smallest upright box around a turned one.

    Args:
        x, y: its centre, in pixels.
        width, height: before it is turned, in pixels.
        angle: in radians, about the centre.

    Raises:
        ValueError: a sentence, if a number is not finite or a side is not above 0.
    """
    if not all(map(math.isfinite, (x, y, width, height, angle))):
        raise ValueError(f'its box has a number that is not finite: {(x, y, width, height, angle)}')
    if width <= 0 or height <= 0:
        raise ValueError(f'its box is {width:g} x {height:g} pixels, but both sides must be above 0')
    along, across = abs(math.cos(angle)), abs(math.sin(angle))
    half_width = (width * along + height * across) / 2
    half_height = (width * across + height * along) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


@dataclass(frozen=True)
class Fit:
    """From the image to the detector's input: x times `scale_x` plus `offset_x`, y likewise."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    offset_x: float = 0.0
    offset_y: float = 0.0

    @classmethod
    def of(cls, image_size: Sequence[int], detector_size: Sequence[int], *, how: str) -> Fit:
        """The fit of an image into the detector's input.

        Args:
            image_size, detector_size: (width, height) in pixels. A detector_size with a 0 in it: that of the image.
            how: one of FITS. stretch: each side by itself. letterbox: both by the same factor, with the rest of the
                input as padding on both sides; letterbox_top_left: with the padding to the right and below.
        """
        if not all(detector_size):
            return cls()
        padding_before = FITS[how]
        scale_x, scale_y = (detector / image for detector, image in zip(detector_size, image_size, strict=True))
        if padding_before is None:
            return cls(scale_x, scale_y)
        scale = min(scale_x, scale_y)
        offset_x, offset_y = (
            padding_before * (detector - scale * image)
            for detector, image in zip(detector_size, image_size, strict=True)
        )
        return cls(scale, scale, offset_x, offset_y)

    def to_image(self, box: Box) -> Box:
        """A box of the detector in pixels of the image."""
        x0, y0, x1, y1 = box
        return (
            (x0 - self.offset_x) / self.scale_x,
            (y0 - self.offset_y) / self.scale_y,
            (x1 - self.offset_x) / self.scale_x,
            (y1 - self.offset_y) / self.scale_y,
        )

    def to_detector(self, box: Box) -> Box:
        """A box in the image in pixels of the detector's input."""
        x0, y0, x1, y1 = box
        return (
            x0 * self.scale_x + self.offset_x,
            y0 * self.scale_y + self.offset_y,
            x1 * self.scale_x + self.offset_x,
            y1 * self.scale_y + self.offset_y,
        )


def cut_to_image(box: Box, width: int, height: int) -> Box | None:
    """The part of the box within the image; None if that has a side of less than a pixel."""
    x0, y0, x1, y1 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))
    return (x0, y0, x1, y1) if min(x1 - x0, y1 - y0) >= LEAST_SIDE else None


def area(box: Box) -> float:
    """In square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])


def common_area(one: Box, other: Box) -> float:
    """Square pixels that both boxes have in common."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, from 0 to 1."""
    common = common_area(one, other)
    return common / (area(one) + area(other) - common)


def diagonal(box: Box) -> float:
    """In pixels."""
    return math.hypot(box[2] - box[0], box[3] - box[1])


def distance(one: Box, other: Box) -> float:
    """From centre to centre, in pixels."""
    return math.hypot(one[0] + one[2] - other[0] - other[2], one[1] + one[3] - other[1] - other[3]) / 2


def without_second_names(boxes: Sequence[DetectedBox]) -> list[DetectedBox]:
    """The boxes, strongest first, without those that give a thing a second name: detectors that look for each class by
    itself find a car and a truck in one place. The surer name stays.
    """
    kept: list[DetectedBox] = []
    for box in sorted(boxes, key=lambda box: -box.score):
        if not any(overlap(box.box, other.box) > SAME_THING and box.class_name != other.class_name for other in kept):
            kept.append(box)
    return kept

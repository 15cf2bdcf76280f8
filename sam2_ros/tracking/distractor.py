"""The anchor test of the distractor-aware memory (DAM4SAM, section 3.3 and its published code).

A frame becomes an anchor of the distractor-resolving memory if two things hold: the target is tracked reliably, and the
network's alternative masks show something else that could be taken for the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sam2_ros.model.config import NUM_SPATIAL_SLOTS
from sam2_ros.tracking.checks import check_number, check_whole
from sam2_ros.tracking.host_numbers import Corners


@dataclass(frozen=True, kw_only=True)
class DamSettings:
    """Constants of the distractor-aware memory; the defaults are those of the published code.

    Attributes:
        ram_interval: the recent appearance memory takes the newest visible frame, and visible frames whose index is a
            multiple of this.
        min_predicted_iou: an anchor needs a predicted IoU above this.
        min_area_ratio, max_area_ratio: an anchor needs a mask area within these bounds, inclusive, as multiples of the
            median of recent areas.
        median_areas: number of areas in that median: the newest non-empty masks, the current one included.
        area_window: only areas from this many last tracked frames count for that median.
        min_anchor_spacing: an anchor must come more than this many frames after the last one.
        max_box_iou: a distractor is found if the box of the mask and the box of mask and alternative together have an
            IoU of at most this.
        spatial_slots: most spatial memories that a frame reads, recent (RAM) and conditioning (DRM) together. At most
            7, because the network has 7 temporal codes.
        max_conditioning: most conditioning memories among them: the first prompt, the newest correction, the newest
            anchors. RAM has the rest, at least `spatial_slots - max_conditioning` (3).
        max_pointers: a frame reads the object pointers of the last `max_pointers - 1` frames and of conditioning
            entries.
    """

    ram_interval: int = 5
    min_predicted_iou: float = 0.8
    min_area_ratio: float = 0.8
    max_area_ratio: float = 1.2
    median_areas: int = 10
    area_window: int = 300
    min_anchor_spacing: int = 5
    max_box_iou: float = 0.7
    spatial_slots: int = NUM_SPATIAL_SLOTS
    max_conditioning: int = 4
    max_pointers: int = 16

    def __post_init__(self) -> None:
        at_least = {'ram_interval': 1, 'median_areas': 1, 'area_window': 1, 'min_anchor_spacing': 0, 'max_pointers': 2}
        for name, least in at_least.items():
            check_whole(name, getattr(self, name), least=least)
        for name in ('min_predicted_iou', 'min_area_ratio', 'max_area_ratio', 'max_box_iou'):
            check_number(name, getattr(self, name))
        check_whole('spatial_slots', self.spatial_slots, least=3, most=NUM_SPATIAL_SLOTS)
        # at least the first prompt and the newest correction; one slot stays for the newest frame
        check_whole('max_conditioning', self.max_conditioning, least=2, most=self.spatial_slots - 1)
        if self.min_area_ratio > self.max_area_ratio:
            raise ValueError(f'min_area_ratio {self.min_area_ratio} exceeds max_area_ratio {self.max_area_ratio}')


@dataclass(frozen=True)
class AreaHistory:
    """Areas of the newest non-empty masks of tracked frames; prompted frames do not count.

    Areas are in pixels of the image. When the image size changes, no anchor is taken until most areas are of the new
    size.

    Attributes:
        frames: number of tracked frames so far, those with an empty mask included.
        areas: pairs of (`frames` at that time, area), oldest first, at most `DamSettings.median_areas`.
    """

    frames: int = 0
    areas: tuple[tuple[int, int], ...] = ()

    def add(self, area: int, settings: DamSettings) -> AreaHistory:
        """The history after one more tracked frame; `area` in pixels of the image."""
        frames = self.frames + 1
        if area == 0:
            return AreaHistory(frames, self.areas)
        return AreaHistory(frames, (*self.areas, (frames, area))[-settings.median_areas :])

    def ratio(self, settings: DamSettings) -> float | None:
        """Newest area over the median; None on the first tracked frame, where the published code has no ratio."""
        window = [area for frame, area in self.areas if frame > self.frames - settings.area_window]
        if self.frames < 2 or not window:
            return None
        return window[-1] / float(np.median(window))


@dataclass(frozen=True, kw_only=True)
class AnchorCandidate:
    """What the cheap part of the anchor test needs: numbers on the host."""

    predicted_iou: float
    area: int  # pixels of the chosen mask at image size
    area_ratio: float | None
    frames_since_anchor: int | None  # None before the first anchor


@dataclass(frozen=True)
class AnchorRule:
    """Decides when a tracked frame becomes an anchor.

    Attributes:
        needs_reliability: test predicted IoU and area (off in the DRM2 ablation).
        needs_distractor: test the alternative masks (off in the DRM1 ablation).
    """

    settings: DamSettings
    needs_reliability: bool = True
    needs_distractor: bool = True

    @property
    def reason(self) -> str:
        """Why a frame that passes becomes an anchor, in words."""
        found = ['tracked reliably'] * self.needs_reliability + ['a distractor in view'] * self.needs_distractor
        return ', '.join(found)

    def objection(self, candidate: AnchorCandidate) -> str | None:
        """Why the frame is no anchor, in words, as far as the cheap tests tell; None if they find no reason."""
        settings, since = self.settings, candidate.frames_since_anchor
        if candidate.area < 1:
            return 'the target is absent'
        if since is not None and since <= settings.min_anchor_spacing:
            return f'the last anchor is only {since} frames old'
        if not self.needs_reliability:
            return None
        if candidate.predicted_iou <= settings.min_predicted_iou:
            return f'predicted IoU {candidate.predicted_iou:.2f} <= {settings.min_predicted_iou}'
        if candidate.area_ratio is None:
            return 'no earlier mask to compare the area with'
        if not settings.min_area_ratio <= candidate.area_ratio <= settings.max_area_ratio:
            return (
                f'area ratio {candidate.area_ratio:.2f} outside {settings.min_area_ratio} to {settings.max_area_ratio}'
            )
        return None

    def distractor_objection(self, chosen: np.ndarray, alternatives: Sequence[np.ndarray]) -> str | None:
        """Why no distractor is found, in words; None if one is found.

        Args:
            chosen: the chosen mask, (H, W) bool at image size, not empty.
            alternatives: the other masks, each like `chosen`.
        """
        overlap = distractor_overlap(chosen, alternatives)
        if overlap is None:
            return 'no alternative reaches beyond the target'
        if overlap > self.settings.max_box_iou:
            return f'no distractor: box IoU {overlap:.2f} > {self.settings.max_box_iou}'
        return None

    def extent_objection(self, target: Corners, outside: Sequence[Corners | None]) -> str | None:
        """The same from less: None also where only the masks can tell.

        The largest part of an alternative cannot reach farther than all its parts together.

        Args:
            target: first and last column and row of the chosen mask: x0, y0, x1, y1, inclusive.
            outside: those of the pixels of each alternative outside the chosen mask; None: there are none.
        """
        overlaps = [_nested_box_iou(target, _hull(target, one)) for one in outside if one is not None]
        least = min(overlaps, default=None)
        if least is None:
            return 'no alternative reaches beyond the target'
        if least > self.settings.max_box_iou:
            return f'no distractor: box IoU {least:.2f} or more > {self.settings.max_box_iou}'
        return None


def distractor_overlap(chosen: np.ndarray, alternatives: Sequence[np.ndarray]) -> float | None:
    """Smallest IoU, in [0, 1], of two boxes: of the chosen mask, and of that mask together with an alternative.

    Of each alternative only the largest 8-connected part outside the chosen mask counts.

    Args:
        chosen: (H, W) bool, not empty.
        alternatives: (H, W) bool each.

    Returns:
        None if no alternative adds a pixel.
    """
    target = _corners(*cv2.boundingRect(chosen.view(np.uint8)))
    overlaps = []
    for alternative in alternatives:
        added = largest_part(alternative & ~chosen)
        if added is not None:
            overlaps.append(_nested_box_iou(target, _hull(target, _corners(*added))))
    return min(overlaps, default=None)


def largest_part(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """x, y, width, height of the largest 8-connected part of an (H, W) bool mask; of equal parts, the first in reading
    order.

    Pixels are counted from the outlines with Pick's theorem. This is exact, and many times faster than labelling every
    pixel of a camera image.

    Returns:
        None if the mask is empty.
    """
    outlines, tree = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    pixels = np.zeros(len(outlines))
    for own, (outline, (_, _, _, parent)) in enumerate(zip(outlines, tree[0].tolist(), strict=True)):
        steps = len(outline) if len(outline) > 1 else 0
        if parent < 0:
            pixels[own] += cv2.contourArea(outline) + steps / 2 + 1
        else:  # of a hole, only the edge belongs to the part
            pixels[parent] -= cv2.contourArea(outline) - steps / 2 + 1
    # an outline begins with its first pixel in reading order
    first = min(np.flatnonzero(pixels == pixels.max()), key=lambda own: outlines[own][0, 0, ::-1].tolist())
    x, y, width, height = cv2.boundingRect(outlines[first])
    return x, y, width, height


def _corners(x: int, y: int, width: int, height: int) -> Corners:
    """First and last column and row: x0, y0, x1, y1, all inclusive."""
    return x, y, x + width - 1, y + height - 1


def _hull(a: Corners, b: Corners) -> Corners:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _nested_box_iou(inner: Corners, outer: Corners) -> float:
    """IoU of a box inside another, computed as in vot-toolkit 0.7.1, which the published results used.

    Its boxes are one pixel short (last - first), so a mask one pixel high has an empty box. If the outer box is a
    single row or column, both boxes count as equal.
    """
    inner_width, inner_height = inner[2] - inner[0], inner[3] - inner[1]
    outer_width, outer_height = outer[2] - outer[0], outer[3] - outer[1]
    if outer_width <= 1 or outer_height <= 1:
        return 1.0
    return inner_width * inner_height / (outer_width * outer_height)

"""Objects that turn out to be one: a hidden one has come back where another was started meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from sam2_ros.detections.boxes import overlap
from sam2_ros.detections.kinds import ObjectKind
from sam2_ros.detections.seen import SeenObject, seen_as
from sam2_ros.live.arrived_images import ArrivedImage, ImageStatus
from sam2_ros.live.requests import Source

SAME_MASK = 0.8  # intersection over union above which two masks are those of one thing
IMAGES = 10  # tracked images in a row in which they must be


def duplicates(
    images: Sequence[ArrivedImage],
    image: ArrivedImage,
    seen: Mapping[str, SeenObject],
    kinds: Mapping[str, ObjectKind],
) -> list[str]:
    """Objects that go because another has their mask: the younger of two that detections have started, or the one that
    they have started. Those of an operator stay.

    Args:
        images: those that are kept, in order of arrival.
        image: the newest that is looked at.
        seen: the objects at its time.
        kinds: of all objects, the oldest first.
    """
    gone: list[str] = []
    visible = [object_id for object_id in kinds if object_id in seen and seen[object_id].box]
    for older, younger in combinations(visible, 2):
        started = [object_id for object_id in (younger, older) if kinds[object_id].source is Source.DETECTOR]
        if started and not {older, younger} & set(gone) and _may_be_one(kinds[older], kinds[younger]):
            one, other = seen[older], seen[younger]
            if _looks_like(one, other) and _stays_so(images, image, older, younger):
                gone.append(started[0])
    return gone


def _may_be_one(one: ObjectKind, other: ObjectKind) -> bool:
    return one.class_name == other.class_name or not (one.class_name and other.class_name)


def _looks_like(one: SeenObject, other: SeenObject) -> bool:
    if one.box is None or other.box is None or overlap(one.box, other.box) < SAME_MASK / 2:
        return False  # most pairs end here, before their pixels are counted
    return one.mask_overlap(other) > SAME_MASK


def _stays_so(images: Sequence[ArrivedImage], image: ArrivedImage, one: str, other: str) -> bool:
    """Whether the two look alike in IMAGES tracked images up to this one."""
    tracked = [kept for kept in images if kept.status is ImageStatus.TRACKED and kept.time <= image.time][-IMAGES:]
    return len(tracked) == IMAGES and all(
        one in kept.objects
        and other in kept.objects
        and _looks_like(seen_as(kept.objects[one]), seen_as(kept.objects[other]))
        for kept in tracked
    )

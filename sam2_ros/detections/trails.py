"""Boxes that no object claims, followed from one message of the detector to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from sam2_ros.detections.boxes import SAME_BOX, SAME_PLACE, SAME_THING, Box, DetectedBox, overlap
from sam2_ros.detections.kinds import ClassVotes
from sam2_ros.live.arrived_images import ArrivedImage

PATIENCE = 2.0  # seconds that a trail lasts unseen which is confirmed, or has started an object

Left = TypeVar('Left')
Right = TypeVar('Right')


class TrailStatus(Enum):
    """What a trail waits for."""

    NEW = 'new'  # to be seen often enough
    ASKED = 'asked'  # for the answer to the prompt that shall start its object
    STARTED = 'started'  # for its object to be handed out for the image of a message


@dataclass(eq=False)
class Trail:
    """One thing that the detector sees and that is no object, at least not yet.

    Attributes:
        box: where it was seen last, in pixels of the image.
        since, last: when it was seen first and last, in seconds of stream time.
        arrived: when the newest image that it was seen in arrived, which tells images apart.
        seen: in how many images in a row a strong box was seen.
        confirmed: it was seen often enough. Then it may be missed now and then.
        votes: what the detector calls it.
        object_id: the object it has started; empty if none.
    """

    box: Box
    since: float
    last: float
    arrived: float = -1.0
    seen: int = 0
    confirmed: bool = False
    votes: ClassVotes = field(default_factory=ClassVotes)
    status: TrailStatus = TrailStatus.NEW
    object_id: str = ''

    def least_overlap(self, class_name: str) -> float:
        """With a box of this class that goes on with the trail. Of another class only the same box does."""
        if self.votes.best not in ('', class_name) and class_name:
            return SAME_THING
        return SAME_BOX if self.status is TrailStatus.NEW else SAME_PLACE


def best_pairs(candidates: Iterable[tuple[tuple[float, ...], Left, Right]]) -> list[tuple[Left, Right]]:
    """Pairs such that nothing is in two of them, the best first. Where overlaps are large hardly a pair competes with
    another, so that a search for the best sum would find the same.

    Args:
        candidates: how good a pair is, then its two sides.
    """
    pairs: list[tuple[Left, Right]] = []
    used: set[tuple[int, int]] = set()  # side and identity
    for _, left, right in sorted(candidates, key=lambda candidate: candidate[0], reverse=True):
        sides = {(0, id(left)), (1, id(right))}
        if not sides & used:
            used |= sides
            pairs.append((left, right))
    return pairs


class Trails:
    """All trails."""

    def __init__(self) -> None:
        self._trails: list[Trail] = []
        self._arrived = -1.0  # when the image of the newest message arrived

    def __iter__(self) -> Iterator[Trail]:
        return iter(tuple(self._trails))

    def __contains__(self, trail: Trail) -> bool:
        return trail in self._trails

    def count(self, status: TrailStatus) -> int:
        return sum(trail.status is status for trail in self._trails)

    def drop(self, trail: Trail) -> None:
        if trail in self._trails:
            self._trails.remove(trail)

    def forget(self) -> None:
        self._trails, self._arrived = [], -1.0

    def follow(
        self, image: ArrivedImage, strong: Sequence[DetectedBox], weak: Sequence[DetectedBox]
    ) -> list[tuple[Trail, DetectedBox]]:
        """Give each box to the trail that it goes on with. A strong box without one begins a trail.

        NEW trails that the message before this one did not see end here, unless they are confirmed: they have to be
        seen in a row. Weak boxes carry a trail on, but do not count. Several messages about one image count as one.

        Args:
            image: the message is about it.
            strong, weak: in pixels of the image.

        Returns:
            The trails that were seen, with their boxes.
        """
        if image.arrived != self._arrived:
            self._trails = [trail for trail in self._trails if self._goes_on(trail, image)]
            self._arrived = image.arrived
        boxes = [*strong, *weak]
        candidates = [
            ((float(trail.votes.best == box.class_name), common), trail, box)
            for trail in self._trails
            for box in boxes
            if (common := overlap(trail.box, box.box)) >= trail.least_overlap(box.class_name)
        ]
        pairs = best_pairs(candidates)
        claimed = {id(box) for _, box in pairs}
        for box in strong:
            if id(box) not in claimed:
                trail = Trail(box.box, since=image.time, last=image.time)
                self._trails.append(trail)
                pairs.append((trail, box))
        counted = {id(box) for box in strong}
        for trail, box in pairs:
            if id(box) in counted and trail.arrived != image.arrived:
                trail.seen += 1
            trail.box, trail.last, trail.arrived = box.box, image.time, image.arrived
            trail.votes.add(box.class_name, box.score)
        return pairs

    def _goes_on(self, trail: Trail, image: ArrivedImage) -> bool:
        """Whether a trail is still followed when the message about `image` comes."""
        if trail.status is TrailStatus.NEW and not trail.confirmed:
            return trail.arrived == self._arrived
        return trail.status is TrailStatus.ASKED or image.time - trail.last <= PATIENCE

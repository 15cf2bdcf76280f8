"""Places where no detection may start an object, because somebody has removed one there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sam2_ros.detections.boxes import SAME_PLACE, SAME_THING, Box, DetectedBox, diagonal, distance, overlap
from sam2_ros.detections.kinds import ClassVotes

REACH = 0.6  # diagonals from there within which a box of its class is held back, too: the thing may have gone on unseen
MEMORY = 2.0  # seconds for which a bar keeps where it was: a single box beside it does not lead it astray


@dataclass
class Bar:
    """One thing that must not become an object. The bar moves with it.

    Attributes:
        places: where it was lately: time in seconds of stream time, and box in pixels of the image.
        until: when the bar ends, in seconds of stream time.
        lasting: seconds that it lasts after the thing was seen last; 0: it ends in any case.
        votes: what the detector calls the thing.
    """

    places: list[tuple[float, Box]]
    until: float
    lasting: float = 0.0
    votes: ClassVotes = field(default_factory=ClassVotes)

    def nearness(self, box: DetectedBox) -> float:
        """How likely the box is of the thing, from 0 to 1, boxes that overlap first; 0 if it is of something else."""
        common = max(overlap(place, box.box) for _, place in self.places)
        if self.votes.best not in ('', box.class_name) and box.class_name:
            return common if common >= SAME_THING else 0.0
        if common >= SAME_PLACE:
            return common
        gap = min(distance(place, box.box) / max(diagonal(place), diagonal(box.box)) for _, place in self.places)
        return SAME_PLACE * (1 - gap) if gap <= REACH else 0.0

    def seen(self, box: DetectedBox, *, time: float) -> None:
        """The thing was seen there."""
        self.places = [(when, place) for when, place in self.places if time - when <= MEMORY]
        self.places.append((time, box.box))
        self.votes.add(box.class_name, box.score)
        if self.lasting:
            self.until = time + self.lasting


class Bars:
    """All bars."""

    def __init__(self) -> None:
        self._bars: list[Bar] = []

    def add(self, bar: Bar) -> None:
        self._bars.append(bar)

    def forget(self) -> None:
        self._bars.clear()

    def let_through(self, boxes: Sequence[DetectedBox], *, time: float) -> list[DetectedBox]:
        """The boxes that no bar holds back. A bar goes on with the nearest of those that it does hold back.

        Args:
            boxes: of one message, that are of no object.
            time: of their image, in seconds of stream time.
        """
        self._bars = [bar for bar in self._bars if time <= bar.until]
        held: set[int] = set()
        for bar in self._bars:
            near = [(bar.nearness(box), index) for index, box in enumerate(boxes)]
            if near and max(near)[0] > 0:
                bar.seen(boxes[max(near)[1]], time=time)
            held |= {index for common, index in near if common > 0}
        return [box for index, box in enumerate(boxes) if index not in held]

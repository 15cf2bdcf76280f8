"""What a caller may set on automatic labelling, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from sam2_ros.tracking.checks import check_whole


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """Which masklets are made, and which stay.

    Attributes:
        every: look for new objects on frame 0 and on each frame that is a multiple of this.
        most_covered: a mask is new if at most this share of its pixels lies in masklets that are known on that frame.
        largest: masks that cover more than this share of the image are taken for its background and left out.
        least_score: masklets of a lower score are left out. The score is the mean over the frames on which an object
            was tracked and seen of predicted IoU times stability, 0 to 1.
        least_frames: masklets that are seen on fewer frames are left out, unless the video is shorter.
        same: two masklets are the same object if their masks overlap by this much (intersection over union, summed over
            the frames that show both), and at least half of the frames of one of them show both.
        objects_at_once: objects that are tracked together; more need more memory.

    Raises:
        TypeError, ValueError: for a value out of its range. The message says which, and what is accepted.
    """

    every: int = 24
    most_covered: float = 0.5
    largest: float = 0.5
    least_score: float = 0.6
    least_frames: int = 3
    same: float = 0.7
    objects_at_once: int = 16

    def __post_init__(self) -> None:
        for name in ('every', 'least_frames', 'objects_at_once'):
            check_whole(name, getattr(self, name), least=1)
        for name in ('most_covered', 'largest', 'least_score', 'same'):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
                raise ValueError(f'{name} must be a number from 0 to 1, got {value!r}')

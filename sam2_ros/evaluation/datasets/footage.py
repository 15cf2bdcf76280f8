"""Footage without labels: what moves before a still camera, as a data set whose truth is boxes.

Something moves where a frame differs from the median of the video. If no other mover touches it, the outline of a mover
can be followed from frame to frame. So its box is known in every frame without an annotator. All frames are kept in
host memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sam2_ros.evaluation.datasets.dataset import DatasetError, TrackedObject, VideoSequence
from sam2_ros.video.source import open_source

LENGTH = 101  # frames of a mover, unless others are asked for
START_EVERY = 5  # frames from one attempt to the next
BACKGROUND_EVERY = 8  # frames between those that the median is taken of
CHANGE = 35  # grey values in the channel that differs most
HEIGHTS, WIDTHS = (0.08, 0.21), (0.025, 0.105)  # of a mover, least and most, as shares of the image's height
LEAST_STEP_IOU = 0.35  # of a mover's boxes in one frame and the next
LEAST_AREA = 0.0018  # of a mover, as share of a square of the image's height
RULES = """A mover is something that differs from the median of the video and that no other mover touches while it is
followed. A mover that can be followed from several of the frames 0, 5, 10 and so on is tried from each of them, so
there are more attempts than movers."""

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, half-open


@dataclass(frozen=True)
class Mover:
    """Something that moves.

    Attributes:
        start: index of the first frame in the video.
        boxes: its box in frame `start`, `start + 1`, ...
    """

    start: int
    boxes: tuple[Box, ...]


def moving_boxes(frames: Sequence[np.ndarray]) -> list[list[Box]]:
    """Boxes of what differs from the median of the frames and has the size of a mover, for each frame.

    Args:
        frames: RGB images (H, W, 3) uint8.
    """
    background = np.median(np.stack(frames[::BACKGROUND_EVERY]), axis=0).astype(np.uint8)
    height = frames[0].shape[0]
    boxes = []
    for frame in tqdm(frames, desc='looking for movers', unit='frame', disable=None):
        changed = (cv2.absdiff(frame, background).max(axis=2) > CHANGE).astype(np.uint8)
        joined = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((9, 5)))
        parts = cv2.connectedComponentsWithStats(cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((3, 3))))[2][1:]
        boxes.append(
            [
                (x, y, x + wide, y + high)
                for x, y, wide, high, area in parts.tolist()
                if WIDTHS[0] <= wide / height <= WIDTHS[1]
                and HEIGHTS[0] <= high / height <= HEIGHTS[1]
                and area >= LEAST_AREA * height**2
            ]
        )
    return boxes


def find_movers(frames: Sequence[np.ndarray], *, length: int) -> list[Mover]:
    """Movers that can be followed for `length` frames from one of the frames 0, 5, 10 and so on."""
    boxes = moving_boxes(frames)
    movers = []
    for start in range(0, len(frames) - length + 1, START_EVERY):
        chains = [_chain(box, boxes[start : start + length]) for box in boxes[start]]
        movers += [Mover(start, tuple(chain)) for chain in chains if len(chain) == length]
    return movers


def _chain(first: Box, boxes: Sequence[Sequence[Box]]) -> list[Box]:
    """The box of one mover from frame to frame, until it is lost, touched by another mover, or splits into two."""
    chain = [first]
    for before, candidates in pairwise(boxes):
        best = max(candidates, key=lambda box: box_iou(chain[-1], box), default=None)
        if best is None or box_iou(chain[-1], best) < LEAST_STEP_IOU:
            break
        joined, parted = (
            sum(_overlap(box, other) > 0 for other in others)
            for box, others in ((best, before), (chain[-1], candidates))
        )
        if max(joined, parted) > 1:
            break
        chain.append(best)
    return chain


def _overlap(a: Box, b: Box) -> int:
    return _size((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def _size(box: Box) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes that are not empty."""
    overlap = _overlap(a, b)
    return overlap / (_size(a) + _size(b) - overlap)


def number_movers(attempts: Sequence[Mover]) -> list[int]:
    """A number from 1 for each attempt, in the order of their start. Attempts at the same mover share a number."""
    numbers: list[int] = []
    for row, mover in enumerate(attempts):
        same = [
            number
            for number, other in zip(numbers, attempts[:row], strict=True)
            if mover.boxes[0] == dict(enumerate(other.boxes, other.start)).get(mover.start)
        ]
        numbers.append(same[0] if same else max(numbers, default=0) + 1)
    return numbers


@dataclass(frozen=True)
class Footage:
    """The movers of a video. An attempt at one is a video of its own, named `<mover>/<first frame>`.

    Attributes:
        video: a file or a folder of images.
        length: frames of each attempt, the prompted one included.

    Raises:
        ValueError: for fewer than two frames.
    """

    video: Path
    length: int = LENGTH

    def __post_init__(self) -> None:
        if self.length < 2:
            raise ValueError('--frames must be at least 2: the prompted one, and one to follow')

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._movers)

    def sequence(self, name: str) -> VideoSequence:
        mover = self._movers[name]
        boxes = np.array([(x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in mover.boxes])
        one = TrackedObject('mover', 0, tuple(range(1, self.length)), boxes, np.ones(self.length, bool))
        return VideoSequence(
            name,
            tuple(self.video / f'{mover.start + frame:05}' for frame in range(self.length)),
            (one,),
            read_frame=lambda frame: self._frames[mover.start + frame],
        )

    @cached_property
    def _frames(self) -> list[np.ndarray]:
        source = open_source(str(self.video))
        if source.frame_count is None:
            raise DatasetError(f'{self.video} has no known end; a file or a folder of images is needed')
        frames = list(source)
        if len(frames) < self.length:
            raise DatasetError(f'{self.video} has only {len(frames)} frames; --frames can be at most that')
        return frames

    @cached_property
    def _movers(self) -> dict[str, Mover]:
        movers = find_movers(self._frames, length=self.length)
        if not movers:
            raise DatasetError(f'nothing in {self.video} moves alone before a still camera for {self.length} frames')
        numbers = number_movers(movers)
        return {f'{number}/{mover.start}': mover for number, mover in zip(numbers, movers, strict=True)}

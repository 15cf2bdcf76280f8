"""Erases objects from a video: shows the background that other frames saw there, and guesses where none did."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from sam2_ros.effects.effects import widened
from sam2_ros.effects.motion import camera_motion, stands_still

REACH = 240  # frames to look back and ahead for the background
MEGABYTES = 300.0  # of frames that are kept to look into
MARGIN = 0.012  # of the height of the image by which masks are widened, for soft edges and near shadows

_BAND = 12  # pixels around a hole where other frames have to look like this one
_LARGEST_ERROR = 12.0  # mean difference there in grey levels, after brightness is evened out, for a frame to be used
_VALUES = 3  # so many frames are asked for each pixel, if there are; the median of them is taken
_WHOLLY = 0.999  # share of background in the pixels that one was mixed of, for it to be used
_ENOUGH = 8  # frames; more are asked only for pixels that none of these shows
_RADIUS = 5  # pixels from which inpainting takes what it fills in

MaskedFrame = tuple[np.ndarray, np.ndarray]  # (H, W, 3) uint8 RGB and (H, W) bool


@dataclass(frozen=True)
class _Seen:
    """A frame to look into.

    Attributes:
        index: of the frame.
        rgb: (H, W, 3) uint8.
        ground: (H, W) bool, where it shows background.
        to_start: homography (3, 3) from its pixels to those of frame 0.
    """

    index: int
    rgb: np.ndarray
    ground: np.ndarray
    to_start: np.ndarray


def erase(
    read: Callable[[], Iterable[MaskedFrame]],
    *,
    margin: int | None = None,
    reach: int = REACH,
    megabytes: float = MEGABYTES,
) -> Iterator[np.ndarray]:
    """Frames without the objects.

    Where a frame hides the background, it is taken from the nearest frames that show it, moved as the camera moved
    (see `camera_motion`) and brightened alike. What no frame within reach shows is inpainted from the edges of the
    hole. Things that move, and a background that is near a camera that moves sideways, are not found again well.

    Args:
        read: starts reading the frames with the masks of what is to go; called twice, because frames are needed before
            their turn.
        margin: pixels by which masks are widened; `MARGIN` of the height if left out.
        reach: how many frames to look back and ahead.
        megabytes: memory for frames to look into; the less, the fewer of them are kept.

    Yields:
        (H, W, 3) uint8, as many as there are frames.
    """
    ahead = _Ahead(read(), margin=margin, reach=reach, megabytes=megabytes)
    for index, (rgb, mask) in enumerate(read()):
        hole = ahead.widened(mask)
        if not hole.any():
            yield rgb
            continue
        yield _filled(rgb, hole, *ahead.around(index))


class _Ahead:
    """Reads frames ahead of their turn, follows the camera through all, and keeps some to look into."""

    def __init__(self, frames: Iterable[MaskedFrame], *, margin: int | None, reach: int, megabytes: float) -> None:
        self._frames = enumerate(frames)
        self._margin = margin
        self._reach = reach
        self._bytes = megabytes * 1e6
        self._kept: deque[_Seen] = deque()
        self._to_start: dict[int, np.ndarray] = {}
        self._newest: tuple[np.ndarray, np.ndarray] | None = None  # grey image and ground
        self._last = -1

    def widened(self, mask: np.ndarray) -> np.ndarray:
        margin = max(1, round(MARGIN * len(mask))) if self._margin is None else self._margin
        return widened(mask, margin)

    def around(self, index: int) -> tuple[np.ndarray, list[_Seen]]:
        """The homography from frame `index` to frame 0, and the frames to look into, the nearest first."""
        while self._last < index + self._reach and self._read_one():
            pass
        for old in [number for number in self._to_start if number < index]:
            del self._to_start[old]
        near = (seen for seen in self._kept if abs(seen.index - index) <= self._reach)
        return self._to_start[index], sorted(near, key=lambda seen: abs(seen.index - index))

    def _read_one(self) -> bool:
        number, frame = next(self._frames, (-1, None))
        if frame is None:
            return False
        rgb, mask = frame
        ground = ~self.widened(mask)
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        to_start = np.eye(3)
        if self._newest is not None:
            motion = camera_motion(grey, self._newest[0], ground)
            to_start = self._to_start[number - 1] @ motion
        self._to_start[number] = to_start / to_start[2, 2]
        self._newest, self._last = (grey, ground), number
        affordable = max(1, int(self._bytes // (rgb.nbytes + ground.nbytes)))
        stride = -(-(2 * self._reach + 1) // affordable)
        while self._kept and self._kept[0].index < number - 2 * self._reach:
            self._kept.popleft()
        if number % stride == 0:
            self._kept.append(_Seen(number, rgb, ground, self._to_start[number]))
        return True


def _filled(rgb: np.ndarray, hole: np.ndarray, to_start: np.ndarray, others: Iterable[_Seen]) -> np.ndarray:
    """The frame with its hole filled from other frames, and by inpainting where they do not show it."""
    box = _box(hole, _BAND + _RADIUS)
    here, inside = rgb[box], hole[box]
    band = widened(inside, _BAND) & ~inside
    values = np.full((_VALUES, *here.shape), np.inf, np.float32)
    wanted = inside.astype(np.uint8) * _VALUES  # how many more frames are asked for each pixel
    used = 0
    for other in others:
        missing = wanted > 0 if used < _ENOUGH else wanted == _VALUES
        if not missing.any():
            break
        motion = np.linalg.inv(to_start) @ other.to_start
        if not (_in_box(other.ground.astype(np.uint8), motion, box, cv2.INTER_NEAREST) * missing).any():
            continue
        used += 1
        colours, shown = _moved(other, motion, rgb, hole, box)
        even = _evened(colours, here, shown & band)
        new = shown & (wanted > 0)
        if even is not None and new.any():
            rows, columns = np.nonzero(new)
            values[wanted[new] - 1, rows, columns] = even[new]
            wanted -= new
    result = rgb.copy()
    part = result[box]
    known = inside & (wanted < _VALUES)
    if known.any():
        part[known] = _medians(values[:, known], _VALUES - wanted[known]).round().clip(0, 255)
    unknown = (inside & ~known).astype(np.uint8)
    if unknown.any():
        part[:] = cv2.inpaint(np.ascontiguousarray(part), unknown, _RADIUS, cv2.INPAINT_TELEA)
    return result


def _medians(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Medians (N, 3) of values (M, N, 3), of which the first `counts` (N,) in ascending order are there."""
    ordered = np.sort(values, axis=0)
    places = [
        np.broadcast_to(place[None, :, None], (1, *values.shape[1:])) for place in ((counts - 1) // 2, counts // 2)
    ]
    return np.mean([np.take_along_axis(ordered, place, axis=0)[0] for place in places], axis=0)


def _box(hole: np.ndarray, margin: int) -> tuple[slice, slice]:
    x, y, width, height = cv2.boundingRect(hole.astype(np.uint8))
    return (
        slice(max(0, y - margin), min(hole.shape[0], y + height + margin)),
        slice(max(0, x - margin), min(hole.shape[1], x + width + margin)),
    )


def _in_box(image: np.ndarray, motion: np.ndarray, box: tuple[slice, slice], interpolation: int) -> np.ndarray:
    """The part of an image that a homography moves into a box; 0 where it shows nothing of it."""
    rows, columns = box
    shift = np.array([[1, 0, -columns.start], [0, 1, -rows.start], [0, 0, 1]])
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return cv2.warpPerspective(image, shift @ motion, size, flags=interpolation)


def _moved(
    other: _Seen, motion: np.ndarray, rgb: np.ndarray, hole: np.ndarray, box: tuple[slice, slice]
) -> tuple[np.ndarray, np.ndarray]:
    """The part of another frame that lies in the box of this one, float32, and where it shows background.

    The motion that was followed from frame to frame drifts, so it is measured once more, between both frames.
    """
    size = (rgb.shape[0], rgb.shape[1])
    if stands_still(motion, size):
        return other.rgb[box].astype(np.float32), other.ground[box]
    whole = (slice(0, size[0]), slice(0, size[1]))
    brought = _in_box(other.rgb, motion, whole, cv2.INTER_LINEAR)
    ground = _in_box(other.ground.astype(np.uint8), motion, whole, cv2.INTER_NEAREST) > 0
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (brought, rgb)]
    motion = camera_motion(greys[0], greys[1], ground & ~hole) @ motion
    colours = _in_box(other.rgb.astype(np.float32), motion, box, cv2.INTER_CUBIC)
    shown = _in_box(other.ground.astype(np.float32), motion, box, cv2.INTER_LINEAR)
    return colours, shown > _WHOLLY


def _evened(colours: np.ndarray, here: np.ndarray, common: np.ndarray) -> np.ndarray | None:
    """Colours of another frame as bright as this one; None if they differ too much where both show background."""
    if not common.any():
        return None
    difference = here[common] - colours[common]
    offset = np.median(difference, axis=0)
    if np.abs(difference - offset).mean() > _LARGEST_ERROR:
        return None
    return colours + offset

"""Frames of a video file by their index, in any order."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable

import cv2
import numpy as np

CHUNK_BYTES = 64 * 2**20  # of frames that are kept
MIN_CHUNK, MAX_CHUNK = 8, 64  # frames
SAME_TIME = 0.01  # milliseconds


class SeekingCapture:
    """Reads any frame of a video file. Frame i is the i-th that the decoder gives when the file is read from its start.

    Files say only roughly where their frames are, so a jump back is checked: the time stamp of the frame that comes
    must be the one that it had when it was first decoded. Where it is not, the file is read from its start. Frames
    that were never decoded are reached by decoding all before them. Going backwards, a piece of the file is decoded at
    once, and its frames are kept.

    Args:
        open_capture: opens the file.
    """

    def __init__(self, open_capture: Callable[[], cv2.VideoCapture]) -> None:
        self._open = open_capture
        self._capture: cv2.VideoCapture | None = None
        self._next = 0  # index of the frame that is decoded next
        self._times = array('d')  # milliseconds, of all frames decoded so far
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._chunk = MIN_CHUNK

    def read(self, index: int) -> np.ndarray | None:
        """The BGR pixels of a frame; None if the file ends before it."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        keep_from = index
        if self._capture is None or index < self._next:
            keep_from = max(0, index - self._chunk + 1)
            self._go_to(keep_from)
        while self._next <= index:
            if not self._grab():
                return None
            if self._next > keep_from:
                self._retrieve()
        return self._kept[index]

    def count(self) -> int:
        """The number of frames, by decoding the whole file."""
        if self._capture is None:
            self._restart()
        self._go_to(max(0, len(self._times) - 1))
        while self._grab():
            pass
        return len(self._times)

    def _restart(self) -> None:
        if self._capture is not None:
            self._capture.release()
        self._capture = self._open()
        self._next = 0

    def _go_to(self, index: int) -> None:
        """Let the frame `index` be decoded next."""
        if self._capture is None or not self._jump(index):
            self._restart()
        while self._next < index and self._grab():
            pass

    def _jump(self, index: int) -> bool:
        """Let a frame near `index`, not after it, be decoded next. False if that cannot be done for certain."""
        assert self._capture is not None
        before = index - 1  # this one is decoded, to see where the jump led
        if not 0 <= before < len(self._times) or not self._is_alone(before):
            return False
        if not self._capture.set(cv2.CAP_PROP_POS_FRAMES, before) or not self._capture.grab():
            return False
        if abs(self._capture.get(cv2.CAP_PROP_POS_MSEC) - self._times[before]) > SAME_TIME:
            return False
        self._next = index
        return True

    def _is_alone(self, index: int) -> bool:
        """Whether the time of a frame tells it from its neighbours."""
        time, later = self._times[index], self._times[index + 1 : index + 2]
        earlier = self._times[index - 1 : index] if index else array('d')
        return all(time - one > SAME_TIME for one in earlier) and all(one - time > SAME_TIME for one in later)

    def _grab(self) -> bool:
        assert self._capture is not None
        if not self._capture.grab():
            return False
        if self._next == len(self._times):
            self._times.append(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        self._next += 1
        return True

    def _retrieve(self) -> None:
        assert self._capture is not None
        found, bgr = self._capture.retrieve()
        if not found:
            raise OSError(f'frame {self._next - 1} cannot be decoded')
        self._chunk = min(max(CHUNK_BYTES // bgr.nbytes, MIN_CHUNK), MAX_CHUNK)
        self._kept[self._next - 1] = bgr
        while len(self._kept) > self._chunk:
            self._kept.popitem(last=False)

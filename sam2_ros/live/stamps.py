"""What the stamp of an arriving image says about its place in the stream."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

NANOSECONDS = 1_000_000_000
MAX_LEAD = 1.0  # seconds that stream time may run ahead of the clock between two images
DOUBTED_LEAD = 0.05  # seconds that a stamp may gain on the clock before it is doubted
USUAL_STEPS = 2.0  # a stamp may be ahead by so many usual steps, as in a bag that is played fast
STEPS = 5  # the usual step is the median of so many
LEAST_STEP_BACK = 0.1  # seconds; a bag that starts again goes back by more
AGREEING = 3  # so many images in a row whose stamps follow each other are believed
LATE_SECONDS = 1.0  # after this time late images are believed, though fewer came


class Arrival(Enum):
    """How an image relates to those that arrived before it."""

    NEXT = 'next'
    UNSTAMPED = 'unstamped'  # stamp of zero: taken in order of arrival, but no prompt can name it
    DUPLICATE = 'duplicate'  # the stamp of the image before it: the same image again
    REORDERED = 'reordered'  # a little older than the image before it: overtaken on the way
    OUTLIER = 'outlier'  # much older, and the images around it are not: a wrong stamp
    NEW_EPOCH = 'new_epoch'  # older, as those just before it: a bag that starts again, a clock that was set


@dataclass(frozen=True)
class _Place:
    """Where an image stands: its stamp in nanoseconds, its arrival and its stream time in seconds."""

    stamp_ns: int
    arrived: float
    elapsed: float


@dataclass(frozen=True)
class _Row:
    """Images in a row whose stamps follow each other, but not those before."""

    begin_ns: int  # stamps of the first and the newest of them
    newest_ns: int
    arrived: float  # when the newest did, seconds
    since: float  # when the first image from the past came after the trusted one, of this row or of one before it
    length: int = 1


class StampOrder:
    """Sorts arriving images by their stamps. Their order stays that of arrival.

    One wrong stamp changes nothing: a stamp that does not fit is believed when AGREEING images in a row agree. Until
    then images from ahead are taken, since a stream may have a gap. Images from the past are not.
    """

    def __init__(self) -> None:
        self.elapsed = 0.0  # seconds of stream time up to the newest accepted image; never goes back
        self.outliers = 0  # accepted images whose stamps, too far ahead, turned out to be wrong
        self._last_ns = 0  # stamp of the last stamped arrival
        self._steps: deque[float] = deque(maxlen=STEPS)  # seconds from a stamp to a later one that came next
        self._trusted: _Place | None = None  # the newest image whose stamp is believed; stamp 0: none has one yet
        self._row: _Row | None = None  # of images after it, whose stamps are doubted
        self._loop_begin = 0  # stamp of the image at which the stream began again, in nanoseconds; 0: it never did

    def classify(self, stamp_ns: int, *, arrived: float, reorder_window: float) -> Arrival:
        """Place the next image.

        Args:
            stamp_ns: in nanoseconds.
            arrived: in seconds of the monotonic clock.
            reorder_window: in seconds. A single stamp that goes back by less is REORDERED, by more an OUTLIER.
        """
        if self._trusted is None:
            self._trusted = _Place(0, arrived, 0.0)
        trusted, pause = self._trusted, arrived - self._trusted.arrived
        if stamp_ns == 0:
            self.elapsed = max(self.elapsed, trusted.elapsed + pause)
            return Arrival.UNSTAMPED
        if stamp_ns == self._last_ns:
            return Arrival.DUPLICATE
        usual = float(np.median(self._steps)) if self._steps else 0.0
        if 0 < self._last_ns < stamp_ns:
            self._steps.append((stamp_ns - self._last_ns) / NANOSECONDS)
        self._last_ns = stamp_ns
        if trusted.stamp_ns == 0:
            return self._trust(stamp_ns, arrived, gained=pause)
        ahead = (stamp_ns - trusted.stamp_ns) / NANOSECONDS
        if 0 < ahead <= max(pause + DOUBTED_LEAD, USUAL_STEPS * usual):
            self._count_outliers(stamp_ns)
            return self._trust(stamp_ns, arrived, gained=min(ahead, pause + MAX_LEAD))
        row = self._row = self._with(stamp_ns, arrived, usual)
        if ahead > 0:
            if row.length >= AGREEING:
                return self._trust(stamp_ns, arrived, gained=min(ahead, pause + AGREEING * MAX_LEAD))
            self.elapsed = max(self.elapsed, trusted.elapsed + min(ahead, pause))
            return Arrival.NEXT
        if self._begins_again(row, step_back=(trusted.stamp_ns - row.begin_ns) / NANOSECONDS):
            self._loop_begin = row.begin_ns
            self._trust(stamp_ns, arrived, gained=min((stamp_ns - row.begin_ns) / NANOSECONDS, pause + MAX_LEAD))
            return Arrival.NEW_EPOCH
        return Arrival.REORDERED if -ahead <= reorder_window else Arrival.OUTLIER

    def _trust(self, stamp_ns: int, arrived: float, *, gained: float) -> Arrival:
        """Go on from this image. `gained`: seconds of stream time since the one that was trusted before."""
        self.elapsed = max(self.elapsed, self._trusted.elapsed + gained if self._trusted else 0.0)
        self._trusted, self._row = _Place(stamp_ns, arrived, self.elapsed), None
        return Arrival.NEXT

    def _with(self, stamp_ns: int, arrived: float, usual: float) -> _Row:
        """The row of doubted images that this one goes on with, or a new one."""
        row, since = self._row, arrived
        if row is not None:
            step = (stamp_ns - row.newest_ns) / NANOSECONDS
            if 0 < step <= max(arrived - row.arrived + DOUBTED_LEAD, USUAL_STEPS * usual):
                return replace(row, newest_ns=stamp_ns, arrived=arrived, length=row.length + 1)
            if self._trusted and row.newest_ns <= self._trusted.stamp_ns:
                since = row.since
            self._count_outliers(stamp_ns)
        return _Row(stamp_ns, stamp_ns, arrived, since)

    def _count_outliers(self, stamp_ns: int) -> None:
        """The stream goes on with this stamp: doubted ones that are ahead of it were wrong."""
        if self._row is not None and self._row.newest_ns > stamp_ns:
            self.outliers += self._row.length

    def _begins_again(self, row: _Row, *, step_back: float) -> bool:
        """Whether the stream goes on from this row of images from the past."""
        if row.begin_ns == self._loop_begin or row.arrived - row.since > LATE_SECONDS:
            return True
        return row.length >= AGREEING and step_back > LEAST_STEP_BACK


def stamp_nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time as nanoseconds."""
    return stamp.sec * NANOSECONDS + stamp.nanosec


def stamp_text(stamp_ns: int) -> str:
    """Nanoseconds as seconds to read: 12.345000000 is '12.345'."""
    text = f'{stamp_ns / NANOSECONDS:.6f}'
    return text[:-3] if text.endswith('000') else text

"""What the stamp of an arriving image says about its place in the stream. Needs no ROS."""

from __future__ import annotations

from enum import Enum
from typing import Any

NANOSECONDS = 1_000_000_000
MAX_LEAD = 1.0  # seconds that stream time may gain on the clock from one image to the next; more is a wrong stamp


class Arrival(Enum):
    """How an image relates to those that arrived before it."""

    NEXT = 'next'
    UNSTAMPED = 'unstamped'  # stamp of zero: taken in order of arrival, but no prompt can name it
    DUPLICATE = 'duplicate'  # the stamp of the image before it: the same image again
    REORDERED = 'reordered'  # a little older than the image before it: overtaken on the way
    NEW_EPOCH = 'new_epoch'  # much older: a bag that starts again, simulated time, a clock that was set


class StampOrder:
    """Sorts arriving images by what their stamps say. Order itself is that of arrival, never that of the stamps."""

    def __init__(self) -> None:
        self.elapsed = 0.0  # seconds of stream time up to the newest accepted image; never goes back
        self._newest_ns = 0
        self._arrived: float | None = None  # when the newest accepted image did
        self._late_since: float | None = None  # arrival of the first of a row of images that were overtaken

    def classify(self, stamp_ns: int, *, arrived: float, reorder_window: float) -> Arrival:
        """Place the next arrival. `stamp_ns` in nanoseconds; `arrived` in seconds of the monotonic clock;
        `reorder_window` in seconds: a stamp that goes back by less is REORDERED, by more NEW_EPOCH; so is one that
        goes back by less when nothing else has come for longer than that, as in a short bag that is looped.
        """
        pause = 0.0 if self._arrived is None else arrived - self._arrived
        if stamp_ns == 0:
            self.elapsed += pause
            self._arrived = arrived
            return Arrival.UNSTAMPED
        if stamp_ns == self._newest_ns:
            return Arrival.DUPLICATE
        ahead = (stamp_ns - self._newest_ns) / NANOSECONDS
        if -reorder_window <= ahead < 0:
            self._late_since = arrived if self._late_since is None else self._late_since
            if arrived - self._late_since <= reorder_window:
                return Arrival.REORDERED
        if self._newest_ns and ahead > 0:
            self.elapsed += min(ahead, pause + MAX_LEAD)
        self._newest_ns, self._arrived, self._late_since = stamp_ns, arrived, None
        return Arrival.NEXT if ahead > 0 else Arrival.NEW_EPOCH


def stamp_nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time as nanoseconds."""
    return stamp.sec * NANOSECONDS + stamp.nanosec


def stamp_text(stamp_ns: int) -> str:
    """Nanoseconds as seconds to read: 12.345000000 is '12.345'."""
    text = f'{stamp_ns / NANOSECONDS:.6f}'
    return text[:-3] if text.endswith('000') else text

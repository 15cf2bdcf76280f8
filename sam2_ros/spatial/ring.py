"""The newest messages of a sensor by their stamps, so that late results find the one they were made with."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

import numpy as np

NANOSECONDS = 1_000_000_000
STEP_BACK = 1.0  # seconds; stamps that go back by more are of a bag that starts again or of a clock that was set
STEPS = 10  # the usual step between stamps is the median of so many
LONGEST_STEP = 0.5  # seconds that are waited for the next message of a slow sensor

Item = TypeVar('Item')


class Chance(Enum):
    """Whether the wanted message is there."""

    FOUND = 'found'
    WAIT = 'wait'  # a nearer one may still come
    NONE = 'none'


@dataclass(frozen=True)
class Match(Generic[Item]):
    """What the ring has for a stamp.

    Attributes:
        item: the nearest one within the tolerance; None without one.
        stamp_ns: of the item, in nanoseconds.
        reason: why there is none, as a part of a sentence.
    """

    chance: Chance
    item: Item | None = None
    stamp_ns: int = 0
    reason: str = ''


@dataclass(frozen=True)
class _Kept(Generic[Item]):
    stamp_ns: int
    nbytes: int
    item: Item


class StampedRing(Generic[Item]):
    """Keeps the newest messages, bounded in number and bytes; the newest one always."""

    def __init__(self, name: str) -> None:
        """`name`: of what is kept, for sentences: 'depth image'."""
        self._name = name
        self._kept: deque[_Kept[Item]] = deque()
        self._steps: deque[int] = deque(maxlen=STEPS)
        self.forgotten = 0  # messages that had to make room
        self.went_back = 0  # times that stamps went back, which empties the ring

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        return sum(kept.nbytes for kept in self._kept)

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest one in nanoseconds; None without one."""
        return self._kept[-1].stamp_ns if self._kept else None

    @property
    def usual_step(self) -> float:
        """Seconds between two messages, at most LONGEST_STEP."""
        usual = float(np.median(self._steps)) / NANOSECONDS if self._steps else LONGEST_STEP
        return min(usual, LONGEST_STEP)

    def clear(self) -> None:
        self._kept.clear()
        self._steps.clear()

    def go_back(self, stamp_ns: int) -> None:
        """Others say that stamps went back to this one, in nanoseconds: forget what is of the time before that."""
        if self.newest_ns is not None and self.newest_ns > stamp_ns + STEP_BACK * NANOSECONDS:
            self.clear()
            self.went_back += 1

    def add(self, item: Item, *, stamp_ns: int, nbytes: int, most: int, most_bytes: int) -> None:
        """Keep a message; forget the oldest ones beyond either limit.

        Args:
            item: the message.
            stamp_ns: in nanoseconds.
            nbytes: that it takes.
            most, most_bytes: the limits.
        """
        self.go_back(stamp_ns)
        newest = self.newest_ns
        kept = _Kept(stamp_ns, nbytes, item)
        if newest is None or stamp_ns >= newest:
            if newest is not None and stamp_ns > newest:
                self._steps.append(stamp_ns - newest)
            self._kept.append(kept)
        else:  # overtaken on the way
            place = next(place for place, other in enumerate(self._kept) if other.stamp_ns > stamp_ns)
            self._kept.insert(place, kept)
        while len(self._kept) > 1 and (len(self._kept) > most or self.nbytes > most_bytes):
            self._kept.popleft()
            self.forgotten += 1

    def find(self, stamp_ns: int, *, tolerance: float) -> Match[Item]:
        """The message whose stamp is nearest.

        WAIT while all are older than the stamp, for one that is nearer may come; `item` is the best so far. How long to
        wait is up to the caller: `usual_step` seconds are enough.

        Args:
            stamp_ns: in nanoseconds.
            tolerance: how far the stamp may be away, in seconds.
        """
        if not self._kept:
            return Match(Chance.WAIT, reason=f'no {self._name} has come')
        nearest = min(self._kept, key=lambda kept: abs(kept.stamp_ns - stamp_ns))
        away = (nearest.stamp_ns - stamp_ns) / NANOSECONDS
        within = abs(away) <= tolerance
        reason = ''
        if not within:
            span = (self._kept[-1].stamp_ns - self._kept[0].stamp_ns) / NANOSECONDS
            reason = f'the nearest {self._name} is {abs(away):.3f} s {"newer" if away > 0 else "older"}'
            if away > 0 and nearest is self._kept[0]:
                reason += f'; those kept are of the last {span:.1f} s'
        item, found_ns = (nearest.item, nearest.stamp_ns) if within else (None, 0)
        if self._kept[-1].stamp_ns < stamp_ns:
            return Match(Chance.WAIT, item, found_ns, reason)
        return Match(Chance.FOUND if within else Chance.NONE, item, found_ns, reason)

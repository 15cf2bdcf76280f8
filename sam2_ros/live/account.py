"""The time that each camera has had of the network, by which turns are given out."""

from __future__ import annotations

from collections.abc import Callable

LONG = 4.0  # times the usual; an image that takes longer was held up by something else
NEWEST = 0.2  # share of the newest image in what is usual


class Account:
    """What one camera has had of the network. Only the inference thread writes to it.

    Attributes:
        seconds: had in total, as measured.
        counter: seconds divided by the weight, as they count for the next turn; the camera with the least is next.
    """

    def __init__(self, weight: Callable[[], float] = lambda: 1.0) -> None:
        """`weight`: above 0, asked for at every turn. A camera of twice the weight gets twice the time."""
        self.seconds = 0.0
        self.counter = 0.0
        self._weight = weight
        self._usual: float | None = None  # seconds that an image takes

    def charge(self, seconds: float, *, image: bool) -> None:
        """Count work that took so long.

        Args:
            image: an image was tracked. One that took far longer than usual counts as LONG times the usual: the
                computer was busy elsewhere, and the camera shall not wait for that once more.
        """
        self.seconds += seconds
        if image:
            usual = seconds if self._usual is None else self._usual
            seconds = min(seconds, LONG * usual)
            self._usual = usual + NEWEST * (seconds - usual)
        self.counter += seconds / self._weight()

    def lift(self, counter: float) -> None:
        """Forget time that was not asked for: it is not saved up."""
        self.counter = max(self.counter, counter)

"""How long images may wait for the work on prompts."""

from __future__ import annotations

import time

PROMPT_SHARE = 0.1  # of all time; the cameras of a process divide it
PROMPT_CREDIT = 0.5  # seconds, for each camera


class PromptBudget:
    """Limits the time that images wait for work on the prompts of a camera, however many come.

    Unused time is saved up, PROMPT_CREDIT at most.

    Attributes:
        share: of all time that may be spent, in 0..1.
    """

    def __init__(self) -> None:
        self.share = PROMPT_SHARE
        self._credit = PROMPT_CREDIT  # seconds
        self._updated = time.monotonic()

    @property
    def left(self) -> bool:
        """Whether there is time for more work on prompts."""
        return self._earned() > 0

    @property
    def wait(self) -> float:
        """Seconds until there is time again."""
        return max(0.001, -self._earned() / self.share)

    def spend(self, started: float, waiting_since: float | None) -> None:
        """Charge work on prompts that began at `started` and ends now. Only the time counts that an image waited for
        it.

        Args:
            started: in seconds of the monotonic clock.
            waiting_since: when the first waiting image came, on the same clock; None: no image waits.
        """
        credit, now = self._earned(), time.monotonic()
        waited = 0.0 if waiting_since is None else max(0.0, now - max(started, waiting_since))
        self._credit, self._updated = credit - waited, now

    def _earned(self) -> float:
        return min(PROMPT_CREDIT, self._credit + self.share * (time.monotonic() - self._updated))

"""How long images may wait for the work on prompts."""

from __future__ import annotations

import time

PROMPT_SHARE = 0.1  # of the time that images may wait for work on prompts
PROMPT_CREDIT = 0.5  # seconds of such work that may be saved up: for the prompts that come once in a while


class PromptBudget:
    """Work on prompts may make images wait for PROMPT_SHARE of the time, however many prompts come."""

    def __init__(self) -> None:
        self._credit = PROMPT_CREDIT  # seconds
        self._updated = time.monotonic()

    @property
    def left(self) -> bool:
        """Whether there is time for more."""
        return self._earned() > 0

    @property
    def wait(self) -> float:
        """Seconds until there is."""
        return max(0.001, -self._earned() / PROMPT_SHARE)

    def spend(self, started: float, waiting_since: float | None) -> None:
        """Work on prompts was done since `started`, in seconds of the monotonic clock. It is charged from the moment
        on from which an image waited for its end, `waiting_since`; None: no image did.
        """
        credit, now = self._earned(), time.monotonic()
        waited = 0.0 if waiting_since is None else max(0.0, now - max(started, waiting_since))
        self._credit, self._updated = credit - waited, now

    def _earned(self) -> float:
        return min(PROMPT_CREDIT, self._credit + PROMPT_SHARE * (time.monotonic() - self._updated))

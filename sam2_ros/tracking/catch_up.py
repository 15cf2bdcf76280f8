"""Tracks one object again from a prompted past image to the newest frame, image by image."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from sam2_ros.tracking.errors import FrameNotKeptError
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.result import ObjectResult
from sam2_ros.tracking.ring import RecentImage
from sam2_ros.tracking.track import Track


class CatchesUp(Protocol):
    """What processes the images of a `CatchUp`: `PastPrompts`."""

    def advance(self, jobs: Sequence[CatchUp]) -> list[ObjectResult]: ...

    def finish(self, job: CatchUp) -> None: ...


class CatchUp:
    """Tracks one object again from a prompted past image to the newest frame; made by `VideoTracker.begin_prompt`.

    `VideoTracker.step` may run in between. Each new frame is added to the images still to process. When the newest
    frame is reached, the object continues from the new track. Until then nothing has changed.

    Attributes:
        object_id: the prompted object.
        image: the prompted image.
        prompt: the prompt.
        track: the new track so far.
        visits: the last images processed, each with the new track before it. At most as many as the ring can hold,
            because frames may come faster than they are processed.
        owner: what processes the images.
    """

    def __init__(
        self,
        object_id: str,
        prompt: Prompt,
        *,
        track: Track,
        images: Sequence[RecentImage],
        max_visits: int,
        owner: CatchesUp,
    ) -> None:
        self.object_id = object_id
        self.prompt = prompt
        self.image = images[0]
        self.track = track
        self.visits: deque[tuple[RecentImage, Track]] = deque(maxlen=max_visits)
        self.owner = owner
        self._backlog = deque(images)
        self._failure: str | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to do, because the newest frame is reached, or the work was called off."""
        return not self._backlog

    @property
    def failure(self) -> str | None:
        """Why the work was called off, in words; None if it was not."""
        return self._failure

    @property
    def remaining(self) -> int:
        """Number of images still to process."""
        return len(self._backlog)

    @property
    def next_image(self) -> RecentImage | None:
        """The image to process next; None when nothing is left to do."""
        return self._backlog[0] if self._backlog else None

    def prompts_on(self, image: RecentImage) -> tuple[Prompt, ...]:
        """All prompts for the object on an image; the prompt of this catch-up comes last."""
        earlier = image.prompts.get(self.object_id, ())
        return (*earlier, self.prompt) if image is self.image else earlier

    def advance(self) -> ObjectResult:
        """Process one image and return the object in it. The first call returns the result of the prompt itself.

        If the network raises an error, the work is called off, as by `VideoTracker.abandon`, and the error is passed
        on.

        Raises:
            FrameNotKeptError: if the work was called off before.
            RuntimeError: if nothing is left to do.
        """
        return advance_together([self])[0]

    def check_goes_on(self) -> None:
        """Raise the errors of `advance`, but process nothing."""
        if self._failure is not None:
            raise FrameNotKeptError(self._failure)
        if self.done:
            raise RuntimeError(f'{self.object_id!r} has caught up; there is no image left to process')

    def follow(self, image: RecentImage) -> None:
        """Add a new frame to the images still to process."""
        self._backlog.append(image)

    def pass_image(self, track: Track) -> None:
        """Note that the next image has been processed. `track` is the new track after it."""
        self.visits.append((self._backlog.popleft(), self.track))
        self.track = track

    def cut_short(self) -> None:
        """Skip the images still to process, as a busy tracker skips images, and take the object to the newest frame.

        Does nothing before the prompt itself has been processed, and when nothing is left to do.
        """
        if not self.visits or self.done:
            return
        while self._backlog:
            self.pass_image(self.track)
        self.owner.finish(self)

    def call_off(self, why: str) -> None:
        """Give up. The object stays as it is without the prompt."""
        self._failure = why
        self._backlog.clear()
        self.visits.clear()


def advance_together(jobs: Sequence[CatchUp]) -> list[ObjectResult]:
    """`CatchUp.advance` for several objects, as one batch.

    Args:
        jobs: catch-ups of one tracker with the same next image, each given once.

    Returns:
        One result for each job.

    Raises:
        ValueError: if the jobs are not as described. Nothing has changed then.
        FrameNotKeptError, RuntimeError: as `CatchUp.advance`. Nothing has changed then.
    """
    for job in jobs:
        job.check_goes_on()
    if len({(id(job.owner), id(job.next_image)) for job in jobs}) > 1 or len({id(job) for job in jobs}) < len(jobs):
        raise ValueError('objects that catch up together must have one tracker and one next image, each given once')
    return jobs[0].owner.advance(jobs) if jobs else []

"""A prompt for a past image on its way to the newest one."""

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
    """What works off the prompts: `PastPrompts`."""

    def advance(self, jobs: Sequence[CatchUp]) -> list[ObjectResult]: ...

    def finish(self, job: CatchUp) -> None: ...


class CatchUp:
    """Works off a prompt for a past image, image by image; made by `VideoTracker.begin_prompt`.

    Meanwhile `VideoTracker.step` goes on; its new frames are added to what is still to do. Once the newest
    frame is reached, the object continues from the new track; until then nothing has changed.

    Attributes:
        object_id: the object that was prompted.
        image: where it was prompted.
        prompt: what was said.
        track: the new track so far.
        visits: the newest of the images processed so far, each with the track before it. At most as many as the ring
            can hold, because frames may come faster than they are processed.
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
        """Nothing is left to do, because the newest frame is reached, or because the work was called off."""
        return not self._backlog

    @property
    def failure(self) -> str | None:
        """Why the work was called off, in words; None if it was not."""
        return self._failure

    @property
    def remaining(self) -> int:
        """Images still to process."""
        return len(self._backlog)

    @property
    def next_image(self) -> RecentImage | None:
        """The image to process next; None when it is done."""
        return self._backlog[0] if self._backlog else None

    def prompts_on(self, image: RecentImage) -> tuple[Prompt, ...]:
        """What was said about the object in an image, this prompt last."""
        earlier = image.prompts.get(self.object_id, ())
        return (*earlier, self.prompt) if image is self.image else earlier

    def advance(self) -> ObjectResult:
        """Process one image and return the object in it; the first call gives the result of the prompt itself.

        An error of the network is passed on, and the work is called off, as by `VideoTracker.abandon`.

        Raises:
            FrameNotKeptError: if the work was called off before.
            RuntimeError: if it is done.
        """
        return advance_together([self])[0]

    def check_goes_on(self) -> None:
        """Raises what `advance` raises."""
        if self._failure is not None:
            raise FrameNotKeptError(self._failure)
        if self.done:
            raise RuntimeError(f'{self.object_id!r} has caught up; there is no image left to process')

    def follow(self, image: RecentImage) -> None:
        """Add a new frame to what is to be done."""
        self._backlog.append(image)

    def pass_image(self, track: Track) -> None:
        """The next image has been processed; `track` is the object's track after it."""
        self.visits.append((self._backlog.popleft(), self.track))
        self.track = track

    def cut_short(self) -> None:
        """Take the object to the newest frame at once, as if it had not seen the images still to process, as those are
        that a busy tracker skips. Does nothing before the prompt has been applied to its image, or when it is done.
        """
        if not self.visits or self.done:
            return
        while self._backlog:
            self.pass_image(self.track)
        self.owner.finish(self)

    def call_off(self, why: str) -> None:
        """Give up; the object stays as it is without the prompt."""
        self._failure = why
        self._backlog.clear()
        self.visits.clear()


def advance_together(jobs: Sequence[CatchUp]) -> list[ObjectResult]:
    """`CatchUp.advance` for objects of one tracker whose next image is the same, as one batch.

    Raises:
        ValueError: if they are not of one tracker, or their next images differ.
        FrameNotKeptError, RuntimeError: as `CatchUp.advance`. Nothing has changed then.
    """
    for job in jobs:
        job.check_goes_on()
    if len({(id(job.owner), id(job.next_image)) for job in jobs}) > 1 or len({id(job) for job in jobs}) < len(jobs):
        raise ValueError('objects that catch up together have one tracker and one next image, and are given once')
    return jobs[0].owner.advance(jobs) if jobs else []

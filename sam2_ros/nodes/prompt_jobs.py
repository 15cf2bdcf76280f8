"""Prompts in the inference thread: from the image they were made on to the newest one, a step at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from sam2_ros.nodes.image_ring import ArrivedImage, Fate, ImageRing
from sam2_ros.nodes.journal import Journal
from sam2_ros.nodes.requests import Answer, PromptRequest
from sam2_ros.tracking import CatchUp, ObjectResult, Prompt, VideoTracker

NO_FRAME = -1  # frame index before the first image
MAX_PROMPTS = 100  # at work at the same time; more would only grow old


class ObjectMessages(Protocol):
    """Makes the messages about single objects, and knows how many objects there may be."""

    max_objects: int

    def object_message(self, image: ArrivedImage, result: ObjectResult) -> Any: ...


@dataclass(eq=False)
class _Job:
    image: ArrivedImage
    request: PromptRequest
    catch_up: CatchUp | None = None
    answered: bool = False


class PromptJobs:
    """Prompts that wait for their turn or are catching up. Only the inference thread touches them.

    A new prompt is answered before others go on catching up; prompts for the same object are worked off one after the
    other.
    """

    def __init__(self, tracker: VideoTracker, *, ring: ImageRing, messages: ObjectMessages, journal: Journal,
                 to_rgb: Callable[[Any], np.ndarray]) -> None:
        self._tracker = tracker
        self._ring = ring
        self._messages = messages
        self._journal = journal
        self._to_rgb = to_rgb
        self._jobs: list[_Job] = []
        self._named = 0  # objects named by us

    def add(self, image: ArrivedImage, request: PromptRequest) -> None:
        job = _Job(image, request)
        if len(self._jobs) < MAX_PROMPTS:
            self._jobs.append(job)
        else:
            self._refuse(job, f'{MAX_PROMPTS} prompts are being worked on; prompt an object once, not on every image')

    def __len__(self) -> int:
        return len(self._jobs)

    def ready(self) -> bool:
        """Whether `serve` would do something."""
        return self._next() is not None

    def serve(self) -> None:
        """Work on one prompt by one image: the first time the prompted one, after that those that came later."""
        job = self._next()
        if job is None:
            return
        try:
            if job.catch_up is None:
                job.catch_up = self._begin(job.image, job.request)
            result = job.catch_up.advance()
        except (ValueError, TypeError, LookupError) as error:
            self._jobs.remove(job)
            self._refuse(job, str(error))
            return
        except Exception as error:
            self._jobs.remove(job)
            self._refuse(job, f'the tracker failed: {error}')
            raise
        if job.catch_up.done:
            self._jobs.remove(job)
        self._hand_out(job, result)

    def refuse_all(self, reason: str, *, object_id: str | None = None) -> None:
        """Give up every prompt, or those that are for one object."""
        for job in list(self._jobs):
            if object_id in (None, job.request.object_id, job.catch_up and job.catch_up.object_id):
                self._jobs.remove(job)
                self._refuse(job, reason)

    def _next(self) -> _Job | None:
        """A prompt that was not looked at yet, else the one that is furthest behind: those that stand at the same image
        are served together, which encodes that image once.
        """
        at_work = [job for job in self._jobs if job.catch_up is not None]
        busy = {job.catch_up.object_id for job in at_work}
        for job in self._jobs:
            if job.catch_up is not None or job.image.fate is Fate.WAITING or job.request.object_id in busy:
                continue
            if job.request.click and busy:
                continue  # what it hit may be just what is catching up
            return job
        return max(at_work, key=lambda job: job.catch_up.remaining, default=None)

    def _begin(self, image: ArrivedImage, request: PromptRequest) -> CatchUp:
        """Start the prompt on its image. Raises ValueError or LookupError with the reason it is refused."""
        index, rgb = image.frame_index, None
        if image.fate is Fate.FAILED:
            raise ValueError('the image of this prompt could not be processed')
        if image.fate is Fate.SKIPPED:
            before = self._ring.tracked_before(image)
            if before is None and self._ring.overflowed:
                raise LookupError('the images around the one of this prompt are not kept any more')
            index, rgb = (before.frame_index if before else NO_FRAME), self._to_rgb(image.message)
        object_id = request.object_id or (request.click and _object_at(image, request.prompt)) or self._new_name()
        if object_id not in self._tracker.object_ids and len(self._tracker.object_ids) >= self._messages.max_objects:
            raise ValueError(f'{self._messages.max_objects} objects are tracked already, which is the limit')
        prompt = replace(request.prompt, object_id=object_id)
        if request.extend:
            prompt = extended(image.prompts.get(object_id), prompt)
        catch_up = self._tracker.begin_prompt(index, prompt, image=rgb, time=image.time)
        image.prompts[object_id] = prompt
        return catch_up

    def _new_name(self) -> str:
        while True:
            self._named += 1
            name = f'object_{self._named}'
            if name not in self._tracker.object_ids:
                return name

    def _hand_out(self, job: _Job, result: ObjectResult) -> None:
        """Keep the result with its image, where clicks look, and answer the prompt if this is the prompted image."""
        image = job.image if not job.answered else self._ring.at_frame(result.frame_index)
        if image is None:
            return
        message = self._messages.object_message(image, result)
        image.objects[result.object_id] = message
        if not job.answered:
            job.answered = True
            self._journal.count('prompts_applied')
            job.request.answer(Answer(object_id=result.object_id, image=image, tracked_object=message))

    def _refuse(self, job: _Job, reason: str) -> None:
        if job.answered:
            self._journal.note('catch_up_ended', f'catching up ended early: {reason}')
        else:
            self._journal.refuse_prompt(reason)
            job.request.answer(Answer(reason))


def _object_at(image: ArrivedImage, prompt: Prompt) -> str | None:
    """The object that was clicked on, the smallest where several are; None beside all of them."""
    x, y = (int(value) for value in prompt.points[0])
    hits = []
    for message in image.objects.values():
        left, top, right, bottom = (int(value) for value in message.box)
        if left <= x < right and top <= y < bottom and message.mask.data[(y - top) * message.mask.step + x - left]:
            hits.append((message.area, message.object_id))
    return min(hits)[1] if hits else None


def extended(earlier: Prompt | None, prompt: Prompt) -> Prompt:
    """The clicks and box of both prompts; the newer box counts. A mask replaces everything before it."""
    if earlier is None or earlier.mask is not None or prompt.mask is not None:
        return prompt
    return Prompt(
        prompt.object_id,
        points=np.concatenate([earlier.points, prompt.points]),
        labels=np.concatenate([earlier.labels, prompt.labels]),
        box=earlier.box if prompt.box is None else prompt.box,
    )

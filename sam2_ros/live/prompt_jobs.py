"""Prompts in the inference thread: from the image they were made on to the newest one, a step at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Protocol

import numpy as np

from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages, ImageStatus
from sam2_ros.live.journal import Journal
from sam2_ros.live.requests import Answer, PromptRequest
from sam2_ros.tracking import CatchUp, ObjectResult, Prompt, VideoTracker, advance_together

NO_FRAME = -1  # frame index before the first image
MAX_PROMPTS = 100  # at work at the same time; more would only grow old
IMAGES_PER_LIVE = 2  # past images of a batch worked off after every live image: that gains one image on the camera
MIN_BOX_OVERLAP = 0.3  # of the box of a mask with the box it was prompted with; less looks like another thing
PATIENCE = 10.0  # seconds that a prompt waits for its object to catch up with an earlier one


class ObjectMessages(Protocol):
    """Makes the messages about single objects, and knows how many objects, and points of a prompt, there may be."""

    max_objects: int
    max_points: int

    def object_message(self, image: ArrivedImage, result: ObjectResult) -> Any: ...

    def forget(self, object_id: str) -> None: ...

    def forget_all(self) -> None: ...


@dataclass(eq=False)
class _Job:
    image: ArrivedImage
    request: PromptRequest
    catch_up: CatchUp | None = None
    shown: Any = None  # TrackedObject on the newest image it has reached; once there is one, the prompt is answered
    asked: float = field(default_factory=monotonic)  # seconds, monotonic clock


class PromptJobs:
    """Prompts that wait for their turn or are catching up. Only the inference thread touches them; while there is none
    they stay as they are.

    A new prompt is answered before others go on catching up; prompts for the same object are worked off one after the
    other.
    """

    def __init__(
        self,
        tracker: VideoTracker,
        *,
        ring: ArrivedImages,
        messages: ObjectMessages,
        journal: Journal,
        to_rgb: Callable[[Any], np.ndarray],
    ) -> None:
        self._tracker = tracker
        self._ring = ring
        self._messages = messages
        self._journal = journal
        self._to_rgb = to_rgb
        self._jobs: list[_Job] = []
        self._named = 0  # objects named by us

    def add(self, image: ArrivedImage, request: PromptRequest) -> None:
        """Take a prompt. It supersedes those for the same object that were not begun, unless it only refines them."""
        for job in list(self._jobs):
            if job.catch_up is None and _replaces(request, job.request):
                self._jobs.remove(job)
                self._journal.count('prompts_superseded')
                job.request.answer(
                    Answer(f'superseded: a newer prompt for {request.object_id!r} came before this one was begun')
                )
        if len(self._jobs) < MAX_PROMPTS:
            self._jobs.append(_Job(image, request))
        else:
            reason = f'{MAX_PROMPTS} prompts are being worked on; prompt an object once, not on every image'
            self._journal.refuse_prompt(reason)
            request.answer(Answer(reason))

    def __len__(self) -> int:
        return len(self._jobs)

    def ready(self) -> bool:
        """Whether `serve` would do something."""
        return self._next() is not None

    def share(self) -> int:
        """How often to `serve` after a live image: until the new prompts of one image are answered, and until no object
        is as far behind as the furthest was before. Those that are furthest behind mostly stand at the same image and
        are one batch, which the others join in time.
        """
        first = self._next()
        new = 0
        if first is not None and first.catch_up is None:
            new = sum(job.catch_up is None and job.image is first.image for job in self._jobs)
        at_work = [job.catch_up for job in self._at_work()]
        furthest = max((catch_up.remaining for catch_up in at_work), default=0)
        batches = {id(catch_up.next_image) for catch_up in at_work if catch_up.remaining == furthest}
        return new + IMAGES_PER_LIVE * len(batches)

    def cut_short(self) -> None:
        """Take all objects that are catching up to the newest image at once: there is no more time for them."""
        for job in self._at_work():
            if job.shown is not None and not job.catch_up.done:
                job.catch_up.cut_short()
                self._journal.count('catch_ups_cut_short')
        self._jobs = [job for job in self._jobs if job.catch_up is None or not job.catch_up.done]

    def serve(self) -> None:
        """Work on a new prompt in its image, or on all that stand where the one furthest behind does by one image."""
        self._refuse_late()
        job = self._next()
        if job is None:
            return
        batch = [job]
        try:
            if job.catch_up is None:
                job.catch_up = self._begin(job)
            elif job.catch_up.next_image is not None:  # otherwise it was called off, for a reason of its own
                batch = [one for one in self._at_work() if one.catch_up.next_image is job.catch_up.next_image]
            results = advance_together([one.catch_up for one in batch])
            for one, result in zip(batch, results, strict=True):
                self._hand_out(one, result)
        except (ValueError, TypeError, LookupError) as error:
            self._give_up_all(batch, str(error))
            return
        except Exception as error:
            self._give_up_all(batch, f'the tracker failed: {error}')
            raise
        self._jobs = [one for one in self._jobs if one not in batch or not one.catch_up.done]

    def refuse_waiting(self, reason: str) -> None:
        """Give up the prompts that were not applied yet; the objects that are catching up can go on later."""
        self._give_up_all([job for job in self._jobs if job.shown is None], reason)

    def forget(self, object_id: str, reason: str) -> None:
        """The object is gone, and so are its prompts and all that is remembered of it."""
        for job in list(self._jobs):
            if object_id in (job.request.object_id, job.catch_up and job.catch_up.object_id):
                self._give_up(job, reason)
        self._messages.forget(object_id)
        self._ring.forget_object(object_id)

    def forget_all(self, reason: str) -> None:
        """The tracker begins anew."""
        self._give_up_all(list(self._jobs), reason)
        self._messages.forget_all()
        self._ring.restart()

    def _next(self) -> _Job | None:
        """A prompt that was not looked at yet, else the one that is furthest behind: those that stand at the same image
        are served together, which encodes that image once.
        """
        at_work = self._at_work()
        for job in self._jobs:
            if (
                job.catch_up is None
                and job.image.status is not ImageStatus.WAITING
                and not self._waits_for(job, at_work)
            ):
                return job
        return max(at_work, key=lambda job: job.catch_up.remaining, default=None)

    def _at_work(self) -> list[_Job]:
        return [job for job in self._jobs if job.catch_up is not None]

    def _waits_for(self, job: _Job, at_work: list[_Job]) -> str | None:
        """The object, catching up with an earlier prompt, that this one is for as well. For a click that is the object
        it hit; where an object that catches up is on the clicked image is not known yet, so it is looked for where it
        was seen last.
        """
        busy = {other.catch_up.object_id for other in at_work}
        target = job.request.object_id
        if job.request.click and not target and busy:
            last_seen = [other.shown for other in at_work if other.shown and other.image.time <= job.image.time]
            target = _object_at([*self._shown(job.image), *last_seen], job.request.prompt)
        return target if target in busy else None

    def _refuse_late(self) -> None:
        at_work = self._at_work()
        for job in list(self._jobs):
            if job.catch_up is None and monotonic() - job.asked > PATIENCE and (name := self._waits_for(job, at_work)):
                self._give_up(job, f'{name!r} was still catching up with an earlier prompt after {PATIENCE:g} s')

    def _begin(self, job: _Job) -> CatchUp:
        """Start the prompt on its image. Raises ValueError or LookupError with the reason it is refused."""
        image, request = job.image, job.request
        index, rgb = image.frame_index, None
        if image.status is ImageStatus.FAILED:
            raise ValueError('the image of this prompt could not be processed')
        if image.status is ImageStatus.SKIPPED:
            before = self._ring.tracked_before(image)
            if before is None and self._ring.overflowed:
                raise LookupError('the images around the one of this prompt are not kept any more')
            index, rgb = (before.frame_index if before else NO_FRAME), self._to_rgb(image.message)
        clicked = request.click and not request.object_id and _object_at(self._shown(image), request.prompt)
        object_id = request.object_id or clicked or self._new_name()
        if object_id not in self._tracker.object_ids and len(self._tracker.object_ids) >= self._messages.max_objects:
            raise ValueError(f'{self._messages.max_objects} objects are tracked already, which is the limit')
        prompt = replace(request.prompt, object_id=object_id)
        if request.extend:
            prompt = extended(image.prompts.get(object_id), prompt)
        if len(prompt.points) > self._messages.max_points:
            raise ValueError(
                f'the prompts for {object_id!r} on this image add up to {len(prompt.points)} points, but '
                f'at most {self._messages.max_points} are accepted (max_prompt_points)'
            )
        return self._tracker.begin_prompt(index, prompt, image=rgb, time=image.time)

    def _shown(self, image: ArrivedImage) -> Iterable[Any]:
        """What was handed out for the image; for objects that were not tracked on it, on the last image they were."""
        before = self._ring.tracked_before(image) if image.status is ImageStatus.SKIPPED else None
        return ({**before.objects, **image.objects} if before else image.objects).values()

    def _new_name(self) -> str:
        while True:
            self._named += 1
            name = f'object_{self._named}'
            if name not in self._tracker.object_ids:
                return name

    def _hand_out(self, job: _Job, result: ObjectResult) -> None:
        """Keep the result with its image, where clicks look, and answer the prompt if this is the prompted image."""
        image = job.image if job.shown is None else self._ring.at_frame(result.frame_index)
        if image is None:
            return
        message = self._messages.object_message(image, result)
        image.keep_object(message)
        answered, job.shown = job.shown is not None, message
        if not answered:
            image.prompts[result.object_id] = job.catch_up.prompt
            self._journal.count('prompts_applied')
            remark = misfit(job.catch_up.prompt, result)
            if remark:
                kind = 'prompts_that_do_not_fit' if message.has_box else 'empty_prompts'
                self._journal.note(kind, f'{result.object_id!r} was prompted, but {remark}')
            job.request.answer(Answer(object_id=result.object_id, image=image, tracked_object=message, remark=remark))

    def _give_up_all(self, jobs: Iterable[_Job], reason: str) -> None:
        for job in jobs:
            self._give_up(job, reason)

    def _give_up(self, job: _Job, reason: str) -> None:
        """End a prompt early: the object is as it was without it, and one that it had started is gone."""
        self._jobs.remove(job)
        if job.catch_up is not None:
            object_id = job.catch_up.object_id
            if not job.catch_up.done:
                self._tracker.abandon(object_id)
            if object_id not in self._tracker.object_ids:
                self._messages.forget(object_id)
                self._ring.forget_object(object_id)
        if job.shown is None:
            self._journal.refuse_prompt(reason)
            job.request.answer(Answer(reason))
        else:
            self._journal.note('catch_up_ended', f'{object_id!r} stopped catching up: {reason}')


def _replaces(newer: PromptRequest, older: PromptRequest) -> bool:
    """Whether the newer prompt makes the older one needless; clicks refine what a box or a mask says."""
    if newer.extend or not newer.object_id or newer.object_id != older.object_id:
        return False
    return not newer.prompt.only_refines or older.prompt.only_refines


def _object_at(objects: Iterable[Any], prompt: Prompt) -> str | None:
    """The object that was clicked on, the smallest where several are; None beside all of them."""
    x, y = (int(value) for value in prompt.points[0])
    hits = []
    for message in objects:
        left, top, right, bottom = (int(value) for value in message.box)
        if left <= x < right and top <= y < bottom and message.mask.data[(y - top) * message.mask.step + x - left]:
            hits.append((message.area, message.object_id))
    return min(hits)[1] if hits else None


def misfit(prompt: Prompt, result: ObjectResult) -> str:
    """How the mask that came out of a prompt contradicts it, as the end of a sentence; empty where it does not."""
    if result.box is None:
        if prompt.mask is not None and not prompt.mask.any():
            return ''  # it was said to be hidden
        return 'there is nothing in its mask: prompt it again, with a box around all of it or a click in its middle'
    height, width = result.mask.shape
    if prompt.box is not None:
        overlap = _box_overlap(np.clip(prompt.box, 0, (width, height, width, height)), np.array(result.box))
        if overlap < MIN_BOX_OVERLAP:
            return (
                f'the box of its mask, {result.box}, overlaps with that of the prompt by {overlap:.2f} only '
                f'(intersection over union, less than {MIN_BOX_OVERLAP:g})'
            )
    pixels = np.minimum(prompt.points.astype(int), (width - 1, height - 1))
    wrong = result.mask[pixels[:, 1], pixels[:, 0]] != (prompt.labels == 1)
    if wrong.any():
        x, y = prompt.points[wrong][0]
        return f'the point ({x:g}, {y:g}) is {"outside" if prompt.labels[wrong][0] else "inside"} its mask'
    return ''


def _box_overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    return common / (float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - common)


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

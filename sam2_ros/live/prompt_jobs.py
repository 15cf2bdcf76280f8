"""From the image that a prompt was made on to the newest image, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Protocol

import numpy as np

from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages, ImageMessage, ImageStatus, ShownObject
from sam2_ros.live.journal import Journal
from sam2_ros.live.prompt_rules import NewNames, extended, misfit, object_at, supersedes
from sam2_ros.live.requests import Answer, PromptRequest, Source
from sam2_ros.tracking import CatchUp, ObjectResult, VideoTracker, advance_together

NO_FRAME = -1  # frame index before the first image
MAX_PROMPTS = 100  # at work at the same time; more would only grow old
IMAGES_PER_LIVE = 2  # past images processed after each live image: one makes up for the live image, one is gained
PATIENCE = 10.0  # seconds that a prompt waits for its object to catch up with an earlier one
REFUSALS = (ValueError, TypeError, LookupError)  # say what is wrong with a prompt; other errors are failures


class ObjectMessages(Protocol):
    """Makes the messages about single objects, and knows the limits."""

    @property
    def max_objects(self) -> int: ...

    @property
    def max_points(self) -> int: ...

    def note_prompt(self, object_id: str, request: PromptRequest) -> None:
        """A prompt for the object, maybe its first, has been applied."""

    def object_message(self, image: ArrivedImage, result: ObjectResult) -> ShownObject: ...

    def forget(self, object_id: str) -> None: ...

    def forget_all(self) -> None: ...


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A prompt that was not begun yet. `asked`: when it came, in seconds of the monotonic clock."""

    image: ArrivedImage
    request: PromptRequest
    asked: float = field(default_factory=monotonic)


@dataclass(eq=False)
class _CatchingUp:
    """An object on its way to the newest image. `shown`: what was handed out about it last."""

    image: ArrivedImage
    catch_up: CatchUp
    shown: ShownObject


class PromptJobs:
    """Prompts that wait for their turn, and objects that catch up. Only the inference thread uses it.

    New prompts come first, then the objects that are furthest behind. Prompts for the same object are taken one after
    the other.
    """

    def __init__(
        self,
        tracker: VideoTracker,
        *,
        ring: ArrivedImages,
        messages: ObjectMessages,
        journal: Journal,
        to_rgb: Callable[[ImageMessage], np.ndarray],
    ) -> None:
        self._tracker = tracker
        self._ring = ring
        self._messages = messages
        self._journal = journal
        self._to_rgb = to_rgb
        self._waiting: list[_Waiting] = []
        self._catching_up: list[_CatchingUp] = []
        self._names = NewNames()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._catching_up)

    @property
    def furthest_behind(self) -> int:
        """How many images the last of the objects has still to see; 0 when none is catching up."""
        return max((job.catch_up.remaining for job in self._catching_up), default=0)

    def add(self, image: ArrivedImage, request: PromptRequest) -> None:
        """Take a prompt. It replaces waiting prompts for the same object, unless it only refines them."""
        for older in [waiting for waiting in self._waiting if supersedes(request, waiting.request)]:
            self._waiting.remove(older)
            self._journal.count('prompts_superseded')
            older.request.answer(
                Answer(f'superseded: a newer prompt for {request.object_id!r} came before this one was begun')
            )
        if len(self) < MAX_PROMPTS:
            self._waiting.append(_Waiting(image, request))
        else:
            reason = f'{MAX_PROMPTS} prompts are being worked on; prompt an object once, not on every image'
            self._refuse(request, reason)

    def ready(self) -> bool:
        """Whether `serve` would do something."""
        return bool(self._catching_up) or self._next_waiting() is not None

    def turns_after_live_image(self) -> int:
        """How often to `serve` after a live image, so that new prompts are answered and objects that catch up come
        closer to the camera.

        One turn for each new prompt of one image, and IMAGES_PER_LIVE turns for each batch of objects that are furthest
        behind. Objects at the same image are one batch.
        """
        first = self._next_waiting()
        new = 0 if first is None else sum(waiting.image is first.image for waiting in self._waiting)
        furthest = [job.catch_up for job in self._catching_up if job.catch_up.remaining == self.furthest_behind]
        return new + IMAGES_PER_LIVE * len({id(catch_up.next_image) for catch_up in furthest})

    def serve(self) -> None:
        """Apply one new prompt to its image. Without one, take the objects furthest behind to their next image."""
        self._refuse_late()
        waiting = self._next_waiting()
        if waiting is not None:
            self._apply(waiting)
        elif self._catching_up:
            furthest = max(self._catching_up, key=lambda job: job.catch_up.remaining)
            image = furthest.catch_up.next_image  # None: it was called off
            batch = [job for job in self._catching_up if job.catch_up.next_image is image] if image else [furthest]
            self._advance(batch)  # the image is encoded once for all of them

    def cut_short(self) -> None:
        """Let all objects that catch up skip the images in between: there is no more time for these."""
        late = [job for job in self._catching_up if not job.catch_up.done]
        for job in late:
            job.catch_up.cut_short()
            self._journal.count('catch_ups_cut_short')
        self._drop_done(late)

    def refuse_waiting(self, reason: str) -> None:
        """Refuse the prompts that were not begun. Objects that catch up can go on later."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self._refuse(one.request, reason)

    def forget(self, object_id: str, reason: str) -> None:
        """The object is gone: forget its prompts and all that was handed out about it."""
        for waiting in [one for one in self._waiting if one.request.object_id == object_id]:
            self._waiting.remove(waiting)
            self._refuse(waiting.request, reason)
        self._end([job for job in self._catching_up if job.catch_up.object_id == object_id], reason)
        self._messages.forget(object_id)
        self._ring.forget_object(object_id)

    def forget_all(self, reason: str) -> None:
        """The tracker begins anew."""
        self.refuse_waiting(reason)
        self._end(list(self._catching_up), reason)
        self._messages.forget_all()
        self._ring.restart()

    def _next_waiting(self) -> _Waiting | None:
        """The first prompt that can begin: its image had its turn, and its object is not catching up."""
        for waiting in self._waiting:
            if waiting.image.status is not ImageStatus.WAITING and not self._waits_for(waiting):
                return waiting
        return None

    def _waits_for(self, waiting: _Waiting) -> str | None:
        """The object that the prompt is for, if that still catches up with an earlier prompt; None if not.

        A click is for the object it hits. An object that catches up has not reached the clicked image yet, so it is
        looked for where it was seen last.
        """
        busy = {job.catch_up.object_id for job in self._catching_up}
        target: str | None = waiting.request.object_id
        if waiting.request.click and not target and busy:
            last_seen = [job.shown for job in self._catching_up if job.image.time <= waiting.image.time]
            target = object_at([*self._shown(waiting.image), *last_seen], waiting.request.prompt)
        return target if target in busy else None

    def _refuse_late(self) -> None:
        for waiting in list(self._waiting):
            if monotonic() - waiting.asked > PATIENCE and (name := self._waits_for(waiting)):
                self._waiting.remove(waiting)
                reason = f'{name!r} was still catching up with an earlier prompt after {PATIENCE:g} s'
                self._refuse(waiting.request, reason)

    def _apply(self, waiting: _Waiting) -> None:
        """Apply a prompt to its image and answer it."""
        self._waiting.remove(waiting)
        catch_up = None
        try:
            catch_up = self._begin(waiting.image, waiting.request)
            result = catch_up.advance()
            self._messages.note_prompt(result.object_id, waiting.request)
            shown = self._keep(waiting.image, result)
        except Exception as error:
            if catch_up is not None:
                self._take_back(catch_up)
            refusal = isinstance(error, REFUSALS)
            self._refuse(waiting.request, str(error) if refusal else f'the tracker failed: {error}')
            if refusal:
                return
            raise
        if not catch_up.done:
            self._catching_up.append(_CatchingUp(waiting.image, catch_up, shown))
        self._answer(waiting, catch_up, result, shown)

    def _begin(self, image: ArrivedImage, request: PromptRequest) -> CatchUp:
        """Start the prompt on its image. Raises ValueError or LookupError with the reason it is refused."""
        index, rgb = image.frame_index, None
        if image.status is ImageStatus.FAILED:
            raise ValueError('the image of this prompt could not be processed')
        if image.status is ImageStatus.SKIPPED:
            before = self._ring.tracked_before(image)
            if before is None and self._ring.overflowed:
                raise LookupError('the images around the one of this prompt are not kept any more')
            index, rgb = (before.frame_index if before else NO_FRAME), self._to_rgb(image.message)
        if (
            request.source is Source.DETECTOR
            and request.object_id
            and request.object_id not in self._tracker.object_ids
        ):
            raise LookupError(f'{request.object_id!r} was removed before a detection could correct it')
        clicked = request.click and not request.object_id and object_at(self._shown(image), request.prompt)
        object_id = request.object_id or clicked or self._names.new(request.class_name, taken=self._tracker.object_ids)
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

    def _shown(self, image: ArrivedImage) -> Iterable[ShownObject]:
        """What was handed out for the image. For a skipped image that is what was handed out for the tracked one before
        it.
        """
        before = self._ring.tracked_before(image) if image.status is ImageStatus.SKIPPED else None
        return ({**before.objects, **image.objects} if before else image.objects).values()

    def _keep(self, image: ArrivedImage, result: ObjectResult) -> ShownObject:
        """Keep a result with its image, where clicks look for objects."""
        shown = self._messages.object_message(image, result)
        image.keep_object(shown)
        return shown

    def _answer(self, waiting: _Waiting, catch_up: CatchUp, result: ObjectResult, shown: ShownObject) -> None:
        """Say that the prompt has been applied."""
        waiting.image.prompts[result.object_id] = catch_up.prompt
        self._journal.count('prompts_applied')
        remark = misfit(catch_up.prompt, result)
        if remark:
            kind = 'prompts_that_do_not_fit' if shown.has_box else 'empty_prompts'
            self._journal.note(kind, f'{result.object_id!r} was prompted, but {remark}')
        waiting.request.answer(
            Answer(object_id=result.object_id, image=waiting.image, tracked_object=shown, remark=remark)
        )

    def _advance(self, batch: Sequence[_CatchingUp]) -> None:
        """Track the objects of a batch in their next image, which is the same for all."""
        try:
            for job, result in zip(batch, advance_together([job.catch_up for job in batch]), strict=True):
                image = self._ring.at_frame(result.frame_index)
                if image is not None:
                    job.shown = self._keep(image, result)
        except Exception as error:
            refusal = isinstance(error, REFUSALS)
            self._end(batch, str(error) if refusal else f'the tracker failed: {error}')
            if refusal:
                return
            raise
        self._drop_done(batch)

    def _drop_done(self, served: Sequence[_CatchingUp]) -> None:
        """Objects that the tracker called off are done, too. They stay until `serve` has said why."""
        for job in served:
            if job.catch_up.done:
                self._catching_up.remove(job)

    def _end(self, jobs: Iterable[_CatchingUp], reason: str) -> None:
        """Objects stop catching up. They are as they were without the prompt."""
        for job in jobs:
            self._catching_up.remove(job)
            self._take_back(job.catch_up)
            self._journal.note('catch_up_ended', f'{job.catch_up.object_id!r} stopped catching up: {reason}')

    def _take_back(self, catch_up: CatchUp) -> None:
        """Undo a prompt. An object that it had started is gone."""
        object_id = catch_up.object_id
        if not catch_up.done:
            self._tracker.abandon(object_id)
        if object_id not in self._tracker.object_ids:
            self._messages.forget(object_id)
            self._ring.forget_object(object_id)

    def _refuse(self, request: PromptRequest, reason: str) -> None:
        self._journal.refuse_prompt(reason)
        request.answer(Answer(reason))

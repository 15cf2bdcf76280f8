"""The streaming tracker: one per camera, one image per step, any number of objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from sam2_ros.model import ImageFeatures, Sam2Network
from sam2_ros.model.config import MASK_STRIDE, NO_OBJECT_LOGIT
from sam2_ros.model.normalization import normalize
from sam2_ros.tracking.catch_up import CatchUp
from sam2_ros.tracking.checks import check_time, check_whole
from sam2_ros.tracking.errors import UnknownObjectError
from sam2_ros.tracking.frame_step import FrameStep, Outcome
from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryPolicy
from sam2_ros.tracking.options import TrackerOptions
from sam2_ros.tracking.policies import POLICY_NAMES, make_policy
from sam2_ros.tracking.postprocessing import box_of
from sam2_ros.tracking.preprocessing import check_image, shrink
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.result import FrameResult, MemoryEvent, ObjectResult, ObjectState
from sam2_ros.tracking.ring import ImageRing, RecentImage
from sam2_ros.tracking.track import Track

MEMORY_EVENTS = {
    None: MemoryEvent.NONE,
    EntryKind.RECENT: MemoryEvent.RECENT,
    EntryKind.ANCHOR: MemoryEvent.ANCHOR,
    EntryKind.PROMPT: MemoryEvent.PROMPT,
    EntryKind.CORRECTION: MemoryEvent.PROMPT,
}
BACKLOG_RINGS = 2  # a catch-up that is more than so many rings of images behind is given up


class VideoTracker:
    """Tracks objects through a stream of images, for as long as it runs, in bounded memory.

    Each object has its own memory and its own count of frames, so one that joins late, leaves or is
    corrected does not change the others. Several trackers may share one network, from one thread.

    Args:
        model: from `build_sam2`.
        memory: name of a memory policy (`'sam2'`, `'pres'`, `'interval'`, `'drm1'`, `'drm2'`, `'dam'`), or a
            policy, such as `make_policy('dam', DamSettings(...))`.
        options: see `TrackerOptions`.

    Raises:
        TypeError, ValueError: if there is no such policy, or options of another type.
    """

    def __init__(
        self, model: Sam2Network, memory: str | MemoryPolicy = 'dam', *, options: TrackerOptions | None = None
    ) -> None:
        if isinstance(memory, str):
            memory = make_policy(memory)
        if isinstance(memory, type) or not isinstance(memory, MemoryPolicy):
            raise TypeError(
                f'memory must be the name of a policy ({", ".join(POLICY_NAMES)}) or a MemoryPolicy, '
                f'not {type(memory).__name__}'
            )
        if not isinstance(options, TrackerOptions | None):
            raise TypeError(f'options must be a TrackerOptions, not {type(options).__name__}')
        self._model = model
        self._policy = memory
        self._options = options or TrackerOptions()
        self._frame_step = FrameStep(model, self._policy, self._options)
        self._jobs: dict[str, CatchUp] = {}
        self._tracks: dict[str, Track] = {}
        self._newest: tuple[RecentImage, ImageFeatures] | None = None
        self._revisited: tuple[RecentImage, ImageFeatures] | None = None  # objects that catch up together share it
        self._frame_index = -1
        self._ring = self._new_ring()

    @property
    def frame_index(self) -> int:
        """Index of the newest frame, counted from 0; -1 before the first."""
        return self._frame_index

    @property
    def oldest_frame_index(self) -> int:
        """The oldest frame that `prompt` reaches; -1 before the first."""
        return self._ring.oldest_frame_index

    @property
    def object_ids(self) -> tuple[str, ...]:
        """All objects in the order in which they were added; new ones that still catch up come last."""
        return tuple(dict.fromkeys((*self._tracks, *self._jobs)))

    @torch.inference_mode()
    def step(self, rgb: np.ndarray, prompts: Iterable[Prompt] = (), *, time: float | None = None) -> FrameResult:
        """Process the next image.

        Args:
            rgb: (H, W, 3) uint8; the size may change from image to image, since the memory does not depend on it.
            prompts: for new objects, or corrections of tracked ones; several for one object are applied in
                turn.
            time: of the image in seconds, for `lost_after_seconds`.

        Raises:
            TypeError, ValueError: for an unsuitable image or prompt; nothing has changed then.
        """
        check_image(rgb)
        check_time(time)
        image = RecentImage(self._frame_index + 1, self._shrink(rgb), rgb.shape[:2], time)
        image.prompts = self._sort_prompts(prompts, image.size)
        started = [object_id for object_id in image.prompts if object_id not in self.object_ids]
        image.before = {**self._tracks, **{object_id: self._new_track() for object_id in started}}
        newest, outcomes = None, []
        if image.before:  # an image without objects is encoded only if it is prompted later
            newest = (image, self._encode(image))
            outcomes = self._frame_step.run(
                newest[1],
                image.size,
                tracks=list(image.before.values()),
                prompts=[image.prompts.get(object_id, ()) for object_id in image.before],
                time=time,
                non_overlap=self._options.non_overlap,
            )
        # nothing fails from here on
        by_object = dict(zip(image.before, outcomes, strict=True))
        self._tracks = {object_id: outcome.track for object_id, outcome in by_object.items()}
        self._frame_index = image.frame_index
        self._newest = newest
        self._ring.add(image)
        for object_id, job in list(self._jobs.items()):
            job.follow(image)
            if job.remaining > BACKLOG_RINGS * self._options.ring_frames:
                why = f'{object_id!r} fell {job.remaining} images behind and the prompt was dropped'
                self._call_off(object_id, why)
        return self._frame_result(image, by_object)

    def begin_prompt(
        self, frame_index: int, prompt: Prompt, *, image: np.ndarray | None = None, time: float | None = None
    ) -> CatchUp:
        """Prompt a recent image and catch up piece by piece, between steps.

        Until the returned work is done, `step` follows the object as if it had not been prompted (an object
        that is new is absent) and reports it as CATCHING_UP. Afterwards the object is as if the prompt had
        been given at its time. Results already handed out do not change. Objects that catch up do not see
        others: `non_overlap` takes no pixels from their results on the way, nor do they take any. Those that
        stand at the same image can go on as one batch, with `advance_together`.

        Args:
            frame_index: the frame that was prompted, or, with `image`, the frame after which that image came
                (-1: before all).
            prompt: for a new object, or a correction.
            image: (H, W, 3) uint8, an image that was never stepped; it becomes part of this object's own
                sequence. Several after one frame are in order of time, or of the calls where no time is given; the
                same image given again is not a second one, but gets one more prompt.
            time: of `image` in seconds; a frame that was stepped keeps its own.

        Raises:
            FrameNotKeptError: if the ring does not hold that frame.
            TypeError, ValueError: for an unsuitable prompt or image, or if the object is still catching up
                with another. Nothing has changed then.
        """
        object_id = self._check_prompt(prompt).object_id
        check_whole('frame_index', frame_index)
        check_time(time)
        if object_id in self._jobs:
            raise ValueError(
                f'{object_id!r} is still catching up from another prompt; finish that before giving the next'
            )
        if image is None:
            start = self._ring.find(frame_index)
        else:
            start = self._image_between(frame_index, image, object_id=object_id, time=time)
        images = [start, *self._ring.seen_by(object_id, after=start)]
        if start.inserted_for is None or object_id in start.before:
            track = start.before.get(object_id)
        else:  # an image that the object has not seen yet
            track = images[1].before.get(object_id) if len(images) > 1 else self._tracks.get(object_id)
        prompt.check_fits(*start.size)
        if (track is None or track.starts) and not start.prompts.get(object_id):
            prompt.check_starts_object()  # the object may start in a later image, as far as is known
        job = CatchUp(
            object_id,
            prompt,
            track=track or self._new_track(),
            images=images,
            max_visits=self._options.ring_frames + 1,  # an image that was never stepped comes on top
            process=self._process,
            finish=self._finish,
        )
        self._jobs[object_id] = job
        return job

    def prompt(
        self, frame_index: int, prompt: Prompt, *, image: np.ndarray | None = None, time: float | None = None
    ) -> list[ObjectResult]:
        """Prompt a recent image and catch up at once: `begin_prompt`, then all the work.

        Returns:
            The object in the prompted image and in every one after it, up to the newest frame.
        """
        job = self.begin_prompt(frame_index, prompt, image=image, time=time)
        results = []
        while not job.done:
            results.append(job.advance())
        return results

    def abandon(self, object_id: str) -> None:
        """Give up what an object has to catch up with: all is as if that past prompt had never come.

        An object that was there before goes on as it is; one that the prompt started is gone.

        Raises:
            UnknownObjectError: (a KeyError) if no object of this name is catching up.
        """
        if object_id not in self._jobs:
            busy = ', '.join(map(repr, self._jobs)) or 'none'
            raise UnknownObjectError(f'{object_id!r} is not catching up; objects that are: {busy}')
        self._call_off(object_id, f'the prompt for {object_id!r} was abandoned')

    def remove(self, object_id: str) -> None:
        """Forget an object, and call off what it has to catch up with.

        Raises:
            UnknownObjectError: if there is none of this name.
        """
        if object_id not in self.object_ids:
            known = ', '.join(map(repr, self.object_ids)) or 'none'
            raise UnknownObjectError(f'there is no object {object_id!r}; tracked objects: {known}')
        self._tracks.pop(object_id, None)
        self._ring.forget_object(object_id)
        if object_id in self._jobs:
            self._call_off(object_id, f'{object_id!r} was removed')

    def reset(self) -> None:
        """Forget everything: objects, images and the frame count."""
        for job in self._jobs.values():
            job.call_off('the tracker was reset')
        self._jobs, self._tracks, self._newest, self._revisited = {}, {}, None, None
        self._frame_index = -1
        self._ring = self._new_ring()

    def _call_off(self, object_id: str, why: str) -> None:
        self._jobs.pop(object_id).call_off(why)
        if object_id not in self._tracks:  # it was never there: nor were later prompts for it
            self._ring.forget_object(object_id)

    def _new_ring(self) -> ImageRing:
        return ImageRing(max_images=self._options.ring_frames, max_bytes=self._options.ring_bytes)

    def _check_prompt(self, prompt: Prompt) -> Prompt:
        if not isinstance(prompt, Prompt):
            raise TypeError(f'a prompt must be a Prompt, not {type(prompt).__name__}')
        return prompt

    def _sort_prompts(self, prompts: Iterable[Prompt], size: tuple[int, int]) -> dict[str, tuple[Prompt, ...]]:
        """Prompts by object id, all of them checked."""
        if isinstance(prompts, Prompt) or not isinstance(prompts, Iterable):
            raise TypeError(f'prompts must be a list of Prompt, not a single {type(prompts).__name__}')
        by_object: dict[str, tuple[Prompt, ...]] = {}
        for prompt in map(self._check_prompt, prompts):
            prompt.check_fits(*size)
            if prompt.object_id not in self.object_ids and prompt.object_id not in by_object:
                prompt.check_starts_object()
            by_object[prompt.object_id] = (*by_object.get(prompt.object_id, ()), prompt)
        return by_object

    def _image_between(self, frame_index: int, rgb: np.ndarray, *, object_id: str, time: float | None) -> RecentImage:
        check_image(rgb)
        self._ring.check_reaches(frame_index)
        image = RecentImage(frame_index, self._shrink(rgb), rgb.shape[:2], time, inserted_for=object_id)
        others = (*self._ring.inserted(), *(job.image for job in self._jobs.values()))
        twin = next((other for other in others if other.shows(image)), image)
        image.pixels = twin.pixels  # kept and encoded once for all objects
        return self._ring.same_image(image)

    def _shrink(self, rgb: np.ndarray) -> torch.Tensor:
        return shrink(rgb, self._model.image_size, self._options.resize)

    def _new_track(self) -> Track:
        return Track(MemoryBank(self._policy))

    def _encode(self, image: RecentImage) -> ImageFeatures:
        for known in (self._newest, self._revisited):
            if known is not None and known[0].pixels is image.pixels:
                return known[1]
        pixels = image.pixels.to(self._model.device, torch.float32) / 255
        return self._model.encode_image(normalize(pixels)[None].to(self._model.dtype))

    @torch.inference_mode()
    def _process(self, image: RecentImage, jobs: Sequence[CatchUp]) -> list[tuple[Outcome, ObjectResult]]:
        """Track objects in one image of the ring; if that fails, nothing is left of their prompts."""
        try:
            features = self._encode(image)
            self._revisited = (image, features)
            outcomes = self._frame_step.run(
                features,
                image.size,
                tracks=[job.track for job in jobs],
                prompts=[job.prompts_on(image) for job in jobs],
                time=image.time,
            )
        except BaseException as error:
            for job in jobs:
                self._call_off(job.object_id, f'the prompt for {job.object_id!r} failed: {error}')
            raise
        states = [outcome.track.visibility.state(self._options, image.time) for outcome in outcomes]
        results = zip(jobs, outcomes, states, strict=True)
        return [(outcome, _object_result(job.object_id, image, outcome, state)) for job, outcome, state in results]

    def _finish(self, job: CatchUp) -> None:
        """Let the object continue from the track that has caught up."""
        object_id = job.object_id
        for image, before in job.visits:
            image.before[object_id] = before
        job.image.prompts[object_id] = (*job.image.prompts.get(object_id, ()), job.prompt)
        if job.image.inserted_for is not None and self._ring.reaches(job.image.frame_index):
            self._ring.add(job.image)
        else:
            self._ring.trim()  # a mask in the prompt needs room, too
        self._tracks[object_id] = job.track
        del self._jobs[object_id]

    def _frame_result(self, image: RecentImage, outcomes: dict[str, Outcome]) -> FrameResult:
        results = {}
        for object_id, outcome in outcomes.items():
            state = outcome.track.visibility.state(self._options, image.time)
            if object_id in self._jobs:
                state = ObjectState.CATCHING_UP
            results[object_id] = _object_result(object_id, image, outcome, state)
        waiting = {job: self._unseen(job, image) for job in self._jobs if job not in results}
        return FrameResult(image.frame_index, image.size, {**results, **waiting})

    def _unseen(self, object_id: str, image: RecentImage) -> ObjectResult:
        """An object of which only a past image has been prompted, which has not caught up yet."""
        side = self._model.image_size // MASK_STRIDE
        return ObjectResult(
            object_id=object_id,
            frame_index=image.frame_index,
            mask=np.zeros(image.size, dtype=bool),
            box=None,
            area=0,
            hidden_frames=max(1, image.frame_index - self._jobs[object_id].image.frame_index),
            object_score_logit=NO_OBJECT_LOGIT,
            predicted_iou=0.0,
            state=ObjectState.CATCHING_UP,
            memory_event=MemoryEvent.NONE,
            memory_reason='not caught up yet',
            anchors=0,
            low_res_logits=torch.full((side, side), NO_OBJECT_LOGIT),
        )


def _object_result(object_id: str, image: RecentImage, outcome: Outcome, state: ObjectState) -> ObjectResult:
    box = box_of(outcome.mask)
    x0, y0, x1, y1 = box or (0, 0, 0, 0)
    return ObjectResult(
        object_id=object_id,
        frame_index=image.frame_index,
        mask=outcome.mask,
        box=box,
        area=int(np.count_nonzero(outcome.mask[y0:y1, x0:x1])),
        hidden_frames=outcome.track.visibility.hidden_frames,
        object_score_logit=outcome.object_score_logit,
        predicted_iou=outcome.predicted_iou,
        state=state,
        memory_event=MEMORY_EVENTS[outcome.written],
        memory_reason=outcome.reason,
        anchors=outcome.track.bank.anchors,
        low_res_logits=outcome.logits,
    )

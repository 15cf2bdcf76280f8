"""The streaming tracker: one per camera, one image per step, any number of objects."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from sam2_ros.model import Network
from sam2_ros.tracking.catch_up import CatchUp
from sam2_ros.tracking.checks import check_time, check_whole
from sam2_ros.tracking.cuda_graphs import graphs_of
from sam2_ros.tracking.device_resize import Shrink
from sam2_ros.tracking.errors import UnknownObjectError
from sam2_ros.tracking.frame_encoder import FrameEncoder
from sam2_ros.tracking.frame_step import FrameStep, Outcome
from sam2_ros.tracking.graphs import PLAIN, GraphRunner
from sam2_ros.tracking.memory_bank import MemoryBank, MemoryPolicy
from sam2_ros.tracking.memory_reads import to_device
from sam2_ros.tracking.options import TrackerOptions
from sam2_ros.tracking.past_prompts import PastPrompts
from sam2_ros.tracking.policies import POLICY_NAMES, make_policy
from sam2_ros.tracking.preprocessing import check_image, shrink
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.reporting import object_result, unseen_result
from sam2_ros.tracking.result import FrameResult, ObjectResult
from sam2_ros.tracking.ring import RecentImage
from sam2_ros.tracking.states import ObjectState
from sam2_ros.tracking.track import Track


class VideoTracker:
    """Tracks objects through a stream of images, for as long as it runs, in bounded memory.

    Each object has its own memory and its own count of frames. So an object that joins late, leaves or is corrected
    does not change the others. Several trackers may share one network if they run in one thread.

    Args:
        model: from `build_sam2`, or any other `Network`.
        memory: name of a memory policy (`POLICY_NAMES`; `make_policy` has a table of them), or a policy, such as
            `make_policy('dam', DamSettings(...))` or `SamuraiMemory(MotionRule(motion_weight=0.15))`.
        options: see `TrackerOptions`.
        graphs: what frames without prompts run on. None: CUDA graphs, which all trackers of the network share, if that
            is on a GPU and the options do not forbid it.

    Raises:
        TypeError, ValueError: if there is no such policy, or the options are of another type.
    """

    def __init__(
        self,
        model: Network,
        memory: str | MemoryPolicy = 'dam',
        *,
        options: TrackerOptions | None = None,
        graphs: GraphRunner | None = None,
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
        if graphs is None and self._options.graphs and model.device.type == 'cuda':
            graphs = graphs_of(model)
        self._graphs = graphs
        self._frame_step = FrameStep(model, self._policy, self._options, graphs)
        self._encoder = FrameEncoder(model)
        self._tracks: dict[str, Track] = {}  # after the newest frame
        self._past = PastPrompts(self._frame_step, self._encoder, self._options, tracks=self._tracks)
        self._frame_index = -1

    @property
    def frame_index(self) -> int:
        """Index of the newest frame, counted from 0; -1 before the first."""
        return self._frame_index

    @property
    def oldest_frame_index(self) -> int:
        """The oldest frame that `prompt` can name; -1 before the first."""
        return self._past.oldest_frame_index

    @property
    def graphs(self) -> GraphRunner | None:
        """Runs the frames without prompts; None if they run plainly."""
        return self._graphs

    @property
    def object_ids(self) -> tuple[str, ...]:
        """All objects in the order in which they were added; new objects that are still catching up come last."""
        return tuple(dict.fromkeys((*self._tracks, *self._past.object_ids)))

    @property
    def memory_nbytes(self) -> int:
        """Bytes of the spatial memories and pointers that the next frame may read, of all objects together.

        Images and what was known at earlier ones, for prompts on the past, come on top.
        """
        banks = [bank for track in self._tracks.values() for bank in track.hypotheses]
        entries = {id(entry): entry for bank in banks for entry in (*bank.conditioning, *bank.recent)}
        return sum(entry.nbytes for entry in entries.values())

    @torch.inference_mode()
    def step(self, rgb: np.ndarray, prompts: Iterable[Prompt] = (), *, time: float | None = None) -> FrameResult:
        """Process the next image.

        Args:
            rgb: (H, W, 3) uint8. The size may change from image to image: the memory does not depend on it.
            prompts: for new objects, or corrections of tracked ones. Several prompts for one object are applied in
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
        outcomes = []
        if image.before:  # an image without objects is encoded only if it is prompted later
            outcomes = self._frame_step.run(
                self._encoder.newest(image.pixels),
                image.size,
                tracks=list(image.before.values()),
                prompts=[image.prompts.get(object_id, ()) for object_id in image.before],
                time=time,
                non_overlap=self._options.non_overlap,
            )
        # nothing fails from here on
        by_object = dict(zip(image.before, outcomes, strict=True))
        self._tracks.update({object_id: outcome.track for object_id, outcome in by_object.items()})
        self._frame_index = image.frame_index
        self._past.follow(image)
        return self._frame_result(image, by_object)

    def begin_prompt(
        self, frame_index: int, prompt: Prompt, *, image: np.ndarray | None = None, time: float | None = None
    ) -> CatchUp:
        """Prompt a recent image and catch up piece by piece, between steps.

        Until the returned work is done, `step` reports the object as CATCHING_UP. It follows the object as if the
        prompt had not been given; a new object is absent. Afterwards the object is as if the prompt had been given at
        its time. Results that were already returned do not change.

        While an object catches up, `non_overlap` has no effect on it: its results and those of other objects may share
        pixels. Objects whose next image is the same can catch up as one batch, with `advance_together`.

        Args:
            frame_index: the prompted frame. With `image`: the frame before that image (-1: it came before all frames).
            prompt: for a new object, or a correction.
            image: (H, W, 3) uint8, an image that was never stepped; it becomes part of this object's own sequence.
                Several images after one frame are ordered by their times, or by their calls if a time is missing. The
                same image given again is not inserted again: its prompt is added to that of the first call.
            time: of `image` in seconds; a frame that was stepped keeps its own time.

        Raises:
            FrameNotKeptError: if the ring does not hold that frame.
            TypeError, ValueError: for an unsuitable prompt or image, or if the object is already catching up from
                another prompt. Nothing has changed then.
        """
        self._check_prompt(prompt)
        check_whole('frame_index', frame_index)
        check_time(time)
        inserted = None
        if image is not None:
            check_image(image)
            pixels = self._shrink(image)
            inserted = RecentImage(frame_index, pixels, image.shape[:2], time, inserted_for=prompt.object_id)
        return self._past.begin(frame_index, prompt, inserted=inserted, new_track=self._new_track())

    def prompt(
        self, frame_index: int, prompt: Prompt, *, image: np.ndarray | None = None, time: float | None = None
    ) -> list[ObjectResult]:
        """Prompt a recent image and catch up at once: `begin_prompt`, then all the work. Takes its arguments and raises
        its errors.

        Returns:
            The object in the prompted image and in every one after it, up to the newest frame.
        """
        job = self.begin_prompt(frame_index, prompt, image=image, time=time)
        results = []
        while not job.done:
            results.append(job.advance())
        return results

    def abandon(self, object_id: str) -> None:
        """Call off the catch-up of an object. All is as if its prompt had never been given.

        An object that was there before goes on as it is. One that the prompt started is gone.

        Raises:
            UnknownObjectError: (a KeyError) if no object of this name is catching up.
        """
        if object_id not in self._past.object_ids:
            busy = ', '.join(map(repr, self._past.object_ids)) or 'none'
            raise UnknownObjectError(f'{object_id!r} is not catching up; objects that are: {busy}')
        self._past.call_off(object_id, f'the prompt for {object_id!r} was abandoned')

    def remove(self, object_id: str) -> None:
        """Forget an object, and call off its catch-up if there is one.

        Raises:
            UnknownObjectError: if there is no object of this name.
        """
        if object_id not in self.object_ids:
            known = ', '.join(map(repr, self.object_ids)) or 'none'
            raise UnknownObjectError(f'there is no object {object_id!r}; tracked objects: {known}')
        self._tracks.pop(object_id, None)
        self._past.forget(object_id)

    def reset(self) -> None:
        """Forget everything: objects, images and the frame count."""
        self._past.reset()
        self._tracks.clear()
        self._encoder.forget()
        self._frame_index = -1

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

    def _shrink(self, rgb: np.ndarray) -> torch.Tensor:
        size, device = self._model.image_size, self._model.device
        if self._options.resize != 'bicubic' or (self._graphs is None and device.type != 'cuda'):
            return shrink(rgb, size, self._options.resize)
        image = to_device(torch.from_numpy(np.require(rgb, requirements=('C', 'W'))), device)
        [pixels] = (self._graphs or PLAIN).run(Shrink(size), image)
        return pixels

    def _new_track(self) -> Track:
        return Track(MemoryBank(self._policy))

    def _frame_result(self, image: RecentImage, outcomes: dict[str, Outcome]) -> FrameResult:
        results = {}
        for object_id, outcome in outcomes.items():
            state = outcome.track.visibility.state(self._options, image.time)
            if object_id in self._past.object_ids:
                state = ObjectState.CATCHING_UP
            results[object_id] = object_result(object_id, image, outcome, state)
        for object_id in self._past.object_ids:
            if object_id not in results:
                prompted = self._past.prompted_frame(object_id)
                results[object_id] = unseen_result(
                    object_id, image, prompted=prompted, image_size=self._model.image_size
                )
        return FrameResult(image.frame_index, image.size, results)

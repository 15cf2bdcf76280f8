"""Prompts for past images: keeps the ring of images that they can name, and the catch-ups of their objects."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sam2_ros.tracking.catch_up import CatchUp
from sam2_ros.tracking.frame_encoder import FrameEncoder
from sam2_ros.tracking.frame_step import FrameStep
from sam2_ros.tracking.options import TrackerOptions
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.reporting import object_result
from sam2_ros.tracking.result import ObjectResult
from sam2_ros.tracking.ring import ImageRing, RecentImage
from sam2_ros.tracking.track import Track

BACKLOG_RINGS = 2  # a catch-up is given up when more than this many times `ring_frames` images are left to process


class PastPrompts:
    """Takes prompts for images in the ring and brings their objects to the newest frame.

    Args:
        frame_step, encoder, options: those of the tracker.
        tracks: the tracks after the newest frame, by object id. An object that has caught up is put there.
    """

    def __init__(
        self, frame_step: FrameStep, encoder: FrameEncoder, options: TrackerOptions, *, tracks: dict[str, Track]
    ) -> None:
        self._frame_step = frame_step
        self._encoder = encoder
        self._options = options
        self._tracks = tracks
        self._jobs: dict[str, CatchUp] = {}
        self._ring = ImageRing(max_images=options.ring_frames, max_bytes=options.ring_bytes)

    @property
    def oldest_frame_index(self) -> int:
        """The oldest frame that a prompt can name; -1 before the first frame."""
        return self._ring.oldest_frame_index

    @property
    def object_ids(self) -> tuple[str, ...]:
        """The objects that are catching up."""
        return tuple(self._jobs)

    def prompted_frame(self, object_id: str) -> int:
        """Index of the prompted frame of an object that is catching up."""
        return self._jobs[object_id].image.frame_index

    def follow(self, image: RecentImage) -> None:
        """Add a new frame to the ring and to the work of all catch-ups."""
        self._ring.add(image)
        for object_id, job in list(self._jobs.items()):
            job.follow(image)
            if job.remaining > BACKLOG_RINGS * self._options.ring_frames:
                self.call_off(object_id, f'{object_id!r} fell {job.remaining} images behind and the prompt was dropped')

    def begin(self, frame_index: int, prompt: Prompt, *, inserted: RecentImage | None, new_track: Track) -> CatchUp:
        """Start the work on a prompt; see `VideoTracker.begin_prompt`.

        Args:
            frame_index: the prompted frame, or the frame before `inserted`.
            prompt: the prompt; its object must not be catching up already.
            inserted: the prompted image, if it was never stepped.
            new_track: for an object that the prompt starts.
        """
        object_id = prompt.object_id
        if object_id in self._jobs:
            raise ValueError(
                f'{object_id!r} is still catching up from another prompt; finish that before giving the next'
            )
        start = self._ring.find(frame_index) if inserted is None else self._insert(inserted)
        images = [start, *self._ring.seen_by(object_id, after=start)]
        if start.inserted_for is None or object_id in start.before:
            track = start.before.get(object_id)
        else:  # an image that the object has not seen yet
            track = images[1].before.get(object_id) if len(images) > 1 else self._tracks.get(object_id)
        prompt.check_fits(*start.size)
        if (track is None or track.starts) and not start.prompts.get(object_id):
            prompt.check_starts_object()  # the object may be known, but start only in a later image
        job = CatchUp(
            object_id,
            prompt,
            track=track or new_track,
            images=images,
            max_visits=self._options.ring_frames + 1,  # one more for an image that was never stepped
            owner=self,
        )
        self._jobs[object_id] = job
        return job

    @torch.inference_mode()
    def advance(self, jobs: Sequence[CatchUp]) -> list[ObjectResult]:
        """Track objects in the image that is next for all of them; see `advance_together`.

        If that fails, their work is called off and the error is passed on.
        """
        image = jobs[0].next_image
        assert image is not None, 'checked by advance_together'
        try:
            outcomes = self._frame_step.run(
                self._encoder.past(image.pixels),
                image.size,
                tracks=[job.track for job in jobs],
                prompts=[job.prompts_on(image) for job in jobs],
                time=image.time,
            )
        except BaseException as error:
            for job in jobs:
                self.call_off(job.object_id, f'the prompt for {job.object_id!r} failed: {error}')
            raise
        results = []
        for job, outcome in zip(jobs, outcomes, strict=True):
            state = outcome.track.visibility.state(self._options, image.time)
            results.append(object_result(job.object_id, image, outcome, state))
            job.pass_image(outcome.track)
            if job.done:
                self.finish(job)
        return results

    def finish(self, job: CatchUp) -> None:
        """Let the object continue from its new track."""
        object_id = job.object_id
        for image, before in job.visits:
            image.before[object_id] = before
        job.image.prompts[object_id] = (*job.image.prompts.get(object_id, ()), job.prompt)
        if job.image.inserted_for is not None and self._ring.reaches(job.image.frame_index):
            self._ring.add(job.image)
        else:
            self._ring.trim()  # a mask in the prompt takes memory, too
        self._tracks[object_id] = job.track
        del self._jobs[object_id]

    def call_off(self, object_id: str, why: str) -> None:
        """Give up the catch-up of an object."""
        self._jobs.pop(object_id).call_off(why)
        if object_id not in self._tracks:  # it never started, so later prompts for it are void
            self._ring.forget_object(object_id)

    def forget(self, object_id: str) -> None:
        """Forget an object: remove its traces from the ring and call off its catch-up."""
        self._ring.forget_object(object_id)
        if object_id in self._jobs:
            self.call_off(object_id, f'{object_id!r} was removed')

    def reset(self) -> None:
        """Forget all images, and give up all work."""
        for job in self._jobs.values():
            job.call_off('the tracker was reset')
        self._jobs = {}
        self._ring = ImageRing(max_images=self._options.ring_frames, max_bytes=self._options.ring_bytes)

    def _insert(self, image: RecentImage) -> RecentImage:
        """The given image, or the inserted image in the ring that it repeats."""
        self._ring.check_reaches(image.frame_index)
        others = (*self._ring.inserted(), *(job.image for job in self._jobs.values()))
        twin = next((other for other in others if other.shows(image)), image)
        image.pixels = twin.pixels  # so that it is kept and encoded once for all objects
        return self._ring.same_image(image)

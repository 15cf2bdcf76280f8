"""Masklets without a human: what a grid of points finds on some frames, tracked in both directions (SA-V's 'auto')."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.images import AutomaticMaskGenerator
from sam2_ros.labelling.labels import LabelledObject, Labels
from sam2_ros.labelling.merging import are_same, merged
from sam2_ros.labelling.options import LabelOptions
from sam2_ros.labelling.passes import Seen, Watch, collect, labelling_session, unwatched
from sam2_ros.session import SessionOptions
from sam2_ros.tracking.prompt import Prompt


def find_masklets(
    labels: Labels,
    frames: Sequence[np.ndarray],
    generator: AutomaticMaskGenerator,
    *,
    options: LabelOptions,
    memory_bytes: int = SessionOptions.memory_bytes,
    spill_folder: Path | None = None,
    watch: Watch = unwatched,
) -> Iterator[Labels]:
    """Go on with automatic labelling until it is finished.

    On frame 0 and every `options.every` frames, everything is segmented. What no masklet covers there becomes new ones:
    they are tracked from there to both ends of the video, as a batch, scored, and left out or merged with known ones.

    Args:
        labels: where to begin.
        frames: of the video, (H, W, 3) uint8 RGB each, read when they are asked for.
        generator: segments a frame; of the output mode 'binary_mask'. Its network tracks, too.
        options: see there.
        memory_bytes, spill_folder: of the session that tracks, see `SessionOptions`.
        watch: gets the passes through the video; it may show progress. If it raises an error, the step is not done.

    Yields:
        The labels after each step: a look at a frame, or a batch of objects tracked. Going on from any of them gives
        the same in the end.

    Raises:
        OSError: if a frame cannot be read.
    """
    while not labels.finished:
        if labels.waiting:
            batch = labels.waiting[: options.objects_at_once]
            found = _track(
                batch,
                labels,
                frames,
                generator,
                options=options,
                memory_bytes=memory_bytes,
                spill_folder=spill_folder,
                watch=watch,
            )
            for one in found:
                labels = _with_found(labels, one, overlap=options.same)
            labels = replace(labels, waiting=labels.waiting[len(batch) :])
        else:
            labels = _look(labels, frames, generator, options=options)
        labels = replace(labels, frame_count=min(labels.frame_count, len(frames)))
        yield labels


def _look(
    labels: Labels, frames: Sequence[np.ndarray], generator: AutomaticMaskGenerator, *, options: LabelOptions
) -> Labels:
    """Segment the next frame, and let what is new wait; the surest first."""
    frame = labels.next_look
    labels = replace(labels, next_look=frame + options.every)
    try:
        image = frames[frame]
    except IndexError:  # the video turned out to be shorter
        return replace(labels, frame_count=len(frames))
    covered = np.zeros(labels.size, bool)
    for one in labels.objects.values():
        if frame in one.masks:
            covered |= one.masks[frame].mask()
    most = options.largest * covered.size
    new = []
    for record in generator.generate(image):
        mask = record['segmentation']
        if 0 < record['area'] <= most and (mask & covered).sum() <= options.most_covered * record['area']:
            new.append(RunLengths.of(mask))
    return replace(labels, waiting=tuple(new))


def _track(
    batch: Sequence[RunLengths],
    labels: Labels,
    frames: Sequence[np.ndarray],
    generator: AutomaticMaskGenerator,
    *,
    options: LabelOptions,
    memory_bytes: int,
    spill_folder: Path | None,
    watch: Watch,
) -> list[LabelledObject]:
    """Track masks of the frame looked at last to both ends of the video; those that are good."""
    frame = labels.next_look - options.every
    prompts = [Prompt(f'{place}', mask=mask.mask()) for place, mask in enumerate(batch)]
    with labelling_session(generator.model, frames, memory_bytes=memory_bytes, spill_folder=spill_folder) as session:
        for prompt in prompts:
            session.prompt(frame, prompt)
        passes = watch(session.propagate_both_ways(), len(frames))
        seen = collect(passes, {prompt.object_id: (frame,) for prompt in prompts})
    least_frames = min(options.least_frames, len(frames))
    return [
        _object(seen[prompt.object_id], frame, prompt)
        for prompt in prompts
        if len(seen[prompt.object_id].masks) >= least_frames
        and (len(frames) == 1 or seen[prompt.object_id].score >= options.least_score)
    ]


def _object(seen: Seen, frame: int, prompt: Prompt) -> LabelledObject:
    return LabelledObject(
        masks=dict(sorted(seen.masks.items())),
        stability=dict(sorted(seen.stability.items())),
        prompts={frame: (prompt,)},
        score=seen.score,
    )


def _with_found(labels: Labels, found: LabelledObject, *, overlap: float) -> Labels:
    """With a new object, or, if it is a known one, merged with it."""
    for number, known in labels.objects.items():
        if are_same(known, found, overlap=overlap):
            return labels.with_object(number, merged(known, found))
    return labels.with_object(labels.numbered + 1, found)

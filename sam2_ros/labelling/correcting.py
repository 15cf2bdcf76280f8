"""Corrections of a person: what they touch is propagated again, all else stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from sam2_ros.labelling.corrections import DROP, Correction
from sam2_ros.labelling.labels import OBJECT, LabelledObject, Labels, as_prompt
from sam2_ros.labelling.passes import Watch, collect, labelling_session, unwatched
from sam2_ros.model import Network
from sam2_ros.session import SessionOptions
from sam2_ros.tracking.prompt import Prompt


@dataclass(frozen=True)
class Stretch:
    """Frames that are passed one after the other: `count` from `start` on, backwards if `reverse`."""

    start: int
    count: int
    reverse: bool = False


def apply_corrections(
    labels: Labels,
    corrections: Sequence[Correction],
    model: Network,
    frames: Sequence[np.ndarray],
    *,
    memory_bytes: int = SessionOptions.memory_bytes,
    spill_folder: Path | None = None,
    watch: Watch = unwatched,
) -> Iterator[Labels]:
    """Apply those corrections that were not applied yet, object by object.

    Clicks refine the mask that an object has on their frame. A box or a mask says anew what it is; then only prompts of
    a person count, and not the mask with which it was found. After that the object is propagated over the frames
    between the corrected one and the next prompted ones before and after it, or up to the ends of the video. Other
    frames and objects do not change.

    Args:
        labels: where to begin.
        corrections: in the order in which they are meant.
        model, frames, memory_bytes, spill_folder, watch: as for `find_masklets`.

    Yields:
        The labels after each object.

    Raises:
        ValueError: for a correction that does not fit. The labels yielded before it stay good.
        OSError: if a frame cannot be read.
    """
    by_object = waiting_corrections(labels, corrections)
    check_corrections(labels, by_object)
    for number, mine in by_object.items():
        known = labels.objects.get(number, LabelledObject())
        changed = _told(known, mine)
        touched = sorted({one.frame for one in mine if one.prompt is not None})
        if touched:
            if not any(_starts(as_prompt(given[0])) for given in changed.prompts.values()):
                raise ValueError(
                    f'nothing is left that says where object {number} of {labels.name} is; drop it, or give a positive '
                    'click, a box or a mask on another frame'
                )
            try:
                changed = _propagated(
                    changed,
                    touched,
                    labels.frame_count,
                    model,
                    frames,
                    memory_bytes=memory_bytes,
                    spill_folder=spill_folder,
                    watch=watch,
                )
            except ValueError as error:
                raise ValueError(f'object {number} of {labels.name}: {error}') from error
        labels = replace(labels.with_object(number, changed), applied=(*labels.applied, *(one.entry for one in mine)))
        yield labels


def waiting_corrections(labels: Labels, corrections: Sequence[Correction]) -> dict[int, list[Correction]]:
    """Those that were not applied yet, by object. Each that was applied stands for one equal one."""
    applied = list(labels.applied)
    waiting: dict[int, list[Correction]] = {}
    for one in corrections:
        if one.entry in applied:
            applied.remove(one.entry)
        else:
            waiting.setdefault(one.object, []).append(one)
    return waiting


def check_corrections(labels: Labels, by_object: Mapping[int, Sequence[Correction]]) -> None:
    """Raise ValueError for a correction of a frame or an object that is not there."""
    for number, mine in by_object.items():
        prompts = [one for one in mine if one.prompt is not None]
        for one in prompts:
            if one.frame >= labels.frame_count:
                raise ValueError(
                    f'object {number} is corrected on frame {one.frame}, but the last frame of {labels.name} is '
                    f'{labels.frame_count - 1}'
                )
        if number in labels.objects:
            continue
        if not prompts:
            known = ', '.join(map(str, labels.objects)) or 'none'
            raise ValueError(f'{labels.name} has no object {number}; objects: {known}')
        if not any(_starts(one.prompt) for one in prompts if one.prompt is not None):
            raise ValueError(
                f'object {number} of {labels.name} is new and needs a positive click, a box or a mask that is not empty'
            )


def _starts(prompt: Prompt) -> bool:
    """Whether it says where an object is."""
    try:
        prompt.check_starts_object()
    except ValueError:
        return False
    return True


def _told(known: LabelledObject, corrections: Sequence[Correction]) -> LabelledObject:
    """The object with verdicts, class and prompts; its masks are as they were."""
    prompts = dict(known.prompts)
    edited = set(known.edited)
    for one in corrections:
        class_name = known.class_name if one.class_name is None else one.class_name
        dropped = known.dropped if one.verdict is None else one.verdict == DROP
        known = replace(known, checked=True, dropped=dropped, class_name=class_name)
        if one.prompt is None:
            continue
        before = prompts.get(one.frame, ())
        if one.prompt.says_anew(None):  # then what was found without a person may be another thing
            prompts = {frame: given for frame, given in prompts.items() if frame in edited}
        if not one.prompt.only_refines:
            before = ()
        elif not before and one.frame in known.masks:
            before = (known.masks[one.frame],)
        prompts[one.frame] = (*before, one.prompt)
        edited.add(one.frame)
    return replace(known, prompts=dict(sorted(prompts.items())), edited=tuple(sorted(edited)))


def stretches(prompted: Sequence[int], corrected: Sequence[int], frame_count: int) -> list[Stretch]:
    """The frames around corrected ones, up to the next prompted ones.

    Args:
        prompted: all frames of an object with prompts, in order; the corrected ones are among them.
        corrected: those that are new.
        frame_count: of the video.
    """
    new = set(corrected)
    found = [
        Stretch(frame, after - frame)
        for frame, after in pairwise((*prompted, frame_count))
        if frame in new or after in new
    ]
    if prompted[0] in new and prompted[0] > 0:
        found.append(Stretch(prompted[0] - 1, prompted[0], reverse=True))
    return found


def _propagated(
    changed: LabelledObject,
    touched: Sequence[int],
    frame_count: int,
    model: Network,
    frames: Sequence[np.ndarray],
    *,
    memory_bytes: int,
    spill_folder: Path | None,
    watch: Watch,
) -> LabelledObject:
    """The object with the masks that its prompts give around the touched frames."""
    prompted = tuple(changed.prompts)
    with labelling_session(model, frames, memory_bytes=memory_bytes, spill_folder=spill_folder) as session:
        # those that say where it is go first, because an object cannot begin with the others
        for frame in sorted(prompted, key=lambda frame: (not _starts(as_prompt(changed.prompts[frame][0])), frame)):
            for kept in changed.prompts[frame]:
                session.prompt(frame, as_prompt(kept))
        parts = stretches(prompted, touched, frame_count)
        passes = chain.from_iterable(
            session.propagate(part.start, reverse=part.reverse, max_frames=part.count) for part in parts
        )
        seen = collect(watch(passes, sum(part.count for part in parts)), {OBJECT: prompted})[OBJECT]
    masks = {frame: mask for frame, mask in changed.masks.items() if frame not in seen.passed} | seen.masks
    stability = {frame: value for frame, value in changed.stability.items() if frame in masks} | seen.stability
    return replace(
        changed,
        masks=dict(sorted(masks.items())),
        stability={frame: stability[frame] for frame in sorted(masks) if frame in stability},
        score=1.0,
    )

"""Promptable video segmentation with corrections, online and offline, after the paper of SAM 2 (section 6.1).

The paper gives no code. What it leaves open is chosen here and told in `RULES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from sam2_ros.evaluation.datasets.dataset import TrackedObject, VideoSequence
from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.protocols.first_prompts import click_more, start_objects
from sam2_ros.evaluation.protocols.mask_scores import DEFINITIONS, mask_figures, mask_scores, tracks_with_names
from sam2_ros.evaluation.protocols.protocol import (
    Cost,
    SequenceScore,
    Track,
    TrackBuilder,
    TrackScore,
    mean_of_known,
    tracker_options,
)
from sam2_ros.evaluation.protocols.semi_supervised import CLICK_RULES, tracked_cost
from sam2_ros.evaluation.protocols.simulated_prompts import next_click
from sam2_ros.model import Network
from sam2_ros.session import SessionOptions, VideoSession
from sam2_ros.tracking import POLICY_NAMES, Prompt, VideoTracker

MOST_FRAMES = 8  # that are prompted for an object
CLICKS = 3  # on each of them
PAUSES_BELOW = 0.75  # overlap, in the online protocol
RULES = f"""{CLICKS} clicks are given on each prompted frame, on at most {MOST_FRAMES} frames of each object, the first
of which is its first. {CLICK_RULES}Every object has prompted frames of its own. Only frames that count and show the
object are prompted again, each once. The corrected mask of a frame counts. Figures are those after 1 to {MOST_FRAMES}
prompted frames, and the mean of these. An object that needs no more corrections keeps its masks. As in the official
predictor a correction makes a conditioning frame of its own and drops nothing that is remembered. Masks of several
objects may overlap."""


@dataclass(frozen=True)
class OnlineInteractive:
    """One pass: at the first later frame with an overlap below 0.75 the object is corrected.

    All numbers of prompted frames, from 1 to 8, are tracked side by side as objects of their own, which do not
    influence each other.
    """

    name: str = 'online'
    plotted: str = 'J'
    percent: bool = True
    memories: Sequence[str] = POLICY_NAMES

    @property
    def description(self) -> str:
        return (
            f'One pass. Where the overlap of an object falls below {PAUSES_BELOW}, it is corrected at once; only later '
            f'frames change. {RULES}\n\n{DEFINITIONS}'
        )

    def cost(self, sequence: VideoSequence) -> Cost:
        return tracked_cost(sequence, budgets=MOST_FRAMES)

    def run(self, model: Network, memory: str, sequence: VideoSequence) -> list[Track]:
        options = replace(tracker_options(sequence, memory), non_overlap=False, clear_on_correction=False)
        tracker = VideoTracker(model, memory, options=options)
        versions: dict[str, _Version] = {}
        for frame in range(min(one.start for one in sequence.objects), len(sequence.frames)):
            new = {
                f'{one.object_id} {budget}': _Version(one, budget, TrackBuilder(one.object_id, str(budget)))
                for one in sequence.objects
                if one.start == frame
                for budget in range(1, MOST_FRAMES + 1)
            }
            versions |= new
            result, refined = start_objects(
                tracker,
                sequence.image(frame),
                {name: version.target for name, version in new.items()},
                sequence=sequence,
                kind=f'{CLICKS}-click',
            )
            truth = sequence.masks(frame) if any(frame in one.scored for one in sequence.objects) else {}
            for name, version in versions.items():
                found = refined.get(name, result[name])
                if name not in new and version.pauses_at(frame, found.mask, truth.get(version.target.object_id)):
                    found = click_more(tracker, found, truth[version.target.object_id], clicks=CLICKS)
                    version.prompted += 1
                version.builder.add(frame, found)
        return [version.builder.track() for version in versions.values()]

    def score(self, sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
        return mask_scores(sequence, tracks)

    def figures(self, scores: Sequence[SequenceScore]) -> dict[str, float]:
        return _figures(scores)


@dataclass(eq=False)
class _Version:
    """An object that may be corrected on so many frames."""

    target: TrackedObject
    budget: int
    builder: TrackBuilder
    prompted: int = 1

    def pauses_at(self, frame: int, mask: np.ndarray, truth: np.ndarray | None) -> bool:
        if self.prompted >= self.budget or frame not in self.target.scored or truth is None or not truth.any():
            return False
        return bool(region_similarity(mask, truth) < PAUSES_BELOW)


@dataclass(frozen=True)
class OfflineInteractive:
    """Several passes: after each, every object is corrected on the frame that overlaps least, and all is tracked anew.

    A pass begins with the first frame of an object and goes forwards.
    """

    name: str = 'offline'
    plotted: str = 'J'
    percent: bool = True
    memories: Sequence[str] = ('sam2',)

    @property
    def description(self) -> str:
        return (
            'After each pass the frame with the lowest overlap of an object is corrected, of equally low ones the '
            f'first, and the whole video is tracked again from all prompts so far. {RULES} The session of whole videos '
            f'(sam2_ros/session) tracks, which has the memory sam2.\n\n{DEFINITIONS}'
        )

    def cost(self, sequence: VideoSequence) -> Cost:
        return tracked_cost(sequence, passes=MOST_FRAMES)

    def run(self, model: Network, memory: str, sequence: VideoSequence) -> list[Track]:
        found: list[Track] = []
        options = SessionOptions(max_conditioning=None, clear_on_correction=False, undo_steps=0)
        with VideoSession(model, _Images(sequence), options=options) as session:
            for one in sequence.objects:
                _click(session, one.object_id, one.start, sequence.first_mask(one))
            prompted = {one.object_id: {one.start} for one in sequence.objects}
            for number in range(1, MOST_FRAMES + 1):
                tracks = _forward_pass(session, sequence, run=str(number))
                found += tracks
                if number < MOST_FRAMES:
                    for object_id, frame, truth in _worst_frames(sequence, tracks, prompted):
                        _click(session, object_id, frame, truth)
                        prompted[object_id].add(frame)
        return found

    def score(self, sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
        return mask_scores(sequence, tracks)

    def figures(self, scores: Sequence[SequenceScore]) -> dict[str, float]:
        return _figures(scores)


class _Images(Sequence[np.ndarray]):
    """The images of a video, read when they are asked for."""

    def __init__(self, sequence: VideoSequence) -> None:
        self._sequence = sequence

    def __len__(self) -> int:
        return len(self._sequence.frames)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        return self._sequence.image(index)


def _click(session: VideoSession, object_id: str, frame: int, truth: np.ndarray) -> None:
    """Give the clicks of one frame, each where the mask is most wrong after those before it."""
    known = object_id in session.object_ids
    mask = session.result(frame)[object_id].mask if known else np.zeros_like(truth)
    points: list[tuple[int, int]] = []
    labels: list[int] = []
    for _ in range(CLICKS):
        if np.array_equal(mask, truth):
            break
        point, label = next_click(truth, mask)
        points.append(point)
        labels.append(label)
        mask = session.prompt(frame, Prompt(object_id, points=points, labels=labels)).mask


def _forward_pass(session: VideoSession, sequence: VideoSequence, *, run: str) -> list[Track]:
    """Track all objects from their first frames to the end."""
    builders = {one.object_id: TrackBuilder(one.object_id, run) for one in sequence.objects}
    forwards = len(sequence.frames) - min(one.start for one in sequence.objects)
    for result in islice(session.propagate_both_ways(), forwards):
        for name, found in result.items():
            builders[name].add(result.frame_index, found)
    return [builder.track() for builder in builders.values()]


def _worst_frames(
    sequence: VideoSequence, tracks: Sequence[Track], prompted: dict[str, set[int]]
) -> Iterator[tuple[str, int, np.ndarray]]:
    """By object the frame to correct next, with its true mask; none for an object that is right everywhere."""
    scored = {one.object_id: one.scored for one in sequence.objects}
    lowest: dict[str, tuple[float, int]] = {}
    for frame in sorted({frame for own in scored.values() for frame in own}):
        truth = sequence.masks(frame)
        for track in tracks:
            name = track.object_id
            if frame not in scored[name] or frame in prompted[name] or not truth[name].any():
                continue
            overlap = float(region_similarity(track.mask(frame), truth[name]))
            if overlap < lowest.get(name, (1.0, 0))[0]:
                lowest[name] = overlap, frame
    for name, (_, frame) in lowest.items():
        yield name, frame, sequence.masks(frame)[name]


def _figures(scores: Sequence[SequenceScore]) -> dict[str, float]:
    by_frames = {}
    for number in range(1, MOST_FRAMES + 1):
        tracks, names = tracks_with_names(scores, run=str(number))
        by_frames[f'J&F after {number}'] = mask_figures(tracks, names)['J&F'] if tracks else float('nan')
    return {'J&F': mean_of_known(by_frames.values()), **by_frames}

"""What correction clicks change: an object is tracked from its box, corrected on one frame click by click, and on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam2_ros.evaluation.datasets.dataset import TrackedObject, VideoSequence
from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.protocols.first_prompts import box_prompt, first_prompt
from sam2_ros.evaluation.protocols.protocol import (
    Cost,
    SequenceScore,
    Track,
    TrackBuilder,
    TrackScore,
    all_attributes,
    mean_of_known,
)
from sam2_ros.evaluation.protocols.shared_encoder import SharedEncoder
from sam2_ros.evaluation.protocols.simulated_prompts import next_click
from sam2_ros.model import Network
from sam2_ros.tracking import POLICY_NAMES, ObjectResult, Prompt, VideoTracker

ALONE, BOXED, CORRECTED = 'left alone', 'new box', 'corrected'  # runs, beside one for each click
BEFORE, AFTER_ALONE, AFTER_CORRECTED = 'before', f'frames after, {ALONE}', f'frames after, {CORRECTED}'  # figures
_NAME = 'target'


@dataclass(frozen=True)
class Corrections:
    """The protocol. Frames are counted from the first one of an object.

    Its runs: `left alone` from the corrected frame on, `click 1` and so on and `new box` on that frame alone, and
    `corrected` after it.

    Attributes:
        frame: that is corrected; if it hides the object, the next one that shows it.
        clicks: on that frame.
        after: so many frames are tracked after `frame`.
    """

    frame: int = 20
    clicks: int = 3
    after: int = 10
    plotted: str = 'J'
    percent: bool = False
    memories: Sequence[str] = POLICY_NAMES

    @property
    def name(self) -> str:
        return f'corrections, frame {self.frame}, {self.clicks} clicks, {self.after} frames after'

    @property
    def description(self) -> str:
        return f"""Each object is tracked in a clip of its own, which begins with the first frame that shows it and ends
{self.after} frames after frame {self.frame}. It is prompted with its box in the first frame and corrected on frame
{self.frame}, or the next one that shows it; an object that is hidden to the end does not count. Each click is in the
middle of the largest error that is left, and given together with the clicks before it. Figures are J, intersection over
union with the truth: of the corrected frame before the clicks, after each click, and with a new box instead of clicks;
then the mean over the frames after it, left alone and with all clicks. In brackets: the difference from before, or from
left alone, on the same clips. "per clip": all clips have the same weight, and figures of a clip are means over its
objects. "per object": all objects have the same weight. ± is the standard error over clips or objects. A clip of
another length is another film: compare only figures of clips with equally many frames."""

    @property
    def click_runs(self) -> tuple[str, ...]:
        """Names of the runs of one frame after each click."""
        return tuple(f'click {number + 1}' for number in range(self.clicks))

    @property
    def figure_names(self) -> tuple[str, ...]:
        """In the order of the page."""
        return (BEFORE, *self.click_runs, BOXED, AFTER_ALONE, AFTER_CORRECTED)

    def cost(self, sequence: VideoSequence) -> Cost:
        lengths = [min(self.frame + 1 + self.after, len(sequence.frames) - one.start) for one in sequence.objects]
        return Cost(sum(lengths), 3 * sum(lengths))

    def run(self, model: Network, memory: str, sequence: VideoSequence) -> list[Track]:
        return [track for one in sequence.objects for track in self._correct(model, memory, sequence, one)]

    def _correct(self, model: Network, memory: str, sequence: VideoSequence, one: TrackedObject) -> list[Track]:
        """The tracks of one object; none if it cannot be corrected."""
        end = min(one.start + self.frame + 1 + self.after, len(sequence.frames))
        later = range(one.start + self.frame, end - 1)
        at = next((frame for frame in later if sequence.masks(frame)[one.object_id].any()), None)
        if at is None:
            return []
        runs = {run: TrackBuilder(one.object_id, run) for run in (ALONE, *self.click_runs, BOXED, CORRECTED)}
        shared = SharedEncoder(model)
        alone, corrected, boxed = (VideoTracker(shared, memory) for _ in range(3))
        prompts = [first_prompt('box', _NAME, sequence=sequence, target=one)]
        for frame in range(one.start, at + 1):
            rgb = sequence.image(frame)
            found, *_ = (other.step(rgb, prompts)[_NAME] for other in (alone, corrected, boxed))
            prompts = []
        runs[ALONE].add(at, found)
        truth = sequence.masks(at)[one.object_id]
        for run, result in zip(self.click_runs, _clicked(corrected, found, truth, clicks=self.clicks), strict=True):
            runs[run].add(at, result)
        runs[BOXED].add(at, boxed.prompt(boxed.frame_index, box_prompt(_NAME, truth))[0])
        for frame in range(at + 1, end):
            rgb = sequence.image(frame)
            for run, tracker in ((ALONE, alone), (CORRECTED, corrected)):
                runs[run].add(frame, tracker.step(rgb)[_NAME])
        return [builder.track() for builder in runs.values()]

    def score(self, sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
        starts, attributes = {one.object_id: one.start for one in sequence.objects}, all_attributes(sequence)
        scores = []
        for track in tracks:
            overlap = [
                float(region_similarity(track.mask(frame), sequence.masks(frame)[track.object_id]))
                for frame in track.frames
            ]
            series = {'J': np.array(overlap), 'frame': np.array(track.frames) - starts[track.object_id]}
            scores.append(TrackScore(track.object_id, track.run, track.frames, series, attributes[track.object_id]))
        corrected = {track.object_id for track in tracks}
        hidden = [one for one in starts if one not in corrected]
        return scores + [TrackScore(one, ALONE, (), {}, attributes[one]) for one in hidden]

    def figures(self, scores: Sequence[SequenceScore]) -> dict[str, float]:
        by_object = [own for clip in scores for own in self.figures_by_object(clip)]
        return {name: mean_of_known(own[name] for own in by_object) for name in self.figure_names}

    def figures_by_object(self, clip: SequenceScore) -> list[dict[str, float]]:
        """The figures of each object of a clip that could be corrected, by the names of `figure_names`."""
        runs: dict[str, dict[str, np.ndarray]] = {}
        for track in clip.tracks:
            if track.frames:
                runs.setdefault(track.object_id, {})[track.run] = track.series['J']
        return [
            {
                BEFORE: float(own[ALONE][0]),
                **{run: float(own[run][0]) for run in (*self.click_runs, BOXED)},
                AFTER_ALONE: float(own[ALONE][1:].mean()),
                AFTER_CORRECTED: float(own[CORRECTED].mean()),
            }
            for own in runs.values()
        ]


def _clicked(tracker: VideoTracker, result: ObjectResult, truth: np.ndarray, *, clicks: int) -> list[ObjectResult]:
    """The object after each click on the newest image."""
    points, labels, results = [], [], []
    for _ in range(clicks):
        if not np.array_equal(truth, result.mask):
            point, label = next_click(truth, result.mask)
            points.append(point)
            labels.append(label)
            result = tracker.prompt(tracker.frame_index, Prompt(_NAME, points=points, labels=labels))[0]
        results.append(result)
    return results

"""What all protocols share: tracks, their scores, and the verbs that the runner calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.model import Network
from sam2_ros.tracking import TrackerOptions
from sam2_ros.tracking.result import ObjectResult


@dataclass(frozen=True, eq=False)
class Track:
    """What was predicted for one object in one run.

    Attributes:
        object_id: of the data set.
        run: tells several runs for one object apart, such as from several anchors; empty if there is one.
        frames: their indices in the order in which they were tracked, the prompted one first.
        masks: one for each of these frames.
        object_score: (N,) float32 logits; > 0 where the tracker sees the object.
    """

    object_id: str
    run: str
    frames: tuple[int, ...]
    masks: tuple[RunLengths, ...]
    object_score: np.ndarray

    @cached_property
    def places(self) -> Mapping[int, int]:
        """By frame its index in `frames`."""
        return {frame: place for place, frame in enumerate(self.frames)}

    def mask(self, frame: int) -> np.ndarray:
        """(H, W) bool, what was predicted in a frame of the video. Raises KeyError if it was not tracked."""
        return self.masks[self.places[frame]].mask()


@dataclass(eq=False)
class TrackBuilder:
    """Collects a track frame by frame."""

    object_id: str
    run: str = ''
    frames: list[int] = field(default_factory=list)
    masks: list[RunLengths] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def add(self, frame: int, result: ObjectResult) -> None:
        """Note what was found in a frame; a second time replaces the first."""
        if self.frames and self.frames[-1] == frame:
            for column in (self.frames, self.masks, self.scores):
                column.pop()
        self.frames.append(frame)
        self.masks.append(RunLengths.of(result.mask))
        self.scores.append(result.object_score_logit)

    def track(self) -> Track:
        return Track(self.object_id, self.run, tuple(self.frames), tuple(self.masks), np.array(self.scores, np.float32))


@dataclass(frozen=True, eq=False)
class TrackScore:
    """How well one object was tracked in one run.

    Attributes:
        object_id, run: of the track.
        frames: those that count, in the order of the run.
        series: by name one row for each of these frames.
        attributes: of the object and its video, by name.
    """

    object_id: str
    run: str
    frames: tuple[int, ...]
    series: Mapping[str, np.ndarray]
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SequenceScore:
    """All scores of one video.

    Attributes:
        name: of the video.
        size: (height, width) of its images in pixels.
        length: number of its frames.
        tracks: one for each object and run.
    """

    name: str
    size: tuple[int, int]
    length: int
    tracks: tuple[TrackScore, ...]

    @property
    def is_hidden(self) -> bool:
        """Whether a server keeps the truth, so that there is nothing to count."""
        return not any(track.frames for track in self.tracks)


@dataclass(frozen=True)
class Cost:
    """What a video costs, for estimates: images that are encoded, and objects that are tracked in an image."""

    images: int
    objects: int


class EvaluationProtocol(Protocol):
    """What a tracker is given, what counts, and how it becomes figures. Small enough to send to another process."""

    @property
    def name(self) -> str:
        """Part of result pages and of the configuration of kept results."""
        ...

    @property
    def description(self) -> str:
        """The rules in words, with every choice that the published protocol leaves open."""
        ...

    @property
    def plotted(self) -> str:
        """The series, in [0, 1], that charts show."""
        ...

    @property
    def percent(self) -> bool:
        """Whether figures are published in percent, else from 0 to 1."""
        ...

    @property
    def memories(self) -> Sequence[str]:
        """Names of the memory policies that it can run with."""
        ...

    def cost(self, sequence: VideoSequence) -> Cost:
        """What a video costs with one memory."""
        ...

    def run(self, model: Network, memory: str, sequence: VideoSequence) -> list[Track]:
        """Track the objects of a video.

        Raises:
            ValueError, OSError: if the video is damaged; the message names the file.
        """
        ...

    def score(self, sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
        """Compare tracks with the truth."""
        ...

    def figures(self, scores: Sequence[SequenceScore]) -> dict[str, float]:
        """The figures of videos whose truth is known, by name, the most important first."""
        ...


def tracker_options(sequence: VideoSequence, memory: str) -> TrackerOptions:
    """How the published numbers were made: masks of a disjoint data set do not overlap.

    The official predictor knows the length of the video, the published distractor-aware trackers do not.
    """
    length = max(2, len(sequence.frames)) if memory == 'sam2' else None
    return TrackerOptions(non_overlap=sequence.disjoint, video_length=length)


def all_attributes(sequence: VideoSequence) -> dict[str, dict[str, str]]:
    """By object its attributes and those of its video."""
    return {one.object_id: {**sequence.attributes, **one.attributes} for one in sequence.objects}


def frames_of_any(sequence: VideoSequence) -> list[int]:
    """The frames that count for some object, ascending."""
    return sorted({frame for one in sequence.objects for frame in one.scored})


def mean_of_known(values: Iterable[float]) -> float:
    """Mean of what is not NaN; NaN if nothing is left."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float('nan')

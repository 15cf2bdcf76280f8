"""Tracks that are right, or that never see anything, in place of those of a tracker."""

from collections.abc import Callable

import numpy as np

from sam2_ros.evaluation.datasets.dataset import TrackedObject, VideoSequence
from sam2_ros.evaluation.protocols.protocol import SequenceScore, Track
from sam2_ros.files.run_lengths import RunLengths

Truth = Callable[[str, int], np.ndarray]


def track_of(
    sequence: VideoSequence, one: TrackedObject, mask: Truth, *, run: str = '', frames: range | None = None
) -> Track:
    """A track of the masks that `mask` gives for an object and a frame."""
    frames = frames or range(one.start, len(sequence.frames))
    masks = tuple(RunLengths.of(mask(one.object_id, frame)) for frame in frames)
    return Track(one.object_id, run, tuple(frames), masks, np.zeros(len(frames), np.float32))


def right(sequence: VideoSequence) -> Truth:
    return lambda name, frame: sequence.masks(frame)[name]


def nothing(sequence: VideoSequence) -> Truth:
    return lambda name, frame: np.zeros(sequence.size, bool)


def scored(protocol, sequence: VideoSequence, tracks: list[Track]) -> SequenceScore:
    """The scores of a video."""
    tracks_scored = tuple(protocol.score(sequence, tracks))
    return SequenceScore(sequence.name, sequence.size, len(sequence.frames), tracks_scored)

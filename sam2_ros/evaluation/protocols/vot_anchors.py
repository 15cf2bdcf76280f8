"""VOT-ST2020 and VOT-ST2022: the tracker starts at every anchor and runs to the further end of the video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sam2_ros.evaluation.datasets.dataset import DatasetError, VideoSequence
from sam2_ros.evaluation.measures.vot_anchors import AnchorRun, anchor_measures
from sam2_ros.evaluation.protocols.protocol import (
    Cost,
    SequenceScore,
    Track,
    TrackBuilder,
    TrackScore,
    tracker_options,
)
from sam2_ros.evaluation.protocols.vots import overlap_scores
from sam2_ros.model import Network
from sam2_ros.tracking import POLICY_NAMES, Prompt, VideoTracker


@dataclass(frozen=True)
class VotAnchors:
    """The protocol. The run of a track is the index of its anchor."""

    name: str = 'anchors'
    plotted: str = 'overlap'
    percent: bool = False
    memories: Sequence[str] = POLICY_NAMES

    @property
    def description(self) -> str:
        return (
            'From every anchor the object is given with its mask and tracked to the end of the video, or backwards to '
            'its begin where that is further. 10 frames in a row with an overlap of at most 0.1 end a run at the first '
            'of them. A, accuracy: mean overlap before failures; R, robustness: share of the frames before them; EAO, '
            'expected average overlap over 115 to 755 frames. As the VOT toolkit 0.7.1 computes them.'
        )

    def cost(self, sequence: VideoSequence) -> Cost:
        frames = sum(len(_frames(sequence, anchor, forwards)) for anchor, forwards in _anchors(sequence).items())
        return Cost(frames, frames)

    def run(self, model: Network, memory: str, sequence: VideoSequence) -> list[Track]:
        anchors = _anchors(sequence)
        name = sequence.objects[0].object_id
        tracks = []
        for anchor, forwards in anchors.items():
            mask = sequence.first_mask(sequence.objects[0]) if not anchor else sequence.masks(anchor).get(name)
            if mask is None or not mask.any():
                raise DatasetError(f'{sequence.frames[anchor]}: the truth of {name} at this anchor is empty')
            tracker = VideoTracker(model, memory, options=tracker_options(sequence, memory))
            builder = TrackBuilder(name, str(anchor))
            for frame in _frames(sequence, anchor, forwards):
                prompts = [Prompt(name, mask=mask)] if frame == anchor else []
                builder.add(frame, tracker.step(sequence.image(frame), prompts)[name])
            tracks.append(builder.track())
        return tracks

    def score(self, sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
        return overlap_scores(sequence, tracks)

    def figures(self, scores: Sequence[SequenceScore]) -> dict[str, float]:
        runs = [
            [AnchorRun(track.series['overlap'], track.series['present']) for track in one.tracks if track.frames]
            for one in scores
        ]
        measures = anchor_measures(runs, lengths=[one.length for one in scores])
        return {'EAO': measures.expected_average_overlap, 'A': measures.accuracy, 'R': measures.robustness}


def _anchors(sequence: VideoSequence) -> dict[int, bool]:
    """The anchors of a video.

    Raises:
        DatasetError: if it has none, or several objects.
    """
    if not sequence.anchors:
        raise DatasetError(f'{sequence.frames[0].parent.parent} has no anchor.value with an anchor')
    if len(sequence.objects) > 1:
        raise DatasetError(f'{sequence.frames[0].parent.parent} has several objects; anchors are for one')
    return dict(sequence.anchors)


def _frames(sequence: VideoSequence, anchor: int, forwards: bool) -> range:
    return range(anchor, len(sequence.frames)) if forwards else range(anchor, -1, -1)

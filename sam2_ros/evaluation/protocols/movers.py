"""Footage without labels: for how long does a tracker follow what moves before a still camera, from its first box?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.protocols.first_prompts import track_all
from sam2_ros.evaluation.protocols.protocol import Cost, SequenceScore, Track, TrackScore
from sam2_ros.evaluation.protocols.semi_supervised import tracked_cost
from sam2_ros.model import Network
from sam2_ros.tracking import POLICY_NAMES, TrackerOptions

MARGIN = 6  # pixels around the box that still count as inside, because the median blurs outlines
LEAST_INSIDE, LEAST_COVER = 0.7, 0.15  # of the mask inside the box; of the box covered by the mask
FOLLOWED, BOX = 'followed', 'box'  # a series, and the attribute with the first box


def is_followed(mask: np.ndarray, box: Sequence[int]) -> bool:
    """Whether an (H, W) bool mask is that of the mover in the half-open box x0, y0, x1, y1."""
    x0, y0, x1, y1 = box
    inside = mask[max(0, y0 - MARGIN) : y1 + MARGIN, max(0, x0 - MARGIN) : x1 + MARGIN].sum()
    return bool(inside >= LEAST_INSIDE * mask.sum() and inside >= LEAST_COVER * (x1 - x0) * (y1 - y0))


@dataclass(frozen=True)
class Movers:
    """The protocol."""

    name: str = 'movers'
    plotted: str = FOLLOWED
    percent: bool = False
    memories: Sequence[str] = POLICY_NAMES

    @property
    def description(self) -> str:
        return (
            f'A frame counts as followed if at least {LEAST_INSIDE:.0%} of the mask lies within the box of the mover '
            f'and the mask covers at least {LEAST_COVER:.0%} of that box. The first frame, which is prompted with the '
            'box, does not count.'
        )

    def cost(self, sequence: VideoSequence) -> Cost:
        return tracked_cost(sequence)

    def run(self, model: Network, memory: str, sequence: VideoSequence) -> list[Track]:
        return track_all(model, memory, sequence, prompts={'': 'box'}, options=TrackerOptions())

    def score(self, sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
        (track,), (one,) = tracks, sequence.objects
        assert one.boxes is not None, 'this protocol is for movers, which have boxes'
        corners = one.boxes.copy()
        corners[:, 2:] += corners[:, :2]
        followed = [is_followed(track.mask(frame), corners[frame].tolist()) for frame in one.scored]
        series = {FOLLOWED: np.array(followed, float)}
        return [
            TrackScore(track.object_id, track.run, one.scored, series, {BOX: ','.join(map(str, corners[0].tolist()))})
        ]

    def figures(self, scores: Sequence[SequenceScore]) -> dict[str, float]:
        return {'frames followed': float(np.mean([one.tracks[0].series[FOLLOWED].sum() for one in scores]))}

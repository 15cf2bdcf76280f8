"""VOTS and DiDi: all objects of a video are given with their masks in the first frame and tracked to the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.datasets.vot_regions import box_text, region_mask
from sam2_ros.evaluation.measures.boxes import boxes_of
from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.measures.vots import ObjectOverlaps, vots_measures
from sam2_ros.evaluation.protocols.protocol import Cost, SequenceScore, Track, TrackScore, all_attributes
from sam2_ros.evaluation.protocols.semi_supervised import SemiSupervised, tracked_cost
from sam2_ros.model import Network
from sam2_ros.tracking import POLICY_NAMES


@dataclass(frozen=True)
class Vots:
    """The protocol.

    Attributes:
        as_boxes: the box of a predicted mask is compared with the truth, which is boxes, as in DiDi.
    """

    as_boxes: bool = False
    name: str = 'vots'
    plotted: str = 'overlap'
    percent: bool = False
    memories: Sequence[str] = POLICY_NAMES

    @property
    def description(self) -> str:
        boxes = (
            ' Masks become boxes of width x1 - x0 (without + 1) before they are compared, as the toolkit does it.'
            if self.as_boxes
            else ''
        )
        return (
            'All objects of a video are given with their masks in its first frame.' + boxes + ' Q, quality: mean '
            'overlap over all frames, 1 where the object is absent and nothing is reported. A, accuracy: mean overlap '
            'over the frames in which the prediction touches the object. R, robustness: share of the frames that show '
            'the object in which it does. NRE: share in which nothing is reported; DRE: in which something else is; '
            'ADQ: share of the frames without the object in which nothing is reported. Means over the objects of a '
            'video, then over videos. As in the VOT toolkit 0.7.1 the prompted frame counts as not reported, so that '
            'the best Q of T frames is (T - 1) / T.'
        )

    def cost(self, sequence: VideoSequence) -> Cost:
        return tracked_cost(sequence)

    def run(self, model: Network, memory: str, sequence: VideoSequence) -> list[Track]:
        return SemiSupervised('mask').run(model, memory, sequence)

    def score(self, sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
        return overlap_scores(sequence, tracks, as_boxes=self.as_boxes)

    def figures(self, scores: Sequence[SequenceScore]) -> dict[str, float]:
        objects = [
            [
                ObjectOverlaps(track.series['overlap'], track.series['present'], track.series['reported'])
                for track in one.tracks
                if track.frames
            ]
            for one in scores
        ]
        measures = vots_measures([own for own in objects if own])
        return {
            'Q': measures.quality,
            'A': measures.accuracy,
            'R': measures.robustness,
            'NRE': measures.not_reported_error,
            'DRE': measures.drift_rate_error,
            'ADQ': measures.absence_detection,
        }


def overlap_scores(sequence: VideoSequence, tracks: Sequence[Track], *, as_boxes: bool = False) -> list[TrackScore]:
    """Overlap of tracks with the truth, whether the object is present, and whether anything is reported.

    Args:
        sequence: the video. A true mask is read once for all tracks.
        tracks: of its objects. The frames that count, and the one in which the object starts, are compared.
        as_boxes: compare boxes of predicted masks.
    """
    counted = {one.object_id: {one.start, *one.scored} if one.scored else set() for one in sequence.objects}
    attributes = all_attributes(sequence)
    rows: list[dict[int, tuple[float, bool, bool]]] = [{} for _ in tracks]
    for frame in sorted(set().union(*counted.values())):
        truth = sequence.masks(frame)
        for track, own in zip(tracks, rows, strict=True):
            if frame in counted[track.object_id] and frame in track.places and track.object_id in truth:
                own[frame] = _overlap_row(track.mask(frame), truth[track.object_id], as_boxes=as_boxes)
    scores = []
    for track, own in zip(tracks, rows, strict=True):
        frames = tuple(frame for frame in track.frames if frame in own)
        table = np.array([own[frame] for frame in frames], float).reshape(-1, 3)
        series = {'overlap': table[:, 0], 'present': table[:, 1] > 0, 'reported': table[:, 2] > 0}
        scores.append(TrackScore(track.object_id, track.run, frames, series, attributes[track.object_id]))
    return scores


def _overlap_row(mask: np.ndarray, truth: np.ndarray, *, as_boxes: bool) -> tuple[float, bool, bool]:
    if as_boxes:
        box = region_mask(box_text(boxes_of(mask, inclusive=False)), (truth.shape[0], truth.shape[1]))
        mask = np.zeros_like(truth) if box is None else box
    return float(region_similarity(mask, truth)), bool(truth.any()), bool(mask.any())

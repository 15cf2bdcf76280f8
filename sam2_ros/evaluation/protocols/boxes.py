"""One-pass box tracking: the object is prompted with the box of the first frame and never corrected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.measures.box_tracking import BoxTrack, got10k_measures, lasot_measures
from sam2_ros.evaluation.measures.boxes import box_overlap, boxes_of
from sam2_ros.evaluation.protocols.protocol import Cost, SequenceScore, Track, TrackScore, all_attributes
from sam2_ros.evaluation.protocols.semi_supervised import SemiSupervised, tracked_cost
from sam2_ros.model import Network
from sam2_ros.tracking import POLICY_NAMES


def _lasot(tracks: Sequence[BoxTrack], sizes: Sequence[tuple[int, int]]) -> dict[str, float]:
    return _named_lasot(tracks, absent_hits=False)


def _lasot_ext(tracks: Sequence[BoxTrack], sizes: Sequence[tuple[int, int]]) -> dict[str, float]:
    return _named_lasot(tracks, absent_hits=True)


def _named_lasot(tracks: Sequence[BoxTrack], *, absent_hits: bool) -> dict[str, float]:
    measures = lasot_measures(tracks, absent_hits=absent_hits)
    return {'AUC': measures.area_under_curve, 'P': measures.precision, 'Pnorm': measures.normalised_precision}


def _got10k(tracks: Sequence[BoxTrack], sizes: Sequence[tuple[int, int]]) -> dict[str, float]:
    measures = got10k_measures(tracks, image_sizes=sizes)
    return {'AO': measures.average_overlap, 'SR 0.5': measures.success_at_50, 'SR 0.75': measures.success_at_75}


# Figures and their rules in words, by data set.
RULES: dict[str, tuple[Callable[[Sequence[BoxTrack], Sequence[tuple[int, int]]], dict[str, float]], str]] = {
    'lasot': (
        _lasot,
        'AUC: area under the success plot; P: share of the frames whose centre is at most 20 pixels off; Pnorm: at '
        'most 0.2 of the true width and height. As the analysis of pytracking: the prompted frame counts as right, '
        'frames without the object as wrong, and where nothing is reported the box before is taken.',
    ),
    'lasot-ext': (
        _lasot_ext,
        'AUC, P and Pnorm as the analysis of pytracking has them for LaSOText, where frames without the object count '
        'as hits for Pnorm.',
    ),
    'got10k': (
        _got10k,
        'AO: mean overlap over all frames of all videos that show the object, without the prompted ones; SR: share of '
        'them with more overlap than 0.5 and 0.75. As the toolkit of GOT-10k; its server may weight frames otherwise.',
    ),
}
RULES['utb180'] = RULES['lasot']


@dataclass(frozen=True)
class BoxTracking:
    """The protocol.

    Attributes:
        rules: a key of `RULES`.
    """

    rules: str
    name: str = 'boxes'
    plotted: str = 'overlap'
    percent: bool = True
    memories: Sequence[str] = POLICY_NAMES

    @property
    def description(self) -> str:
        return (
            'The object is prompted with its box in the first frame, and never corrected. The box of a mask contains '
            f'both outermost pixels, so its width is x1 - x0 + 1. {RULES[self.rules][1]}'
        )

    def cost(self, sequence: VideoSequence) -> Cost:
        return tracked_cost(sequence)

    def run(self, model: Network, memory: str, sequence: VideoSequence) -> list[Track]:
        return SemiSupervised('box').run(model, memory, sequence)

    def score(self, sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
        objects = {one.object_id: one for one in sequence.objects}
        attributes = all_attributes(sequence)
        scores = []
        for track in tracks:
            one = objects[track.object_id]
            assert one.boxes is not None and one.visible is not None, 'this protocol is for data sets with boxes'
            frames = (one.start, *one.scored) if one.scored else ()
            truth = np.nan_to_num(one.boxes[list(frames)].reshape(-1, 4))
            predicted = np.array([boxes_of(track.mask(frame)) for frame in frames])
            predicted = predicted.reshape(-1, 4)
            series = {
                'predicted': predicted,
                'truth': truth,
                'visible': one.visible[list(frames)],
                'overlap': box_overlap(predicted, np.maximum(truth, 0)),
            }
            scores.append(TrackScore(track.object_id, track.run, frames, series, attributes[track.object_id]))
        return scores

    def figures(self, scores: Sequence[SequenceScore]) -> dict[str, float]:
        pairs = [(track, one) for one in scores for track in one.tracks if track.frames]
        tracks = [
            BoxTrack(track.series['predicted'], track.series['truth'], track.series['visible'], one.name)
            for track, one in pairs
        ]
        return RULES[self.rules][0](tracks, [one.size for _, one in pairs])

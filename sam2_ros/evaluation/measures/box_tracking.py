"""The measures of LaSOT, LaSOText and GOT-10k, out of boxes.

LaSOT: Fan et al., CVPR 2019, as the analysis of pytracking computes them, which is what most papers report. GOT-10k:
Huang, Zhao and Huang, TPAMI 2019, as its toolkit does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam2_ros.evaluation.measures.boxes import box_overlap, clipped

OVERLAPS = 0.05 * np.arange(21)  # thresholds of the success plot
CENTER_ERROR = 20.0  # pixels
NORMALISED_CENTER_ERROR = 0.2  # of width and height of the true box


@dataclass(frozen=True, eq=False)
class BoxTrack:
    """One object in one sequence, the prompted frame first.

    Attributes:
        predicted: (T, 4) x, y, width, height in pixels. Width and height 0 = nothing is reported.
        truth: (T, 4) likewise. Without area where the annotation is missing.
        visible: (T,) bool: neither fully hidden nor out of view.
        name: for messages.
    """

    predicted: np.ndarray
    truth: np.ndarray
    visible: np.ndarray
    name: str = 'a sequence'

    def __post_init__(self) -> None:
        if self.predicted.shape != self.truth.shape or self.truth.shape != (len(self.visible), 4):
            raise ValueError(
                f'{self.name}: boxes must be (T, 4) and visible (T,), not {self.predicted.shape}, {self.truth.shape} '
                f'and {self.visible.shape}'
            )
        if self.visible.dtype != bool:
            raise TypeError(f'{self.name}: visible must be boolean')
        if not np.isfinite(self.predicted).all() or (self.predicted[:, 2:] < 0).any():
            raise ValueError(
                f'{self.name}: a predicted box is not finite or has a size below 0; 0, 0, 0, 0 says that the object is '
                'not there'
            )


@dataclass(frozen=True)
class LasotMeasures:
    """Each in [0, 1].

    Attributes:
        area_under_curve: of the success plot, the share of frames with more than an overlap; AUC.
        precision: share of frames whose centre is at most 20 pixels off; P.
        normalised_precision: share of frames whose centre is at most 0.2 of the true width and height off; Pnorm.
    """

    area_under_curve: float
    precision: float
    normalised_precision: float


def lasot_measures(tracks: Sequence[BoxTrack], *, absent_hits: bool = False) -> LasotMeasures:
    """Mean over sequences. Frames without the object count as missed, and the prompted frame as perfect.

    Where nothing is reported, the box before is taken, as pytracking does.

    Args:
        tracks: one for each sequence.
        absent_hits: frames without the object count as hits for the normalised precision. So does pytracking for data
            sets other than LaSOT, thus for LaSOText, which makes published figures high by the share of such frames.

    Raises:
        ValueError: without tracks.
    """
    if not tracks:
        raise ValueError('there are no sequences')
    table = np.array([_lasot_of(track, absent_hits) for track in tracks])
    return LasotMeasures(*(float(value) for value in table.mean(0)))


def _lasot_of(track: BoxTrack, absent_hits: bool) -> tuple[float, float, float]:
    predicted = _gaps_filled(track.predicted)
    predicted[0] = track.truth[0]
    sized = (track.truth[:, 2:] > 0).all(1)
    valid = sized & track.visible
    overlap = np.where(valid, box_overlap(predicted, track.truth), -1.0)
    offset = (predicted[:, :2] + predicted[:, 2:] / 2) - (track.truth[:, :2] + track.truth[:, 2:] / 2)
    error = np.where(valid, np.hypot(*offset.T), np.inf)
    size = np.where(track.truth[:, 2:] > 0, track.truth[:, 2:], 1.0)
    relative = np.hypot(*(offset / size).T)
    absent = np.where(track.visible | absent_hits, 0.0, np.inf)  # visible but without a box: a hit in pytracking, too
    normalised = np.where(valid, relative, absent)
    return (
        float((overlap[:, None] > OVERLAPS).mean(0).mean()),
        float((error <= CENTER_ERROR).mean()),
        float((normalised <= NORMALISED_CENTER_ERROR).mean()),
    )


def _gaps_filled(boxes: np.ndarray) -> np.ndarray:
    """Boxes without width or height replaced by the one before."""
    filled = boxes.astype(float)
    for frame in range(1, len(filled)):
        if (filled[frame, 2:] == 0).any():
            filled[frame] = filled[frame - 1]
    return filled


@dataclass(frozen=True)
class Got10kMeasures:
    """Each in [0, 1].

    Attributes:
        average_overlap: AO.
        success_at_50, success_at_75: share of frames with an overlap above 0.5, and 0.75; SR.
    """

    average_overlap: float
    success_at_50: float
    success_at_75: float


def got10k_measures(tracks: Sequence[BoxTrack], *, image_sizes: Sequence[tuple[int, int]]) -> Got10kMeasures:
    """Mean over all frames of all sequences that show the object, without the prompted ones.

    Args:
        tracks: one for each sequence; `visible` is cover > 0.
        image_sizes: (height, width) of the images of each, to which boxes are clipped.

    Raises:
        ValueError: without a frame that counts, or if sizes are missing.
    """
    if len(image_sizes) != len(tracks):
        raise ValueError(f'{len(image_sizes)} image sizes for {len(tracks)} sequences')
    overlaps = [
        box_overlap(clipped(track.predicted, size), clipped(track.truth, size))[1:][track.visible[1:]]
        for track, size in zip(tracks, image_sizes, strict=True)
    ]
    if not sum(map(len, overlaps)):
        raise ValueError('no frame after the prompted one shows the object')
    overlap = np.concatenate(overlaps)
    return Got10kMeasures(float(overlap.mean()), float((overlap > 0.5).mean()), float((overlap > 0.75).mean()))

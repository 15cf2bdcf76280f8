"""Region similarity and contour accuracy of tracks whose truth is masks, and the figures of whole data sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam2_ros.evaluation.datasets.dataset import DatasetError, VideoSequence
from sam2_ros.evaluation.measures.davis import FrameStatistics, frame_statistics, mean_statistics, seen_and_unseen
from sam2_ros.evaluation.measures.metrics import contour_accuracy, region_similarity
from sam2_ros.evaluation.protocols.protocol import SequenceScore, Track, TrackScore, all_attributes, frames_of_any

LAST_SHARE = 0.25  # of the scored frames of an object, for the figure of VOST
DEFINITIONS = """J: intersection over union of masks, 1 where both are empty. F: contour accuracy. Means over the frames
that count of each object, then over all objects of all videos. Recall: share of the frames above 0.5; decay: mean of
the first quarter of the frames less that of the last. "J last": J over the last quarter of the frames. All as the
evaluation code of DAVIS computes them; the first and the last annotated frame of a video do not count."""


def mask_scores(sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
    """J, F and visibility of tracks, frame by frame. A true mask is read once for all tracks.

    Raises:
        DatasetError: if a mask is missing that should count, or has another size than the images.
    """
    scored = {one.object_id: one.scored for one in sequence.objects}
    found: list[dict[int, tuple[float, float, bool]]] = [{} for _ in tracks]
    for frame in frames_of_any(sequence):
        truth = sequence.masks(frame)
        for track, rows in zip(tracks, found, strict=True):
            if frame not in scored[track.object_id] or frame not in track.places:
                continue
            if track.object_id not in truth:
                raise DatasetError(f'{sequence.frames[frame]}: there is no mask of object {track.object_id}')
            true, mask = truth[track.object_id], track.mask(frame)
            rows[frame] = (
                float(region_similarity(mask, true)),
                float(contour_accuracy(mask, true)),
                bool(true.any()),
            )
    attributes = all_attributes(sequence)
    return [
        TrackScore(track.object_id, track.run, tuple(rows), _series(rows), attributes[track.object_id])
        for track, rows in zip(tracks, found, strict=True)
    ]


def _series(rows: dict[int, tuple[float, float, bool]]) -> dict[str, np.ndarray]:
    table = np.array(list(rows.values()), float).reshape(-1, 3)
    return {'J': table[:, 0], 'F': table[:, 1], 'visible': table[:, 2] > 0}


def mask_figures(tracks: Sequence[TrackScore], names: Sequence[str]) -> dict[str, float]:
    """The figures of objects.

    Args:
        tracks: one for each object.
        names: of the videos, to tell objects of the same name apart.
    """
    region, contour = ([frame_statistics(track.series[name]) for track in tracks] for name in ('J', 'F'))
    j, f = mean_statistics(region), mean_statistics(contour)
    last = [_last(track.series['J']) for track in tracks]
    figures = {'J&F': (j.mean + f.mean) / 2, 'J': j.mean, 'F': f.mean}
    figures |= _g(tracks, names, region, contour)
    return figures | {
        'J recall': j.recall,
        'J decay': j.decay,
        'F recall': f.recall,
        'F decay': f.decay,
        'J last': float(np.mean(last)),
    }


def _last(values: np.ndarray) -> float:
    return float(values[len(values) - max(1, round(LAST_SHARE * len(values))) :].mean())


def _g(
    tracks: Sequence[TrackScore],
    names: Sequence[str],
    region: Sequence[FrameStatistics],
    contour: Sequence[FrameStatistics],
) -> dict[str, float]:
    """G of YouTube-VOS, where the data set says which objects are of classes that training has shown."""
    keys = [f'{name} {track.object_id}' for name, track in zip(names, tracks, strict=True)]
    if {track.attributes.get('seen') for track in tracks} != {'yes', 'no'}:
        return {}
    g = seen_and_unseen(
        {key: one.mean for key, one in zip(keys, region, strict=True)},
        {key: one.mean for key, one in zip(keys, contour, strict=True)},
        seen={key: track.attributes['seen'] == 'yes' for key, track in zip(keys, tracks, strict=True)},
    )
    return {'G': g.g, 'J seen': g.j_seen, 'J unseen': g.j_unseen, 'F seen': g.f_seen, 'F unseen': g.f_unseen}


def tracks_with_names(scores: Sequence[SequenceScore], run: str | None = None) -> tuple[list[TrackScore], list[str]]:
    """The tracks that count, of one run or of all, and the names of their videos."""
    pairs = [
        (track, one.name)
        for one in scores
        for track in one.tracks
        if track.frames and (run is None or track.run == run)
    ]
    return [track for track, _ in pairs], [name for _, name in pairs]

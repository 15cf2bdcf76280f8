"""Charts and film strips of an evaluation, in files beside the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sam2_ros.drawing.charts import film_strip, line_chart, save_picture
from sam2_ros.evaluation.pages.document import Block, Paragraph, Picture
from sam2_ros.evaluation.pages.report import EvaluationReport
from sam2_ros.evaluation.protocols.protocol import SequenceScore, TrackScore, mean_of_known

PICTURES = 'pictures'
_WORST, _STRIP_FRAMES = 3, 6


def chart(
    report: EvaluationReport, name: str, curves: Mapping[str, np.ndarray], *, title: str, x_label: str, caption: str
) -> Picture:
    """Values in [0, 1] by frame, a line for each method, in a file of this name."""
    path = f'{PICTURES}/{name.replace("/", "_")}.png'
    save_picture(report.folder / path, line_chart(curves, title=title, x_label=x_label))
    return Picture(path, caption)


def worst(
    report: EvaluationReport, label: str, scores: Sequence[SequenceScore], *, figure: Callable[[SequenceScore], float]
) -> list[Block]:
    """Film strips of the worst videos of a method.

    Args:
        report: of the page.
        label: of the method.
        scores: of its videos.
        figure: of a video, by which they are ordered; NaN counts as good.
    """
    ordered = sorted(scores, key=lambda one: np.nan_to_num(figure(one), nan=1.0))
    blocks: list[Block] = [
        Paragraph('Of each the object that is followed worst. Pink: prediction; white: outline of the truth.')
    ]
    for one in ordered[:_WORST]:
        counted = [track for track in one.tracks if track.frames]
        track = min(counted, key=lambda track: mean_of_known(_plotted(report, track)))
        path = f'{PICTURES}/worst_{one.name.replace("/", "_")}.jpg'
        save_picture(report.folder / path, _strip(report, label, one.name, track))
        mean = mean_of_known(_plotted(report, track))
        caption = f'{one.name}, object {track.object_id}: mean {report.evaluation.protocol.plotted} {mean:.2f}'
        blocks.append(Picture(path, caption))
    return blocks


def _plotted(report: EvaluationReport, track: TrackScore) -> np.ndarray:
    return track.series[report.evaluation.protocol.plotted]


def _strip(report: EvaluationReport, label: str, name: str, score: TrackScore) -> np.ndarray:
    method = report.method(label)
    sequence = method.evaluation.dataset.open().sequence(name)
    tracks = method.store.tracks(method.memory, name)
    track = next(one for one in tracks if (one.object_id, one.run) == (score.object_id, score.run))
    places = np.unique(np.linspace(0, len(score.frames) - 1, _STRIP_FRAMES).astype(int)).tolist()
    frames = [score.frames[place] for place in places]
    nothing = np.zeros(sequence.size, bool)
    truth = [sequence.masks(frame).get(score.object_id, nothing) for frame in frames]
    values, plotted = _plotted(report, score), report.evaluation.protocol.plotted
    return film_strip(
        [sequence.image(frame) for frame in frames],
        np.stack([track.mask(frame) for frame in frames]),
        np.stack(truth),
        [f'{frame}: {plotted} {values[place]:.2f}' for frame, place in zip(frames, places, strict=True)],
    )

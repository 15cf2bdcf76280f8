"""The page of an evaluation: our figures beside published ones, every video, attributes, and the worst in pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam2_ros.drawing.charts import film_strip, line_chart, save_picture
from sam2_ros.evaluation.datasets.registry import DATASETS
from sam2_ros.evaluation.evaluation import Evaluation, Failure
from sam2_ros.evaluation.pages.document import (
    Block,
    Bullets,
    Heading,
    Paragraph,
    Picture,
    Table,
    to_html,
    to_markdown,
)
from sam2_ros.evaluation.protocols.protocol import SequenceScore, TrackScore, mean_of_known
from sam2_ros.evaluation.published import ABLATION, DIDI_ABLATION, PublishedTable, published
from sam2_ros.evaluation.results import ResultStore
from sam2_ros.files.writing import write_whole

MARKDOWN, HTML, PICTURES = 'results.md', 'results.html', 'pictures'
NOT_RUN = 'published, not run here'
_WORST, _STRIP_FRAMES = 3, 6
_MOST_VALUES = 12  # of an attribute that is worth a table


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """What the page tells.

    Attributes:
        evaluation: what was run.
        store: its results.
        introduction: how to repeat it; an item each.
        scores: by memory those of the videos that were done.
        failures: what could not be done.
        submissions: archives that were written, for data sets whose truth is hidden.
        ablation: the memories are the rows of the published ablation.
    """

    evaluation: Evaluation
    store: ResultStore
    introduction: Sequence[str]
    scores: Mapping[str, Sequence[SequenceScore]]
    failures: Sequence[Failure] = ()
    submissions: Sequence[Path] = ()
    ablation: bool = False

    @property
    def known(self) -> dict[str, list[SequenceScore]]:
        """By memory the scores of the videos whose truth is known and that were done with every memory."""
        done = [{one.name for one in own if not one.is_hidden} for own in self.scores.values()]
        common = set.intersection(*done)
        return {memory: [one for one in own if one.name in common] for memory, own in self.scores.items()}

    def label(self, memory: str) -> str:
        """What a memory is called on the page."""
        return f'{memory} = {ABLATION[memory]}' if self.ablation else memory

    def cell(self, value: float) -> str:
        """A figure as it is usually published; empty where there is none."""
        if np.isnan(value):
            return ''
        return f'{100 * value:.1f}' if self.evaluation.protocol.percent else f'{value:.3f}'


def write_page(report: EvaluationReport) -> Path:
    """Write the page in Markdown and HTML, and its pictures, beside the results.

    Returns:
        The page in HTML.
    """
    source = report.evaluation.dataset
    name = report.evaluation.protocol.name
    blocks: list[Block] = [
        Heading(f'{DATASETS[source.name].title}, {source.split}: {name}', 1),
        Bullets(report.introduction),
        Paragraph(report.evaluation.protocol.description),
    ]
    if any(report.known.values()):
        blocks += _figures(report)
    blocks += _comparisons(report)
    if any(report.known.values()):
        blocks += [*_attributes(report), *_worst(report), *_videos(report)]
    if report.submissions:
        blocks += [
            Heading('Archives for the server'),
            Paragraph('A server keeps the truth of this data set. It takes one of these files:'),
            Bullets([path.name for path in report.submissions]),
        ]
    if report.failures:
        failed = [f'{one.name} with {one.memory}: {one.reason}' for one in report.failures]
        blocks += [Heading('What could not be done'), Bullets(failed)]
    folder = report.store.folder
    write_whole(folder / MARKDOWN, to_markdown(blocks).encode())
    write_whole(folder / HTML, to_html(blocks).encode())
    return folder / HTML


def _figures(report: EvaluationReport) -> list[Block]:
    figures = {memory: report.evaluation.protocol.figures(own) for memory, own in report.known.items()}
    names = list(dict.fromkeys(name for own in figures.values() for name in own))
    rows = [
        [report.label(memory), *(report.cell(own.get(name, np.nan)) for name in names)]
        for memory, own in figures.items()
    ]
    count = len(next(iter(report.known.values())))
    counted = f'{count} videos' if count > 1 else 'One video'
    left_out = ', without those that could not be done with every memory' if report.failures else ''
    return [Heading('Figures'), Paragraph(f'{counted}{left_out}.'), Table(['memory', *names], rows)]


def _comparisons(report: EvaluationReport) -> list[Block]:
    evaluation = report.evaluation
    tables = published(evaluation.dataset.name, evaluation.dataset.split, evaluation.protocol.name)
    blocks = [_beside(report, table) for table in tables]
    found: list[Block] = [Heading('Beside published figures'), *blocks] if blocks else []
    if report.ablation:
        title = 'The published ablation of the memory, on DiDi'
        found += [Heading(title), _beside(report, DIDI_ABLATION)]
    return found


def _beside(report: EvaluationReport, table: PublishedTable) -> Table:
    """Our rows first; without figures where a server keeps the truth."""
    rows = []
    for memory, own in report.known.items():
        figures = report.evaluation.protocol.figures(own) if own else {}
        cells = [report.cell(figures.get(name, np.nan)) for name in table.columns]
        said = 'this run' if own else 'this run; nothing is scored here'
        rows.append([f'{report.evaluation.network.name}, {report.label(memory)}', *cells, said])
    ours = frozenset(range(len(rows)))
    digits = 1 if report.evaluation.protocol.percent or max(max(row) for row in table.rows.values()) > 1 else 3
    rows += [
        [method, *(f'{value:.{digits}f}' for value in values), f'{NOT_RUN}; {table.source}']
        for method, values in table.rows.items()
    ]
    return Table(['method', *table.columns, ''], rows, ours)


def _attributes(report: EvaluationReport) -> list[Block]:
    """The main figure over the objects and videos that share the value of an attribute."""
    values: dict[str, set[str]] = {}
    for own in report.known.values():
        for track in (track for one in own for track in one.tracks if track.frames):
            for name, value in _all_attributes(track).items():
                values.setdefault(name, set()).add(value)
    rows = []
    for name in (name for name, found in values.items() if 1 < len(found) <= _MOST_VALUES):
        for value in sorted(values[name]):
            chosen = {memory: _with(own, name, value) for memory, own in report.known.items()}
            videos = max(map(len, chosen.values()))
            cells = [report.cell(_main_figure(report, own)) for own in chosen.values()]
            rows.append([name, value, str(videos), *cells])
    if not rows:
        return []
    heads = ['attribute', 'value', 'videos', *map(report.label, report.known)]
    return [Heading('By attribute'), Table(heads, rows)]


def _all_attributes(track: TrackScore) -> dict[str, str]:
    """Those of the data set, and whether the object is hidden in a frame that counts."""
    shown = track.series.get('visible', track.series.get('present'))
    hidden = {} if shown is None else {'hidden at times': 'no' if np.all(shown) else 'yes'}
    return {**track.attributes, **hidden}


def _with(scores: Sequence[SequenceScore], name: str, value: str) -> list[SequenceScore]:
    """The videos, reduced to their objects with this attribute."""
    chosen = []
    for one in scores:
        tracks = tuple(track for track in one.tracks if track.frames and _all_attributes(track).get(name) == value)
        if tracks:
            chosen.append(SequenceScore(one.name, one.size, one.length, tracks))
    return chosen


def _main_figure(report: EvaluationReport, scores: Sequence[SequenceScore]) -> float:
    """The most important figure of some videos; NaN where it cannot be computed."""
    if not scores:
        return float('nan')
    try:
        return next(iter(report.evaluation.protocol.figures(scores).values()))
    except ValueError:  # such as no frame after the prompted one that shows the object
        return float('nan')


def _videos(report: EvaluationReport) -> list[Block]:
    """A row and a chart for each video."""
    rows, charts = [], []
    for together in zip(*report.known.values(), strict=True):
        found = dict(zip(report.known, together, strict=True))
        first = together[0]
        cells = [report.cell(_main_figure(report, [one])) for one in together]
        objects = len({track.object_id for track in first.tracks if track.frames})
        rows.append([first.name, str(first.length), str(objects), *cells])
        charts.append(_chart(report, first.name, found))
    return [
        Heading('Each video'),
        Table(['video', 'frames', 'objects', *map(report.label, report.known)], rows),
        *charts,
    ]


def _chart(report: EvaluationReport, name: str, found: Mapping[str, SequenceScore]) -> Picture:
    series = report.evaluation.protocol.plotted
    curves = {memory: _mean_series(one, series) for memory, one in found.items()}
    path = f'{PICTURES}/{name.replace("/", "_")}.png'
    caption = f'{name}: mean {series} over objects and runs, in the frames that count'
    save_picture(report.store.folder / path, line_chart(curves, title=f'{name}: {series}', x_label='frame that counts'))
    return Picture(path, caption)


def _mean_series(score: SequenceScore, series: str) -> np.ndarray:
    """(N,) mean over all tracks that count in a frame, by frame."""
    by_frame: dict[int, list[float]] = {}
    for track in score.tracks:
        for frame, value in zip(track.frames, track.series[series].tolist(), strict=True):
            by_frame.setdefault(frame, []).append(value)
    return np.array([np.mean(by_frame[frame]) for frame in sorted(by_frame)])


def _worst(report: EvaluationReport) -> list[Block]:
    """Film strips of the worst videos of the last memory."""
    memory = list(report.known)[-1]
    ordered = sorted(report.known[memory], key=lambda one: np.nan_to_num(_main_figure(report, [one]), nan=1.0))
    blocks: list[Block] = [
        Heading(f'The worst videos of {report.label(memory)}'),
        Paragraph('Of each the object that is followed worst. Pink: prediction; white: outline of the truth.'),
    ]
    for one in ordered[:_WORST]:
        track = min(
            (track for track in one.tracks if track.frames), key=lambda track: mean_of_known(_plotted(report, track))
        )
        path = f'{PICTURES}/worst_{one.name.replace("/", "_")}.jpg'
        save_picture(report.store.folder / path, _strip(report, memory, one.name, track))
        mean = mean_of_known(_plotted(report, track))
        caption = f'{one.name}, object {track.object_id}: mean {report.evaluation.protocol.plotted} {mean:.2f}'
        blocks.append(Picture(path, caption))
    return blocks


def _plotted(report: EvaluationReport, track: TrackScore) -> np.ndarray:
    return track.series[report.evaluation.protocol.plotted]


def _strip(report: EvaluationReport, memory: str, name: str, score: TrackScore) -> np.ndarray:
    sequence = report.evaluation.dataset.open().sequence(name)
    tracks = report.store.tracks(memory, name)
    track = next(one for one in tracks if (one.object_id, one.run) == (score.object_id, score.run))
    places = np.unique(np.linspace(0, len(score.frames) - 1, _STRIP_FRAMES).astype(int)).tolist()
    frames = [score.frames[place] for place in places]
    nothing = np.zeros(sequence.size, bool)
    truth = [sequence.masks(frame).get(score.object_id, nothing) for frame in frames]
    values = _plotted(report, score)
    return film_strip(
        [sequence.image(frame) for frame in frames],
        np.stack([track.mask(frame) for frame in frames]),
        np.stack(truth),
        [
            f'{frame}: {report.evaluation.protocol.plotted} {values[place]:.2f}'
            for frame, place in zip(frames, places, strict=True)
        ],
    )

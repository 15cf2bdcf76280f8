"""The page of an evaluation: our figures beside published ones, every video, attributes, and the worst in pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.evaluation.datasets.registry import DATASETS
from sam2_ros.evaluation.measures.scores import Mean
from sam2_ros.evaluation.measures.speed import WARM_UP_FRAMES
from sam2_ros.evaluation.pages.corrections import correction_blocks
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
from sam2_ros.evaluation.pages.first_frame import first_frame_blocks
from sam2_ros.evaluation.pages.movers import mover_blocks
from sam2_ros.evaluation.pages.pictures import chart, worst
from sam2_ros.evaluation.pages.report import EvaluationReport
from sam2_ros.evaluation.protocols.corrections import Corrections
from sam2_ros.evaluation.protocols.first_frame import FirstFrame
from sam2_ros.evaluation.protocols.movers import Movers
from sam2_ros.evaluation.protocols.protocol import SequenceScore, TrackScore
from sam2_ros.evaluation.published import DIDI_ABLATION, PublishedTable, published
from sam2_ros.files.writing import write_whole

MARKDOWN, HTML = 'results.md', 'results.html'
NOT_RUN = 'published, not run here'
# Protocols whose figures have tables of their own.
BODIES: dict[type[Any], Callable[[EvaluationReport], list[Block]]] = {
    FirstFrame: first_frame_blocks,
    Corrections: correction_blocks,
    Movers: mover_blocks,
}
_MOST_VALUES = 12  # of an attribute that is worth a table


def write_page(report: EvaluationReport) -> Path:
    """Write the page in Markdown and HTML, and its pictures, beside the results.

    Returns:
        The page in HTML.
    """
    source, protocol = report.evaluation.dataset, report.evaluation.protocol
    entry = DATASETS[source.name]
    blocks: list[Block] = [
        Heading(f'{entry.title}, {source.split}: {protocol.name}', 1),
        Bullets(report.introduction),
        Paragraph(protocol.description),
    ]
    if entry.note:
        blocks.append(Paragraph(entry.note))
    body = BODIES.get(type(protocol))
    if body is None:
        blocks += _body(report)
    elif any(report.done.values()):
        blocks += body(report)
    if report.times:
        blocks += _times(report)
    if report.submissions:
        blocks += [
            Heading('Archives for the server'),
            Paragraph('A server keeps the truth of this data set. It takes one of these files:'),
            Bullets([str(path.relative_to(report.folder)) for path in report.submissions]),
        ]
    if report.failures:
        failed = [f'{one.name} with {one.method}: {one.reason}' for one in report.failures]
        blocks += [Heading('What could not be done'), Bullets(failed)]
    write_whole(report.folder / MARKDOWN, to_markdown(blocks).encode())
    write_whole(report.folder / HTML, to_html(blocks).encode())
    return report.folder / HTML


def _body(report: EvaluationReport) -> list[Block]:
    if not any(report.known.values()):
        return _comparisons(report)
    figures, comparisons, attributes = _figures(report), _comparisons(report), _attributes(report)
    return [*figures, *comparisons, *attributes, *_worst(report), *_videos(report)]


def _figures(report: EvaluationReport) -> list[Block]:
    figures = {label: report.evaluation.protocol.figures(own) for label, own in report.known.items()}
    names = list(dict.fromkeys(name for own in figures.values() for name in own))
    rows = [[label, *(report.cell(own.get(name, np.nan)) for name in names)] for label, own in figures.items()]
    count = len(next(iter(report.known.values())))
    counted = f'{count} videos' if count > 1 else 'One video'
    left_out = ', without those that could not be done with every memory' if report.failures else ''
    return [Heading('Figures'), Paragraph(f'{counted}{left_out}.'), Table([report.head, *names], rows)]


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
    for label, own in report.known.items():
        figures = report.evaluation.protocol.figures(own) if own else {}
        cells = [report.cell(figures.get(name, np.nan)) for name in table.columns]
        said = 'this run' if own else 'this run; nothing is scored here'
        rows.append([f'{report.evaluation.network.name}, {label}', *cells, said])
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
            chosen = {label: _with(own, name, value) for label, own in report.known.items()}
            videos = max(map(len, chosen.values()))
            cells = [report.cell(_main_figure(report, own)) for own in chosen.values()]
            rows.append([name, value, str(videos), *cells])
    if not rows:
        return []
    heads = ['attribute', 'value', 'videos', *report.known]
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
        Table(['video', 'frames', 'objects', *report.known], rows),
        *charts,
    ]


def _chart(report: EvaluationReport, name: str, found: Mapping[str, SequenceScore]) -> Picture:
    series = report.evaluation.protocol.plotted
    curves = {label: _mean_series(one, series) for label, one in found.items()}
    caption = f'{name}: mean {series} over objects and runs, in the frames that count'
    return chart(report, name, curves, title=f'{name}: {series}', x_label='frame that counts', caption=caption)


def _mean_series(score: SequenceScore, series: str) -> np.ndarray:
    """(N,) mean over all tracks that count in a frame, by frame."""
    by_frame: dict[int, list[float]] = {}
    for track in score.tracks:
        for frame, value in zip(track.frames, track.series[series].tolist(), strict=True):
            by_frame.setdefault(frame, []).append(value)
    return np.array([np.mean(by_frame[frame]) for frame in sorted(by_frame)])


def _worst(report: EvaluationReport) -> list[Block]:
    label, scores = list(report.known.items())[-1]
    pictures = worst(report, label, scores, figure=lambda one: _main_figure(report, [one]))
    return [Heading(f'The worst videos of {label}'), *pictures]


def _times(report: EvaluationReport) -> list[Block]:
    rows = [
        [time.name, f'{time.median:.1f}', f'{1000 / time.median:.1f}', str(Mean(time.ratio, time.ratio_error))]
        for time in report.times
    ]
    said = (
        f'One object, from the image to its mask, after the first {WARM_UP_FRAMES} frames of each clip. All take turns '
        'on every frame.'
    )
    header = ['', 'median ms', 'frames per second', f'mean time, {report.times[0].name} = 1']
    return [Heading('Time per frame'), Paragraph(said), Table(header, rows)]

"""The figures of the protocol first-frame: by subset with their errors, differences, charts, and every clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from sam2_ros.evaluation.measures.scores import (
    AUC,
    MEASURES,
    Per,
    mean_figure,
    of_run,
    paired_difference,
    visibility_auc,
)
from sam2_ros.evaluation.pages.document import Block, Heading, Paragraph, Picture, Table
from sam2_ros.evaluation.pages.pictures import chart, worst
from sam2_ros.evaluation.pages.report import EvaluationReport, ScoresByMethod, by_subset
from sam2_ros.evaluation.protocols.first_frame import FirstFrame
from sam2_ros.evaluation.protocols.protocol import SequenceScore, TrackScore

HEADS = 'J', 'J visible', 'F', 'J&F', 'R', AUC, f'{AUC} of the hidden'
_BY_CLIP = 'J', 'F', 'R'


def first_frame_blocks(report: EvaluationReport) -> list[Block]:
    """The blocks for a report of this protocol."""
    protocol = report.evaluation.protocol
    assert isinstance(protocol, FirstFrame)
    blocks: list[Block] = []
    for subset, scores in by_subset(report.known).items():
        blocks += [
            Heading(subset or 'All clips'),
            _counted(_first_of(scores, protocol)),
            _summary(report, scores, protocol),
        ]
        if len(scores) > 1:
            blocks += _differences(report, scores, protocol)
        label, last = list(scores.items())[-1]
        own = of_run(last, protocol.prompts[0])
        blocks += [
            _chart(report, subset, scores, prompt=protocol.prompts[0]),
            Paragraph(f'The worst clips of {label}, {protocol.prompts[0]} prompt:'),
            *worst(report, label, own, figure=lambda one: mean_figure([one], 'J').value),
        ]
    for prompt in protocol.prompts:
        table = _clips({label: of_run(own, prompt) for label, own in report.known.items()})
        blocks += [Heading(f'Each clip, {prompt} prompt'), Paragraph('Means over the objects of a clip.'), table]
    return blocks


def _first_of(scores: ScoresByMethod, protocol: FirstFrame) -> list[SequenceScore]:
    """The clips of the first method from the first prompt."""
    return of_run(next(iter(scores.values())), protocol.prompts[0])


def _counted(clips: Sequence[SequenceScore]) -> Paragraph:
    tracks = [track for clip in clips for track in clip.tracks]
    lengths = sorted({clip.length for clip in clips})
    frames = str(lengths[0]) if len(lengths) == 1 else f'{lengths[0]} to {lengths[-1]}'
    vanishing = sum(map(_vanishes, tracks))
    return Paragraph(
        f'{len(tracks)} objects in {len(clips)} clips of {frames} frames. Hidden at times: {vanishing} of them. '
        f'Of all frames, {_hidden(tracks):.0%} hide their object.'
    )


def _weights(scores: ScoresByMethod) -> tuple[Per, ...]:
    """What has the same weight; clips and objects are the same where every clip has one."""
    single = all(len({track.object_id for track in clip.tracks}) == 1 for own in scores.values() for clip in own)
    return ('clip',) if single else ('object', 'clip')


def _runs(scores: ScoresByMethod, protocol: FirstFrame) -> Iterator[tuple[list[str], list[SequenceScore], Per]]:
    """For each row of a table its first cells, and its clips."""
    weights = _weights(scores)
    for prompt, (label, own), per in product(protocol.prompts, scores.items(), weights):
        yield [prompt, label, *([per] if len(weights) > 1 else [])], of_run(own, prompt), per


def _heads(report: EvaluationReport, scores: ScoresByMethod) -> list[str]:
    return ['prompt', report.head, *(['per'] if len(_weights(scores)) > 1 else [])]


def _summary(report: EvaluationReport, scores: ScoresByMethod, protocol: FirstFrame) -> Table:
    rows = [[*first, *summary_cells(clips, per=per)] for first, clips, per in _runs(scores, protocol)]
    return Table([*_heads(report, scores), *HEADS], rows)


def summary_cells(clips: Sequence[SequenceScore], *, per: Per) -> list[str]:
    """The figures of some clips from one kind of prompt, in the order of `HEADS`; empty where there are none."""
    means = {name: mean_figure(clips, name, per=per) for name in MEASURES}
    leaving = [replace(clip, tracks=tuple(filter(_vanishes, clip.tracks))) for clip in clips]
    leaving = [clip for clip in leaving if clip.tracks]
    cells = {name: str(mean) for name, mean in means.items()}
    cells['J&F'] = f'{(means["J"].value + means["F"].value) / 2:.3f}'
    cells[AUC] = str(visibility_auc(clips, per=per)) if leaving else ''
    cells[HEADS[-1]] = str(visibility_auc(leaving, per=per)) if leaving else ''
    return [cells[name] for name in HEADS]


def _differences(report: EvaluationReport, scores: ScoresByMethod, protocol: FirstFrame) -> list[Block]:
    baseline = next(iter(scores))
    rows = []
    for first, clips, per in _runs(scores, protocol):
        if first[1] != baseline:
            other = of_run(scores[baseline], first[0])
            rows.append([*first, *(f'{paired_difference(clips, other, name, per=per):+}' for name in MEASURES)])
    said = Paragraph(f'Mean and standard error of the difference from {baseline} on the same clip or object:')
    return [said, Table([*_heads(report, scores), *MEASURES], rows)]


def _chart(report: EvaluationReport, subset: str, scores: ScoresByMethod, *, prompt: str) -> Picture:
    name = subset or 'all clips'
    curves = {label: _region_over_time(of_run(own, prompt)) for label, own in scores.items()}
    title = f'{name}: mean J of the visible objects, {prompt} prompt'
    return chart(report, name.replace(' ', '_'), curves, title=title, x_label='frame', caption=title)


def _region_over_time(clips: Sequence[SequenceScore]) -> np.ndarray:
    """Mean J by frames since the prompt over the objects that show; NaN in the first frame and where none does."""
    tracks = [track for clip in clips for track in clip.tracks]
    longest = max(len(track.frames) for track in tracks)
    found = np.full((len(tracks), 1 + longest), np.nan)
    for row, track in zip(found, tracks, strict=True):
        row[1 : 1 + len(track.frames)] = np.where(track.series['visible'], track.series['J'], np.nan)
    shown = np.isfinite(found).sum(axis=0)
    return np.where(shown > 0, np.nansum(found, axis=0) / np.maximum(shown, 1), np.nan)


def _clips(scores: ScoresByMethod) -> Table:
    heads = ['clip', 'objects', 'frames', 'hidden', *(f'{name} {label}' for name in _BY_CLIP for label in scores)]
    rows = []
    for together in zip(*scores.values(), strict=True):
        first = together[0]
        figures = [f'{mean_figure([clip], name).value:.3f}' for name in _BY_CLIP for clip in together]
        frames = 1 + max(len(track.frames) for track in first.tracks)
        rows.append([first.name, str(len(first.tracks)), str(frames), f'{_hidden(first.tracks):.0%}', *figures])
    return Table(heads, rows)


def _vanishes(track: TrackScore) -> bool:
    return not np.all(track.series['visible'])


def _hidden(tracks: Sequence[TrackScore]) -> float:
    """Of all frames that count, the share that hides the object."""
    return float(1 - np.mean(np.concatenate([track.series['visible'] for track in tracks])))

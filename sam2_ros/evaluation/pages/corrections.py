"""The figures of the protocol corrections: a row for each subset and method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam2_ros.evaluation.measures.scores import Per, mean_over_clips
from sam2_ros.evaluation.pages.document import Block, Heading, Table
from sam2_ros.evaluation.pages.report import EvaluationReport, by_subset
from sam2_ros.evaluation.protocols.corrections import AFTER_ALONE, AFTER_CORRECTED, ALONE, BEFORE, Corrections
from sam2_ros.evaluation.protocols.protocol import SequenceScore


def correction_blocks(report: EvaluationReport) -> list[Block]:
    """The blocks for a report of this protocol."""
    protocol, done = report.evaluation.protocol, report.done
    assert isinstance(protocol, Corrections)
    subsets = by_subset(done)
    several = any(len({track.object_id for track in clip.tracks}) > 1 for own in done.values() for clip in own)
    weights: tuple[Per, ...] = ('object', 'clip') if several else ('clip',)
    rows = [
        [
            *([subset] if subset else []),
            label,
            *([per] if several else []),
            *correction_cells(protocol, clips, per=per),
        ]
        for subset, scores in subsets.items()
        for label, clips in scores.items()
        for per in weights
    ]
    heads = [*(['subset'] if any(subsets) else []), report.head, *(['per'] if several else [])]
    return [Heading('Figures'), Table([*heads, 'count', 'frame', *protocol.figure_names], rows)]


def correction_cells(protocol: Corrections, clips: Sequence[SequenceScore], *, per: Per) -> list[str]:
    """How many clips or objects could be corrected and on which frames, and the means over them; empty if none."""
    by_clip = [protocol.figures_by_object(clip) for clip in clips]
    if per == 'clip':
        groups, count = [group for group in by_clip if group], len(clips)
    else:
        groups = [[own] for group in by_clip for own in group]
        count = len({(clip.name, track.object_id) for clip in clips for track in clip.tracks})
    counted = str(count) if len(groups) == count else f'{len(groups)} of {count}'
    if not groups:
        return [counted, *([''] * (1 + len(protocol.figure_names)))]
    means = {name: [float(np.mean([own[name] for own in group])) for group in groups] for name in protocol.figure_names}
    baselines = {**dict.fromkeys(protocol.figure_names, BEFORE), AFTER_CORRECTED: AFTER_ALONE}
    cells = [
        str(mean_over_clips(values)) if name in (BEFORE, AFTER_ALONE) else _against(means[baselines[name]], values)
        for name, values in means.items()
    ]
    return [counted, _frames(clips), *cells]


def _frames(clips: Sequence[SequenceScore]) -> str:
    """Which ones were corrected, counted from the first one of each object."""
    frames = {
        int(track.series['frame'][0]) for clip in clips for track in clip.tracks if track.run == ALONE and track.frames
    }
    return str(min(frames)) if len(frames) == 1 else f'{min(frames)} to {max(frames)}'


def _against(baseline: Sequence[float], values: Sequence[float]) -> str:
    """A mean, and its difference from another mean on the same clips."""
    difference = mean_over_clips([value - base for value, base in zip(values, baseline, strict=True)])
    return f'{np.mean(values):.3f} ({difference:+})'

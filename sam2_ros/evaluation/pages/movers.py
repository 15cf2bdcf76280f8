"""The figures of the protocol movers: for how many frames each mover was followed."""

from __future__ import annotations

import numpy as np

from sam2_ros.evaluation.pages.document import Block, Heading, Table
from sam2_ros.evaluation.pages.report import EvaluationReport
from sam2_ros.evaluation.protocols.movers import BOX, FOLLOWED


def mover_blocks(report: EvaluationReport) -> list[Block]:
    """The blocks for a report of this protocol."""
    columns = [[clip.tracks[0].series[FOLLOWED] for clip in own] for own in report.known.values()]
    clips = next(iter(report.known.values()))
    rows = []
    for row, clip in enumerate(clips):
        mover, _, start = clip.name.partition('/')
        cells = [f'{column[row].sum():.0f}' for column in columns]
        rows.append([mover, f'{start}:{clip.tracks[0].attributes[BOX]}', *cells])
    means = [f'{np.mean([followed.sum() for followed in column]):.1f}' for column in columns]
    rows.append(['all', f'mean of {len(clips)}', *means])
    head = f'first frame:box, frames followed of {clips[0].length - 1}'
    return [Heading('Figures'), Table(['mover', head, *report.known], rows)]

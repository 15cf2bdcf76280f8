"""Writes the figures of a training run to a CSV file."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import torch
from torch import Tensor

from sam2_ros.training.batches import BOX_PROMPT, MASK_PROMPT, POINT_PROMPT
from sam2_ros.training.losses import FrameLoss

COLUMNS = (
    'step',
    'seconds',
    'stage',
    'rate',
    'waited',
    'loss',
    'mask',
    'iou_head',
    'object_score',
    'j_mask',
    'j_box',
    'j_point',
    'j_tracked',
    'j_corrected',
    'heldout_j_prompted',
    'heldout_j_tracked',
    'heldout_visibility',
)
_KINDS = {'j_mask': MASK_PROMPT, 'j_box': BOX_PROMPT, 'j_point': POINT_PROMPT}


class Log:
    """Averages figures between rows of a CSV file.

    A run that continues at `step` appends to its file, and later rows are removed. Unknown columns, and rows that
    cannot be read (after a crash, for instance), are removed, too.

    Args:
        path: the file.
        step: number of optimizer steps so far.
    """

    def __init__(self, path: Path, *, step: int = 0) -> None:
        self.path = path
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        rows: list[dict[str, str]] = []
        if path.exists():
            with open(path, newline='', encoding='utf-8', errors='replace') as file:
                lines = (line.replace('\0', '') for line in file)
                rows = [row for row in csv.DictReader(lines) if _whole(row.get('step')) <= step]
        partial = path.with_suffix('.partial.csv')
        with open(partial, 'w', newline='', encoding='utf-8') as file:
            table = csv.DictWriter(file, COLUMNS, extrasaction='ignore')
            table.writeheader()
            table.writerows(rows)
        os.replace(partial, path)

    def add(self, **figures: float) -> None:
        """Add values to the averages; NaN is left out."""
        for name, value in figures.items():
            if not math.isnan(value):
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1

    def add_losses(self, losses: list[FrameLoss], kind: Tensor) -> None:
        """Add the figures of one step.

        These are the losses over all decodings, J by kind of prompt on frame 0, J of tracked frames, and J after
        corrections.

        Args:
            losses: of the step.
            kind: (N,) kinds of the prompts.
        """
        for name in ('total', 'mask', 'iou_head', 'object_score'):
            value = torch.stack([getattr(loss, name) for loss in losses]).mean()
            self.add(**{'loss' if name == 'total' else name: float(value.detach())})
        first = losses[0]
        for name, number in _KINDS.items():
            self.add(**{name: float(first.iou[(kind == number) & first.visible].mean())})
        for name, tracked in (('j_tracked', True), ('j_corrected', False)):
            overlaps = [loss.iou[loss.visible] for loss in losses[1:] if loss.tracked is tracked]
            if overlaps:
                self.add(**{name: float(torch.cat(overlaps).mean())})

    def write(self, **fixed: float | str) -> dict[str, float | str]:
        """Write one row of averages and `fixed` values, and start new averages. Returns the row."""
        row: dict[str, float | str] = {name: round(total / self._counts[name], 4) for name, total in self._sums.items()}
        row.update(fixed)
        with open(self.path, 'a', newline='', encoding='utf-8') as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        self._sums, self._counts = {}, {}
        return row


def _whole(text: str | None) -> float:
    """The whole number that a text holds; infinity for any other text."""
    return int(text) if text is not None and text.isdecimal() else math.inf

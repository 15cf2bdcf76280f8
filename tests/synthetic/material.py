"""Draws folders of cut-outs and backgrounds for tests: flat colours, known outlines."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.synthetic.cutouts import MANIFEST, MANIFEST_COLUMNS, Material, read_material

Colour = tuple[int, int, int]  # RGB


def row(file: str, **cells: str) -> dict[str, str]:
    """A row of a manifest."""
    kind = 'background' if file.startswith('backgrounds') else 'sprite'
    return {
        'file': file,
        'kind': kind,
        'class': '',
        'source': file,
        'licence': 'ours',
        'note': '',
        'use': 'yes',
    } | cells


def write_manifest(folder: Path, rows: list[dict[str, str]], *, lacking: str = '') -> None:
    """A manifest in `folder`, perhaps without one of its columns."""
    with (folder / MANIFEST).open('w', newline='', encoding='utf-8') as file:
        columns = [column for column in MANIFEST_COLUMNS if column != lacking]
        table = csv.DictWriter(file, columns, extrasaction='ignore')
        table.writeheader()
        table.writerows(rows)


def write_png(path: Path, pixels: np.ndarray) -> None:
    """(H, W, 3) RGB or (H, W, 4) RGBA."""
    code = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    assert cv2.imwrite(str(path), cv2.cvtColor(pixels, code))


def flat(height: int, width: int, colour: Colour) -> np.ndarray:
    """An opaque rectangle (height, width, 4)."""
    return np.full((height, width, 4), (*colour, 255), np.uint8)


def disc(side: int, colour: Colour) -> np.ndarray:
    """An opaque disc (side, side, 4) whose hidden pixels are green."""
    pixels = np.full((side, side, 4), (0, 255, 0, 0), np.uint8)
    cv2.circle(pixels, (side // 2, side // 2), side // 2 - 1, (*colour, 255), -1)
    return pixels


def draw_material(
    folder: Path,
    cutout: Callable[[int], np.ndarray] | Mapping[int, np.ndarray],
    background: Callable[[int], Colour],
    *,
    number: int = 12,
    notes: Mapping[int, str] | None = None,
    classes: tuple[str, ...] = ('thing',),
) -> Material:
    """A folder of `number` cut-outs and as many backgrounds.

    Args:
        folder: gets sprites/, backgrounds/ and the manifest.
        cutout: the pixels (h, w, 4) of each.
        background: the colour of each.
        number: of each kind.
        notes: of cut-outs that have one.
        classes: of the cut-outs, in turn.
    """
    pixels = cutout if callable(cutout) else cutout.__getitem__
    rows = []
    for kind in ('sprites', 'backgrounds'):
        (folder / kind).mkdir(parents=True)
    for index in range(number):
        rows.append(
            row(
                f'sprites/{index:02d}.png',
                note=(notes or {}).get(index, ''),
                **{'class': classes[index % len(classes)]},
            )
        )
        write_png(folder / rows[-1]['file'], pixels(index))
        rows.append(row(f'backgrounds/{index:02d}.png'))
        write_png(folder / rows[-1]['file'], np.full((60, 80, 3), background(index), np.uint8))
    write_manifest(folder, rows)
    return read_material(folder / 'sprites', folder / 'backgrounds')

"""Real objects and pictures for scenes: a folder of cut-outs (RGBA) and a folder of backgrounds.

A `MANIFEST.csv` in the folder, or in the one above it, tells the class and the source of each file; its columns are
`MANIFEST_COLUMNS`. `python -m sam2_ros.training.cutouts` makes such folders from COCO annotations.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np

MANIFEST = 'MANIFEST.csv'
MANIFEST_COLUMNS = ('file', 'kind', 'class', 'source', 'licence', 'note', 'use')
SIDES = ('left', 'top', 'right', 'bottom')
_CUT = 'cut:'  # in the note of a cut-out, before the side where the border of its picture cut it
_ENDINGS = {'.webp', '.png', '.jpg', '.jpeg'}
_HELD_OUT = 10  # one of so many sources is held out
_CACHED = 2048  # pictures in the memory of each process


@dataclass(frozen=True)
class Picture:
    """One file.

    Attributes:
        path: of the file.
        source: what it was cut from. Files of one source are in the same split.
        class_name: what it shows; '' if nothing says so.
        cut: the side of `SIDES` where the border of its picture cut the object; '' = it is whole.
    """

    path: Path
    source: str
    class_name: str = ''
    cut: str = ''

    def rgba(self) -> np.ndarray:
        """(H, W, 4) uint8 RGBA; read-only.

        Raises:
            ValueError: if the file is no picture with an alpha channel.
        """
        return _read(self.path, 4)

    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; read-only.

        Raises:
            ValueError: if the file is no picture.
        """
        return _read(self.path, 3)


@dataclass(frozen=True)
class Material:
    """What scenes are made of: cut-outs and backgrounds, each sorted by path."""

    cutouts: tuple[Picture, ...]
    backgrounds: tuple[Picture, ...]

    def split(self, name: str) -> Material:
        """The part for training or the part that is held out.

        About every tenth source is held out, the same ones whenever the folders are the same.

        Args:
            name: 'train' or 'heldout'.

        Raises:
            ValueError: if either part would lack cut-outs or backgrounds.
        """
        held = _held_out(self.cutouts)
        used = {one.source for one in self.cutouts}
        held |= _held_out([one for one in self.backgrounds if one.source not in used])

        def part(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
            held_out = tuple(one for one in pictures if one.source in held)
            others = tuple(one for one in pictures if one.source not in held)
            if not (held_out and others):
                raise ValueError(
                    f'{len(pictures)} pictures of {len({one.source for one in pictures})} sources cannot be divided '
                    'into some for training and some held out; add more'
                )
            return held_out if name == 'heldout' else others

        return Material(part(self.cutouts), part(self.backgrounds))


def read_material(cutouts: Path, backgrounds: Path) -> Material:
    """List the pictures of two folders.

    Files that a manifest does not use (`use` is neither 'yes' nor empty) are left out. A file without a row is its own
    source and has no class.

    Raises:
        ValueError: if a folder is missing or holds no pictures, or a manifest lacks a column.
    """
    return Material(_pictures(cutouts), _pictures(backgrounds))


def _pictures(folder: Path) -> tuple[Picture, ...]:
    folder = folder.resolve()
    rows = _manifest_rows(folder)
    files = sorted(path for path in folder.glob('*') if path.suffix.lower() in _ENDINGS)
    pictures = tuple(
        _picture(path, rows.get(path, {})) for path in files if rows.get(path, {}).get('use', '') in ('', 'yes')
    )
    if not pictures:
        raise ValueError(f'{folder} is no folder with {", ".join(sorted(_ENDINGS))} files to use')
    return pictures


def _picture(path: Path, row: dict[str, str]) -> Picture:
    sides = [word.removeprefix(_CUT) for word in row.get('note', '').split() if word.startswith(_CUT)]
    if unknown := set(sides) - set(SIDES):
        raise ValueError(f'{path} is cut at {sorted(unknown)}; known sides are {", ".join(SIDES)}')
    return Picture(path, row.get('source') or path.name, row.get('class', ''), sides[0] if sides else '')


def _manifest_rows(folder: Path) -> dict[Path, dict[str, str]]:
    """Rows of the manifest by file; none if there is no manifest."""
    path = next((place / MANIFEST for place in (folder, folder.parent) if (place / MANIFEST).is_file()), None)
    if path is None:
        return {}
    with path.open(newline='', encoding='utf-8-sig') as file:  # spreadsheets begin files with a mark
        reader = csv.DictReader(file, restval='')
        if missing := set(MANIFEST_COLUMNS) - set(reader.fieldnames or ()):
            raise ValueError(f'{path} lacks the columns {", ".join(sorted(missing))}')
        return {path.parent / row['file']: row for row in reader}


def _held_out(pictures: Iterable[Picture]) -> set[str]:
    sources = sorted({one.source for one in pictures}, key=lambda source: (crc32(source.encode()), source))
    return set(sources[: -(-len(sources) // _HELD_OUT)])


@lru_cache(maxsize=_CACHED)
def _read(path: Path, channels: int) -> np.ndarray:
    data = np.frombuffer(path.read_bytes(), np.uint8)
    flags = cv2.IMREAD_UNCHANGED if channels == 4 else cv2.IMREAD_COLOR
    pixels = cv2.imdecode(data, flags) if len(data) else None  # OpenCV refuses empty files with an error of its own
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != channels or pixels.dtype != np.uint8:
        raise ValueError(f'{path} is no 8-bit picture' + (' with an alpha channel' if channels == 4 else ''))
    pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if channels == 4 else cv2.COLOR_BGR2RGB)
    pixels.setflags(write=False)
    return pixels

"""Makes cut-outs and backgrounds for training out of images with annotations in COCO's format.

`python -m sam2_ros.training.cutouts annotations.json images/ OUT` writes the folders that `read_material` reads.
"""

from __future__ import annotations

import argparse
import csv
import re
import shlex
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from tqdm import tqdm

from sam2_ros.files.decoding import decode_image
from sam2_ros.files.outlines import Outline, read_outline
from sam2_ros.files.writing import named_in_errors, write_whole
from sam2_ros.interruption import INTERRUPTED, command_status, noted_interruption
from sam2_ros.synthetic.cutouts import MANIFEST, MANIFEST_COLUMNS, SIDES, read_material
from sam2_ros.training.coco import Coco, CocoImage, CocoObject, LeftOut, read_coco

SPRITES, BACKGROUNDS = 'sprites', 'backgrounds'
_BACKGROUND_SIDE = 512  # pixels, longest side of a background
_NEAR_BORDER = 2  # pixels; annotators stop so far before the border that cuts an object
_LARGE_PIECE = 0.1  # of the area of the largest piece: an object with two such pieces is partly hidden
_QUALITY = 90  # of WebP and JPEG
_LONGEST_NAME = 40  # characters of a class or an image in the name of a file
_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


@dataclass(frozen=True)
class CutoutSettings:
    """What is made.

    Attributes:
        longest: longest side of a cut-out in pixels; larger objects are made smaller.
        least_side: objects whose longer side has fewer pixels in their image are left out.
        per_class: most cut-outs of a class; None = no limit.
        classes: names of the classes to take; empty = all.
        backgrounds: most backgrounds.
        pieces: also take objects that something in front divides into pieces.

    Raises:
        ValueError: for numbers below 1.
    """

    longest: int = 192
    least_side: int = 48
    per_class: int | None = None
    classes: tuple[str, ...] = ()
    backgrounds: int = 1000
    pieces: bool = False

    def __post_init__(self) -> None:
        numbers = {'longest': self.longest, 'least_side': self.least_side, 'backgrounds': self.backgrounds}
        if self.per_class is not None:
            numbers['per_class'] = self.per_class
        for name, number in numbers.items():
            if number < 1:
                raise ValueError(f'{name} must be 1 or more, got {number}')


@dataclass
class Made:
    """What was made.

    Attributes:
        classes: number of cut-outs by class.
        backgrounds: number of backgrounds.
        left_out: what was not used, and why.
        stopped: a signal came before everything was made.
    """

    classes: Counter[str] = field(default_factory=Counter)
    backgrounds: int = 0
    left_out: LeftOut = field(default_factory=LeftOut)
    stopped: bool = False


class _Folder:
    """The folder of the results. All files in it are whole at any time, and each has a row in the manifest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with named_in_errors(path):
            for name in (SPRITES, BACKGROUNDS):
                (path / name).mkdir(parents=True, exist_ok=True)
            self._file = (path / MANIFEST).open('w', newline='', encoding='utf-8', errors='replace')
        self._table = csv.DictWriter(self._file, MANIFEST_COLUMNS)
        self._table.writeheader()

    def __enter__(self) -> _Folder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, file: str, encoded: np.ndarray, image: CocoImage, *, class_name: str = '', note: str = '') -> None:
        """Write a picture with its row in the manifest.

        Raises:
            OSError: if that fails; the picture is not there then.
        """
        row = {
            'file': file,
            'kind': 'sprite' if file.startswith(SPRITES) else 'background',
            'class': class_name,
            'source': image.source,
            'licence': image.licence,
            'note': note,
            'use': 'yes',
        }
        with named_in_errors(self.path / MANIFEST):
            self._table.writerow(row)
            self._file.flush()  # a row without a picture does no harm, but a picture without its row does
        write_whole(self.path / file, encoded.tobytes())


def make_cutouts(annotations: Path, images: Path, out: Path, settings: CutoutSettings) -> Made:
    """Cut objects out of images, and make backgrounds of some of the images.

    The same files and settings give the same pictures. On SIGINT or SIGTERM the current image is finished first. For
    the main thread only.

    Args:
        annotations: instance annotations in COCO's format.
        images: folder of the images.
        out: gets sprites/, backgrounds/ and MANIFEST.csv; missing or empty.
        settings: what is made.

    Raises:
        ValueError: if `out` is not empty, `annotations` cannot be read, a class is unknown, or nothing is left to cut
            out.
        OSError: if a file cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f'{out} is there already; give a new or an empty folder')
    made = Made()
    coco = read_coco(annotations, images, made.left_out)
    chosen = _choose(coco, settings, made.left_out)
    if not chosen:
        raise ValueError(f'{annotations} has no objects to cut out. {_told(made.left_out)}'.strip())
    behind = set(sorted(coco.images, key=lambda image: _rank('background', image.source))[: settings.backgrounds])
    work = sorted({*chosen, *behind}, key=lambda image: image.source)
    with _Folder(out) as folder, noted_interruption() as interruption:
        for image in tqdm(work, unit='image', desc='cutting', disable=None):
            if interruption.came:
                made.stopped = True
                break
            rgb = _read(image, made.left_out)
            if rgb is None:
                continue
            for one, side in chosen.get(image, ()):
                outline = read_outline(one.segmentation, height=image.height, width=image.width)
                name = f'{_plain(one.class_name)}__{_plain(image.path.stem)}_{one.number}.webp'
                pixels = _encoded(cut_out(rgb, outline, longest=settings.longest), '.webp')
                folder.add(f'{SPRITES}/{name}', pixels, image, class_name=one.class_name, note=side and f'cut:{side}')
                made.classes[one.class_name] += 1
            if image in behind:
                name = f'{_plain(image.path.stem)}_{made.backgrounds}.jpg'
                pixels = _encoded(_shrunk(rgb, _BACKGROUND_SIDE), '.jpg')
                folder.add(f'{BACKGROUNDS}/{name}', pixels, image)
                made.backgrounds += 1
    if not (made.classes or made.stopped):
        raise ValueError(f'nothing was cut out of {images}. {_told(made.left_out)}')
    return made


def _choose(coco: Coco, settings: CutoutSettings, left_out: LeftOut) -> dict[CocoImage, list[tuple[CocoObject, str]]]:
    """The objects to cut out by image, each with the side where the border cuts it, or ''."""
    if unknown := [name for name in settings.classes if name not in coco.classes]:
        raise ValueError(f'there is no class {", ".join(unknown)}; the classes are {", ".join(coco.classes)}')
    classes = set(settings.classes or coco.classes)
    objects = [one for one in coco.objects if one.class_name in classes]
    objects.sort(key=lambda one: _rank('object', one.image.source, one.name))
    counts: Counter[str] = Counter()
    chosen: dict[CocoImage, list[tuple[CocoObject, str]]] = defaultdict(list)
    for one in tqdm(objects, unit='object', desc='choosing', disable=None):
        if counts[one.class_name] == settings.per_class:
            continue
        try:
            outline = read_outline(one.segmentation, height=one.image.height, width=one.image.width)
        except ValueError as error:
            left_out.add(str(error), one.name)
            continue
        sides = cut_sides(outline, height=one.image.height, width=one.image.width)
        if reason := _refusal(outline, sides, settings):
            left_out.add(reason)
            continue
        counts[one.class_name] += 1
        chosen[one.image].append((one, ''.join(sides)))
    return dict(chosen)


def _rank(*words: str) -> bytes:
    """A place in an order that looks random and is always the same."""
    return blake2b('\0'.join(words).encode('utf-8', 'replace')).digest()


def cut_sides(outline: Outline, *, height: int, width: int) -> list[str]:
    """The sides where an object touches the border of its image, of `SIDES`."""
    x0, y0, x1, y1 = outline.box
    gaps = {'left': x0, 'top': y0, 'right': width - x1, 'bottom': height - y1}
    return [side for side in SIDES if gaps[side] <= _NEAR_BORDER]


def _refusal(outline: Outline, sides: Sequence[str], settings: CutoutSettings) -> str:
    """Why an object is not cut out; '' if it is."""
    x0, y0, x1, y1 = outline.box
    if max(x1 - x0, y1 - y0) < settings.least_side:
        return 'small objects'
    if len(sides) > 1:
        return 'objects at two borders or more'
    areas = sorted(outline.pieces)
    if not settings.pieces and len(areas) > 1 and areas[-2] > _LARGE_PIECE * areas[-1]:
        return 'objects in pieces'
    return ''


def _read(image: CocoImage, left_out: LeftOut) -> np.ndarray | None:
    """The image (H, W, 3) uint8 BGR; None, and counted, if it is not what the annotations describe."""
    try:
        pixels = decode_image(image.path.read_bytes(), _AS_STORED)
    except OSError:
        pixels = None
    if pixels is None:
        left_out.add('unreadable images', image.path.name)
    elif pixels.shape[:2] != (image.height, image.width):
        left_out.add('images of another size than the annotations say', image.path.name)
    else:
        return pixels
    return None


def cut_out(image: np.ndarray, outline: Outline, *, longest: int) -> np.ndarray:
    """One object of an image, made smaller where its longer side exceeds `longest` pixels.

    Args:
        image: (H, W, 3) uint8.
        outline: of the object.
        longest: in pixels.

    Returns:
        (h, w, 4) uint8, the colours of the image and alpha. Pixels outside the object are black.
    """
    x0, y0, x1, y1 = outline.box
    alpha = outline.coverage()[..., None].astype(np.float32) / 255
    # Colours are multiplied by alpha while they are averaged: what is around the object does not get into its edges.
    small = _shrunk(np.concatenate([image[y0:y1, x0:x1] * alpha, alpha], axis=2), longest)
    share = small[..., 3:]
    colours = small[..., :3] / np.maximum(share, 1 / 255)
    return np.concatenate([np.minimum(colours, 255), 255 * share], axis=2).round().astype(np.uint8)


def _shrunk(pixels: np.ndarray, longest: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _encoded(pixels: np.ndarray, ending: str) -> np.ndarray:
    if ending == '.webp':
        pixels[0, 0, 3] = min(pixels[0, 0, 3], 254)  # WebP drops an alpha channel that hides nothing
    quality = cv2.IMWRITE_WEBP_QUALITY if ending == '.webp' else cv2.IMWRITE_JPEG_QUALITY
    return cv2.imencode(ending, pixels, (quality, _QUALITY))[1]


def _plain(text: str) -> str:
    """A text as part of a file name on any system."""
    return re.sub(r'[^A-Za-z0-9]+', '-', text).strip('-').lower()[:_LONGEST_NAME] or 'unnamed'


def _told(left_out: LeftOut) -> str:
    return f'Left out: {left_out}' if left_out else ''


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.training.cutouts',
        description="Cut objects out of images with annotations in COCO's format, for clips to train on.",
    )
    add = parser.add_argument
    add('annotations', type=Path, metavar='ANNOTATIONS', help='instances with polygons or run lengths, a JSON file')
    add('images', type=Path, metavar='IMAGES', help='folder of the images')
    add('out', type=Path, metavar='OUT', help='folder for the results; new or empty')
    usual = CutoutSettings()
    add(
        '--longest',
        type=int,
        default=usual.longest,
        metavar='PIXELS',
        help='longest side of a cut-out (default: %(default)s)',
    )
    add(
        '--least-side',
        type=int,
        default=usual.least_side,
        metavar='PIXELS',
        help='leave out objects whose longer side has fewer pixels in their image (default: %(default)s)',
    )
    add('--per-class', type=int, metavar='N', help='most cut-outs of a class (default: no limit)')
    add('--classes', nargs='+', default=(), metavar='NAME', help='only these categories (default: all)')
    add(
        '--backgrounds',
        type=int,
        default=usual.backgrounds,
        metavar='N',
        help='most backgrounds (default: %(default)s)',
    )
    add('--pieces', action='store_true', help='also take objects that are divided into pieces by what is before them')
    return parser


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    given = _parser().parse_args(args)
    return command_status(lambda: _run(given))


def _run(given: argparse.Namespace) -> int:
    settings = CutoutSettings(
        longest=given.longest,
        least_side=given.least_side,
        per_class=given.per_class,
        classes=tuple(given.classes),
        backgrounds=given.backgrounds,
        pieces=given.pieces,
    )
    made = make_cutouts(given.annotations, given.images, given.out, settings)
    for line in filter(None, [_told(made.left_out), _warning(given.out)]):
        print(line, file=sys.stderr)
    folders = [shlex.quote(str(given.out / name)) for name in (SPRITES, BACKGROUNDS)]
    print(
        f'{"stopped early; " if made.stopped else ""}{made.classes.total()} cut-outs of {len(made.classes)} classes '
        f'and {made.backgrounds} backgrounds are in {given.out}. Next: python -m sam2_ros.training.train '
        f'--cutouts {folders[0]} --backgrounds {folders[1]} --minutes 90'
    )
    return INTERRUPTED if made.stopped else 0


def _warning(out: Path) -> str:
    """What is wrong with the folder for training; '' if nothing is."""
    try:
        read_material(out / SPRITES, out / BACKGROUNDS).split('train')
    except ValueError as error:
        return f'not enough to train on: {error}'
    return ''


if __name__ == '__main__':
    sys.exit(main())

"""Reads instance annotations in COCO's format: images, objects, and outlines as polygons or run lengths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from sam2_ros.files.json_files import read_json
from sam2_ros.files.run_lengths import RunLengths

NO_OUTLINE = 'annotations without an outline'
BROKEN_POLYGONS = 'annotations whose polygons are no lists of x, y with three corners or more'
OUTSIDE = 'annotations outside their image'
BROKEN_RUNS = 'annotations whose run lengths do not fit their image'
EMPTY = 'annotations that cover nothing'

_LISTS = ('images', 'annotations', 'categories')
_SUBPIXELS = 4  # along each side of a pixel, where polygons are drawn
_FINE = 1024  # pixels, longest side of an object that is drawn with subpixels; larger ones are made smaller anyway
_SHIFT = 4  # fractional bits of corners
_FAR = 4  # corners farther away than so many images are no measurements
_MOST_PIXELS = 1 << 28  # of an image


class LeftOut:
    """Counts what is left out, by reason. As a text: 'crowds: 3; missing images: 1 (first: a.jpg)'."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, reason: str, first: str = '') -> None:
        """Count one more. `first` names it, if it is the first for this reason."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        self._first.setdefault(reason, first)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __str__(self) -> str:
        def told(reason: str, count: int) -> str:
            first = self._first[reason]
            return f'{reason}: {count}' + (f' (first: {first})' if first else '')

        return '; '.join(told(*item) for item in self._counts.items())


@dataclass(frozen=True)
class CocoImage:
    """One image file.

    Attributes:
        path: of the file, which exists.
        source: its name with that of its data set.
        licence: as far as the annotations tell.
        height, width: in pixels, as the annotations say.
    """

    path: Path
    source: str
    licence: str
    height: int
    width: int


@dataclass(frozen=True)
class CocoObject:
    """One annotated object, not a crowd.

    Attributes:
        image: where it is.
        class_name: name of its category.
        number: its place in the list of annotations.
        name: to tell it by.
        segmentation: its outline, for `read_outline`; not checked yet.
    """

    image: CocoImage
    class_name: str
    number: int
    name: str
    segmentation: Any


@dataclass(frozen=True)
class Coco:
    """What an annotation file tells about images that exist."""

    images: tuple[CocoImage, ...]
    objects: tuple[CocoObject, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Outline:
    """Where an object is in its image.

    Attributes:
        box: x0, y0, x1, y1 in whole pixels of the image; it encloses the object.
        pieces: areas of its pieces in pixels.
        polygons: (V, 2) corners x, y each, which may lie outside the image; pixel centres are at half-integers.
        mask: (y1 - y0, x1 - x0) bool, if it was given as run lengths.
    """

    box: tuple[int, int, int, int]
    pieces: tuple[float, ...]
    polygons: tuple[np.ndarray, ...] = ()
    mask: np.ndarray | None = None

    def coverage(self) -> np.ndarray:
        """How much of each pixel of the box it covers, up to 255: (y1 - y0, x1 - x0) uint8."""
        if self.mask is not None:
            return np.where(self.mask, np.uint8(255), np.uint8(0))
        x0, y0, x1, y1 = self.box
        width, height = x1 - x0, y1 - y0
        scale = _SUBPIXELS if max(width, height) <= _FINE else 1
        drawn = np.zeros((scale * height, scale * width), np.uint8)
        for polygon in self.polygons:
            corners = np.round((polygon - (x0, y0)) * (scale << _SHIFT))
            cv2.fillPoly(drawn, [corners.astype(np.int32)], 255, cv2.LINE_8, _SHIFT)
        # OpenCV has pixel centres at whole numbers, half a pixel off, and fills the pixels under all edges. So the last
        # pixel of each row and column is too much.
        inside = cv2.erode(drawn, np.ones((2, 2), np.uint8), anchor=(0, 0))
        return cv2.resize(inside, (width, height), interpolation=cv2.INTER_AREA)


def read_coco(annotations: Path, images: Path, left_out: LeftOut) -> Coco:
    """Read an annotation file.

    Args:
        annotations: the file.
        images: the folder that its file names start from.
        left_out: gets what is missing or broken, and the crowds.

    Raises:
        ValueError: if the file is no COCO file of instances, or `images` no folder.
    """
    tree = _tree(annotations)
    if not images.is_dir():
        raise ValueError(f'{images} is no folder of images')
    info = tree.get('info')
    name = info.get('description') if isinstance(info, dict) else None
    data_set = name.strip() if isinstance(name, str) and name.strip() else annotations.name
    licences = {entry['id']: _words(entry, 'name', 'url') for entry in _entries(tree, 'licenses')}
    known: dict[int | str, CocoImage | None] = {}
    for entry in _entries(tree, 'images', left_out):
        known[entry['id']] = _image(entry, images, data_set=data_set, licences=licences, left_out=left_out)
    categories = {
        entry['id']: entry['name']
        for entry in _entries(tree, 'categories', left_out)
        if isinstance(entry.get('name'), str)
    }
    objects = []
    for number, entry in enumerate(tree['annotations']):
        entry = entry if isinstance(entry, dict) else {}
        image, category = _key(entry, 'image_id'), _key(entry, 'category_id')
        told = f'annotation {entry.get("id", f"number {number}")}'
        if image not in known:
            left_out.add('annotations of an unknown image', told)
        elif category not in categories:
            left_out.add('annotations of an unknown category', told)
        elif entry.get('iscrowd'):
            left_out.add('crowds')
        elif (where := known[image]) is not None:
            objects.append(CocoObject(where, categories[category], number, told, entry.get('segmentation')))
    return Coco(
        tuple(image for image in known.values() if image is not None),
        tuple(objects),
        tuple(sorted(set(categories.values()))),
    )


def _tree(path: Path) -> dict[str, Any]:
    tree = read_json(path)
    lacking = [name for name in _LISTS if not isinstance(tree.get(name), list)]
    if lacking:
        raise ValueError(
            f'{path} lacks the list {" and ".join(lacking)}; accepted are instance annotations in the format of COCO'
        )
    return tree


def _key(entry: dict[str, Any], name: str) -> int | str | None:
    """A number or a name by which entries refer to each other; None if there is none."""
    value = entry.get(name)
    return value if isinstance(value, (int, str)) else None


def _entries(tree: dict[str, Any], name: str, left_out: LeftOut | None = None) -> Iterator[dict[str, Any]]:
    """The entries of a list that have an id."""
    listed = tree.get(name)
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and _key(entry, 'id') is not None:
            yield entry
        elif left_out is not None:
            left_out.add(f'{name} without an id')


def _words(entry: dict[str, Any], *names: str) -> list[str]:
    return [entry[name] for name in names if isinstance(entry.get(name), str) and entry[name]]


def _image(
    entry: dict[str, Any],
    folder: Path,
    *,
    data_set: str,
    licences: dict[Any, list[str]],
    left_out: LeftOut,
) -> CocoImage | None:
    """The image of an entry; None, and counted, if it cannot be used."""
    name, sides = entry.get('file_name'), (entry.get('height'), entry.get('width'))
    height, width = (side if type(side) is int else 0 for side in sides)
    if not isinstance(name, str) or min(height, width) < 1 or height * width > _MOST_PIXELS:
        left_out.add('images without file_name, height and width', f'image {entry["id"]}')
        return None
    relative = PurePosixPath(name)
    if relative.is_absolute() or '..' in relative.parts or not os.path.isfile(folder / relative):
        left_out.add('missing images', name)
        return None
    licence = licences.get(_key(entry, 'license'), []) or ['licence not stated']
    origin = (_words(entry, 'flickr_url') or _words(entry, 'coco_url'))[:1]
    return CocoImage(folder / relative, f'{data_set}:{name}', ', '.join(licence + origin), height, width)


def read_outline(segmentation: object, *, height: int, width: int) -> Outline:
    """The outline of an object in an image of this size.

    Args:
        segmentation: a list of polygons [x, y, x, y, ...], or run lengths {'size': [height, width], 'counts': ...}.

    Raises:
        ValueError: if it is neither, or covers nothing of the image. The text is one of the reasons above.
    """
    if isinstance(segmentation, dict):
        return _from_mask(_run_lengths(segmentation, (height, width)))
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError(NO_OUTLINE)
    polygons = tuple(_polygon(part) for part in segmentation)
    corners = np.concatenate(polygons)
    if np.abs(corners).max() > _FAR * max(height, width):
        raise ValueError(OUTSIDE)
    x0, y0 = np.maximum(np.floor(corners.min(0)), 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(corners.max(0)), (width, height)).astype(int).tolist()
    if x0 >= x1 or y0 >= y1:
        raise ValueError(OUTSIDE)
    pieces = tuple(cv2.contourArea(polygon.astype(np.float32)) for polygon in polygons)
    if not any(pieces):
        raise ValueError(EMPTY)
    return Outline((x0, y0, x1, y1), pieces, polygons=polygons)


def _run_lengths(segmentation: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    try:
        return RunLengths.from_coco(segmentation, size=size).mask()
    except ValueError as error:
        raise ValueError(BROKEN_RUNS) from error


def _polygon(part: object) -> np.ndarray:
    try:
        numbers = np.asarray(part, np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(BROKEN_POLYGONS) from error
    if numbers.ndim != 1 or len(numbers) < 6 or len(numbers) % 2 or not np.isfinite(numbers).all():
        raise ValueError(BROKEN_POLYGONS)
    return numbers.reshape(-1, 2)


def _from_mask(mask: np.ndarray) -> Outline:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise ValueError(EMPTY)
    x0, y0, x1, y1 = (int(bound) for bound in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    part = mask[y0:y1, x0:x1]
    _, _, figures, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8))
    return Outline((x0, y0, x1, y1), tuple(figures[1:, cv2.CC_STAT_AREA].astype(float).tolist()), mask=part)

"""Reads instance annotations in COCO's format: images, and the objects in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sam2_ros.files.json_files import read_json

_LISTS = ('images', 'annotations', 'categories')
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

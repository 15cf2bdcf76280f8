"""Masklets in COCO's own form with videos: an annotation for each mask and image (CocoVID, TAO)."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sam2_ros.files.json_files import long_lists, read_json
from sam2_ros.files.outlines import outline_mask
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.files.writing import write_whole
from sam2_ros.masklets.masklet import AnnotatedVideo, Masklet
from sam2_ros.masklets.reading import class_names, field_of

_RATE = 30.0  # frames per second
_WITHOUT_CLASS = 'object'
_IMAGES = re.compile(rb'"images"\s*:')  # no key of other formats


class CocoVideo:
    """A JSON file with the lists `videos`, `images`, `annotations` and `categories`, as COCO's tools read it.

    An image has `video_id` and `frame_id` (TAO: `frame_index`); an annotation is one mask in one image, with the number
    of its object as `instance_id` (TAO: `track_id`). Polygons are read, run lengths are written. Masks may overlap.
    Frame rate, number of frames, names, kinds and scores of masklets are further fields, which other readers ignore.
    """

    name = 'coco-video'
    description = 'COCO video (CocoVID, TAO): one JSON file with videos, images, and annotations of images'
    one_file = True
    overlaps = True

    def recognises(self, path: Path) -> bool:
        return path.is_file() and path.suffix == '.json' and _IMAGES.search(path.read_bytes()) is not None

    def read(self, path: Path, *, frame_rate: float | None = None) -> Iterator[AnnotatedVideo]:
        """The videos in the file `path`; `frame_rate` is that of videos that do not tell, 30 if left out."""
        tree = read_json(path)
        videos, images, annotations = (
            field_of(tree, name, list, where=path) for name in ('videos', 'images', 'annotations')
        )
        by_video, by_image = defaultdict(list), defaultdict(list)
        for entry in images:
            by_video[field_of(entry, 'video_id', (int, str), where=f'an image in {path}')].append(entry)
        for entry in annotations:
            by_image[field_of(entry, 'image_id', (int, str), where=f'an annotation in {path}')].append(entry)
        classes = class_names(tree)
        for entry in videos:
            where = f'video {entry.get("id") if isinstance(entry, dict) else entry!r} in {path}'
            identity = field_of(entry, 'id', (int, str), where=where)
            yield _video(entry, by_video[identity], by_image, classes, rate=frame_rate or _RATE, where=where)

    def write(self, videos: Iterable[AnnotatedVideo], path: Path) -> None:
        """Write all videos into the file `path`.

        Raises:
            ValueError: if two masklets of a video have the same number.
            OSError: if the file cannot be written.
        """
        lists: dict[str, list[str]] = {'videos': [], 'images': [], 'annotations': []}
        categories: dict[str, int] = {}
        for video_id, video in enumerate(videos, start=1):
            numbers = [masklet.number for masklet in video.masklets]
            if len(set(numbers)) < len(numbers):
                raise ValueError(f'{video.name} has masklets of the same number; AnnotatedVideo.numbered changes them')
            lists['videos'].append(json.dumps(_video_entry(video, video_id)))
            for frame in video.frames:
                image = _image_entry(video, frame, video_id, len(lists['images']) + 1)
                lists['images'].append(json.dumps(image))
                for masklet in video.masklets:
                    category = categories.setdefault(masklet.class_name or _WITHOUT_CLASS, len(categories) + 1)
                    if frame in masklet.masks:
                        entry = {'id': len(lists['annotations']) + 1, 'image_id': image['id'], 'video_id': video_id}
                        entry |= {'category_id': category} | _annotation(masklet, frame)
                        lists['annotations'].append(json.dumps(entry))
        lists['categories'] = [json.dumps({'id': number, 'name': name}) for name, number in categories.items()]
        write_whole(path, long_lists({'info': {}, 'licenses': []}, lists))


def _video(
    entry: Mapping[str, Any],
    images: list[Mapping[str, Any]],
    annotations: Mapping[Any, list[Mapping[str, Any]]],
    classes: Mapping[Any, str],
    *,
    rate: float,
    where: str,
) -> AnnotatedVideo:
    """A video of its images, which may stand in the file in any order."""
    by_frame: dict[int, Mapping[str, Any]] = {}
    for image in images:
        told = f'image {image.get("id")} of {where}'
        frame = field_of(image, 'frame_index' if 'frame_id' not in image else 'frame_id', int, where=told)
        if frame in by_frame:
            raise ValueError(f'{told} has the same frame {frame} as another one')
        by_frame[frame] = image
    frames = tuple(sorted(by_frame))
    sides = entry if 'height' in entry or not frames else by_frame[frames[0]]
    height, width = (field_of(sides, name, int, where=where) for name in ('height', 'width'))
    masks: dict[int, dict[int, RunLengths]] = {}
    scores: dict[int, dict[int, float]] = defaultdict(dict)
    known: dict[int, Mapping[str, Any]] = {}
    for frame in frames:
        for one in annotations.get(by_frame[frame].get('id'), ()):
            told = f'annotation {one.get("id")} of {where}, frame {frame}'
            number = field_of(one, 'instance_id' if 'instance_id' in one else 'track_id', int, where=told)
            if frame in masks.setdefault(number, {}):
                raise ValueError(f'{told} is the second mask of object {number}')
            mask = _mask(one.get('segmentation'), (height, width), told)
            if mask.area:
                masks[number][frame] = mask
                if isinstance(one.get('stability_score'), float):
                    scores[number][frame] = one['stability_score']
            known.setdefault(number, one)
    declared: dict[int, Mapping[str, Any]] = {
        one['id']: one for one in entry.get('masklets') or () if isinstance(one, dict) and type(one.get('id')) is int
    }
    masklets = (
        _masklet(
            number, masks.get(number, {}), scores[number], declared.get(number, {}), known.get(number, {}), classes
        )
        for number in dict.fromkeys((*declared, *masks))
    )
    told_rate, count = entry.get('frame_rate', entry.get('fps')), entry.get('frame_count')
    return AnnotatedVideo(
        name=PurePosixPath(str(entry.get('name') or entry['id'])).as_posix().replace('/', '_'),
        size=(height, width),
        frame_rate=told_rate if isinstance(told_rate, (int, float)) and told_rate > 0 else rate,
        frame_count=max(count if isinstance(count, int) else 0, frames[-1] + 1 if frames else 0),
        frames=frames,
        masklets=tuple(masklets),
    )


def _masklet(
    number: int,
    masks: dict[int, RunLengths],
    stability: dict[int, float],
    declared: Mapping[str, Any],
    annotation: Mapping[str, Any],
    classes: Mapping[Any, str],
) -> Masklet:
    edited = declared.get('edited_frames')
    name = classes.get(annotation.get('category_id'), str(declared.get('class', '')))
    return Masklet(
        number=number,
        masks=masks,
        name=str(declared.get('name', '')),
        class_name='' if name == _WITHOUT_CLASS else name,
        kind='auto' if declared.get('kind') == 'auto' else 'manual',
        edited_frames=edited if isinstance(edited, int) else 0,
        stability=stability,
    )


def _mask(segmentation: Any, size: tuple[int, int], told: str) -> RunLengths:
    """The mask of run lengths or polygons."""
    try:
        if isinstance(segmentation, dict):  # its own sentence says more
            return RunLengths.from_coco(segmentation, size=size)
        return RunLengths.of(outline_mask(segmentation, size))
    except ValueError as error:
        raise ValueError(f'{told}: {error}') from error


def _video_entry(video: AnnotatedVideo, video_id: int) -> dict[str, Any]:
    described = [
        {
            'id': masklet.number,
            'name': masklet.name,
            'class': masklet.class_name,
            'kind': masklet.kind,
            'edited_frames': masklet.edited_frames,
        }
        for masklet in video.masklets
    ]
    return {
        'id': video_id,
        'name': video.name,
        'height': video.size[0],
        'width': video.size[1],
        'frame_rate': video.frame_rate,
        'frame_count': video.frame_count,
        'masklets': described,
    }


def _image_entry(video: AnnotatedVideo, frame: int, video_id: int, image_id: int) -> dict[str, Any]:
    return {
        'id': image_id,
        'video_id': video_id,
        'frame_id': frame,
        'file_name': f'{video.name}/{frame:05d}.jpg',
        'height': video.size[0],
        'width': video.size[1],
    }


def _annotation(masklet: Masklet, frame: int) -> dict[str, Any]:
    mask = masklet.masks[frame]
    score = {'stability_score': masklet.stability[frame]} if frame in masklet.stability else {}
    return {
        'instance_id': masklet.number,
        'segmentation': mask.to_coco(),
        'bbox': mask.coco_box(),
        'area': mask.area,
        'iscrowd': 0,
    } | score

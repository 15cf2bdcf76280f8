"""Masklets in one JSON file for many videos: YouTube-VIS, which extends COCO's format to videos."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sam2_ros.files.json_files import long_lists, read_json
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.files.writing import write_whole
from sam2_ros.masklets.masklet import AnnotatedVideo, Masklet
from sam2_ros.masklets.reading import class_names, field_of

_RATE = 30.0  # frames per second of YouTube-VIS, of which every fifth is annotated
_WITHOUT_CLASS = 'object'


class YoutubeVis:
    """A JSON file with the lists `videos`, `annotations` and `categories`.

    Masks may overlap. The frames of a video are the numbers in the names of its image files. Frame rate, number of
    frames, and of a masklet number and name are further fields that other readers ignore. Kinds and scores are not
    kept. The crowds of other files are read as any masklet.
    """

    name = 'youtube-vis'
    description = 'YouTube-VIS: one JSON file with videos, annotations and categories'
    one_file = True
    overlaps = True

    def recognises(self, path: Path) -> bool:
        return path.is_file() and path.suffix == '.json'

    def read(self, path: Path, *, frame_rate: float | None = None) -> Iterator[AnnotatedVideo]:
        """The videos in the file `path`; `frame_rate` is that of videos that do not tell, 30 if left out."""
        tree = read_json(path)
        videos, annotations = (field_of(tree, name, list, where=path) for name in ('videos', 'annotations'))
        classes = class_names(tree)
        by_video = defaultdict(list)
        for entry in annotations:
            by_video[field_of(entry, 'video_id', (int, str), where=f'an annotation in {path}')].append(entry)
        for entry in videos:
            where = f'video {entry.get("id") if isinstance(entry, dict) else entry!r} in {path}'
            identity = field_of(entry, 'id', (int, str), where=where)
            yield _video(entry, by_video[identity], classes, frame_rate=frame_rate or _RATE, where=where)

    def write(self, videos: Iterable[AnnotatedVideo], path: Path) -> None:
        """Write all videos into the file `path`.

        Raises:
            OSError: if the file cannot be written.
        """
        lists: dict[str, list[str]] = {'videos': [], 'annotations': []}
        categories: dict[str, int] = {}
        for video_id, video in enumerate(videos, start=1):
            lists['videos'].append(json.dumps(_video_entry(video, video_id)))
            for masklet in video.masklets:
                category = categories.setdefault(masklet.class_name or _WITHOUT_CLASS, len(categories) + 1)
                entry = {'id': len(lists['annotations']) + 1, 'video_id': video_id, 'category_id': category}
                lists['annotations'].append(json.dumps(entry | _annotation(video, masklet)))
        lists['categories'] = [json.dumps({'id': number, 'name': name}) for name, number in categories.items()]
        write_whole(path, long_lists({'info': {}, 'licenses': []}, lists))


def _video(
    entry: Mapping[str, Any], annotations: list[Mapping[str, Any]], classes: Mapping[Any, str], *, frame_rate: float,
    where: str,
) -> AnnotatedVideo:  # fmt: skip
    height, width = (field_of(entry, name, int, where=where) for name in ('height', 'width'))
    files = [PurePosixPath(str(name)) for name in field_of(entry, 'file_names', list, where=where)]
    frames = tuple(range(len(files)))
    if all(file.stem.isdecimal() for file in files):
        frames = tuple(int(file.stem) for file in files)
    named = files[0].parent.as_posix().replace('/', '_') if files else '.'
    rate, count = entry.get('frame_rate'), entry.get('frame_count')
    return AnnotatedVideo(
        name=str(entry['id']) if named == '.' else named,
        size=(height, width),
        frame_rate=rate if isinstance(rate, (int, float)) else frame_rate,
        frame_count=max(count if isinstance(count, int) else 0, frames[-1] + 1 if frames else 0),
        frames=frames,
        masklets=tuple(_masklet(one, frames, (height, width), classes, where=where) for one in annotations),
    )


def _masklet(
    entry: Mapping[str, Any], frames: tuple[int, ...], size: tuple[int, int], classes: Mapping[Any, str], *, where: str
) -> Masklet:
    told = f'annotation {entry.get("id")} of {where}'
    segmentations = field_of(entry, 'segmentations', list, where=told)
    if len(segmentations) != len(frames):
        raise ValueError(f'{told} has {len(segmentations)} segmentations for {len(frames)} frames')
    masks = {}
    for frame, segmentation in zip(frames, segmentations, strict=True):
        if segmentation is None:
            continue
        try:
            mask = RunLengths.from_coco(segmentation, size=size)
        except ValueError as error:
            raise ValueError(f'{told}, frame {frame}: {error}') from error
        if mask.area:
            masks[frame] = mask
    name = classes.get(entry.get('category_id'), '')
    return Masklet(
        number=entry['track_id'] if isinstance(entry.get('track_id'), int) else field_of(entry, 'id', int, where=told),
        masks=masks,
        name=str(entry.get('name', '')),
        class_name='' if name == _WITHOUT_CLASS else name,
    )


def _video_entry(video: AnnotatedVideo, video_id: int) -> dict[str, Any]:
    return {
        'id': video_id,
        'height': video.size[0],
        'width': video.size[1],
        'length': len(video.frames),
        'file_names': [f'{video.name}/{frame:05d}.jpg' for frame in video.frames],
        'frame_rate': video.frame_rate,
        'frame_count': video.frame_count,
    }


def _annotation(video: AnnotatedVideo, masklet: Masklet) -> dict[str, Any]:
    masks = [masklet.masks.get(frame) for frame in video.frames]
    entry: dict[str, Any] = {
        'track_id': masklet.number,
        'iscrowd': 0,
        'height': video.size[0],
        'width': video.size[1],
        'length': len(video.frames),
        'segmentations': [mask and mask.to_coco() for mask in masks],
        'bboxes': [mask and mask.coco_box() for mask in masks],
        'areas': [mask and mask.area for mask in masks],
    }
    return entry | ({'name': masklet.name} if masklet.name else {})

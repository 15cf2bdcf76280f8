"""Masklets in the JSON files of SA-V's training set: one file for each video and kind, every fourth frame annotated."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sam2_ros.files.json_files import read_json
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.files.writing import write_whole
from sam2_ros.masklets.masklet import KINDS, AnnotatedVideo, Masklet
from sam2_ros.masklets.reading import field_of

STRIDE = 4  # frames of the video from one annotated frame to the next: 6 of 24 per second
_SMALL, _MEDIUM = 32**2, 96**2  # pixels; from the second on a masklet is large
_RATE_DIGITS = 9  # a frame rate is told as a duration, whose division leaves rounding errors


class SavJson:
    """`<video>_manual.json` and `<video>_auto.json` in a folder.

    A mask may overlap with others. Names and classes, which SA-V has not, are further fields that its own readers
    ignore. The fields `video_environment` and `video_split` are not kept.
    """

    name = 'sav'
    description = 'SA-V training set: <video>_manual.json and <video>_auto.json, every 4th frame annotated'
    one_file = False
    overlaps = True

    def recognises(self, path: Path) -> bool:
        return bool(_files(path))

    def read(self, path: Path, *, frame_rate: float | None = None) -> Iterator[AnnotatedVideo]:
        """The videos, each with its manual and its automatic masklets. `path` is the folder, or one file."""
        by_video = defaultdict(list)
        for file, kind in _files(path).items():
            by_video[file.stem.removesuffix(f'_{kind}')].append(file)
        for files in by_video.values():
            parts = [_read_file(file) for file in files]
            yield replace(parts[0], masklets=tuple(masklet for part in parts for masklet in part.masklets))

    def write(self, videos: Iterable[AnnotatedVideo], path: Path) -> None:
        """Write the files of all videos into the folder `path`.

        Raises:
            ValueError: if a video is not annotated in every fourth frame; `AnnotatedVideo.every` leaves out the others.
            OSError: if a file cannot be written.
        """
        for video in videos:
            if video.frames != tuple(range(0, video.frame_count, STRIDE)):
                raise ValueError(
                    f'SA-V annotates the frames 0, 4, 8 ... of a video, all of them, but {video.name} has others; '
                    'AnnotatedVideo.every(4) leaves out those between'
                )
            used = {masklet.kind for masklet in video.masklets} or {'manual'}
            for kind in sorted(used):
                part = replace(video, masklets=tuple(one for one in video.masklets if one.kind == kind))
                tree = json.dumps(_tree(part, kind))
                write_whole(path / f'{video.name}_{kind}.json', tree.encode())


def _files(path: Path) -> dict[Path, str]:
    """The files in a folder, or the one that `path` is, and their kinds."""
    listed = sorted(path.glob('*.json')) if path.is_dir() else [path]
    return {file: kind for kind in KINDS for file in listed if file.name.endswith(f'_{kind}.json')}


def _read_file(file: Path) -> AnnotatedVideo:
    tree = read_json(file)
    number = (int, float)
    height, width, count = (
        int(field_of(tree, f'video_{name}', number, where=file)) for name in ('height', 'width', 'frame_count')
    )
    duration = field_of(tree, 'video_duration', number, where=file)
    frames, ids = field_of(tree, 'masklet', list, where=file), field_of(tree, 'masklet_id', list, where=file)
    if duration <= 0 or count < 1 or not all(type(one) is int for one in ids):
        raise ValueError(f'{file} has a duration or a number of frames that is not above 0, or ids that are no numbers')
    masks: list[dict[int, RunLengths]] = [{} for _ in ids]
    for index, entries in enumerate(frames):
        if not isinstance(entries, list) or len(entries) != len(ids):
            raise ValueError(f'{file} has {len(ids)} masklets, but not so many masks in its annotated frame {index}')
        for mine, entry in zip(masks, entries, strict=True):
            try:
                mask = RunLengths.from_coco(entry, size=(height, width))
            except ValueError as error:
                raise ValueError(f'{file}, annotated frame {index}: {error}') from error
            if mask.area:
                mine[index * STRIDE] = mask
    columns = [_column(tree, name, len(ids)) for name in ('name', 'class', 'type', 'edited_frame_count')]
    masklets = tuple(
        Masklet(
            number=ids[row],
            masks=masks[row],
            name=str(called or ''),
            class_name=str(class_name or ''),
            kind=kind if kind in KINDS else 'manual',
            edited_frames=int(edited or 0),
            stability=_stability(tree, row, masks[row]),
        )
        for row, (called, class_name, kind, edited) in enumerate(zip(*columns, strict=True))
    )
    return AnnotatedVideo(
        name=str(tree.get('video_id') or file.stem.rpartition('_')[0]),
        size=(height, width),
        frame_rate=round(count / duration, _RATE_DIGITS),
        frame_count=max(count, STRIDE * (len(frames) - 1) + 1),
        frames=tuple(range(0, STRIDE * len(frames), STRIDE)),
        masklets=masklets,
    )


def _column(tree: dict[str, Any], name: str, count: int) -> list[Any]:
    """One value for each masklet, None where the file has none."""
    column = tree.get(f'masklet_{name}')
    return column if isinstance(column, list) and len(column) == count else [None] * count


def _stability(tree: dict[str, Any], row: int, masks: dict[int, RunLengths]) -> dict[int, float]:
    """Scores of the masks of one masklet; the file has a list for each annotated frame, or None for each masklet."""
    frames = tree.get('masklet_stability_score')
    frames = frames if isinstance(frames, list) else []
    return {
        index * STRIDE: float(scores[row])
        for index, scores in enumerate(frames)
        if isinstance(scores, list) and index * STRIDE in masks and row < len(scores) and scores[row] is not None
    }


def _tree(video: AnnotatedVideo, kind: str) -> dict[str, Any]:
    height, width = video.size
    nothing = RunLengths.empty(video.size)
    sizes = [_mean_area(masklet) for masklet in video.masklets]
    stability: list[Any] = [None] * len(video.masklets)
    if any(masklet.stability for masklet in video.masklets):
        stability = [[masklet.stability.get(frame) for masklet in video.masklets] for frame in video.frames]
    tree = {
        'video_id': video.name,
        'video_duration': video.frame_count / video.frame_rate,
        'video_frame_count': float(video.frame_count),
        'video_height': float(height),
        'video_width': float(width),
        'video_resolution': float(height * width),
        'masklet': [
            [masklet.masks.get(frame, nothing).to_coco() for masklet in video.masklets] for frame in video.frames
        ],
        'masklet_id': [masklet.number for masklet in video.masklets],
        'masklet_size_rel': [size / (height * width) for size in sizes],
        'masklet_size_abs': sizes,
        'masklet_size_bucket': [
            'small' if size < _SMALL else 'medium' if size < _MEDIUM else 'large' for size in sizes
        ],
        'masklet_visibility_changes': [masklet.visibility_changes(video.frames) for masklet in video.masklets],
        'masklet_first_appeared_frame': [float(min(masklet.masks, default=0) // STRIDE) for masklet in video.masklets],
        'masklet_frame_count': [len(video.frames)] * len(video.masklets),
        'masklet_edited_frame_count': [masklet.edited_frames for masklet in video.masklets],
        'masklet_type': [kind] * len(video.masklets),
        'masklet_stability_score': stability,
        'masklet_num': len(video.masklets),
    }
    for name, values in (
        ('masklet_name', [masklet.name for masklet in video.masklets]),
        ('masklet_class', [masklet.class_name for masklet in video.masklets]),
    ):
        if any(values):
            tree[name] = values
    return tree


def _mean_area(masklet: Masklet) -> float:
    """Mean area in pixels over the frames that show the object; 0 if none does."""
    areas = [mask.area for mask in masklet.masks.values()]
    return sum(areas) / len(areas) if areas else 0.0

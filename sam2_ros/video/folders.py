"""Folders of videos: which videos lie in one."""

from __future__ import annotations

from pathlib import Path

from sam2_ros.video.source import IMAGE_SUFFIXES, SCENES, SourceError, images_of, in_natural_order

VIDEO_SUFFIXES = (
    '.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.ts', '.mts', '.m2ts', '.wmv', '.flv', '.ogv',
    '.3gp', '.mjpeg',
)  # fmt: skip


def is_folder_of_videos(source: str) -> bool:
    """Whether a source is a folder without images of its own. One with images is a video, as for `open_source`."""
    path = Path(source).expanduser()
    return bool(source) and source not in SCENES and path.is_dir() and not images_of(path)


def videos_of(source: str) -> list[str]:
    """The videos that a source stands for, each of which `open_source` takes.

    Args:
        source: a folder of videos stands for the video files and the folders of images that lie in it, not deeper; any
            other source for itself. What else lies in the folder is passed over, as is what has a name that begins with
            a dot.

    Returns:
        In the order of their names; numbers in names are compared as numbers.

    Raises:
        SourceError: if the folder holds no video.
    """
    if not is_folder_of_videos(source):
        return [source]
    folder = Path(source).expanduser()
    found = in_natural_order(child for child in folder.iterdir() if not child.name.startswith('.') and _is_video(child))
    if not found:
        raise SourceError(
            f'the folder {source} holds no images and no videos; accepted are images ({", ".join(IMAGE_SUFFIXES)}), or '
            f'video files ({", ".join(VIDEO_SUFFIXES)}) and folders of images'
        )
    return [str(video) for video in found]


def _is_video(path: Path) -> bool:
    if path.is_dir():
        return bool(images_of(path))
    return path.suffix.lower() in VIDEO_SUFFIXES

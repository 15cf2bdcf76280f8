"""All formats of masklets behind one interface. To add one, add a module and a line to `FORMATS`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from sam2_ros.masklets.coco_video import CocoVideo
from sam2_ros.masklets.davis import DavisFolders
from sam2_ros.masklets.masklet import AnnotatedVideo
from sam2_ros.masklets.mots import MotsImages, MotsTexts
from sam2_ros.masklets.sav_folders import SavFolders
from sam2_ros.masklets.sav_json import SavJson
from sam2_ros.masklets.youtube_vis import YoutubeVis


class MaskletFormat(Protocol):
    """How masklets lie in files."""

    @property
    def name(self) -> str:
        """What it is called on command lines."""
        ...

    @property
    def description(self) -> str:
        """The data sets that have it, and the files."""
        ...

    @property
    def one_file(self) -> bool:
        """Whether all videos lie in one file, and not in a folder."""
        ...

    @property
    def overlaps(self) -> bool:
        """Whether masks may share pixels."""
        ...

    def recognises(self, path: Path) -> bool:
        """Whether a folder or file looks as if it had this format."""
        ...

    def read(self, path: Path, *, frame_rate: float | None = None) -> Iterator[AnnotatedVideo]:
        """The videos, read one by one.

        Args:
            path: the folder or file.
            frame_rate: frames per second of videos whose files do not tell it; that of the data set if left out.

        Raises:
            OSError: if a file cannot be read.
            ValueError: if it holds something else. The message says what.
        """
        ...

    def write(self, videos: Iterable[AnnotatedVideo], path: Path) -> None:
        """Write videos.

        Raises:
            ValueError: if the format cannot hold a video. The message says why, and what helps.
            OSError: if a file cannot be written.
        """
        ...


# In the order in which a folder is compared with them: the plainest layout comes last.
FORMATS: dict[str, MaskletFormat] = {
    one.name: one
    for one in (SavJson(), CocoVideo(), YoutubeVis(), MotsTexts(), MotsImages(), SavFolders(), DavisFolders())
}


def format_of(path: Path) -> MaskletFormat:
    """The format of a folder or file.

    Raises:
        ValueError: if it has none of them.
    """
    for one in FORMATS.values():
        if path.exists() and one.recognises(path):
            return one
    accepted = '; '.join(one.description for one in FORMATS.values())
    raise ValueError(f'{path} {"holds no masklets" if path.exists() else "does not exist"}; accepted are {accepted}')


def read_masklets(path: Path, *, format: str = '', frame_rate: float | None = None) -> Iterator[AnnotatedVideo]:
    """The videos in a folder or file, read one by one; see `MaskletFormat.read`.

    Args:
        path: the folder or file.
        format: a key of `FORMATS`; found out if empty.
        frame_rate: frames per second of videos whose files do not tell it.
    """
    return (FORMATS[format] if format else format_of(path)).read(path, frame_rate=frame_rate)


def write_masklets(videos: Iterable[AnnotatedVideo], path: Path, *, format: str) -> None:
    """Write videos into a folder or file; see `MaskletFormat.write`."""
    FORMATS[format].write(videos, path)

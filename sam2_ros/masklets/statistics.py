"""The numbers by which data sets of masklets are compared (SAM 2, table of data sets)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sam2_ros.masklets.masklet import AnnotatedVideo, Masklet


@dataclass(frozen=True)
class Statistics:
    """What a number of annotated videos hold.

    Attributes:
        videos: how many there are.
        seconds: their duration, frames of the video divided by its frame rate, summed.
        masklets: objects with one mask or more.
        masks: masks that are not empty, of all objects in all annotated frames.
        frames: annotated frames, whether they show an object or not.
        disappearing: masklets that are gone in an annotated frame and seen again in a later one.
    """

    videos: int = 0
    seconds: float = 0.0
    masklets: int = 0
    masks: int = 0
    frames: int = 0
    disappearing: int = 0

    @property
    def disappearance_rate(self) -> float:
        """Share of the masklets that disappear and come back, 0 to 1; NaN without masklets."""
        return self.disappearing / self.masklets if self.masklets else float('nan')

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.videos + other.videos,
            self.seconds + other.seconds,
            self.masklets + other.masklets,
            self.masks + other.masks,
            self.frames + other.frames,
            self.disappearing + other.disappearing,
        )


def statistics(videos: Iterable[AnnotatedVideo]) -> Statistics:
    """Count. Videos are looked at one after the other, so that they may be read one by one."""
    return sum((_of_video(video) for video in videos), Statistics())


def _of_video(video: AnnotatedVideo) -> Statistics:
    shown = [masklet for masklet in video.masklets if masklet.masks]
    return Statistics(
        videos=1,
        seconds=video.frame_count / video.frame_rate,
        masklets=len(shown),
        masks=sum(len(masklet.masks) for masklet in shown),
        frames=len(video.frames),
        disappearing=sum(_comes_back(masklet, video.frames) for masklet in shown),
    )


def _comes_back(masklet: Masklet, frames: tuple[int, ...]) -> bool:
    return masklet.visibility_changes(frames) > 1

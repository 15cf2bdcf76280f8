"""The frames of a recorded video as a sequence."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import overload

import numpy as np

from sam2_ros.video.source import FrameSource


class VideoFrames(Sequence[np.ndarray]):
    """The frames of a source by their index, each read when it is asked for: (H, W, 3) uint8, RGB.

    Args:
        source: a video file, a folder of images, or a drawn scene.
        max_frames: leave out all frames after these; None = take all.

    Raises:
        ValueError: if the source is live, or endless and `max_frames` is not given.
    """

    def __init__(self, source: FrameSource, *, max_frames: int | None = None) -> None:
        if source.access is None:
            raise ValueError(f'{source.name!r} is live: its frames cannot be read in any order; record it first')
        count = source.access.count()
        if count is None and max_frames is None:
            raise ValueError(f'{source.name!r} has no end: say how many of its frames are wanted')
        self._source = source
        self._access = source.access
        self._count = min(one for one in (count, max_frames) if one is not None)

    def __len__(self) -> int:
        """Number of frames. It becomes less when a file ends before the frame that it announced as its last."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        """The frame of this index.

        Raises:
            IndexError: if there is none.
            SourceError: if it cannot be read.
        """
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        if not -self._count <= index < self._count:
            raise IndexError(f'there is no frame {index} among the {self._count} of {self._source.name}')
        index %= self._count
        try:
            return self._access.of(index)
        except IndexError:
            warnings.warn(
                f'{self._source.name} ends before frame {index}, but announced {self._count} frames: it is cut off, '
                'damaged, or only estimated',
                stacklevel=2,
            )
            self._count = index
            raise

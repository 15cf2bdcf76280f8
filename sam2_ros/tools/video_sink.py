"""Writes a video that everybody can play, with whatever encoder this OpenCV has."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

# OpenCV's wheels rarely hold an H.264 encoder, and complain loudly; these two are part of FFmpeg itself.
FORMATS = (('.mp4', 'mp4v'), ('.avi', 'MJPG'))


class VideoSink:
    """A video file that begins with its first frame.

    Frames are RGB, (height, width, 3) uint8. All have the size of the first one: others are scaled to it.
    Use it in a `with` statement, or call `close`, or the file cannot be played.
    """

    def __init__(self, stem: Path, *, frame_rate: float) -> None:
        """`stem`: the path without suffix, which the encoder decides; `frame_rate`: frames per second."""
        self.path: Path | None = None
        self.frames = 0
        self._stem = stem
        self._frame_rate = frame_rate
        self._size = (0, 0)
        self._writer: cv2.VideoWriter | None = None

    def write(self, rgb: np.ndarray) -> None:
        """Append a frame. Raises OSError when no encoder can write the file."""
        if self._writer is None:
            self._size = (rgb.shape[1], rgb.shape[0])
            self._writer = self._open()
        if (rgb.shape[1], rgb.shape[0]) != self._size:
            rgb = cv2.resize(rgb, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def close(self) -> None:
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def __enter__(self) -> VideoSink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> cv2.VideoWriter:
        for suffix, codec in FORMATS:
            path = self._stem.with_name(self._stem.name + suffix)
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), self._frame_rate, self._size)
            if writer.isOpened():
                self.path = path
                return writer
        raise OSError(f'no video can be written to {self._stem.parent}: the folder cannot be written, or '
                      f'OpenCV has none of the encoders {", ".join(codec for _, codec in FORMATS)}')

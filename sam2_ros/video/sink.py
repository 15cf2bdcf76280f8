"""Writes a video that everybody can play, with an encoder that this OpenCV has."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

# OpenCV's wheels rarely have an H.264 encoder, and then print errors. These two encoders are part of FFmpeg itself.
FORMATS = (('.mp4', 'mp4v'), ('.avi', 'MJPG'))


def video_files(stem: Path) -> list[Path]:
    """The files that a `VideoSink` with this `stem` may write."""
    return [stem.with_name(stem.name + suffix) for suffix, _ in FORMATS]


class VideoSink:
    """A video file. It is opened when the first frame is written.

    Frames are RGB, (height, width, 3) uint8. All have the size of the first one; other sizes are scaled to it. Use it
    in a `with` statement, or call `close`: otherwise the file cannot be played.

    Attributes:
        path: the file; None before the first frame.
        frames: number of frames written.
    """

    def __init__(self, stem: Path, *, frame_rate: float) -> None:
        """Open nothing yet.

        Args:
            stem: the path without its suffix, which depends on the encoder.
            frame_rate: frames per second.
        """
        self.path: Path | None = None
        self.frames = 0
        self._stem = stem
        self._frame_rate = frame_rate
        self._size = (0, 0)
        self._writer: cv2.VideoWriter | None = None

    def write(self, rgb: np.ndarray) -> None:
        """Append a frame.

        Raises:
            OSError: if no encoder can write the file.
        """
        if self._writer is None:
            self._size = (rgb.shape[1], rgb.shape[0])
            self._writer = self._open()
        if (rgb.shape[1], rgb.shape[0]) != self._size:
            rgb = cv2.resize(rgb, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: if it does not hold all frames. OpenCV's writer reports no errors, so the file is read to check it.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        finished = cv2.VideoCapture(str(self.path))
        announced = finished.get(cv2.CAP_PROP_FRAME_COUNT)
        finished.set(cv2.CAP_PROP_POS_FRAMES, self.frames - 1)  # an AVI file may announce frames that it does not hold
        whole = announced == self.frames and finished.read()[0]
        finished.release()
        if not whole:
            raise OSError(
                f'{self.path} is not whole, its {self.frames} frames cannot be found in it (is the disk full?)'
            )

    def __enter__(self) -> VideoSink:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except OSError:
            if kind is None:  # otherwise the first error says more
                raise

    def _open(self) -> cv2.VideoWriter:
        for path, (_, codec) in zip(video_files(self._stem), FORMATS, strict=True):
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), self._frame_rate, self._size)
            if writer.isOpened():
                self.path = path
                return writer
        raise OSError(
            f'no video can be written to {self._stem.parent}: the folder cannot be written, or '
            f'OpenCV has none of the encoders {", ".join(codec for _, codec in FORMATS)}'
        )

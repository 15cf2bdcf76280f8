"""Reads frames from a video file, a folder of images, a webcam, a stream, or a drawn scene."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2
import numpy as np

from sam2_ros.files.decoding import decode_image
from sam2_ros.synthetic.demo_scene import DemoScene
from sam2_ros.synthetic.depth_demo import RATE as DEPTH_RATE
from sam2_ros.synthetic.depth_demo import SIZE as DEPTH_SIZE
from sam2_ros.synthetic.depth_demo import DepthDemoScene
from sam2_ros.synthetic.ladybirds import LadybirdScene
from sam2_ros.synthetic.sprites import FRAME_RATE, SpriteScene
from sam2_ros.video.seeking import SeekingCapture

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm')
LEAST_SHARE = 0.9  # of the announced frames must be there; without an index, containers only estimate the number
SCENES: dict[str, type[SpriteScene] | type[DepthDemoScene]] = {
    'synthetic': DemoScene,
    'ladybirds': LadybirdScene,
    'bodies': DepthDemoScene,
}
SCENE_SIZE = (720, 1280)  # height and width of those without depth
ACCEPTED = (
    'a video file, a folder of images, a webcam (/dev/video0), the URL of a stream, or one of the drawn scenes '
    "'synthetic', 'ladybirds' and 'bodies' (with depth)"
)


class SourceError(OSError):
    """A source of frames cannot be opened or read. The message says why and what is accepted."""


@dataclass(frozen=True)
class SourceDepth:
    """The depth that a source knows.

    Attributes:
        of: (H, W) float32 metres of the frame of this index, NaN where nothing is.
        horizontal_fov: of the camera, in degrees.
    """

    of: Callable[[int], np.ndarray]
    horizontal_fov: float


@dataclass(frozen=True)
class SourceAccess:
    """Reads the frames of a source in any order.

    Attributes:
        of: the frame of this index, as iterating gives it. Raises IndexError if there is none, and SourceError if it
            cannot be read.
        count: the number of frames, found out where the source does not say it; None if it is endless.
    """

    of: Callable[[int], np.ndarray]
    count: Callable[[], int | None]


@dataclass(frozen=True)
class FrameSource:
    """Frames of one video. Iterating always starts at the first frame; for a live source, at the next one.

    Frames are RGB, (height, width, 3) uint8, all of one size. EXIF orientation of images in a folder is ignored.
    Iterating raises SourceError if an image of a folder cannot be read or is truncated. If a video file ends long
    before its last frame, iterating warns.

    Attributes:
        name: as given to `open_source`.
        size: (height, width) in pixels.
        frame_rate: frames per second.
        frame_count: number of frames; None if the source is endless or the number is not known.
        read: starts an iteration.
        depth: None for sources without.
        access: to frames in any order; None for a webcam or a stream.
    """

    name: str
    size: tuple[int, int]
    frame_rate: float
    frame_count: int | None
    read: Callable[[], Iterator[np.ndarray]]
    depth: SourceDepth | None = None
    access: SourceAccess | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.read()


def open_source(source: str, *, width: int = 0, height: int = 0) -> FrameSource:
    """Open a source of frames.

    Args:
        source: see `ACCEPTED`. Drawn scenes are 1280 x 720 by default, the one with depth 640 x 480.
        width, height: size of the frames in pixels. If one is 0, it follows from the other and the aspect ratio. If
            both are 0, frames keep their size.

    Raises:
        SourceError: if the source does not exist, holds no frames, or cannot be read.
        ValueError: for a negative size.
    """
    if width < 0 or height < 0:
        raise ValueError(f'the size {width} x {height} is negative; give 0 to keep the size of the source')
    path = Path(source).expanduser()
    if source in SCENES:
        size = DEPTH_SIZE if SCENES[source] is DepthDemoScene else SCENE_SIZE
        return _scene(source, *_target_size(size, width, height))
    if source and path.is_dir():  # Path('') is the current folder
        return _folder(path, width, height)
    if source.isdecimal() or path.is_char_device() or '://' in source:
        return _capture(source, width, height, live=True)
    if path.is_file():
        return _capture(str(path), width, height, live=False)
    raise SourceError(f'{source!r} does not exist; accepted are {ACCEPTED}')


def files_of(source: str) -> list[Path]:
    """The files that `open_source` reads; none for a webcam, a stream or a drawn scene."""
    if source in SCENES:
        return []
    address = urlsplit(source)
    path = Path(unquote(address.path) if address.scheme == 'file' else source).expanduser()
    if source and path.is_dir():
        return images_of(path)
    return [path] if path.is_file() else []


def _target_size(size: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """(height, width) of frames of `size` after resizing to `width` and `height`, either of which may be 0."""
    if not width and not height:
        return size
    aspect = size[1] / size[0]
    return height or max(1, round(width / aspect)), width or max(1, round(height * aspect))


def _resized(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if rgb.shape[:2] == size:
        return rgb
    shrinks = size[0] < rgb.shape[0]
    return cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _scene(name: str, height: int, width: int) -> FrameSource:
    try:
        scene = SCENES[name](height, width)
    except ValueError as error:
        raise SourceError(str(error)) from error
    depth = None
    if isinstance(scene, DepthDemoScene):
        depth = SourceDepth(scene.depth, scene.horizontal_fov)
    rate = DEPTH_RATE if depth else FRAME_RATE
    access = SourceAccess(scene.frame, lambda: None)
    return FrameSource(name, (height, width), rate, None, lambda: map(scene.frame, itertools.count()), depth, access)


def images_of(folder: Path) -> list[Path]:
    """The images of a folder, in natural order."""
    return in_natural_order(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)


def in_natural_order(files: Iterable[Path]) -> list[Path]:
    """Files in the order of their names; numbers in names are compared as numbers (9 before 10)."""
    return sorted(
        files,
        key=lambda file: [int(part) if part.isdecimal() else part for part in re.split(r'([0-9]+)', file.name)],
    )


def _folder(folder: Path, width: int, height: int) -> FrameSource:
    files = images_of(folder)
    if not files:
        raise SourceError(f'the folder {folder} holds no images; accepted are {", ".join(IMAGE_SUFFIXES)}')
    own_size = read_image(files[0]).shape[:2]
    size = _target_size(own_size, width, height)

    def read(file: Path) -> np.ndarray:
        rgb = read_image(file)
        if rgb.shape[:2] != own_size:
            raise SourceError(
                f'{file} is {rgb.shape[1]} x {rgb.shape[0]} pixels, but {files[0].name} is '
                f'{own_size[1]} x {own_size[0]}; all images of a folder must have one size'
            )
        return _resized(rgb, size)

    access = SourceAccess(lambda index: read(files[index]), lambda: len(files))
    return FrameSource(str(folder), size, FRAME_RATE, len(files), lambda: map(read, files), access=access)


def read_image(file: Path) -> np.ndarray:
    """The RGB pixels (H, W, 3) uint8 of an image file.

    They have the order of the file: EXIF orientation is ignored, so that masks and calibration fit.

    Raises:
        SourceError: if the file cannot be read, or is no whole image.
    """
    try:
        bgr = decode_image(file.read_bytes(), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except OSError as error:
        raise SourceError(f'{file} cannot be read: {error.strerror}') from error
    if bgr is None:
        raise SourceError(f'{file} cannot be read as an image')
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _capture(source: str, width: int, height: int, *, live: bool) -> FrameSource:
    """Anything that OpenCV can capture. A live source is asked for the size; if it refuses, frames are resized."""

    def opened() -> cv2.VideoCapture:
        capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
        if live and width and height:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        return capture

    def read() -> Iterator[np.ndarray]:
        capture = opened()
        try:
            for count in itertools.count():
                found, bgr = capture.read()
                if not found:
                    if announced and count < LEAST_SHARE * announced:
                        warnings.warn(
                            f'{source} ended after {count} of {announced} frames: it is cut off or damaged',
                            stacklevel=2,
                        )
                    return
                yield _resized(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), size)
        finally:
            capture.release()

    probe = opened()
    try:
        found, bgr = probe.read()
        frame_rate = probe.get(cv2.CAP_PROP_FPS)
        announced = 0 if live else max(0, int(probe.get(cv2.CAP_PROP_FRAME_COUNT)))
    finally:
        probe.release()
    if not found:
        raise SourceError(
            f'{source!r} cannot be opened as a video: it is damaged, in use, or of a kind that '
            f'OpenCV cannot decode; accepted are {ACCEPTED}'
        )
    size = _target_size(bgr.shape[:2], width, height)
    frames = SeekingCapture(opened)

    def frame_of(index: int) -> np.ndarray:
        bgr = frames.read(index)
        if bgr is None:
            raise IndexError(f'{source} ends before frame {index}')
        return _resized(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), size)

    access = None if live else SourceAccess(frame_of, lambda: announced or frames.count())
    plausible_rate = 0 < frame_rate <= 1000  # containers and cameras may report 0, NaN or their time base
    rate = frame_rate if plausible_rate else FRAME_RATE
    return FrameSource(source, size, rate, announced or None, read, access=access)

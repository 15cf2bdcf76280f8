"""Pixels of image messages as numpy arrays. Any object with the fields of the message will do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sam2_ros.files.image_headers import FORMATS, image_size, is_truncated
from sam2_ros.nodes.edge.stretch import stretched_alone

MAX_PIXELS = 64_000_000  # of an image; the default
MAX_QUOTE = 80  # characters that are quoted of a text in a message

ToBytes = Callable[[np.ndarray], np.ndarray]  # makes uint8 of uint16, (H, W) or (H, W, 3)


class ConversionError(ValueError):
    """A message that cannot be converted. `field` names the part of it that is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f'{field}: {problem}')
        self.field = field


@dataclass(frozen=True)
class PixelLayout:
    """How an encoding stores a pixel. `to_rgb`: the OpenCV code that makes it RGB; None where it is RGB."""

    channels: int
    to_rgb: int | None
    dtype: str = 'u1'


@dataclass(frozen=True)
class PlaneLayout:
    """How an encoding stores colours behind the luma plane. `across` by `down` pixels share one u and one v.

    Attributes:
        order: which comes first, u or v.
        side_by_side: u and v lie side by side in one plane; otherwise each has a plane of its own.
    """

    across: int
    down: int
    order: str = 'uv'
    side_by_side: bool = True


_UYVY = PixelLayout(2, cv2.COLOR_YUV2RGB_UYVY)
_YUYV = PixelLayout(2, cv2.COLOR_YUV2RGB_YUYV)
_GREY = PixelLayout(1, cv2.COLOR_GRAY2RGB)
_GREY_16 = PixelLayout(1, cv2.COLOR_GRAY2RGB, 'u2')
_BGR = PixelLayout(3, cv2.COLOR_BGR2RGB)
_BGRA = PixelLayout(4, cv2.COLOR_BGRA2RGB)

# OpenCV names a Bayer pattern by its second row, ROS by its first: rggb is BayerBG.
_BAYER = {
    'rggb': cv2.COLOR_BayerBG2RGB,
    'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB,
    'grbg': cv2.COLOR_BayerGB2RGB,
}

# Numbered types such as 8UC3 name no colours. OpenCV and RViz read them as grey, BGR and BGRA.
LAYOUTS = {
    'rgb8': PixelLayout(3, None),
    'rgba8': PixelLayout(4, cv2.COLOR_RGBA2RGB),
    'bgr8': _BGR,
    'bgra8': _BGRA,
    '8UC3': _BGR,
    '8UC4': _BGRA,
    'rgb16': PixelLayout(3, None, 'u2'),
    'rgba16': PixelLayout(4, cv2.COLOR_RGBA2RGB, 'u2'),
    'bgr16': PixelLayout(3, cv2.COLOR_BGR2RGB, 'u2'),
    'bgra16': PixelLayout(4, cv2.COLOR_BGRA2RGB, 'u2'),
    'mono8': _GREY,
    '8UC1': _GREY,
    'mono16': _GREY_16,
    '16UC1': _GREY_16,
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    **{f'bayer_{pattern}8': PixelLayout(1, code) for pattern, code in _BAYER.items()},
    **{f'bayer_{pattern}16': PixelLayout(1, code, 'u2') for pattern, code in _BAYER.items()},
}

# Named as in the Linux kernel, in small letters, which includes the names in ROS. depthai says `yuv420` for i420.
PLANES = {
    'nv12': PlaneLayout(2, 2),
    'nv21': PlaneLayout(2, 2, 'vu'),
    'nv16': PlaneLayout(2, 1),
    'nv61': PlaneLayout(2, 1, 'vu'),
    'nv24': PlaneLayout(1, 1),
    'nv42': PlaneLayout(1, 1, 'vu'),
    'i420': PlaneLayout(2, 2, side_by_side=False),
    'yuv420': PlaneLayout(2, 2, side_by_side=False),
    'yv12': PlaneLayout(2, 2, 'vu', side_by_side=False),
}
ENCODINGS = (*LAYOUTS, *PLANES)
_VIDEO = ('h264', 'h265', 'hevc', 'av1', 'vp8', 'vp9', 'mpeg4', 'theora', 'ffmpeg')


def image_to_array(image: Any) -> np.ndarray:
    """The pixels of a sensor_msgs/Image as they are stored. They are not copied, so do not write to them.

    Rows may be padded, that is, `step` may be larger than a row needs. The last row need not be.

    Returns:
        (H, W) or (H, W, C), uint8 or uint16 in the byte order of the message.

    Raises:
        ConversionError: for an encoding that is not in LAYOUTS, a size of zero, a `step` shorter than a row, missing
            data.
    """
    layout = LAYOUTS.get(image.encoding)
    if layout is None:
        raise ConversionError('encoding', _refused_encoding(image.encoding, LAYOUTS))
    _check_size(image, multiple_of=(1, 2 if layout.channels == 2 else 1))
    dtype = np.dtype(layout.dtype).newbyteorder('>' if image.is_bigendian else '<')
    pixel = dtype.itemsize * layout.channels  # bytes
    shape: tuple[int, ...] = (image.height, image.width)
    strides: tuple[int, ...] = (image.step, pixel)
    if layout.channels > 1:
        shape, strides = (*shape, layout.channels), (*strides, dtype.itemsize)
    _check_step(image, pixel)
    data = memoryview(image.data)
    needed = (image.height - 1) * image.step + image.width * pixel
    if data.nbytes < needed:
        raise ConversionError(
            'data',
            f'{data.nbytes} bytes, but {image.height} rows of {image.step} bytes need '
            f'{needed}, the padding of the last one left out',
        )
    return np.ndarray(shape, dtype, buffer=data, strides=strides)


def _image_to_planes(image: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The planes of a sensor_msgs/Image of one of PLANES, not copied: y (H, W), u and v (h, w), all uint8.

    `step` is the length of a luma row, `height` the number of luma rows. Chroma rows follow from them.

    Raises:
        ConversionError: as in `image_to_array`.
    """
    layout = PLANES[image.encoding.lower()]
    _check_size(image, multiple_of=(layout.down, layout.across))
    _check_step(image, 1)
    rows, columns = image.height // layout.down, image.width // layout.across
    between = 2 if layout.side_by_side else 1  # bytes from one u to the next
    stride = image.step * between // layout.across
    begin = image.height * image.step
    apart = 1 if layout.side_by_side else rows * stride  # bytes from a u to its v
    needed = begin + apart + (rows - 1) * stride + (columns - 1) * between + 1
    data = memoryview(image.data)
    if data.nbytes < needed:
        raise ConversionError(
            'data',
            f'{data.nbytes} bytes, but {image.encoding} with {image.height} luma rows of '
            f'{image.step} bytes (height and step) and the colours behind them needs '
            f'{needed}',
        )
    luma: np.ndarray = np.ndarray((image.height, image.width), np.uint8, data, 0, (image.step, 1))
    chroma: list[np.ndarray] = [
        np.ndarray((rows, columns), np.uint8, data, offset, (stride, between)) for offset in (begin, begin + apart)
    ]
    u, v = chroma if layout.order == 'uv' else reversed(chroma)
    return luma, u, v


def _check_size(image: Any, *, multiple_of: tuple[int, int]) -> None:
    """Height and width are positive multiples of these two numbers. Raises ConversionError."""
    for field, value, multiple in zip(('height', 'width'), (image.height, image.width), multiple_of, strict=True):
        if value <= 0:
            raise ConversionError(field, f'{value}, but an image has at least one pixel')
        if value % multiple:
            raise ConversionError(field, f'{value}, but {image.encoding} pairs pixels: it must be even')


def _check_step(image: Any, pixel_bytes: int) -> None:
    if image.step < image.width * pixel_bytes:
        raise ConversionError(
            'step',
            f'{image.step} bytes, but a row of {image.width} {image.encoding} pixels needs {image.width * pixel_bytes}',
        )


def _check_pixels(height: int, width: int, max_pixels: int) -> None:
    if height * width > max_pixels:
        raise ConversionError(
            'size',
            f'{width} x {height} pixels are {height * width}, but at most {max_pixels} are accepted (max_image_pixels)',
        )


def _refused_encoding(encoding: str, accepted: Any) -> str:
    quote, names = repr(encoding[:MAX_QUOTE]), ', '.join(accepted)
    if encoding.lower() in _VIDEO:
        return f'{quote} is a packet of a video, which has to be decoded before; accepted are {names}'
    return f'{quote} is unknown; accepted are {names}'


def check_image(image: Any, *, max_pixels: int = MAX_PIXELS) -> None:
    """Look at the fields of a sensor_msgs/Image, not at its pixels.

    Raises:
        ConversionError: if `image_to_rgb` would refuse it.
    """
    if image.encoding not in LAYOUTS and image.encoding.lower() not in PLANES:
        raise ConversionError('encoding', _refused_encoding(image.encoding, ENCODINGS))
    _check_pixels(image.height, image.width, max_pixels)
    (image_to_array if image.encoding in LAYOUTS else _image_to_planes)(image)


def image_to_rgb(image: Any, *, max_pixels: int = MAX_PIXELS, to_bytes: ToBytes = stretched_alone) -> np.ndarray:
    """A sensor_msgs/Image as RGB: (H, W, 3) uint8, row 0 at the top.

    rgb8 is not copied, so do not write to it. `to_bytes` brings 16 bits to 8; by default it spreads the intensities of
    this one image. (cv_bridge divides by 257 instead: a thermal picture from 7000 to 9000 would be all but black.)
    Other pixels equal those of OpenCV and cv_bridge. YUV has the range of video (BT.601, 16 to 235).

    Raises:
        ConversionError: for an encoding that is not in ENCODINGS, for more than `max_pixels`, and as in
            `image_to_array`.
    """
    check_image(image, max_pixels=max_pixels)
    if image.encoding not in LAYOUTS:
        return _planes_to_rgb(*_image_to_planes(image))
    pixels, layout = image_to_array(image), LAYOUTS[image.encoding]
    if layout.dtype == 'u2':
        pixels = pixels.astype(np.uint16)  # a copy, because OpenCV misreads rows at odd addresses
    return _to_rgb(pixels, layout.to_rgb, to_bytes)


def _to_rgb(pixels: np.ndarray, code: int | None, to_bytes: ToBytes) -> np.ndarray:
    """(H, W, 3) uint8 of uint8 or uint16, by a code of OpenCV (None: it is RGB)."""
    if pixels.dtype == np.uint16 and code == cv2.COLOR_GRAY2RGB:
        pixels = to_bytes(pixels)  # one channel; the others wait until opacity is gone
    rgb = pixels if code is None else cv2.cvtColor(pixels, code)
    return to_bytes(rgb) if rgb.dtype == np.uint16 else rgb


def _planes_to_rgb(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 of a luma and two smaller chroma planes."""
    height, width = y.shape
    if len(u) < height:
        return cv2.cvtColorTwoPlane(y, np.dstack([u, v]), cv2.COLOR_YUV2RGB_NV12)
    if u.shape[1] < width:
        chroma = np.dstack([u, v]).reshape(height, width)
        return cv2.cvtColor(np.dstack([y, chroma]), cv2.COLOR_YUV2RGB_YUYV)
    # OpenCV has no code for one u and v per pixel, so each pixel becomes two equal ones.
    pairs = np.dstack([y, u, y, v]).reshape(height, 2 * width, 2)
    return np.ascontiguousarray(cv2.cvtColor(pairs, cv2.COLOR_YUV2RGB_YUYV)[:, ::2])


def check_compressed(image: Any, *, max_pixels: int = MAX_PIXELS) -> None:
    """Look at the fields and the header of a sensor_msgs/CompressedImage, without decoding it.

    Raises:
        ConversionError: if it can be told that `compressed_to_rgb` would refuse it.
    """
    quote, kind = repr(image.format[:MAX_QUOTE]), image.format.partition(';')[0].strip()
    if 'compressedDepth' in image.format:
        raise ConversionError('format', f'{quote} is depth; a colour or grey image is needed')
    data = bytes(image.data)
    if not data:
        raise ConversionError('data', f'empty, but a {FORMATS} file is needed')
    if is_truncated(data):
        raise ConversionError('data', f'a JPEG file that is cut off after {len(data)} bytes')
    size = image_size(data)
    if size is None and kind.lower() in _VIDEO:
        raise ConversionError(
            'format', f'{quote} is a packet of a video, which has to be decoded before; accepted is a {FORMATS} file'
        )
    if size is None and 'compressed' not in image.format and (kind in LAYOUTS or kind.lower() in PLANES):
        raise ConversionError(
            'format', f'{quote} with data that are no {FORMATS} file: raw pixels belong into a sensor_msgs/Image'
        )
    if size is None:
        raise ConversionError('data', f'{len(data)} bytes that are no {FORMATS} file (format: {quote})')
    _check_pixels(*size, max_pixels)


def compressed_to_rgb(image: Any, *, max_pixels: int = MAX_PIXELS, to_bytes: ToBytes = stretched_alone) -> np.ndarray:
    """A sensor_msgs/CompressedImage, a file of one of FORMATS, as RGB: (H, W, 3) uint8.

    An orientation in the file is ignored, so that pixels fit the CameraInfo. A Bayer mosaic is recognised by `format`,
    as image_transport writes it. For 16 bits see `image_to_rgb`.

    Raises:
        ConversionError: for data that cannot be decoded or are cut off, for more than `max_pixels`, for depth, raw
            pixels and packets of video.
    """
    check_compressed(image, max_pixels=max_pixels)
    try:
        pixels = cv2.imdecode(
            np.frombuffer(image.data, np.uint8),
            cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION,
        )
    except cv2.error as error:
        raise ConversionError('data', f'{len(image.data)} bytes that OpenCV cannot decode: {error.err}') from error
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise ConversionError(
            'data',
            f'{len(image.data)} bytes that cannot be decoded as a {FORMATS} file with 8 or '
            f'16 bits (format: {image.format[:MAX_QUOTE]!r})',
        )
    return _to_rgb(pixels, cv2.COLOR_BGR2RGB if pixels.ndim == 3 else _code_of_grey(image.format), to_bytes)


def _code_of_grey(format_: str) -> int:
    """The OpenCV code for a file with one channel.

    `format` ends with the stored encoding, as in `bayer_rggb8; png compressed bayer_rggb8`. Without it the stored
    encoding is the published one.
    """
    published, _, stored = format_.partition(';')
    stored = stored.partition('compressed')[2].strip() or published.strip()
    found = re.fullmatch('bayer_([rgb]{4})(8|16)', stored)
    return _BAYER.get(found[1] if found else '', cv2.COLOR_GRAY2RGB)

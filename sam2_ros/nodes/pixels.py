"""Pixels of image messages as numpy arrays. Needs no ROS: any object with the fields of the message does."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np


class ConversionError(ValueError):
    """A message that cannot be converted. `field` names the part of it that is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f'{field}: {problem}')
        self.field = field


@dataclass(frozen=True)
class PixelLayout:
    """How one encoding stores a pixel, and the OpenCV code that turns it into RGB (None: it is RGB)."""

    channels: int
    to_rgb: int | None
    dtype: str = 'u1'


_UYVY = PixelLayout(2, cv2.COLOR_YUV2RGB_UYVY)
_YUYV = PixelLayout(2, cv2.COLOR_YUV2RGB_YUYV)
_GREY = PixelLayout(1, cv2.COLOR_GRAY2RGB)
_BGR = PixelLayout(3, cv2.COLOR_BGR2RGB)
_BGRA = PixelLayout(4, cv2.COLOR_BGRA2RGB)

# The numbered types (8UC3) name no colours; OpenCV, their inventor, and RViz read them as grey, BGR, BGRA.
# OpenCV names a Bayer pattern by its second row, ROS by its first: rggb is BayerBG.
LAYOUTS = {
    'rgb8': PixelLayout(3, None), 'rgba8': PixelLayout(4, cv2.COLOR_RGBA2RGB),
    'bgr8': _BGR, 'bgra8': _BGRA, '8UC3': _BGR, '8UC4': _BGRA,
    'mono8': _GREY, '8UC1': _GREY, 'mono16': PixelLayout(1, cv2.COLOR_GRAY2RGB, 'u2'),
    'yuv422': _UYVY, 'uyvy': _UYVY, 'yuv422_yuy2': _YUYV, 'yuyv': _YUYV,
    'bayer_rggb8': PixelLayout(1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': PixelLayout(1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': PixelLayout(1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': PixelLayout(1, cv2.COLOR_BayerGB2RGB),
}


def image_to_array(image: Any) -> np.ndarray:
    """The pixels of a sensor_msgs/Image as they are stored, without copying them.

    Returns (H, W) or (H, W, C), uint8 or uint16 (in the byte order of the message): a view of `image.data`,
    which therefore must not be written to. Rows may be padded (`step` larger than a row needs).
    Raises ConversionError for an unknown encoding, a zero size, a `step` shorter than a row, or missing data.
    """
    layout = LAYOUTS.get(image.encoding)
    if layout is None:
        raise ConversionError('encoding', f'{image.encoding!r} is unknown; accepted are {", ".join(LAYOUTS)}')
    height, width, step = image.height, image.width, image.step
    for field, value in (('height', height), ('width', width)):
        if value <= 0:
            raise ConversionError(field, f'{value}, but an image has at least one pixel')
    if layout.channels == 2 and width % 2:
        raise ConversionError('width', f'{width}, but {image.encoding} pairs pixels: it must be even')
    dtype = np.dtype(layout.dtype).newbyteorder('>' if image.is_bigendian else '<')
    pixel_bytes = dtype.itemsize * layout.channels
    if step < width * pixel_bytes:
        raise ConversionError('step', f'{step} bytes, but a row of {width} {image.encoding} pixels needs '
                                      f'{width * pixel_bytes}')
    data = memoryview(image.data)
    if data.nbytes < height * step:
        raise ConversionError('data', f'{data.nbytes} bytes, but {height} rows of {step} bytes need '
                                      f'{height * step}')
    shape, strides = (height, width), (step, pixel_bytes)
    if layout.channels > 1:
        shape, strides = (*shape, layout.channels), (*strides, dtype.itemsize)
    return np.ndarray(shape, dtype, buffer=data, strides=strides)


def image_to_rgb(image: Any) -> np.ndarray:
    """A sensor_msgs/Image as RGB: (H, W, 3) uint8, row 0 at the top.

    rgb8 is a view of `image.data` (do not write to it), anything else a new array. mono16 is scaled from
    0..65535 to 0..255. The pixels equal those of cv_bridge. Encodings that are not in LAYOUTS are left to
    cv_bridge where it is installed. Raises ConversionError, see `image_to_array`.
    """
    if image.encoding not in LAYOUTS and importlib.util.find_spec('cv_bridge'):
        return _rgb_by_cv_bridge(image)
    pixels = image_to_array(image)
    layout = LAYOUTS[image.encoding]
    if layout.to_rgb is None:
        return pixels
    if layout.dtype == 'u2':
        native = pixels.astype(np.uint16)     # a copy, because OpenCV misreads rows at odd addresses
        pixels = cv2.convertScaleAbs(native, alpha=255 / 65535)
    return cv2.cvtColor(pixels, layout.to_rgb)


def _rgb_by_cv_bridge(image: Any) -> np.ndarray:
    """May fail in many ways: it is C++ built for one version of NumPy, and knows no word for bad data."""
    try:
        from cv_bridge import CvBridge  # present only in a full ROS installation
        return CvBridge().imgmsg_to_cv2(image, 'rgb8')
    except Exception as error:
        raise ConversionError('encoding', f'{image.encoding!r} is not one of {", ".join(LAYOUTS)}, and '
                                          f'cv_bridge could not convert it either: {error}') from error


def compressed_to_rgb(image: Any) -> np.ndarray:
    """A sensor_msgs/CompressedImage (JPEG, PNG or whatever else OpenCV reads) as RGB: (H, W, 3) uint8.

    Raises ConversionError when the data is empty or cannot be decoded, and for compressed depth.
    """
    if 'compressedDepth' in image.format:
        raise ConversionError('format', f'{image.format!r} is depth; a colour or grey image is needed')
    data = np.frombuffer(image.data, np.uint8)
    if not data.size:
        raise ConversionError('data', 'empty, but a JPEG or PNG file is needed')
    try:
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ConversionError('data', f'{data.size} bytes that OpenCV cannot decode: {error.err}') from error
    if bgr is None:
        raise ConversionError('data', f'{data.size} bytes that are no JPEG or PNG (format: {image.format!r})')
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

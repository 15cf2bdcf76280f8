"""Depth images and point clouds as numpy arrays, and depth images from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.nodes.edge.encode_images import byte_array
from sam2_ros.spatial.depth import INVALID, DepthError, decompressed

try:
    from sensor_msgs_py import point_cloud2
except ImportError:  # not part of a minimal ROS installation
    point_cloud2 = None

_TYPES = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}  # encoding -> type of a pixel
_NUMBERS = {7: 'f4', 8: 'f8'}  # sensor_msgs/PointField.datatype -> type
_AXES = ('x', 'y', 'z')


def depth_pixels(message: Any, *, max_pixels: int) -> np.ndarray:
    """The pixels of a depth image as they are stored: (H, W) uint16 or float32. Do not write to them.

    Args:
        message: a sensor_msgs/Image of 16UC1 (or mono16) or 32FC1, or a sensor_msgs/CompressedImage of compressedDepth.
        max_pixels: of the image.

    Raises:
        DepthError: if it is something else, too large or incomplete.
    """
    if hasattr(message, 'format'):
        return decompressed(bytes(message.data), message.format, max_pixels=max_pixels)
    code = _TYPES.get(message.encoding)
    if code is None:
        raise DepthError(f'encoding {message.encoding[:80]!r}; accepted are {", ".join(_TYPES)}')
    height, width, step = message.height, message.width, message.step
    if not 0 < height * width <= max_pixels:
        raise DepthError(f'{width} x {height} pixels; accepted are 1 to {max_pixels}')
    dtype = np.dtype(code).newbyteorder('>' if message.is_bigendian else '<')
    needed = (height - 1) * step + width * dtype.itemsize
    data = memoryview(message.data)
    if step < width * dtype.itemsize or data.nbytes < needed:
        raise DepthError(
            f'{data.nbytes} bytes in rows of {step}, but {width} x {height} pixels of {message.encoding} need {needed}'
        )
    return np.ndarray((height, width), dtype, buffer=data, strides=(step, dtype.itemsize))


def depth_image(pixels: np.ndarray, *, header: Header) -> Image:
    """A sensor_msgs/Image of depth: (H, W), 16UC1 of uint16 or 32FC1 of float32."""
    encoding = '16UC1' if pixels.dtype.kind == 'u' else '32FC1'
    little = pixels.astype(np.dtype(_TYPES[encoding]).newbyteorder('<'), copy=False)
    return Image(
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=pixels.shape[1] * little.dtype.itemsize,
        data=byte_array(little),
    )


def with_only(pixels: np.ndarray, places: np.ndarray, *, keep: bool) -> np.ndarray:
    """A copy of depth (H, W) in which only some pixels are valid, or all but them.

    Args:
        pixels: uint16 or float32.
        places: (N,) which pixels, row * width + column.
        keep: these stay; otherwise the others do.
    """
    invalid = INVALID['16UC1' if pixels.dtype.kind == 'u' else '32FC1']
    if not keep:
        rest = pixels.copy()
        rest.reshape(-1)[places] = invalid
        return rest
    own = np.full(pixels.shape, invalid, pixels.dtype)
    own.reshape(-1)[places] = pixels.reshape(-1)[places]
    return own


def cloud_points(message: Any, *, max_points: int) -> np.ndarray:
    """The points of a sensor_msgs/PointCloud2: (N, 3) float32 metres, those that are not finite included.

    Raises:
        DepthError: if it has no x, y and z of floating point, too many points, or data missing.
    """
    number = message.height * message.width
    if not 0 <= number <= max_points:
        raise DepthError(f'a cloud of {number} points; at most {max_points} are accepted')
    fields = {field.name: field for field in message.fields}
    if any(axis not in fields or fields[axis].datatype not in _NUMBERS for axis in _AXES):
        raise DepthError(f'a cloud with the fields {", ".join(fields)[:80]}; it needs x, y and z of floating point')
    data = memoryview(message.data)
    needed = (message.height - 1) * message.row_step + message.width * message.point_step if number else 0
    ends = [fields[axis].offset + (4 if fields[axis].datatype == 7 else 8) for axis in _AXES]
    if data.nbytes < needed or message.row_step < message.width * message.point_step or max(ends) > message.point_step:
        raise DepthError(f'{data.nbytes} bytes, but {number} points of {message.point_step} bytes need {needed}')
    if not number:
        return np.zeros((0, 3), np.float32)
    if point_cloud2 is not None:
        found = point_cloud2.read_points(message, field_names=_AXES, skip_nans=False)
        return np.stack([found[axis].reshape(-1) for axis in _AXES], -1).astype(np.float32, copy=False)
    shape, strides = (message.height, message.width), (message.row_step, message.point_step)
    axes = []
    for axis in _AXES:
        dtype = np.dtype(('>' if message.is_bigendian else '<') + _NUMBERS[fields[axis].datatype])
        values: np.ndarray = np.ndarray(shape, dtype, data, fields[axis].offset, strides)
        axes.append(values)
    return np.stack([values.reshape(-1) for values in axes], -1).astype(np.float32, copy=False)

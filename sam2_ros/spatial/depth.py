"""Depth as cameras send it: its units, its invalid values, and the compressed form."""

from __future__ import annotations

import struct

import cv2
import numpy as np

INVALID = {'16UC1': 0, '32FC1': np.nan}  # encoding -> what stands where nothing was measured (REP 118)
_HEADER = struct.Struct('<iff')  # of compressedDepth: kind, and two numbers of the quantisation of 32FC1
_PNG = b'\x89PNG'
MAX_QUOTE = 80  # characters of a format that are repeated


class DepthError(ValueError):
    """A depth image that cannot be used; the message says why."""


def in_metres(pixels: np.ndarray, *, unit: float, low: float, high: float) -> np.ndarray:
    """Depth in metres, (H, W) float32, NaN where nothing was measured or not within the range.

    Args:
        pixels: (H, W), uint16 of 16UC1 or float32 of 32FC1, in any byte order.
        unit: metres per step of a uint16. A float32 is in metres (REP 118).
        low, high: metres, the accepted range.

    Raises:
        DepthError: if the pixels are of another type.
    """
    if pixels.dtype.kind == 'u' and pixels.dtype.itemsize == 2:
        metres = pixels.astype(np.float32)
        metres *= np.float32(unit)
    elif pixels.dtype.kind == 'f' and pixels.dtype.itemsize == 4:
        metres = pixels.astype(np.float32)
    else:
        raise DepthError(f'depth of type {pixels.dtype}; accepted are uint16 (16UC1) and float32 (32FC1)')
    with np.errstate(invalid='ignore'):  # an invalid value may be a signalling NaN
        outside = ~((metres >= low) & (metres > 0) & (metres <= high))
    metres[outside] = np.nan
    return metres


def decompressed(data: bytes, format_: str, *, max_pixels: int) -> np.ndarray:
    """The pixels of a CompressedImage of compressed_depth_image_transport: (H, W) uint16 or float32.

    Args:
        data: the 12 bytes of its header, then a PNG of 16 bits.
        format_: such as '16UC1; compressedDepth png'. A 32FC1 was quantised as inverse depth.
        max_pixels: of the image.

    Raises:
        DepthError: if it is no such image, or too large. RVL is not read.
    """
    encoding, _, rest = format_.partition(';')
    encoding = encoding.strip()
    if encoding not in INVALID or 'compressedDepth' not in rest:
        raise DepthError(
            f'format {format_[:MAX_QUOTE]!r}; accepted are 16UC1; compressedDepth png and 32FC1; compressedDepth png'
        )
    if len(data) <= _HEADER.size or not data[_HEADER.size :].startswith(_PNG):
        raise DepthError(
            f'{len(data)} bytes that hold no PNG after the header of compressedDepth (format '
            f'{format_[:MAX_QUOTE]!r}; of its kinds png is read, rvl is not)'
        )
    width, height = struct.unpack_from('>II', data.ljust(_HEADER.size + 24, b'\0'), _HEADER.size + 16)
    if width * height > max_pixels:
        raise DepthError(f'{width} x {height} pixels, but at most {max_pixels} are accepted')
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8, offset=_HEADER.size), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise DepthError(f'a PNG that OpenCV cannot decode: {error.err}') from error
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise DepthError('a PNG that is damaged, or not of one channel of 16 bits')
    if encoding == '16UC1':
        return pixels
    _, scale, offset = _HEADER.unpack_from(data)
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(pixels == 0, np.float32(np.nan), np.float32(scale) / (pixels - np.float32(offset)))

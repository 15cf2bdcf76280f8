"""Reads the size of an image, and whether it is truncated, before it is decoded. Needs neither ROS nor OpenCV."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

FORMATS = 'JPEG, PNG, WebP or TIFF'  # the formats whose size is read here

_JPEG_BEGIN, _JPEG_END, _JPEG_SCAN = b'\xff\xd8\xff', b'\xff\xd9', 0xDA
_JPEG_MARKER = re.compile(rb'\xff([\x01-\xfe])', re.DOTALL)
_MAX_SEGMENTS = 10_000  # most segments before the picture; a colour profile and a long description take some hundred
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of the segments that hold the size
_NO_LENGTH = (0x01, *range(0xD0, 0xDA))  # markers without a segment
_PNG_BEGIN, _PNG_HEADER = b'\x89PNG\r\n\x1a\n', b'\x00\x00\x00\rIHDR'
_TIFF_ORDERS = {b'II*\0': '<', b'MM\0*': '>'}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_NUMBERS = {3: 'H', 4: 'I'}  # types of the fields that hold width and height


def image_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) in pixels that a decoder would return for the file.

    Returns:
        None for formats that are not in `FORMATS`, and where the size is missing or zero.
    """
    data = bytes(data)
    try:
        if data.startswith(_JPEG_BEGIN):
            size = _jpeg_size(data)
        elif data.startswith(_PNG_BEGIN + _PNG_HEADER):
            width, height = struct.unpack_from('>II', data, 16)
            size = (height, width)
        elif data[:4] == b'RIFF' and data[8:12] == b'WEBP':
            size = _webp_size(data)
        else:
            size = _tiff_size(data)
    except (struct.error, KeyError):  # the file ends before the size, or states it in an unknown way
        return None
    return size if size and min(size) > 0 else None


def is_truncated(data: bytes) -> bool:
    """Whether the end of a JPEG file is missing. Decoders fill the missing part with grey. False for other formats.

    Padding after the end is accepted. The end of a preview in the header does not count as the end of the picture.
    """
    data = bytes(data)
    if not data.startswith(_JPEG_BEGIN):
        return False
    for marker, at in _jpeg_segments(data):
        if marker == _JPEG_SCAN:  # from here on, 0xff in the picture is never followed by 0xd9
            return data.find(_JPEG_END, at) < 0
    return True


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Markers and the positions after them, found as decoders find them: anything between segments is skipped."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        found = _JPEG_MARKER.search(data, at)
        if found is None:
            return
        marker, at = found[1][0], found.end()
        yield marker, at
        if marker not in _NO_LENGTH:
            at += int.from_bytes(data[at : at + 2], 'big')


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    for marker, at in _jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            return struct.unpack_from('>HH', data, at + 3)
        if marker == _JPEG_SCAN:
            return None
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b'VP8X':  # 24 bits each, which hold the size minus one
        return 1 + _little_endian(data[27:30]), 1 + _little_endian(data[24:27])
    if kind == b'VP8L':  # 14 bits each, which hold the size minus one
        (bits,) = struct.unpack_from('<I', data, 21)
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    if kind == b'VP8 ':
        width, height = struct.unpack_from('<HH', data, 26)
        return height & 0x3FFF, width & 0x3FFF
    return None


def _little_endian(data: bytes) -> int:
    if len(data) < 3:
        raise struct.error('too short')
    return int.from_bytes(data, 'little')


def _tiff_size(data: bytes) -> tuple[int, int] | None:
    order = _TIFF_ORDERS.get(data[:4])
    if order is None:
        return None
    (start,) = struct.unpack_from(f'{order}I', data, 4)
    (count,) = struct.unpack_from(f'{order}H', data, start)
    values = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f'{order}HH', data, at)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT):
            (values[tag],) = struct.unpack_from(f'{order}{_TIFF_NUMBERS[kind]}', data, at + 8)
    return values[_TIFF_HEIGHT], values[_TIFF_WIDTH]

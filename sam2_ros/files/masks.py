"""Reads masks and labels from image files."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.files.decoding import decode_image

WHERE_OBJECT_IS = (
    'a label image of 8 or 16 bits or a palette PNG (not 0 where the object is), a colour image (not '
    'black), or one with transparency (not transparent)'
)
LABEL_IMAGES = 'a palette PNG or a label image of 8 or 16 bits'

_PNG = b'\x89PNG\r\n\x1a\n'
_COLOUR_TYPE, _PALETTE = 25, 3  # position of the colour type in a PNG file, and its value for a palette


def read_mask(file: Path) -> np.ndarray:
    """(H, W) bool, True where the object is by the rules of `WHERE_OBJECT_IS`; pixels in the order of the file.

    Raises:
        ValueError: if the file cannot be read, or does not tell where the object is.
    """
    data, pixels = _read(file, accepted=WHERE_OBJECT_IS)
    if pixels.ndim == 2:
        return pixels != 0
    if pixels.shape[2] == 4 and np.ptp(pixels[..., 3]):
        return pixels[..., 3] > 0
    not_black = np.any(pixels[..., :3], axis=2)
    if not _has_palette(data):
        return not_black
    first_is_black, labels = _palette_labels(data)
    if not first_is_black and not not_black.all():  # programs that sort the palette give label 0 any colour
        raise ValueError(
            f'{file} has black pixels and another colour as label 0, so it is not clear which are the '
            'object; save it without a palette'
        )
    return labels > 0


def read_labels(file: Path) -> np.ndarray:
    """(H, W) uint8 or uint16: of which object each pixel is, 0 where none is; pixels in the order of the file.

    Raises:
        ValueError: if the file cannot be read, or holds no labels.
    """
    data, pixels = _read(file, accepted=LABEL_IMAGES)
    if _has_palette(data):
        return _palette_labels(data)[1]
    if pixels.ndim != 2:
        raise ValueError(f'{file} has colours without a palette, which are no labels; accepted is {LABEL_IMAGES}')
    return pixels


def _read(file: Path, *, accepted: str) -> tuple[bytes, np.ndarray]:
    """The bytes of an image file, and its pixels as OpenCV reads them."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ValueError(f'{file} cannot be read: {error.strerror}') from error
    pixels = decode_image(data, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError(f'{file} cannot be read as an image; accepted is {accepted}')
    return data, pixels


def _has_palette(data: bytes) -> bool:
    return data.startswith(_PNG) and data[_COLOUR_TYPE] == _PALETTE


def _palette_labels(data: bytes) -> tuple[bool, np.ndarray]:
    """Whether the first colour is black, and the labels (H, W) uint8, of a PNG with a palette.

    OpenCV returns colours only. So it decodes the file with another palette, in which the colour of a label is the
    label.
    """
    at = len(_PNG)
    while data[at + 4 : at + 8] != b'PLTE':
        at += 12 + int.from_bytes(data[at : at + 4], 'big')
    length = int.from_bytes(data[at : at + 4], 'big')
    ramp = b'PLTE' + bytes(label for label in range(length // 3) for _ in range(3))
    checked = ramp + zlib.crc32(ramp).to_bytes(4, 'big')
    pixels = cv2.imdecode(
        np.frombuffer(data[: at + 4] + checked + data[at + 12 + length :], np.uint8), cv2.IMREAD_UNCHANGED
    )
    assert pixels is not None, 'the same file was decoded before, with other colours'
    return not any(data[at + 8 : at + 11]), pixels[..., 0]

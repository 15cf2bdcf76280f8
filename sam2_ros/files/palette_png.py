"""Writes label images as PNG files with a palette, so that every label has a colour in any viewer."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_DEPTH, _PALETTE_COLOURS = 8, 3  # bits per pixel, and the colour type that says that pixels are indices


def voc_palette() -> np.ndarray:
    """(256, 3) uint8 RGB: the colours of labels in PASCAL VOC, DAVIS and their successors; the first is black.

    The bits of a label go by turns to red, green and blue, the lowest ones to the highest bits of a colour.
    """
    labels = np.arange(256)[:, None]
    colours = np.zeros((256, 3), np.uint8)
    for place in range(8):
        bits = labels >> np.array([3 * place, 3 * place + 1, 3 * place + 2]) & 1
        colours |= (bits << (7 - place)).astype(np.uint8)
    return colours


def encode_palette_png(labels: np.ndarray) -> bytes:
    """A PNG file of labels (H, W) uint8 in the colours of `voc_palette`; `files.masks.read_labels` reads it."""
    height, width = labels.shape
    header = struct.pack('>IIBBBBB', width, height, _DEPTH, _PALETTE_COLOURS, 0, 0, 0)
    rows = np.pad(labels.astype(np.uint8), ((0, 0), (1, 0)))  # each row begins with its filter, 0: none
    chunks = (
        (b'IHDR', header),
        (b'PLTE', voc_palette().tobytes()),
        (b'IDAT', zlib.compress(rows.tobytes())),
        (b'IEND', b''),
    )
    return _SIGNATURE + b''.join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

"""Depth images: units, invalid values, compressed ones, and what is refused."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from sam2_ros.spatial.depth import DepthError, decompressed, in_metres

RANGE = {'low': 0.2, 'high': 5.0}
PNG = {'format_': '16UC1; compressedDepth png', 'max_pixels': 10_000}


def compressed(pixels: np.ndarray, numbers: tuple[float, float] = (0.0, 0.0)) -> bytes:
    return struct.pack('<iff', 0, *numbers) + cv2.imencode('.png', pixels)[1].tobytes()


def test_millimetres_and_other_units() -> None:
    pixels = np.array([[0, 100, 2000, 5001, 65535]], np.uint16)
    assert np.allclose(in_metres(pixels, unit=0.001, **RANGE), [[np.nan, np.nan, 2, np.nan, np.nan]], equal_nan=True)
    tum = in_metres(pixels, unit=1 / 5000, **RANGE)
    assert np.allclose(tum, [[np.nan, np.nan, 0.4, 1.0002, np.nan]], equal_nan=True)


@pytest.mark.parametrize('order', ['<', '>'])
def test_metres_and_byte_orders(order: str) -> None:
    pixels = np.array([[np.nan, np.inf, -np.inf, -1, 0, 0.1, 2.5, 6]]).astype(f'{order}f4')
    expected = [[np.nan] * 6 + [2.5, np.nan]]
    assert np.allclose(in_metres(pixels, unit=0.001, **RANGE), expected, equal_nan=True)
    whole = np.array([[1234]]).astype(f'{order}u2')
    assert in_metres(whole, unit=0.001, **RANGE) == pytest.approx(1.234)


def test_nothing_at_zero_is_ever_valid() -> None:
    assert np.isnan(in_metres(np.zeros((1, 1), np.uint16), unit=0.001, low=0.0, high=5.0)).all()


def test_other_types_are_refused() -> None:
    with pytest.raises(DepthError, match='depth of type uint8; accepted are uint16'):
        in_metres(np.zeros((2, 2), np.uint8), unit=0.001, **RANGE)


def test_compressed_depth_of_both_encodings() -> None:
    pixels = np.array([[0, 100, 60000]], np.uint16)
    assert np.array_equal(decompressed(compressed(pixels), **PNG), pixels)
    metres = np.array([[0.5, 2.0, 8.0]])
    a, b = 10000.0, 50.0  # the quantisation of inverse depth, as compressed_depth_image_transport has it
    stored = np.round(a / metres + b).astype(np.uint16)
    found = decompressed(compressed(stored, (a, b)), format_='32FC1; compressedDepth png', max_pixels=100)
    assert found.dtype == np.float32 and np.allclose(found, metres, rtol=2e-3)
    empty = decompressed(compressed(stored * 0, (a, b)), format_='32FC1; compressedDepth', max_pixels=100)
    assert np.isnan(empty).all()


@pytest.mark.parametrize(
    ('data', 'options', 'sentence'),
    [
        (b'', {}, '0 bytes that hold no PNG'),
        (b'x' * 11, {}, 'hold no PNG'),
        (struct.pack('<iff', 1, 0, 0) + b'rvl data', {'format_': '16UC1; compressedDepth rvl'}, 'rvl is not'),
        (compressed(np.ones((200, 200), np.uint16)), {}, '200 x 200 pixels, but at most 10000'),
        (compressed(np.ones((9, 9), np.uint8)), {}, 'not of one channel of 16 bits'),
        (compressed(np.ones((9, 9), np.uint16))[:-30], {'format_': 'jpeg'}, "format 'jpeg'; accepted are"),
        (struct.pack('<iff', 0, 0, 0) + b'\x89PNG\r\n\x1a\n' + b'\0' * 40, {}, 'damaged'),
    ],
)
def test_what_is_no_depth_is_refused(data: bytes, options: dict, sentence: str) -> None:
    with pytest.raises(DepthError, match=sentence):
        decompressed(data, **(PNG | options))

"""Compressed images in: every file format, what the format says of them, and what must not be decoded."""

from __future__ import annotations

import struct
import time
import zlib
from array import array

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage

from sam2_ros.nodes.edge.decode_images import ConversionError, compressed_to_rgb
from sam2_ros.nodes.edge.encode_images import rgb_to_compressed
from tests.nodes.messages import HEADER

RED, BLUE = (200, 30, 60), (10, 50, 220)
GREYS = np.array([[0, 40], [200, 255]], np.uint8)


def _smooth_picture() -> np.ndarray:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    return np.dstack([np.tile(ramp, (48, 1)), np.tile(ramp[:48, None], (1, 64)), np.full((48, 64), 90, np.uint8)])


def _bayer_mosaic(dtype: type = np.uint8, factor: int = 1) -> np.ndarray:
    """Red beside blue, (16, 32), as seen through rggb."""
    picture = np.empty((16, 32, 3), dtype)
    picture[:, :16], picture[:, 16:] = np.array(RED) * factor, np.array(BLUE) * factor
    mosaic = picture[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = picture[::2, ::2, 0], picture[1::2, 1::2, 2]
    return mosaic


def _huge_png(side: int) -> bytes:
    """A black picture of `side` x `side` pixels in a file of a few bytes a row at most."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    row = bytes(side // 8 + 1)
    packed = b''.join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', struct.pack('>IIBBBBB', side, side, 1, 0, 0, 0, 0))
        + chunk(b'IDAT', packed)
        + chunk(b'IEND', b'')
    )


def _compressed(extension: str, pixels: np.ndarray) -> CompressedImage:
    _, encoded = cv2.imencode(extension, pixels)
    return CompressedImage(header=HEADER, format=extension[1:], data=array('B', encoded.tobytes()))


def test_png_is_decoded_exactly() -> None:
    picture = _smooth_picture()
    np.testing.assert_array_equal(compressed_to_rgb(_compressed('.png', picture[..., ::-1])), picture)


def test_jpeg_is_decoded_closely_and_in_rgb_order() -> None:
    picture = _smooth_picture()
    decoded = compressed_to_rgb(_compressed('.jpg', picture[..., ::-1]))
    assert np.abs(decoded.astype(int) - picture).mean() < 3


def test_grey_png_becomes_rgb() -> None:
    np.testing.assert_array_equal(compressed_to_rgb(_compressed('.png', GREYS)), np.dstack([GREYS] * 3))


def test_our_own_jpeg_comes_back() -> None:
    picture = _smooth_picture()
    message = rgb_to_compressed(picture, header=HEADER, jpeg_quality=95)
    assert message.header == HEADER
    assert isinstance(message.data, array)
    assert np.abs(compressed_to_rgb(message).astype(int) - picture).mean() < 2


def test_truncated_png_is_refused_or_partial_never_a_crash() -> None:
    whole = _compressed('.png', _smooth_picture())
    for length in range(0, len(whole.data), 7):
        message = CompressedImage(format='png', data=whole.data[:length])
        try:
            assert compressed_to_rgb(message).shape == (48, 64, 3)
        except ConversionError as error:
            assert error.field == 'data'


@given(st.binary(max_size=200), st.sampled_from([b'', b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff\xe0']))
def test_rubbish_is_refused(rubbish: bytes, signature: bytes) -> None:
    message = CompressedImage(format='jpeg', data=array('B', signature + rubbish))
    with pytest.raises(ConversionError) as error:
        compressed_to_rgb(message)
    assert error.value.field in ('data', 'size')


def test_compressed_depth_is_refused() -> None:
    message = CompressedImage(format='16UC1; compressedDepth png', data=array('B', b'\0' * 30))
    with pytest.raises(ConversionError, match=r'format: .*depth'):
        compressed_to_rgb(message)


@pytest.mark.parametrize(
    ('extension', 'format_', 'tolerance'),
    [
        ('.png', 'bayer_rggb8; png compressed bayer_rggb8', 0),
        ('.png', 'bayer_rggb8; png compressed ', 0),
        ('.png', 'bayer_rggb8', 0),
        ('.jpg', 'bayer_rggb8; jpeg compressed bayer_rggb8', 20),
    ],
)
def test_a_compressed_mosaic_gets_its_colours(extension: str, format_: str, tolerance: int) -> None:
    """image_transport compresses what a Bayer camera sends as if it were grey, and leaves the colours to us."""
    _, encoded = cv2.imencode(extension, _bayer_mosaic(), [cv2.IMWRITE_JPEG_QUALITY, 100])
    rgb = compressed_to_rgb(CompressedImage(format=format_, data=array('B', encoded.tobytes()))).astype(int)
    np.testing.assert_allclose(rgb[8, [8, 24]], (RED, BLUE), atol=tolerance)


def test_a_compressed_mosaic_of_16_bits_is_spread() -> None:
    message = _compressed('.png', _bayer_mosaic(np.uint16, factor=20))
    message.format = 'bayer_rggb16; png compressed bayer_rggb16'
    rgb = compressed_to_rgb(message)
    np.testing.assert_allclose(rgb[8, [8, 24]], (np.array([RED, BLUE]) - 10) * 255 / 210, atol=1)


@pytest.mark.parametrize('format_', ['bayer_rggb8; png compressed mono8', 'mono8; png compressed mono8', 'png', ''])
def test_grey_stays_grey(format_: str) -> None:
    message = _compressed('.png', _bayer_mosaic())
    message.format = format_
    np.testing.assert_array_equal(compressed_to_rgb(message), np.dstack([_bayer_mosaic()] * 3))


@pytest.mark.parametrize('format_', ['bayer_rggb8; jpeg compressed bgr8', 'bayer_rggb8; png compressed bayer_rggb8'])
def test_colours_are_not_mistaken_for_a_mosaic(format_: str) -> None:
    message = _compressed('.png', _smooth_picture()[..., ::-1])
    message.format = format_
    np.testing.assert_array_equal(compressed_to_rgb(message), _smooth_picture())


@pytest.mark.parametrize('extension', ['.png', '.tiff'])
def test_files_of_16_bits_are_spread_over_the_8_that_can_be_seen(extension: str) -> None:
    values = np.linspace(7000, 9000, 100 * 100).reshape(100, 100).round().astype(np.uint16)
    rgb = compressed_to_rgb(_compressed(extension, values))
    np.testing.assert_allclose(rgb, np.dstack([np.interp(values, (7020, 8980), (0, 255))] * 3), atol=1)


def test_opacity_is_left_out() -> None:
    picture = _smooth_picture()
    clear = np.dstack([picture[..., ::-1], np.zeros((48, 64), np.uint8)])
    np.testing.assert_array_equal(compressed_to_rgb(_compressed('.png', clear)), picture)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_pixels_stay_where_they_are_stored(orientation: int) -> None:
    """A camera that is held upright says so in the file; its CameraInfo is that of the pixels as they are stored."""
    exif = b'Exif\0\0' + struct.pack('<2sHIHHHIII', b'II', 42, 8, 1, 0x112, 3, 1, orientation, 0)
    message = _compressed('.jpg', _smooth_picture()[..., ::-1])
    plain = compressed_to_rgb(message)
    data = bytes(message.data)
    message.data = array('B', data[:2] + b'\xff\xe1' + struct.pack('>H', 2 + len(exif)) + exif + data[2:])
    np.testing.assert_array_equal(compressed_to_rgb(message), plain)


def test_a_jpeg_that_is_cut_off_is_refused() -> None:
    """OpenCV would make the rest of it grey."""
    whole = _compressed('.jpg', _smooth_picture())
    for length in range(3, len(whole.data), 29):
        message = CompressedImage(format='jpeg', data=whole.data[:length])
        with pytest.raises(ConversionError, match=f'data: a JPEG file that is cut off after {length} bytes'):
            compressed_to_rgb(message)
    padded = CompressedImage(format='jpeg', data=whole.data + array('B', bytes(100)))
    np.testing.assert_array_equal(compressed_to_rgb(padded), compressed_to_rgb(whole))


def test_a_picture_that_would_fill_the_memory_is_refused_at_once() -> None:
    """32000 x 32000 pixels in about a hundred kilobytes: OpenCV takes half a minute and gigabytes for them."""
    message = CompressedImage(format='png', data=array('B', _huge_png(32000)))
    assert len(message.data) < 200_000
    started = time.perf_counter()
    with pytest.raises(ConversionError, match='size: 32000 x 32000 pixels are 1024000000, but at most 64000000'):
        compressed_to_rgb(message)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize('extension', ['.png', '.jpg', '.webp', '.tiff'])
def test_the_limit_holds_for_every_kind_of_file(extension: str) -> None:
    message = _compressed(extension, _smooth_picture())
    assert compressed_to_rgb(message, max_pixels=48 * 64).shape == (48, 64, 3)
    with pytest.raises(ConversionError, match='size: 64 x 48 pixels'):
        compressed_to_rgb(message, max_pixels=48 * 64 - 1)


def test_files_whose_size_is_not_known_are_refused() -> None:
    with pytest.raises(ConversionError, match=r'data: .* no JPEG, PNG, WebP or TIFF file'):
        compressed_to_rgb(_compressed('.bmp', GREYS))


@pytest.mark.parametrize(
    ('format_', 'complaint'),
    [
        ('nv12', 'raw pixels belong into a sensor_msgs/Image'),
        ('rgb8; raw', 'raw pixels belong into a sensor_msgs/Image'),
        ('h264', 'packet of a video'),
        ('hevc', 'packet of a video'),
        ('rgb8; png compressed bgr8', 'data: 5000 bytes that are no'),
        ('jpeg', 'data: 5000 bytes that are no'),
        ('x' * 10**6, r'bytes that are no JPEG, PNG, WebP or TIFF file \(format: .xxx'),
    ],
)
def test_what_is_no_file_is_called_by_its_name(format_: str, complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint) as error:
        compressed_to_rgb(CompressedImage(format=format_, data=array('B', bytes(5000))))
    assert len(str(error.value)) < 250


def test_values_that_are_no_intensities_are_refused() -> None:
    with pytest.raises(ConversionError, match='8 or 16 bits'):
        compressed_to_rgb(_compressed('.tiff', np.ones((4, 4), np.float32)))

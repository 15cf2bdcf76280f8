"""Images in: every encoding, padding, byte order, compression, and everything that can be wrong with them."""

from __future__ import annotations

import sys
from array import array
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.nodes.images import array_to_image, rgb_to_compressed
from sam2_ros.nodes.pixels import LAYOUTS, ConversionError, compressed_to_rgb, image_to_array, image_to_rgb
from tests.nodes.messages import HEADER, PIXEL_BYTES, image_message, image_rows

ENCODINGS = tuple(PIXEL_BYTES)
RED, GREEN, BLUE = (200, 30, 60), (20, 180, 40), (10, 50, 220)
PIXELS = np.array([[RED, GREEN], [BLUE, RED]], np.uint8)
GREYS = np.array([[0, 40], [200, 255]], np.uint8)


def _rows(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)


def _smooth_picture() -> np.ndarray:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    return np.dstack([np.tile(ramp, (48, 1)), np.tile(ramp[:48, None], (1, 64)), np.full((48, 64), 90, np.uint8)])


def test_every_encoding_has_a_test() -> None:
    assert set(LAYOUTS) == set(ENCODINGS)


@pytest.mark.parametrize(('encoding', 'order'), [
    ('rgb8', (0, 1, 2)), ('bgr8', (2, 1, 0)), ('8UC3', (2, 1, 0)),
    ('rgba8', (0, 1, 2, 0)), ('bgra8', (2, 1, 0, 0)), ('8UC4', (2, 1, 0, 0)),
])
def test_colours_are_put_in_rgb_order(encoding: str, order: tuple[int, ...]) -> None:
    message = image_message(_rows(PIXELS[..., order]), encoding)
    np.testing.assert_array_equal(image_to_rgb(message), PIXELS)


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_becomes_equal_channels(encoding: str) -> None:
    np.testing.assert_array_equal(image_to_rgb(image_message(GREYS, encoding)), np.dstack([GREYS] * 3))


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('padding', [0, 1, 6])
def test_mono16_is_scaled_to_8_bits_in_both_byte_orders(big_endian: bool, padding: int) -> None:
    values = np.array([[0, 128, 129, 257], [25700, 65535, 65407, 65406]])
    rows = _rows(values.astype('>u2' if big_endian else '<u2'))
    rgb = image_to_rgb(image_message(rows, 'mono16', padding=padding, big_endian=big_endian))
    expected = [[0, 0, 1, 1], [100, 255, 255, 254]]      # rounded 255 / 65535 of the value
    np.testing.assert_array_equal(rgb, np.dstack([expected] * 3))


@pytest.mark.parametrize(('encoding', 'order'), [
    ('yuv422', 'uyvy'), ('uyvy', 'uyvy'), ('yuv422_yuy2', 'yuyv'), ('yuyv', 'yuyv'),
])
def test_yuv422_follows_bt601(encoding: str, order: str) -> None:
    """Two pixels share one u and one v; video range: y 16..235, u and v around 128."""
    first, second, u, v = 81, 145, 90, 140
    values = {'y': iter((first, second)), 'u': iter((u,)), 'v': iter((v,))}
    row = np.array([[next(values[letter]) for letter in order]], np.uint8)
    expected = [[1.164 * (y - 16) + 1.596 * (v - 128),
                 1.164 * (y - 16) - 0.813 * (v - 128) - 0.391 * (u - 128),
                 1.164 * (y - 16) + 2.018 * (u - 128)] for y in (first, second)]
    np.testing.assert_allclose(image_to_rgb(image_message(row, encoding))[0], np.clip(expected, 0, 255), atol=1.5)


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_pattern_of_one_colour_gives_that_colour(pattern: str) -> None:
    colour = dict(zip('rgb', RED, strict=True))
    mosaic = np.tile(np.array([colour[letter] for letter in pattern], np.uint8).reshape(2, 2), (4, 4))
    rgb = image_to_rgb(image_message(mosaic, f'bayer_{pattern}8'))
    np.testing.assert_array_equal(rgb[2:-2, 2:-2], np.broadcast_to(RED, (4, 4, 3)))


@given(st.data(), st.sampled_from(ENCODINGS), st.integers(0, 9), st.booleans())
def test_row_padding_changes_nothing(data: st.DataObject, encoding: str, padding: int, big_endian: bool) -> None:
    rows = data.draw(image_rows(encoding))
    packed = image_message(rows, encoding, big_endian=big_endian)
    padded = image_message(rows, encoding, padding=padding, big_endian=big_endian)
    rgb = image_to_rgb(packed)
    assert rgb.shape == (packed.height, packed.width, 3)
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(image_to_rgb(padded), rgb)


@pytest.mark.parametrize('padding', [0, 5])
def test_rgb8_is_not_copied(padding: int) -> None:
    message = image_message(_rows(PIXELS), 'rgb8', padding=padding)
    assert np.shares_memory(image_to_rgb(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_stored_pixels_are_not_copied(encoding: str) -> None:
    message = image_message(np.zeros((4, 4 * PIXEL_BYTES[encoding]), np.uint8), encoding, padding=3)
    assert np.shares_memory(image_to_array(message), np.frombuffer(message.data, np.uint8))


@given(st.data(), st.sampled_from(ENCODINGS))
def test_an_array_comes_back_from_its_message(data: st.DataObject, encoding: str) -> None:
    pixels = image_to_array(image_message(data.draw(image_rows(encoding)), encoding))
    message = array_to_image(pixels, encoding, header=HEADER)
    assert isinstance(message.data, array)
    assert message.header == HEADER
    np.testing.assert_array_equal(image_to_array(message), pixels)


def test_big_endian_arrays_are_stored_little_endian() -> None:
    message = array_to_image(np.array([[1, 258]], '>u2'), 'mono16', header=HEADER)
    assert bytes(message.data) == bytes([1, 0, 2, 1])


@pytest.mark.parametrize(('pixels', 'encoding', 'field'), [
    (np.zeros((2, 2), np.uint8), 'rgb8', 'pixels'), (np.zeros((2, 2, 3), np.uint8), 'mono8', 'pixels'),
    (np.zeros((2, 2), np.uint8), 'mono16', 'pixels'), (np.zeros((2, 2, 3), np.float32), 'rgb8', 'pixels'),
    (np.zeros((0, 2, 3), np.uint8), 'rgb8', 'pixels'), (np.zeros((2, 2, 3), np.uint8), 'rgb', 'encoding'),
    (np.zeros(3, np.uint8), 'mono8', 'pixels'),
])
def test_arrays_that_do_not_fit_the_encoding_are_refused(pixels: np.ndarray, encoding: str, field: str) -> None:
    with pytest.raises(ConversionError) as error:
        array_to_image(pixels, encoding, header=HEADER)
    assert error.value.field == field


def _damaged(message: Image, field: str, data: st.DataObject) -> Image:
    """The same message, wrong in one field."""
    row_bytes = message.width * PIXEL_BYTES[message.encoding]
    if field == 'encoding':
        message.encoding = data.draw(st.text(max_size=12).filter(lambda text: text not in PIXEL_BYTES))
    elif field == 'data':
        message.data = message.data[:data.draw(st.integers(0, len(message.data) - 1))]
    elif field == 'step':
        message.step = data.draw(st.integers(0, row_bytes - 1))
    else:
        setattr(message, field, 0)
    return message


@given(st.data(), st.sampled_from(ENCODINGS), st.sampled_from(['encoding', 'height', 'width', 'step', 'data']))
def test_an_error_names_the_field_that_is_wrong(data: st.DataObject, encoding: str, field: str) -> None:
    message = _damaged(image_message(data.draw(image_rows(encoding)), encoding), field, data)
    for convert in (image_to_rgb, image_to_array):
        with pytest.raises(ConversionError) as error:
            convert(message)
        assert error.value.field == field
        assert str(error.value).startswith(f'{field}: ')


@given(height=st.integers(0, 2**32 - 1) | st.integers(0, 5), width=st.integers(0, 2**32 - 1) | st.integers(0, 5),
       step=st.integers(0, 2**32 - 1) | st.integers(0, 20), encoding=st.sampled_from(ENCODINGS) | st.text(max_size=9),
       is_bigendian=st.integers(0, 255), data=st.binary(max_size=100))
def test_any_message_is_converted_or_refused(height: int, width: int, step: int, encoding: str, is_bigendian: int,
                                             data: bytes) -> None:
    message = Image(height=height, width=width, step=step, encoding=encoding, is_bigendian=is_bigendian,
                    data=array('B', data))
    try:
        rgb = image_to_rgb(message)
    except ConversionError:
        return
    assert rgb.shape == (height, width, 3)
    assert height * step <= len(data)


def test_pairs_of_pixels_need_an_even_width() -> None:
    message = image_message(np.zeros((2, 6), np.uint8), 'uyvy')
    with pytest.raises(ConversionError, match='width: 3, but uyvy'):
        image_to_rgb(message)


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
    assert error.value.field == 'data'


def test_compressed_depth_is_refused() -> None:
    message = CompressedImage(format='16UC1; compressedDepth png', data=array('B', b'\0' * 30))
    with pytest.raises(ConversionError, match=r'format: .*depth'):
        compressed_to_rgb(message)


@given(st.data(), st.sampled_from(ENCODINGS))
def test_pixels_equal_those_of_cv_bridge(data: st.DataObject, encoding: str) -> None:
    cv_bridge = pytest.importorskip('cv_bridge', reason='cv_bridge is not installed', exc_type=ImportError)
    bridge = cv_bridge.CvBridge()
    message = image_message(data.draw(image_rows(encoding)), encoding)
    stored, rgb = image_to_array(message), image_to_rgb(message)
    # cv_bridge does not know the new names of these two, and takes 8UC for numbers instead of colours.
    message.encoding = {'uyvy': 'yuv422', 'yuyv': 'yuv422_yuy2'}.get(encoding, encoding)
    np.testing.assert_array_equal(stored.squeeze(), bridge.imgmsg_to_cv2(message, 'passthrough').squeeze())
    if not encoding.startswith('8UC'):
        np.testing.assert_array_equal(rgb, bridge.imgmsg_to_cv2(message, 'rgb8'))


def test_cv_bridge_adds_the_encodings_that_are_not_ours() -> None:
    pytest.importorskip('cv_bridge', reason='cv_bridge is not installed', exc_type=ImportError)
    values = np.array([[0, 257, 65535, 25700]], '<u2').repeat(3, axis=1)
    message = Image(height=1, width=4, step=24, encoding='rgb16', data=array('B', values.tobytes()))
    np.testing.assert_array_equal(image_to_rgb(message)[0, :, 0], [0, 1, 255, 100])


def test_a_cv_bridge_that_cannot_be_loaded_is_no_worse_than_none(tmp_path: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    """As when it was built for another version of NumPy."""
    (tmp_path / 'cv_bridge.py').write_text("raise ImportError('numpy.core.multiarray failed to import')")
    monkeypatch.delitem(sys.modules, 'cv_bridge', raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    message = Image(height=1, width=1, step=6, encoding='rgb16', data=array('B', bytes(6)))
    with pytest.raises(ConversionError, match=r"encoding: 'rgb16' is not one of .*multiarray failed to import"):
        image_to_rgb(message)
    np.testing.assert_array_equal(image_to_rgb(image_message(_rows(PIXELS), 'rgb8')), PIXELS)

"""Images in: every encoding, padding, byte order, compression, and everything that can be wrong with them."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import Image

from sam2_ros.nodes.edge.decode_images import LAYOUTS, ConversionError, image_to_array, image_to_rgb
from sam2_ros.nodes.edge.encode_images import array_to_image
from tests.nodes.messages import HEADER, PIXEL_BYTES, PLANAR, image_message, image_rows

ENCODINGS = tuple(PIXEL_BYTES)
RED, GREEN, BLUE = (200, 30, 60), (20, 180, 40), (10, 50, 220)
PIXELS = np.array([[RED, GREEN], [BLUE, RED]], np.uint8)
PATTERNS = ('rggb', 'bggr', 'gbrg', 'grbg')
GREYS = np.array([[0, 40], [200, 255]], np.uint8)


def _rows(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)


def test_every_encoding_has_a_test() -> None:
    assert set(LAYOUTS) == set(ENCODINGS)


@pytest.mark.parametrize(
    ('encoding', 'order'),
    [
        ('rgb8', (0, 1, 2)),
        ('bgr8', (2, 1, 0)),
        ('8UC3', (2, 1, 0)),
        ('rgba8', (0, 1, 2, 0)),
        ('bgra8', (2, 1, 0, 0)),
        ('8UC4', (2, 1, 0, 0)),
    ],
)
def test_colours_are_put_in_rgb_order(encoding: str, order: tuple[int, ...]) -> None:
    message = image_message(_rows(PIXELS[..., order]), encoding)
    np.testing.assert_array_equal(image_to_rgb(message), PIXELS)


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_becomes_equal_channels(encoding: str) -> None:
    np.testing.assert_array_equal(image_to_rgb(image_message(GREYS, encoding)), np.dstack([GREYS] * 3))


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('padding', [0, 1, 6])
def test_16_bits_are_spread_over_the_8_that_can_be_seen(encoding: str, big_endian: bool, padding: int) -> None:
    """A thermal picture, a hundredth of a kelvin per count. cv_bridge makes 27 to 35 of it, which nobody can track."""
    values = np.linspace(7000, 9000, 100 * 100).reshape(100, 100).round()
    rows = _rows(values.astype('>u2' if big_endian else '<u2'))
    rgb = image_to_rgb(image_message(rows, encoding, padding=padding, big_endian=big_endian))
    expected = np.interp(values, (7020, 8980), (0, 255))  # the first and the last percentile
    np.testing.assert_allclose(rgb, np.dstack([expected] * 3), atol=1)


@pytest.mark.parametrize(
    ('encoding', 'order'),
    [('rgb16', (0, 1, 2)), ('bgr16', (2, 1, 0)), ('rgba16', (0, 1, 2, 3)), ('bgra16', (2, 1, 0, 3))],
)
def test_colours_of_16_bits_keep_their_proportions(encoding: str, order: tuple[int, ...]) -> None:
    """Of a camera that uses 12 bits. Opacity does not count as an intensity."""
    ramp = np.linspace(0, 4000, 100 * 100).reshape(100, 100)
    colours = np.dstack([ramp, ramp / 2, ramp / 4, np.full_like(ramp, 65535)]).astype('<u2')
    rgb = image_to_rgb(image_message(_rows(colours[..., order]), encoding)).astype(float)
    middle = slice(40, 60)
    assert 100 < rgb[middle, :, 0].mean() < 160
    np.testing.assert_allclose(rgb[middle, :, 1], rgb[middle, :, 0] / 2, atol=3)
    np.testing.assert_allclose(rgb[middle, :, 2], rgb[middle, :, 0] / 4, atol=3)


@pytest.mark.parametrize(
    ('encoding', 'order'),
    [
        ('yuv422', 'uyvy'),
        ('uyvy', 'uyvy'),
        ('yuv422_yuy2', 'yuyv'),
        ('yuyv', 'yuyv'),
    ],
)
def test_yuv422_follows_bt601(encoding: str, order: str) -> None:
    """Two pixels share one u and one v; video range: y 16..235, u and v around 128."""
    first, second, u, v = 81, 145, 90, 140
    values = {'y': iter((first, second)), 'u': iter((u,)), 'v': iter((v,))}
    row = np.array([[next(values[letter]) for letter in order]], np.uint8)
    expected = [
        [
            1.164 * (y - 16) + 1.596 * (v - 128),
            1.164 * (y - 16) - 0.813 * (v - 128) - 0.391 * (u - 128),
            1.164 * (y - 16) + 2.018 * (u - 128),
        ]
        for y in (first, second)
    ]
    np.testing.assert_allclose(image_to_rgb(image_message(row, encoding))[0], np.clip(expected, 0, 255), atol=1.5)


def _mosaic(pattern: str, picture: np.ndarray) -> np.ndarray:
    """What a camera with this pattern of filters sees of an RGB picture: (H, W)."""
    mosaic = np.empty(picture.shape[:2], picture.dtype)
    for (row, column), letter in zip(((0, 0), (0, 1), (1, 0), (1, 1)), pattern, strict=True):
        mosaic[row::2, column::2] = picture[row::2, column::2, 'rgb'.index(letter)]
    return mosaic


def _red_beside_blue(dtype: type = np.uint8, factor: int = 1) -> np.ndarray:
    """(16, 32, 3), in halves."""
    picture = np.empty((16, 32, 3), dtype)
    picture[:, :16], picture[:, 16:] = np.array(RED) * factor, np.array(BLUE) * factor
    return picture


def _assert_red_beside_blue(rgb: np.ndarray, atol: int = 0) -> None:
    assert rgb.dtype == np.uint8
    for columns, colour in ((slice(2, 14), RED), (slice(18, 30), BLUE)):
        np.testing.assert_allclose(rgb[2:-2, columns].astype(int), np.broadcast_to(colour, (12, 12, 3)), atol=atol)


@pytest.mark.parametrize('pattern', PATTERNS)
def test_bayer_patterns_give_the_colours_that_were_seen(pattern: str) -> None:
    _assert_red_beside_blue(image_to_rgb(image_message(_mosaic(pattern, _red_beside_blue()), f'bayer_{pattern}8')))


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('pattern', PATTERNS)
def test_bayer_patterns_of_16_bits_are_spread(pattern: str, big_endian: bool) -> None:
    mosaic = _mosaic(pattern, _red_beside_blue(np.uint16, factor=20)).astype('>u2' if big_endian else '<u2')
    rgb = image_to_rgb(image_message(_rows(mosaic), f'bayer_{pattern}16', big_endian=big_endian))
    expected = (np.array([RED, BLUE]) - 10) * 255 / 210  # from the darkest value, 10, to the brightest, 220
    np.testing.assert_allclose(rgb[8, [8, 24]], expected, atol=1)


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


@pytest.mark.parametrize(
    ('pixels', 'encoding', 'field'),
    [
        (np.zeros((2, 2), np.uint8), 'rgb8', 'pixels'),
        (np.zeros((2, 2, 3), np.uint8), 'mono8', 'pixels'),
        (np.zeros((2, 2), np.uint8), 'mono16', 'pixels'),
        (np.zeros((2, 2, 3), np.float32), 'rgb8', 'pixels'),
        (np.zeros((0, 2, 3), np.uint8), 'rgb8', 'pixels'),
        (np.zeros((2, 2, 3), np.uint8), 'rgb', 'encoding'),
        (np.zeros(3, np.uint8), 'mono8', 'pixels'),
    ],
)
def test_arrays_that_do_not_fit_the_encoding_are_refused(pixels: np.ndarray, encoding: str, field: str) -> None:
    with pytest.raises(ConversionError) as error:
        array_to_image(pixels, encoding, header=HEADER)
    assert error.value.field == field


def _damaged(message: Image, field: str, data: st.DataObject) -> Image:
    """The same message, wrong in one field."""
    row_bytes = message.width * PIXEL_BYTES[message.encoding]
    if field == 'encoding':
        message.encoding = data.draw(
            st.text(max_size=12).filter(lambda text: text not in PIXEL_BYTES and text.lower() not in PLANAR)
        )
    elif field == 'data':
        message.data = message.data[: data.draw(st.integers(0, len(message.data) - 1))]
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


@given(
    height=st.integers(0, 2**32 - 1) | st.integers(0, 5),
    width=st.integers(0, 2**32 - 1) | st.integers(0, 5),
    step=st.integers(0, 2**32 - 1) | st.integers(0, 20),
    encoding=st.sampled_from((*ENCODINGS, *PLANAR)) | st.text(max_size=9),
    is_bigendian=st.integers(0, 255),
    data=st.binary(max_size=100),
)
def test_any_message_is_converted_or_refused(
    height: int, width: int, step: int, encoding: str, is_bigendian: int, data: bytes
) -> None:
    message = Image(
        height=height, width=width, step=step, encoding=encoding, is_bigendian=is_bigendian, data=array('B', data)
    )
    try:
        rgb = image_to_rgb(message)
    except ConversionError:
        return
    assert rgb.shape == (height, width, 3)
    if encoding in LAYOUTS:
        assert (height - 1) * step + width * PIXEL_BYTES[encoding] <= len(data)


def test_pairs_of_pixels_need_an_even_width() -> None:
    message = image_message(np.zeros((2, 6), np.uint8), 'uyvy')
    with pytest.raises(ConversionError, match='width: 3, but uyvy'):
        image_to_rgb(message)


@given(st.data(), st.sampled_from([encoding for encoding in ENCODINGS if not encoding.endswith(('16', '16UC1'))]))
def test_pixels_equal_those_of_cv_bridge(data: st.DataObject, encoding: str) -> None:
    """But for those of 16 bits, which cv_bridge divides by 257."""
    cv_bridge = pytest.importorskip('cv_bridge', reason='cv_bridge is not installed', exc_type=ImportError)
    bridge = cv_bridge.CvBridge()
    message = image_message(data.draw(image_rows(encoding)), encoding)
    stored, rgb = image_to_array(message), image_to_rgb(message)
    # cv_bridge does not know the new names of these two, and takes 8UC for numbers instead of colours.
    message.encoding = {'uyvy': 'yuv422', 'yuyv': 'yuv422_yuy2'}.get(encoding, encoding)
    np.testing.assert_array_equal(stored.squeeze(), bridge.imgmsg_to_cv2(message, 'passthrough').squeeze())
    if not encoding.startswith('8UC'):
        np.testing.assert_array_equal(rgb, bridge.imgmsg_to_cv2(message, 'rgb8'))


@pytest.mark.parametrize('encoding', ['rgb8', 'mono8', 'mono16', 'yuyv', 'bgra8'])
def test_the_last_row_needs_no_padding(encoding: str) -> None:
    """Some drivers give rows of 256 bytes, and end with the last pixel."""
    rows = np.arange(6 * 8 * PIXEL_BYTES[encoding], dtype=np.uint8).reshape(6, -1)
    message = image_message(rows, encoding, padding=11)
    expected = image_to_rgb(message)
    message.data = message.data[:-11]
    np.testing.assert_array_equal(image_to_rgb(message), expected)
    message.data = message.data[:-1]
    with pytest.raises(ConversionError, match=r'data: .* the padding of the last one left out'):
        image_to_rgb(message)


@pytest.mark.parametrize('encoding', ['8UC2', '16SC1', '32FC1', 'jpeg', '', 'rgb' * 10**6])
def test_numbers_that_are_no_colours_are_refused_whatever_is_installed(encoding: str) -> None:
    message = Image(height=2, width=2, step=64, encoding=encoding, data=array('B', bytes(128)))
    with pytest.raises(ConversionError, match=r'^encoding: .* is unknown; accepted are rgb8, .*nv12') as error:
        image_to_rgb(message)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize('encoding', ['h264', 'H265', 'hevc'])
def test_a_packet_of_a_video_is_called_one(encoding: str) -> None:
    message = Image(height=1080, width=1920, encoding=encoding, data=array('B', bytes(5000)))
    with pytest.raises(ConversionError, match=r'^encoding: .* is a packet of a video'):
        image_to_rgb(message)


def test_more_pixels_than_are_allowed_are_refused() -> None:
    message = image_message(np.zeros((3, 4), np.uint8), 'mono8')
    assert image_to_rgb(message, max_pixels=12).shape == (3, 4, 3)
    with pytest.raises(ConversionError, match=r'^size: 4 x 3 pixels are 12, but at most 11 are accepted'):
        image_to_rgb(message, max_pixels=11)

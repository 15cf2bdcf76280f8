"""Images whose colours lie in planes behind the luma plane, as cameras of phones, the Pi and Qualcomm send them."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

from sam2_ros.nodes.edge.decode_images import ConversionError, image_to_array, image_to_rgb
from tests.nodes.messages import HEADER, PLANAR

OPENCV = {
    'nv12': cv2.COLOR_YUV2RGB_NV12,
    'nv21': cv2.COLOR_YUV2RGB_NV21,
    'i420': cv2.COLOR_YUV2RGB_I420,
    'yuv420': cv2.COLOR_YUV2RGB_I420,
    'yv12': cv2.COLOR_YUV2RGB_YV12,
}
RANDOM = np.random.default_rng(7)
HEIGHT, WIDTH = 4, 8
Y, U, V = (RANDOM.integers(16, 236, (HEIGHT, WIDTH), np.uint8) for _ in range(3))


def _chroma(encoding: str) -> tuple[np.ndarray, np.ndarray]:
    """u and v as this encoding can tell them: one for so many rows and columns."""
    down = 1 if encoding in ('nv16', 'nv61', 'nv24', 'nv42') else 2
    across = 1 if encoding in ('nv24', 'nv42') else 2
    return U[::down, ::across], V[::down, ::across]


def _message(encoding: str, *, padding: int = 0, name: str = '') -> Image:
    """Y, U and V, every row of luma with `padding` bytes of rubbish behind it, and those of chroma in proportion."""
    u, v = _chroma(encoding)
    first, second = (v, u) if encoding in ('nv21', 'nv61', 'nv42', 'yv12') else (u, v)
    planes = [Y, np.dstack([first, second]).reshape(len(u), -1)] if encoding[0] == 'n' else [Y, first, second]
    rows = [np.pad(plane, ((0, 0), (0, padding * plane.shape[1] // WIDTH)), constant_values=0xA5) for plane in planes]
    data = b''.join(plane.tobytes() for plane in rows)
    return Image(
        header=HEADER,
        height=HEIGHT,
        width=WIDTH,
        encoding=name or encoding,
        step=WIDTH + padding,
        data=array('B', data),
    )


def _expected(encoding: str) -> np.ndarray:
    """BT.601, video range."""
    u, v = (
        np.repeat(np.repeat(plane, HEIGHT // len(plane), axis=0), WIDTH // plane.shape[1], axis=1) - 128.0
        for plane in _chroma(encoding)
    )
    luma = 1.164 * (Y - 16.0)
    return np.clip(np.dstack([luma + 1.596 * v, luma - 0.813 * v - 0.391 * u, luma + 2.018 * u]), 0, 255)


@pytest.mark.parametrize('padding', [0, 8])
@pytest.mark.parametrize('encoding', PLANAR)
def test_colours_follow_bt601(encoding: str, padding: int) -> None:
    rgb = image_to_rgb(_message(encoding, padding=padding))
    assert rgb.shape == (HEIGHT, WIDTH, 3) and rgb.dtype == np.uint8 and rgb.flags.c_contiguous
    np.testing.assert_allclose(rgb, _expected(encoding), atol=1.5)


@pytest.mark.parametrize('encoding', OPENCV)
def test_pixels_equal_those_of_opencv(encoding: str) -> None:
    message = _message(encoding)
    stored = np.frombuffer(message.data, np.uint8).reshape(HEIGHT * 3 // 2, WIDTH)
    np.testing.assert_array_equal(image_to_rgb(message), cv2.cvtColor(stored, OPENCV[encoding]))


@pytest.mark.parametrize(('encoding', 'name'), [('nv12', 'NV12'), ('yuv420', 'YUV420')])
def test_names_may_be_written_in_capitals(encoding: str, name: str) -> None:
    np.testing.assert_array_equal(image_to_rgb(_message(encoding, name=name)), image_to_rgb(_message(encoding)))


@pytest.mark.parametrize('encoding', PLANAR)
def test_the_last_row_needs_no_padding(encoding: str) -> None:
    message = _message(encoding, padding=8)
    spare = {'nv24': 16, 'nv42': 16, 'i420': 4, 'yuv420': 4, 'yv12': 4}.get(encoding, 8)
    message.data = message.data[:-spare]
    np.testing.assert_allclose(image_to_rgb(message), _expected(encoding), atol=1.5)
    message.data = message.data[:-1]
    with pytest.raises(ConversionError, match=f'data: .*{encoding} with 4 luma rows of 16 bytes'):
        image_to_rgb(message)


@pytest.mark.parametrize('encoding', PLANAR)
@pytest.mark.parametrize(('field', 'value'), [('height', 0), ('width', 0), ('step', 7), ('data', array('B'))])
def test_an_error_names_the_field_that_is_wrong(encoding: str, field: str, value: object) -> None:
    message = _message(encoding)
    setattr(message, field, value)
    with pytest.raises(ConversionError) as error:
        image_to_rgb(message)
    assert error.value.field == field


@pytest.mark.parametrize(('encoding', 'field'), [('nv12', 'height'), ('nv21', 'width'), ('nv16', 'width')])
def test_shared_colours_need_even_sizes(encoding: str, field: str) -> None:
    message = _message(encoding)
    setattr(message, field, getattr(message, field) - 1)
    with pytest.raises(ConversionError, match=f'{field}: .* must be even'):
        image_to_rgb(message)


def test_rows_of_colours_do_not_count_as_height() -> None:
    """Height is that of the picture. A driver that counts the rows of both planes gets a sentence, not stripes."""
    message = _message('nv12')
    message.height = HEIGHT * 3 // 2
    with pytest.raises(ConversionError, match=r'data: .*\(height and step\)'):
        image_to_rgb(message)


def test_planes_are_no_array_of_pixels() -> None:
    with pytest.raises(ConversionError, match='encoding'):
        image_to_array(_message('nv12'))

"""Streams of images with 16 bits: what is seen of them stays the same from image to image, and stays useful."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.nodes.edge.image_converter import ImageConverter
from tests.nodes.messages import image_message

RANDOM = np.random.default_rng(5)
ROOM = RANDOM.normal(8000, 60, (120, 160))  # counts of a thermal camera


def _converter(low: int = 0, span: int = 0) -> ImageConverter:
    return ImageConverter({'max_image_pixels': 10**6, 'intensity_low': low, 'intensity_span': span})


def _message(values: np.ndarray) -> Image:
    return image_message(values.round().astype('<u2').view(np.uint8).reshape(len(values), -1), '16UC1')


def _with_kettle(values: np.ndarray) -> np.ndarray:
    """Something far hotter in a tenth of the picture."""
    changed = values.copy()
    changed[:40, :48] = 12000
    return changed


def test_pictures_do_not_flicker_when_something_hot_comes_in() -> None:
    converter = _converter()
    before = converter.to_rgb(_message(ROOM))[60:].astype(int)
    with_kettle = _message(_with_kettle(ROOM))
    brightness = [before.mean()] + [converter.to_rgb(with_kettle)[60:].mean() for _ in range(120)]
    assert np.abs(np.diff(brightness)).max() < 15
    assert brightness[-1] < 40  # in the end, all of it is seen
    assert converter.to_rgb(with_kettle)[0, 0, 0] > 250


def test_the_same_picture_comes_out_the_same_every_time() -> None:
    converter = _converter()
    first = converter.to_rgb(_message(ROOM))
    for _ in range(5):
        np.testing.assert_array_equal(converter.to_rgb(_message(ROOM)), first)


def test_another_gain_of_the_camera_is_followed_at_once() -> None:
    converter = _converter()
    for values in (ROOM, ROOM / 8, ROOM):
        for _ in range(3):
            rgb = converter.to_rgb(_message(values))
        low, high = np.percentile(rgb, (5, 95))
        assert low < 60 and high > 195


def test_the_closed_shutter_of_a_thermal_camera_changes_nothing() -> None:
    converter = _converter()
    before = converter.to_rgb(_message(ROOM))
    for _ in range(20):
        converter.to_rgb(_message(np.full_like(ROOM, 8010)))
    np.testing.assert_array_equal(converter.to_rgb(_message(ROOM)), before)


def test_the_noise_of_an_even_picture_stays_small() -> None:
    """And a thing of a few pixels, which no percentile sees, is seen."""
    values = np.full((120, 160), 8000.0)
    values[::2] += 1
    values[50:55, 50:55] = 8200
    rgb = _converter().to_rgb(_message(values))
    assert np.ptp(rgb[:40].astype(int)) <= 16
    assert rgb[52, 52, 0] == 255 and 100 < rgb[0, 0, 0] < 156


def test_black_and_white_can_be_fixed() -> None:
    converter = _converter(low=7000, span=2000)
    values = np.array([[0, 7000, 8000, 9000, 65535]])
    for _ in range(2):
        assert converter.to_rgb(_message(values))[0, :, 0].tolist() == [0, 0, 128, 255, 255]
        converter.to_rgb(_message(ROOM))


def test_the_ends_of_the_scale_are_kept() -> None:
    for value in (0, 65535):
        assert _converter().to_rgb(_message(np.full((4, 4), value))).shape == (4, 4, 3)
    both = np.array([[0, 65535]] * 4)
    assert _converter(low=65535, span=65535).to_rgb(_message(both))[0, :, 0].tolist() == [0, 0]


def test_a_stream_of_files_has_one_range_as_well() -> None:
    converter = _converter()
    for values in (ROOM, _with_kettle(ROOM)):
        _, encoded = cv2.imencode('.png', values.round().astype(np.uint16))
        rgb = converter.to_rgb(CompressedImage(format='16UC1; png compressed ', data=array('B', encoded.tobytes())))
    assert np.percentile(rgb[60:], 95) > 195  # the room, though the kettle has come

"""Points in space as pixels."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from sam2_ros.nodes.edge.encode_images import camera_info
from sam2_ros.nodes.edge.projection import project_point, rotate


def pinhole(**changes: object) -> CameraInfo:
    info = camera_info(height=480, width=640, horizontal_fov=np.pi / 2, header=Header())
    for name, value in changes.items():
        setattr(info, name, value)
    return info


def project(
    point: Sequence[float], info: CameraInfo, *, rectified: bool = False, image_size: tuple[int, int] = (480, 640)
) -> tuple[float, float]:
    return project_point(np.array(point), info, rectified=rectified, image_size=image_size)


@pytest.mark.parametrize('rectified', [True, False])
def test_projection_without_distortion(rectified: bool) -> None:
    # A field of view of 90 degrees over 640 pixels: the focal length is 320 pixels, the axis at (319.5, 239.5).
    assert project((0.5, -0.25, 2.0), pinhole(), rectified=rectified) == pytest.approx((319.5 + 80, 239.5 - 40))


def test_projection_into_a_smaller_image() -> None:
    assert project((0.5, -0.25, 2.0), pinhole(), image_size=(240, 320)) == pytest.approx((199.75, 99.75))


def test_projection_with_distortion() -> None:
    # k1 = 0.1 at the normalised point (0.25, 0): x (1 + 0.1 * 0.25 ** 2)
    info = pinhole(d=[0.1, 0.0, 0.0, 0.0, 0.0])
    assert project((0.5, 0.0, 2.0), info) == pytest.approx((319.5 + 320 * 0.25 * 1.00625, 239.5))
    assert project((0.5, 0.0, 2.0), info, rectified=True) == pytest.approx((399.5, 239.5))


def test_projection_of_a_fisheye() -> None:
    info = pinhole(distortion_model='equidistant', d=[0.0] * 4)
    assert project((1.0, 0.0, 2.0), info) == pytest.approx((319.5 + 320 * np.arctan(0.5), 239.5))


@pytest.mark.parametrize(
    ('point', 'changes', 'sentence'),
    [
        ((0.0, 0.0, -1.0), {}, 'not in front of the camera'),
        ((np.nan, 0.0, 1.0), {}, 'not in front of the camera'),
        ((9.0, 0.0, 1.0), {}, 'outside the image of 640 x 480'),
        ((0.0, 0.0, 1.0), {'k': [0.0] * 9, 'p': [0.0] * 12}, 'not calibrated'),
        ((1.4, 0.0, 1.0), {'d': [-0.4, 0.0, 0.0, 0.0, 0.0]}, 'outside the view'),
        ((1.5, 0.0, 1.0), {'d': [-0.4, 0.0, 0.0, 0.0, 0.0]}, 'outside the view'),
        ((0.0, 0.0, 1.0), {'distortion_model': 'odd'}, "model 'odd' is unknown"),
        ((0.0, 0.0, 1.0), {'d': [0.1]}, 'D of the CameraInfo has 1 coefficients'),
        ((0.0, 0.0, 1.0), {'d': [0.1] * 3}, "'plumb_bob' has 0 or 4 or 5 or 8 or 12 or 14"),
        ((0.0, 0.0, 1.0), {'distortion_model': 'equidistant', 'd': [0.1]}, "1 coefficients.* 'equidistant' has 0 or 4"),
        ((0.0, 0.0, 1.0), {'d': [np.nan] * 5}, 'not finite'),
    ],
)
def test_points_that_have_no_pixel(point: Sequence[float], changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        project(point, pinhole(**changes))


def test_projection_into_a_region_of_interest() -> None:
    # By the whole sensor of 640 x 480: 320 + 500 * 0.1 = 370 and 240 + 500 * 0.05 = 265; it begins at (200, 100).
    info = pinhole(
        k=[500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0],
        roi=RegionOfInterest(x_offset=200, y_offset=100, width=320, height=240),
    )
    assert project((0.1, 0.05, 1.0), info, image_size=(240, 320)) == pytest.approx((170, 165))
    assert project((0.1, 0.05, 1.0), info, image_size=(120, 160)) == pytest.approx((85, 82.5))
    info.binning_x, info.binning_y = 2, 1
    assert project((0.1, 0.05, 1.0), info, image_size=(240, 160)) == pytest.approx((85, 165))


@pytest.mark.parametrize('size', [(640, 480), (480, 480), (360, 640)])
def test_an_image_of_another_shape_than_the_calibration_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f'the image of {size[1]} x {size[0]} is no scaled one of 640 x 480'):
        project((0.0, 0.0, 1.0), pinhole(), image_size=size)


@pytest.mark.parametrize('model', ['none', '', 'plumb_bob', 'rational_polynomial', 'equidistant', 'fisheye'])
def test_a_model_without_coefficients(model: str) -> None:
    pixel = project((0.5, -0.25, 2.0), pinhole(distortion_model=model, d=[]))
    length = np.hypot(0.25, 0.125)
    shrunk = np.arctan(length) / length if model in ('equidistant', 'fisheye') else 1.0
    assert pixel == pytest.approx((319.5 + 80 * shrunk, 239.5 - 40 * shrunk))


def test_without_k_the_projection_matrix_serves() -> None:
    assert project((0.5, -0.25, 2.0), pinhole(k=[0.0] * 9)) == pytest.approx((399.5, 199.5))


@pytest.mark.parametrize('model', ['plumb_bob', 'equidistant'])
def test_skewed_pixels(model: str) -> None:
    straight = project((0.5, -0.25, 2.0), pinhole(distortion_model=model, d=[]))
    skewed = pinhole(distortion_model=model, d=[], k=[320.0, 32.0, 319.5, 0.0, 320.0, 239.5, 0.0, 0.0, 1.0])
    assert project((0.5, -0.25, 2.0), skewed) == pytest.approx((straight[0] + (straight[1] - 239.5) / 10, straight[1]))


@given(st.floats(-0.9, 0.9), st.floats(-0.7, 0.7), st.lists(st.floats(-0.05, 0.05), min_size=4, max_size=4))
def test_fisheye_projection_is_that_of_opencv(x: float, y: float, d: list[float]) -> None:
    info = pinhole(distortion_model='equidistant', d=d)
    expected, _ = cv2.fisheye.projectPoints(
        np.array([[[x, y, 1.0]]]), np.zeros(3), np.zeros(3), np.array(info.k).reshape(3, 3), np.array(d)
    )
    assert project((x, y, 1.0), info) == pytest.approx(tuple(expected.reshape(2)), abs=1e-6)


def test_rotation_by_a_quaternion() -> None:
    quarter_turn_about_z = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))
    assert rotate(np.array((1.0, 0.0, 3.0)), quarter_turn_about_z) == pytest.approx((0.0, 1.0, 3.0))

"""Cameras: pixels of points and rays of pixels, for every kind of calibration."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from sam2_ros.spatial.camera import camera_of
from sam2_ros.spatial.distortion import Distortion
from tests.spatial.rig import camera_info

SIZE = (480, 640)
LENSES = {
    'none': ('plumb_bob', []),
    'plumb_bob': ('plumb_bob', [-0.28, 0.07, 0.0004, -0.0002, 0.0]),
    'rational': ('rational_polynomial', [0.5, -2.6, 0.0005, -0.0002, 1.5, 0.38, -2.4, 1.42]),
    'prism': ('rational_polynomial', [-0.2, 0.05, 0.001, 0.0005, 0.0, 0.01, 0.0, 0.0, 0.001, 0.0, -0.001, 0.0]),
    'fisheye': ('equidistant', [0.02, -0.004, 0.001, 0.0]),
}


def points(number: int = 500, *, wide: float = 0.45) -> np.ndarray:
    random = np.random.default_rng(1)
    rays = random.uniform(-wide, wide, (number, 2))
    return np.column_stack([rays, np.ones(number)]) * random.uniform(0.5, 4.0, (number, 1))


@pytest.mark.parametrize('name', list(LENSES))
def test_pixels_are_those_of_opencv(name: str) -> None:
    model, coefficients = LENSES[name]
    info = camera_info(distortion_model=model, d=coefficients)
    seen = points()
    columns, rows = camera_of(info, rectified=False, image_size=SIZE).project(*seen.T)
    matrix, still = np.array(info.k).reshape(3, 3), np.zeros(3)
    if name == 'fisheye':
        expected, _ = cv2.fisheye.projectPoints(seen[:, None], still, still, matrix, np.array(coefficients))
    else:
        expected, _ = cv2.projectPoints(seen, still, still, matrix, np.array(coefficients) if coefficients else None)
    assert np.allclose(np.column_stack([columns, rows]), expected.reshape(-1, 2), atol=1e-6)


@pytest.mark.parametrize('name', list(LENSES))
def test_a_ray_goes_back_to_its_pixel(name: str) -> None:
    model, coefficients = LENSES[name]
    made = camera_of(camera_info(distortion_model=model, d=coefficients), rectified=False, image_size=SIZE)
    x, y = (ray[::7, ::5].ravel().astype(float) for ray in made.rays)
    columns, rows = made.project(x, y, np.ones_like(x))
    seen = np.isfinite(x)
    assert seen.mean() > 0.9
    expected = np.meshgrid(np.arange(640)[::5], np.arange(480)[::7])
    for found, true in zip((columns, rows), expected, strict=True):
        assert np.abs(found - true.ravel())[seen].max() < 0.1


def test_a_lens_does_not_fold_what_it_cannot_see_into_the_image() -> None:
    """With k1 = -0.28 alone the polynomial turns round at 47 degrees; a point at 61 degrees would lie inside."""
    made = camera_of(camera_info(d=[-0.28, 0.0, 0.0, 0.0, 0.0]), rectified=False, image_size=SIZE)
    columns, _ = made.project(*np.array([[0.4, 0.0, 1.0], [1.8, 0.0, 1.0], [0.0, 0.0, -1.0], [0.0, 0.0, 0.0]]).T)
    assert np.isfinite(columns).tolist() == [True, False, False, False]
    assert Distortion(np.array([-0.28, 0, 0, 0, 0.0]), fisheye=False).limit == pytest.approx(1.09, abs=0.01)
    assert Distortion(np.array([0.1, 0, 0, 0, 0.0]), fisheye=False).limit == np.inf


def test_rectified_images_are_seen_through_p() -> None:
    info = camera_info(d=[-0.28, 0.07, 0, 0, 0], p=[400.0, 0, 300, -40.0, 0, 410, 200, 0, 0, 0, 1, 0])
    made = camera_of(info, rectified=True, image_size=SIZE)
    columns, rows = made.project(np.array([0.2]), np.array([0.1]), np.array([2.0]))
    assert (columns[0], rows[0]) == pytest.approx((400 * 0.1 + 300 - 40 / 2, 410 * 0.05 + 200))
    depth = np.full(SIZE, 2.0)
    at = made.points(depth)[round(rows[0]), round(columns[0])]
    assert at == pytest.approx((0.2, 0.1, 2.0), abs=0.003)


def test_raw_images_are_turned_by_r() -> None:
    """Those of a stereo camera, by 0.1 against the rectified ones, which have the axes of the frame."""
    turn = cv2.Rodrigues(np.array([0.0, 0.1, 0.0]))[0]
    made = camera_of(camera_info(r=turn.ravel().tolist()), rectified=False, image_size=SIZE)
    columns, rows = made.project(np.array([0.1]), np.array([0.2]), np.array([1.0]))
    x, y, z = turn.T @ (0.1, 0.2, 1.0)
    assert (columns[0], rows[0]) == pytest.approx((525 * x / z + 319.5, 525 * y / z + 239.5))
    ray_x, ray_y = made.rays
    assert (ray_x[240, 320], ray_y[240, 320]) == pytest.approx((np.tan(0.1), 0.0), abs=3e-3)


@pytest.mark.parametrize(
    ('fields', 'size', 'pixel'),
    [
        ({}, (240, 320), (159.75, 119.75)),
        ({'roi': SimpleNamespace(x_offset=100, y_offset=40, width=400, height=300)}, (300, 400), (219.5, 199.5)),
        ({'binning_x': 2, 'binning_y': 2}, (240, 320), (159.75, 119.75)),
        ({'width': 0, 'height': 0}, (480, 640), (319.5, 239.5)),
    ],
)
def test_resized_cropped_and_binned_images(fields: dict, size: tuple[int, int], pixel: tuple[float, float]) -> None:
    info = camera_info()
    vars(info).update(fields)
    made = camera_of(info, rectified=True, image_size=size)
    columns, rows = made.project(np.zeros(1), np.zeros(1), np.ones(1))
    assert (columns[0], rows[0]) == pytest.approx(pixel)


@pytest.mark.parametrize(
    ('fields', 'size', 'sentence'),
    [
        ({'k': [0.0] * 9, 'p': [0.0] * 12}, SIZE, 'K and P of its CameraInfo are zero'),
        ({'k': [float('nan')] * 9}, SIZE, 'not finite'),
        ({}, (640, 480), 'is no scaled one of 640 x 480'),
        ({'distortion_model': 'odd', 'd': [0.1] * 5}, SIZE, "'odd' is unknown"),
        ({'d': [0.1] * 3}, SIZE, 'has 3 coefficients'),
        ({'d': [float('inf')] * 5}, SIZE, 'not finite'),
    ],
)
def test_calibrations_that_are_none_are_refused(fields: dict, size: tuple[int, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        camera_of(camera_info(**fields), rectified=False, image_size=size)


def test_where_one_matrix_is_missing_the_other_counts() -> None:
    for fields in ({'p': [0.0] * 12}, {'k': [0.0] * 9}):
        for rectified in (False, True):
            assert camera_of(camera_info(**fields), rectified=rectified, image_size=SIZE).focal == pytest.approx(525.0)

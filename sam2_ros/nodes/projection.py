"""From a point in space to the pixel that shows it, through a sensor_msgs/CameraInfo. Needs no ROS."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

_POLYNOMIAL = (0, 4, 5, 8, 12, 14)
COEFFICIENTS = {'': _POLYNOMIAL, 'plumb_bob': _POLYNOMIAL, 'rational_polynomial': _POLYNOMIAL, 'equidistant': (4,)}

def project_point(point: np.ndarray, camera_info: Any, *, rectified: bool,
                  image_size: tuple[int, int]) -> tuple[float, float]:
    """The pixel (x, y) at which the camera sees `point`, (3,) metres in its optical frame (x right, y down, z ahead).

    `rectified`: the image is rectified, so the projection matrix P applies; otherwise the intrinsics K and the lens
    distortion D do. `image_size` is (height, width) of the image clicked on, which may be scaled down from the
    calibrated size. Raises ValueError when the camera is not calibrated, cannot see the point, or its distortion model
    is unknown.
    """
    x, y, z = (float(value) for value in point)
    if not np.isfinite((x, y, z)).all() or z <= 0:
        raise ValueError(f'the point ({x:.3f}, {y:.3f}, {z:.3f}) is not in front of the camera')
    intrinsics = np.array(camera_info.k, float).reshape(3, 3)
    projection = np.array(camera_info.p, float).reshape(3, 4)
    if rectified and projection[0, 0]:
        u, v, scale = projection @ (x, y, z, 1.0)
        pixel = np.array((u / scale, v / scale))
    elif intrinsics[0, 0]:
        pixel = _distorted((x, y, z), intrinsics, camera_info)
    else:
        raise ValueError('the camera is not calibrated: K of its CameraInfo is zero')
    height, width = image_size
    if camera_info.width and camera_info.height:
        pixel = pixel * (width / camera_info.width, height / camera_info.height)
    u, v = float(pixel[0]), float(pixel[1])
    if not (0 <= u < width and 0 <= v < height):
        raise ValueError(f'the point ({x:.3f}, {y:.3f}, {z:.3f}) falls on the pixel ({u:.0f}, {v:.0f}), outside the '
                         f'image of {width} x {height}')
    return u, v


def _distorted(point: tuple[float, float, float], intrinsics: np.ndarray, camera_info: Any) -> np.ndarray:
    """The pixel in the image as the lens gives it."""
    model, coefficients = camera_info.distortion_model, np.array(camera_info.d, float)
    accepted = COEFFICIENTS.get(model)
    if accepted is None:
        raise ValueError(f'the distortion model {model!r} is unknown; accepted are plumb_bob, rational_polynomial and '
                         'equidistant')
    if coefficients.size not in accepted:
        raise ValueError(f'D of the CameraInfo has {coefficients.size} coefficients; the distortion model {model!r} '
                         f'has {" or ".join(map(str, accepted))}')
    points, still = np.array(point).reshape(1, 1, 3), np.zeros(3)
    if model == 'equidistant':
        pixels, _ = cv2.fisheye.projectPoints(points, still, still, intrinsics, coefficients)
    else:
        pixels, _ = cv2.projectPoints(points, still, still, intrinsics, coefficients if coefficients.size else None)
    return pixels.reshape(2)


def rotate(point: np.ndarray, quaternion: tuple[float, float, float, float]) -> np.ndarray:
    """The point (3,) turned by a unit quaternion (x, y, z, w)."""
    axis, angle = np.array(quaternion[:3]), quaternion[3]
    return point + 2 * np.cross(axis, np.cross(axis, point) + angle * point)

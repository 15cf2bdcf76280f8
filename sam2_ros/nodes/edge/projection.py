"""From a point in space to its pixel, through a sensor_msgs/CameraInfo."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from sam2_ros.spatial.camera import sensor_to_image
from sam2_ros.spatial.distortion import FISHEYE_MODELS, checked_coefficients

FOLD_STEPS = 64  # points between the axis and a point at which the distortion is looked at


def project_point(
    point: np.ndarray, camera_info: Any, *, rectified: bool, image_size: tuple[int, int]
) -> tuple[float, float]:
    """The pixel (x, y) at which the camera sees a point.

    Source: the comments of the fields of sensor_msgs/CameraInfo.

    Args:
        point: (3,) metres in the optical frame of the camera: x right, y down, z ahead.
        rectified: the image is rectified, so that P counts; otherwise K and the distortion D do.
        image_size: (height, width) of the image that was clicked on. It is that of the calibration, or of its region of
            interest, binned, or one of these resized.

    Raises:
        ValueError: if the camera is not calibrated or cannot see the point, its distortion model is unknown, or the
            image has another shape.
    """
    x, y, z = (float(value) for value in point)
    if not np.isfinite((x, y, z)).all() or z <= 0:
        raise ValueError(f'the point ({x:.3f}, {y:.3f}, {z:.3f}) is not in front of the camera')
    intrinsics = np.array(camera_info.k, float).reshape(3, 3)
    projection = np.array(camera_info.p, float).reshape(3, 4)
    if projection[0, 0] and (rectified or not intrinsics[0, 0]):
        u, v, scale = projection @ (x, y, z, 1.0)
        pixel = np.array((u / scale, v / scale))
    elif intrinsics[0, 0]:
        pixel = _distorted((x, y, z), intrinsics, camera_info)
    else:
        raise ValueError('the camera is not calibrated: K and P of its CameraInfo are zero')
    u, v = (float(value) for value in _in_image(pixel, camera_info, image_size))
    height, width = image_size
    if not (0 <= u < width and 0 <= v < height):
        raise ValueError(
            f'the point ({x:.3f}, {y:.3f}, {z:.3f}) falls on the pixel ({u:.0f}, {v:.0f}), outside the '
            f'image of {width} x {height}'
        )
    return u, v


def _in_image(pixel: np.ndarray, camera_info: Any, image_size: tuple[int, int]) -> np.ndarray:
    """From a pixel of the whole sensor, which K and P mean, to a pixel of the image (height, width)."""
    scale, offset = sensor_to_image(camera_info, image_size)
    return pixel * scale + offset


def _distorted(point: tuple[float, float, float], intrinsics: np.ndarray, camera_info: Any) -> np.ndarray:
    """The pixel on the sensor as the lens gives it."""
    model = camera_info.distortion_model
    coefficients = checked_coefficients(model, camera_info.d)
    ray = np.array(point[:2]) / point[2]
    rays = np.linspace(0, 1, FOLD_STEPS + 1)[:, None] * ray  # from the axis of the camera to the point
    distorted = _fisheye(rays, coefficients) if model in FISHEYE_MODELS else _polynomial(rays, coefficients)
    if np.any(np.diff(distorted @ ray) < 0):
        raise ValueError(
            f'the point ({point[0]:.3f}, {point[1]:.3f}, {point[2]:.3f}) is outside the view: so far from '
            'the axis of the camera the distortion D is not valid'
        )
    return (intrinsics @ (*distorted[-1], 1.0))[:2]


def _polynomial(rays: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Rays (N, 2), x / z and y / z, after the distortion of an ordinary lens, by the model of OpenCV."""
    points, still = np.column_stack([rays, np.ones(len(rays))]).reshape(-1, 1, 3), np.zeros(3)
    found, _ = cv2.projectPoints(points, still, still, np.eye(3), coefficients if coefficients.size else None)
    return found.reshape(-1, 2)


def _fisheye(rays: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Rays (N, 2) after the distortion of a fisheye: a polynomial of the angle to the axis (Kannala and Brandt)."""
    radius = np.linalg.norm(rays, axis=1)
    angle = np.arctan(radius)
    powers = angle[:, None] ** (3, 5, 7, 9)
    bent = angle + (powers @ coefficients if coefficients.size else 0.0)
    return rays * np.divide(bent, radius, out=np.ones_like(radius), where=radius > 0)[:, None]


def rotate(point: np.ndarray, quaternion: tuple[float, float, float, float]) -> np.ndarray:
    """The point (3,) turned by a unit quaternion (x, y, z, w)."""
    axis, angle = np.array(quaternion[:3]), quaternion[3]
    return point + 2 * np.cross(axis, np.cross(axis, point) + angle * point)

"""A camera: from points in space to pixels, and from pixels to rays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sam2_ros.spatial.distortion import FISHEYE_MODELS, Distortion, checked_coefficients

SCALE_TOLERANCE = 0.02  # relative; between the scales of width and height of a resized image
NEAREST = 1e-3  # metres in front of the camera


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera and the size of its images. Pixels have their middle at whole numbers.

    Attributes:
        height, width: of the image in pixels.
        matrix: (3, 3), from rays behind the lens to pixels of the image.
        lens: None without distortion.
        turn: (3, 3), from the frame of the camera to the axes of its raw images; None where they are the same.
        shift: (2,) metres that are added to x and y of a point first, as the P of a second stereo camera says.
    """

    height: int
    width: int
    matrix: np.ndarray
    lens: Distortion | None = None
    turn: np.ndarray | None = None
    shift: tuple[float, float] = (0.0, 0.0)

    @property
    def focal(self) -> float:
        """Pixels per metre at a distance of one metre, the mean of both directions."""
        return float(np.sqrt(abs(self.matrix[0, 0] * self.matrix[1, 1])))

    @cached_property
    def _limit(self) -> float:
        return self.lens.limit if self.lens is not None else np.inf

    @cached_property
    def rays(self) -> tuple[np.ndarray, np.ndarray]:
        """x / z and y / z of what each pixel sees, each (height, width) float32; NaN where the lens shows nothing."""
        columns, rows = np.meshgrid(np.arange(self.width, dtype=float), np.arange(self.height, dtype=float))
        (fx, skew, cx), (_, fy, cy) = self.matrix[:2]
        y = (rows - cy) / fy
        x = (columns - cx - skew * y) / fx
        if self.lens is not None:
            x, y = self.lens.unbend(x, y)
        if self.turn is not None:
            x, y, z = np.einsum('ji,j...->i...', self.turn, np.stack([x, y, np.ones_like(x)]))
            x, y = x / z, y / z
        return x.astype(np.float32), y.astype(np.float32)

    def points(self, depth: np.ndarray) -> np.ndarray:
        """Every pixel of a depth image in space.

        Args:
            depth: (height, width) metres along the axis of the camera, NaN where nothing was measured.

        Returns:
            (height, width, 3) metres in the frame of the camera, of the type of `depth`.
        """
        x, y = self.rays
        return np.stack([depth * x - self.shift[0], depth * y - self.shift[1], depth], -1)

    def project(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pixels that see points.

        Args:
            x, y, z: each (N,), metres in the frame of the camera.

        Returns:
            Column and row, each (N,), of the type of the points; they may lie outside the image. NaN where the camera
            cannot see the point: behind it, or further from the axis than the model of the lens holds.
        """
        if self.shift != (0.0, 0.0):
            x, y = x + self.shift[0], y + self.shift[1]
        if self.turn is not None:
            x, y, z = (np.array(row, z.dtype) @ np.stack([x, y, z]) for row in self.turn)
        z = np.where(z > NEAREST, z, np.nan)
        across, down = x / z, y / z
        if self.lens is not None:
            if np.isfinite(self._limit):
                beyond = across * across + down * down > self._limit**2
                across, down = np.where(beyond, np.nan, across), np.where(beyond, np.nan, down)
            across, down = self.lens.bend(across, down)
        (fx, skew, cx), (_, fy, cy) = (tuple(float(value) for value in row) for row in self.matrix[:2])
        columns = across * fx + cx
        if skew:
            columns = columns + down * skew
        return columns, down * fy + cy

    def is_like(self, other: Camera) -> bool:
        """Whether both map every point to the same pixel, so that images of one lie upon those of the other."""
        return (
            (self.height, self.width, self.shift) == (other.height, other.width, other.shift)
            and self.lens is None
            and other.lens is None
            and self.turn is None
            and other.turn is None
            and bool(np.allclose(self.matrix, other.matrix, rtol=1e-4, atol=0.05))
        )


def camera_of(info: Any, *, rectified: bool, image_size: tuple[int, int]) -> Camera:
    """The camera of a sensor_msgs/CameraInfo, or of any object with its fields.

    Raw images are seen through K, D and the R that turns them into the rectified ones, whose axes are those of the
    frame, as in image_geometry. Rectified ones are seen through P.

    Args:
        info: its width, height, region of interest and binning count.
        rectified: the image is rectified, so that P counts. Where P or K is zero, the other one counts.
        image_size: (height, width) of the image: that of the calibration, or of its region of interest, binned, or one
            of these resized.

    Raises:
        ValueError: if the camera is not calibrated, its distortion model is unknown, or the image has another shape.
    """
    intrinsics: np.ndarray = np.array(info.k, float).reshape(3, 3)
    projection: np.ndarray = np.array(info.p, float).reshape(3, 4)
    if not (np.isfinite(intrinsics).all() and np.isfinite(projection).all()):
        raise ValueError('the camera is not calibrated: K or P of its CameraInfo is not finite')
    has_k, has_p = (bool(matrix[0, 0] and matrix[1, 1]) for matrix in (intrinsics, projection))
    if not (has_k or has_p):
        raise ValueError('the camera is not calibrated: K and P of its CameraInfo are zero')
    scale, offset = sensor_to_image(info, image_size)
    to_image = np.array([[scale[0], 0, offset[0]], [0, scale[1], offset[1]], [0, 0, 1]])
    height, width = image_size
    if has_p and (rectified or not has_k):
        shift = (float(projection[0, 3] / projection[0, 0]), float(projection[1, 3] / projection[1, 1]))
        return Camera(height, width, to_image @ projection[:, :3], shift=shift)
    if rectified:  # without P an image without distortion is seen through K
        return Camera(height, width, to_image @ intrinsics)
    coefficients = checked_coefficients(info.distortion_model, info.d)
    fisheye = info.distortion_model in FISHEYE_MODELS
    lens = Distortion(coefficients, fisheye) if fisheye or coefficients.any() else None
    turn: np.ndarray = np.array(info.r, float).reshape(3, 3).T
    turned = bool(turn.any()) and not np.allclose(turn, np.eye(3), atol=1e-6)
    return Camera(height, width, to_image @ intrinsics, lens, turn if turned else None)


def sensor_to_image(info: Any, image_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """From a pixel of the whole sensor, which K and P mean, to one of the image (height, width).

    Returns:
        scale and offset, each (2,) across and down: pixel * scale + offset.

    Raises:
        ValueError: if the image has another shape than the calibration says.
    """
    size, (height, width) = (info.width, info.height), image_size
    if not all(size):
        return np.ones(2), np.zeros(2)
    roi, corner = info.roi, (0, 0)
    if roi.width and roi.height:
        corner, size = (roi.x_offset, roi.y_offset), (roi.width, roi.height)
    scale = np.array((width / size[0], height / size[1]))  # binning is one reason for it
    across, down = scale * (max(1, info.binning_x), max(1, info.binning_y))
    if abs(across / down - 1) > SCALE_TOLERANCE + 1 / min(height, width):  # sizes are rounded
        raise ValueError(
            f'the image of {width} x {height} is no scaled one of {size[0]} x {size[1]} pixels, for which '
            'the CameraInfo is: is one of them turned or cropped?'
        )
    return scale, -np.array(corner) * scale

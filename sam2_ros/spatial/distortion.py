"""What a lens does to the rays that enter it, by the models of sensor_msgs/CameraInfo."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_POLYNOMIAL = (0, 4, 5, 8, 12, 14)
_FISHEYE = (0, 4)
COEFFICIENTS = {  # distortion model -> how many coefficients it may have
    '': _POLYNOMIAL,
    'none': (0,),
    'plumb_bob': _POLYNOMIAL,
    'rational_polynomial': _POLYNOMIAL,
    'equidistant': _FISHEYE,
    'fisheye': _FISHEYE,
}
FISHEYE_MODELS = ('equidistant', 'fisheye')
MAX_QUOTE = 80  # characters of a name that are repeated
PLAIN = 8  # so many coefficients have a short formula; OpenCV computes those with prisms and tilt
STEEPEST = np.radians(87)  # rays further from the axis are not looked at
UNBENDING_STEPS = 30  # of the iteration that undoes a lens; each makes the error smaller by the share that it bends
STEPS, DIRECTIONS = 512, 8  # at which the limit of a model is looked for


def checked_coefficients(model: str, coefficients: np.ndarray) -> np.ndarray:
    """The coefficients, as float64.

    Raises:
        ValueError: if the model is unknown, or has another number of coefficients.
    """
    accepted = COEFFICIENTS.get(model)
    if accepted is None:
        names = ', '.join(name for name in COEFFICIENTS if name)
        raise ValueError(f'the distortion model {model[:MAX_QUOTE]!r} is unknown; accepted are {names}')
    found = np.array(coefficients, float)
    if found.size not in accepted:
        raise ValueError(
            f'D of the CameraInfo has {found.size} coefficients; the distortion model {model!r} '
            f'has {" or ".join(map(str, accepted))}'
        )
    if not np.isfinite(found).all():
        raise ValueError('D of the CameraInfo holds numbers that are not finite')
    return found


@dataclass(frozen=True, eq=False)
class Distortion:
    """A lens. Rays are x / z and y / z of what is seen.

    Attributes:
        coefficients: (N,) as `checked_coefficients` returns them.
        fisheye: the model of a fisheye, a polynomial of the angle to the axis; otherwise OpenCV's ordinary one.
    """

    coefficients: np.ndarray
    fisheye: bool

    def bend(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rays (any shape) after the lens, of the type of `x`."""
        if self.fisheye:
            return _bent_by_fisheye(x, y, self.coefficients)
        if self.coefficients.size <= PLAIN:
            return _bent_by_polynomial(x, y, self.coefficients)
        rays = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 1, 3).astype(float)
        still = np.zeros(3)
        found, _ = cv2.projectPoints(rays, still, still, np.eye(3), self.coefficients)
        bent = found.reshape(*x.shape, 2).astype(x.dtype)
        return bent[..., 0], bent[..., 1]

    def unbend(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rays (any shape) that the lens bends into these; NaN where there are none."""
        across, down = x, y
        if self.fisheye:
            bent = np.stack([x, y], -1).reshape(-1, 1, 2).astype(float)
            four = np.append(self.coefficients, np.zeros(4))[:4]
            found = cv2.fisheye.undistortPoints(bent, np.eye(3), four).reshape(*x.shape, 2)
            across, down = found[..., 0], found[..., 1]
        with np.errstate(all='ignore'):  # what does not converge is left out below
            for _ in range(0 if self.fisheye else UNBENDING_STEPS):
                again_x, again_y = self.bend(across, down)
                across, down = across - (again_x - x), down - (again_y - y)
            again_x, again_y = self.bend(across, down)
            right = (np.hypot(again_x - x, again_y - y) < 1e-4) & (np.hypot(across, down) < self.limit)
        return np.where(right, across, np.nan), np.where(right, down, np.nan)

    @property
    def limit(self) -> float:
        """How far a ray may be from the axis, as length of (x / z, y / z).

        Further out the polynomial turns round: it would fold what is outside the view into the image. Infinite for a
        lens that never does.
        """
        radii = np.tan(np.linspace(0, STEEPEST, STEPS))
        limit = np.inf
        for angle in np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS):
            across, down = np.cos(angle), np.sin(angle)
            x, y = self.bend(radii * across, radii * down)
            turns = np.flatnonzero(np.diff(x * across + y * down) <= 0)
            if turns.size:
                limit = min(limit, float(radii[turns[0]]))
        return limit


def _bent_by_polynomial(x: np.ndarray, y: np.ndarray, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Up to 8 coefficients k1 k2 p1 p2 k3 k4 k5 k6 of OpenCV."""
    k1, k2, p1, p2, k3, k4, k5, k6 = (float(value) for value in np.append(coefficients, np.zeros(PLAIN))[:PLAIN])
    square = x * x + y * y
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    if k4 or k5 or k6:
        radial = radial / (1 + square * (k4 + square * (k5 + square * k6)))
    if not (p1 or p2):
        return x * radial, y * radial
    product = 2 * x * y
    return (
        x * radial + p1 * product + p2 * (square + 2 * x * x),
        y * radial + p1 * (square + 2 * y * y) + p2 * product,
    )


def _bent_by_fisheye(x: np.ndarray, y: np.ndarray, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A polynomial of the angle to the axis (Kannala and Brandt)."""
    k1, k2, k3, k4 = (float(value) for value in np.append(coefficients, np.zeros(4))[:4])
    radius = np.hypot(x, y)
    angle = np.arctan(radius)
    square = angle * angle
    bent = angle * (1 + square * (k1 + square * (k2 + square * (k3 + square * k4))))
    scale = np.divide(bent, radius, out=np.ones_like(radius), where=radius > 0)
    return x * scale, y * scale

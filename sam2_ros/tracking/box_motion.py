"""How the box of an object moves in the image: a Kalman filter of constant velocity, one step per frame.

The filter of SORT and DeepSORT, with the uncertainties of SAMURAI (arXiv 2411.11922), which grow with the height of the
box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam2_ros.tracking.candidates import Extent

POSITION_WEIGHT = 1 / 20  # standard deviation of a position in a frame, in heights
VELOCITY_WEIGHT = 1 / 160  # standard deviation of a velocity in a frame, in heights per frame
FIRST_POSITION, FIRST_VELOCITY = 2, 10  # multiples of these with which the first box is believed
ASPECT_STD, ASPECT_VELOCITY_STD = 1e-2, 1e-5  # of the aspect ratio, first and in a frame
MEASURED_ASPECT_STD = 1e-1

_STEP = np.eye(8) + np.eye(8, k=4)  # every position moves by its velocity


@dataclass(frozen=True, eq=False)
class BoxMotion:
    """A box and its velocity, with their covariance. Immutable.

    Attributes:
        mean: (8,) float64: centre x and y in pixels, aspect ratio width / height, height in pixels; then how much each
            changes per frame.
        covariance: (8, 8) float64.
    """

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def begin(cls, extent: Extent) -> BoxMotion:
        """The motion of a box that is seen for the first time, at rest."""
        box = _measured(extent)
        deviations = _deviations(box[3], position=FIRST_POSITION, velocity=FIRST_VELOCITY)
        return cls(np.concatenate([box, np.zeros(4)]), np.diag(deviations**2))

    def predicted(self) -> BoxMotion:
        """The motion one frame later."""
        noise = np.diag(_deviations(self.mean[3]) ** 2)
        return BoxMotion(_STEP @ self.mean, _STEP @ self.covariance @ _STEP.T + noise)

    def corrected(self, extent: Extent) -> BoxMotion:
        """The motion after the box of its own frame was seen."""
        noise = _deviations(self.mean[3])[:4]
        noise[2] = MEASURED_ASPECT_STD
        expected = self.covariance[:4, :4] + np.diag(noise**2)
        gain = np.linalg.solve(expected, self.covariance[:4]).T
        mean = self.mean + gain @ (_measured(extent) - self.mean[:4])
        return BoxMotion(mean, self.covariance - gain @ expected @ gain.T)

    def iou(self, extent: Extent) -> float:
        """IoU of the expected box with another; 0 where that has no area, or is that of an empty mask.

        Both are taken as they are: not clipped to the image, and x0 to x1 is x1 - x0 wide.
        """
        x, y, aspect, height = self.mean[:4].tolist()
        width = aspect * height
        x0, y0, x1, y1 = extent
        shared = max(0.0, min(x + width / 2, x1) - max(x - width / 2, x0))
        shared *= max(0.0, min(y + height / 2, y1) - max(y - height / 2, y0))
        together = width * height + (x1 - x0) * (y1 - y0) - shared
        return shared / together if together and any(extent) else 0.0


def _measured(extent: Extent) -> np.ndarray:
    """Centre, aspect ratio and height; a box without height counts as one pixel high."""
    x0, y0, x1, y1 = extent
    height = y1 - y0 or 1
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / height, height])


def _deviations(height: float, *, position: float = 1, velocity: float = 1) -> np.ndarray:
    """Standard deviations (8,) of a state whose box is so high."""
    place, speed = position * POSITION_WEIGHT * height, velocity * VELOCITY_WEIGHT * height
    return np.array([place, place, ASPECT_STD, place, speed, speed, ASPECT_VELOCITY_STD, speed])

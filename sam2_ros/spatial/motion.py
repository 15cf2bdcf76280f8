"""Where a thing is and how it moves: a Kalman filter of constant velocity in a frame that stands still."""

from __future__ import annotations

import numpy as np

GATE = 14.16  # squared Mahalanobis distance; in three dimensions 99.7 % lie within, as within 3 sigma in one
REJECTIONS = 3  # so many positions in a row that do not fit are believed: the filter begins anew
FIRST_SPEED = 1.0  # metres per second: how fast a thing may be of which only one position is known
NANOSECONDS = 1_000_000_000


class MotionFilter:
    """Position and velocity of one thing, from positions at their stamps.

    Attributes:
        stamp_ns: of the newest position that was taken, in nanoseconds.
        rejected: positions in a row that did not fit.
    """

    def __init__(self, position: np.ndarray, covariance: np.ndarray, *, stamp_ns: int) -> None:
        """Begin at a position (3,) in metres with its covariance (3, 3)."""
        self.rejected = 0
        self._begin(position, covariance, stamp_ns)

    def _begin(self, position: np.ndarray, covariance: np.ndarray, stamp_ns: int) -> None:
        self.stamp_ns = stamp_ns
        self._state = np.concatenate([position, np.zeros(3)])
        self._covariance = np.zeros((6, 6))
        self._covariance[:3, :3] = covariance
        self._covariance[3:, 3:] = FIRST_SPEED**2 * np.eye(3)

    def at(self, stamp_ns: int, *, process_noise: float) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity at a time, as far as known now. Nothing is changed.

        Args:
            stamp_ns: in nanoseconds. Before the newest position too, where uncertainty grows as it does after it.
            process_noise: metres per second squared, how strongly the thing may speed up or turn.

        Returns:
            (6,) x y z in metres and their velocities in metres per second; (6, 6) covariance.
        """
        seconds = (stamp_ns - self.stamp_ns) / NANOSECONDS
        step = np.eye(6)
        step[:3, 3:] = seconds * np.eye(3)
        # white noise of the acceleration: over a second its root mean square is `process_noise`
        push = process_noise**2 * np.kron(
            [[abs(seconds) ** 3 / 3, seconds * abs(seconds) / 2], [seconds * abs(seconds) / 2, abs(seconds)]], np.eye(3)
        )
        return step @ self._state, step @ self._covariance @ step.T + push

    def update(
        self,
        position: np.ndarray,
        covariance: np.ndarray,
        *,
        stamp_ns: int,
        process_noise: float,
        keep_velocity: bool = False,
    ) -> bool:
        """Take a position; False if it was refused, because it does not fit to the motion so far.

        After REJECTIONS in a row the filter begins anew with the position. A position that is not newer than the last
        one is refused and not counted.

        Args:
            position: (3,) metres.
            covariance: (3, 3) square metres.
            stamp_ns: in nanoseconds.
            process_noise: metres per second squared.
            keep_velocity: the position says nothing about the velocity.
        """
        if stamp_ns <= self.stamp_ns:
            return False
        state, predicted = self.at(stamp_ns, process_noise=process_noise)
        expected = predicted[:3, :3] + covariance
        surprise = position - state[:3]
        if float(surprise @ np.linalg.solve(expected, surprise)) > GATE:
            self.rejected += 1
            if self.rejected < REJECTIONS:
                return False
            self._begin(position, covariance, stamp_ns)
        else:
            gain = np.linalg.solve(expected, predicted[:3]).T
            if keep_velocity:
                gain[3:] = 0.0
            keep = np.eye(6)
            keep[:, :3] -= gain
            self._state = state + gain @ surprise
            # Joseph's form, which holds for any gain
            self._covariance = keep @ predicted @ keep.T + gain @ covariance @ gain.T
            self.stamp_ns = stamp_ns
        self.rejected = 0
        return True

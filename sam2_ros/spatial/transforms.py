"""Rigid transforms between frames as 4x4 matrices, and what looks them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

# (stamp in nanoseconds, target frame, source frame) -> (4, 4) float64, which moves points of the source into the
# target. Raises TransformError.
Lookup = Callable[[int, str, str], np.ndarray]


class TransformError(ValueError):
    """There is no such transform. The message says which and why."""


class TransformNotYet(TransformError):
    """The transform is not known yet, but may become known."""


def equal_frames_only(stamp_ns: int, target: str, source: str) -> np.ndarray:
    """A `Lookup` where nothing tells transforms: the identity for equal frames.

    Raises:
        TransformError: for two frames.
    """
    if target != source:
        raise TransformError(
            f'the frames {target!r} and {source!r} differ, and without tf2_ros nothing tells where one is in the other'
        )
    return np.eye(4)


def rigid(translation: Sequence[float], quaternion: Sequence[float]) -> np.ndarray:
    """The (4, 4) matrix of a translation (x, y, z) in metres and a unit quaternion (x, y, z, w).

    Raises:
        TransformError: if the quaternion is of length zero, or something is not finite.
    """
    axis_and_angle, shift = np.array(quaternion, float), np.array(translation, float)
    length = np.linalg.norm(axis_and_angle)
    if not (np.isfinite(length) and length > 0 and np.isfinite(shift).all()):
        raise TransformError(f'a transform of rotation {tuple(quaternion)} and translation {tuple(translation)}')
    x, y, z, w = axis_and_angle / length
    matrix = np.eye(4)
    matrix[:3, :3] = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    matrix[:3, 3] = shift
    return matrix


def quaternion_of(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """The unit quaternion (x, y, z, w), w not negative, of a rotation matrix (3, 3)."""
    (a, b, c), (d, e, f), (g, h, i) = np.asarray(rotation, float)
    # each of the four alone is exact only where it is not small: begin with the largest
    squares = np.maximum(0, (1 + a - e - i, 1 - a + e - i, 1 - a - e + i, 1 + a + e + i))
    largest = int(np.argmax(squares))
    quaternion = (
        (squares[0], b + d, c + g, h - f),
        (b + d, squares[1], f + h, c - g),
        (c + g, f + h, squares[2], d - b),
        (h - f, c - g, d - b, squares[3]),
    )[largest] / (2 * np.sqrt(squares[largest]))
    x, y, z, w = (float(value) for value in (quaternion if quaternion[3] >= 0 else -quaternion))
    return x, y, z, w


def inverse(matrix: np.ndarray) -> np.ndarray:
    """The transform back: (4, 4)."""
    back = np.eye(4)
    back[:3, :3] = matrix[:3, :3].T
    back[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3]
    return back


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (N, 3) moved by a (4, 4) transform; of the type of the points."""
    rotation, shift = matrix[:3, :3].astype(points.dtype), matrix[:3, 3].astype(points.dtype)
    return points @ rotation.T + shift


def is_identity(matrix: np.ndarray) -> bool:
    """Whether the transform moves nothing by more than what rounding does."""
    return bool(np.allclose(matrix, np.eye(4), atol=1e-9))

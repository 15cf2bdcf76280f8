"""Boxes around points: standing upright, along the axes, or along the points."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

TAIL = 0.25  # percent of the points at either end that a box leaves out
MOST_ANGLE_POINTS = 400  # that the angle of an upright box is found with
JUMP = 1.2  # a box turned as before may fit worse by this factor before it jumps to another angle ...
TURN = 1.02  # ... and by this one before it turns by a few degrees
KINDS = ('upright', 'axis_aligned', 'oriented')
# Axes of a camera, x right, y down, z ahead, as those of a body: ahead, left, up.
BODY_OF_CAMERA = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


@dataclass(frozen=True, eq=False)
class Box:
    """A box.

    Attributes:
        centre: (3,) metres.
        size: (3,) metres, along the axes of the box.
        rotation: (3, 3), whose columns are the axes of the box.
    """

    centre: np.ndarray
    size: np.ndarray
    rotation: np.ndarray


def fit_box(points: np.ndarray, kind: str, *, previous: np.ndarray | None = None, optical: bool = False) -> Box:
    """A box around all points but TAIL percent at each end of each axis.

    Args:
        points: (N, 3) metres, N at least 1.
        kind: 'upright': the z axis of the box is up, the other two lie along the sides seen from above.
            'axis_aligned': along the axes of the frame. 'oriented': along the directions in which the points spread.
        previous: (3, 3) rotation of the box before. Of all ways to name the axes the one nearest to it is taken.
        optical: the frame is that of a camera, in which up is -y.
    """
    points = points.astype(float)
    body = BODY_OF_CAMERA if optical else np.eye(3)
    if kind == 'axis_aligned':
        rotation = np.eye(3)
    elif kind == 'upright':
        before = None if previous is None else body.T @ previous
        rotation = body @ _turned(_upright_angle(points @ body, before))
    else:
        rotation = _principal_axes(points, body if previous is None else previous)
    inside = points @ rotation
    low, high = _ends(inside)
    return Box(rotation @ ((low + high) / 2), high - low, rotation)


def _ends(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What lies between TAIL percent of the points (N, D) at either end of each axis: two (D,)."""
    cut = min(int(len(points) * TAIL / 100), (len(points) - 1) // 2)
    ordered = np.partition(points, (cut, len(points) - 1 - cut), axis=0)
    return ordered[cut], ordered[len(points) - 1 - cut]


def _turned(angle: float) -> np.ndarray:
    """The rotation about z by this angle in radians."""
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _upright_angle(points: np.ndarray, previous: np.ndarray | None) -> float:
    """The angle about z, in radians, of the rectangle whose sides lie nearest to the points (N, 3) seen from above.

    Of two walls that meet, an L from above, the rectangle of least area would lie along either wall or across both. A
    rectangle looks the same after a quarter turn, so the angle nearest to the one before is taken. Round things have no
    angle: the one before is kept unless another is clearly better.
    """
    ground = points[:: -(-len(points) // MOST_ANGLE_POINTS), :2]
    before = 0.0 if previous is None else float(np.arctan2(previous[1, 0], previous[0, 0]))
    angle = before
    for reach, step, looser in ((45.0, 5.0, JUMP), (5.0, 1.0, TURN)):  # degrees
        angles = angle + np.radians(np.append(0.0, np.arange(-reach, reach, step)))
        misfits = _misfits(ground, angles)
        best = int(np.argmin(misfits))
        if misfits[0] <= looser * misfits[best]:
            best = 0
        angle = float(angles[best])
    return angle


def _misfits(ground: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """How far points (N, 2) lie from the nearest side of the rectangle around them, in metres, on average: by angle."""
    cosines, sines = (turn(angles)[:, None].astype(np.float32) for turn in (np.cos, np.sin))
    x, y = ground.T.astype(np.float32)
    nearest = np.full((len(angles), len(ground)), np.inf, np.float32)
    for along in (cosines * x + sines * y, cosines * y - sines * x):
        low, high = _ends(along.T)
        for side in (along - low[:, None], high[:, None] - along):
            np.minimum(nearest, np.abs(side), out=nearest)
    return nearest.mean(1)


def _principal_axes(points: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """The axes along which the points (N, 3) spread, as columns, named so that they are nearest to those before."""
    _, axes = np.linalg.eigh(np.cov(points.T) if len(points) > 1 else np.eye(3))
    likeness = previous.T @ axes
    order = max(permutations(range(3)), key=lambda order: sum(abs(likeness[i, j]) for i, j in enumerate(order)))
    axes = axes[:, order] * np.where([likeness[i, j] < 0 for i, j in enumerate(order)], -1.0, 1.0)
    if np.linalg.det(axes) < 0:  # a box looks the same from the other end of an axis
        axes[:, 2] = -axes[:, 2]
    return axes

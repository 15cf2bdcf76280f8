"""One look at an object: where its visible surface is, how large it is, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam2_ros.spatial.boxes import Box, fit_box
from sam2_ros.spatial.clusters import depth_range
from sam2_ros.spatial.labels import Layer
from sam2_ros.spatial.points import LabelledPoints
from sam2_ros.spatial.transforms import moved

MOST_POINTS = 4000  # of an object that are looked at; evenly spread ones are taken of more
CAMERA_NOISE = 0.002  # per metre: depth at z metres is wrong by this times z squared
LIDAR_NOISE = 0.02  # metres, at any distance
MASK_NOISE = 1.0  # pixels by which the outline of a mask is wrong
LEAST_NOISE = 0.003  # metres: stamps, calibration and transforms are never better


@dataclass(frozen=True, eq=False)
class Measurement:
    """What one depth image or cloud says about one object.

    Attributes:
        surface: (3,) metres: the median of the points of the visible surface, axis by axis.
        box: around these points. Its centre is the position of the object: as the object passes by, the median moves
            over its surface, but the centre of a box whose edges are seen stays where it is in the object.
        covariance: (3, 3) square metres, of the position.
        points: how many they are.
        truncated: the object goes on beyond the border of the image.
        area: square metres of the visible surface, as the camera sees it.
    """

    surface: np.ndarray
    box: Box
    covariance: np.ndarray
    points: int
    truncated: bool
    area: float


@dataclass(frozen=True, eq=False)
class Selection:
    """The labelled points of one object.

    Attributes:
        kept: (K,) where those of its visible surface are among all labelled points.
        taken: (T,) where those are that are no background: the same, its margin, and points that fly at its rim.
    """

    kept: np.ndarray
    taken: np.ndarray


def select(points: LabelledPoints, number: int, *, gap: float, min_points: int) -> Selection:
    """Which points are of the object.

    The core of the mask says how far away the object is; of the rest of the mask all that is as far away belongs to it.
    Background that shows through the mask, or beyond its edge, is further away or nearer.

    Args:
        points: of all objects.
        number: of the object, counted from 1.
        gap: metres, see `gap_at`.
        min_points: with fewer in the core the whole mask says how far away the object is.
    """
    own = np.flatnonzero(points.numbers == number)
    layers, depth = points.layers[own], points.depth[own]
    alone = points.alone[own] if points.alone is not None else np.zeros(len(own), bool)
    sure = (layers == Layer.CORE) & ~alone
    if np.count_nonzero(sure) < min_points:
        sure = layers >= Layer.RIM
    if not sure.any():
        return Selection(own[:0], own[layers >= Layer.RIM])
    low, high = depth_range(depth[sure], gap=gap)
    near = (depth >= low) & (depth <= high)
    kept = near & ~alone & (layers >= Layer.RIM)
    taken = (near | alone) & (layers >= Layer.RIM) | near & (layers == Layer.MARGIN)
    return Selection(own[kept], own[taken])


def measure(
    points: LabelledPoints,
    kept: np.ndarray,
    *,
    area: float,
    truncated: bool,
    focal: float,
    target_from_sensor: np.ndarray,
    box: str,
    previous: np.ndarray | None,
    optical: bool,
) -> Measurement:
    """Position, size and their uncertainty, in the target frame.

    Args:
        points: of all objects.
        kept: (K,) which of them are of this one; at least one.
        area: pixels of the mask.
        truncated: the mask touches the border of its image.
        focal: pixels per metre at one metre, of the camera of that image.
        target_from_sensor: (4, 4), from the frame of the points to the target frame, when they were measured.
        box: kind of the box, of boxes.KINDS.
        previous: (3, 3) rotation of its box before, in the target frame.
        optical: the target frame is that of a camera.
    """
    chosen = kept[:: -(-len(kept) // MOST_POINTS)]
    surface = moved(points.points[chosen], target_from_sensor)
    middle = np.median(surface, axis=0).astype(float)
    distance = float(np.median(points.depth[chosen]))
    fitted = fit_box(surface, box, previous=previous, optical=optical)
    truncated = truncated or (points.outermost is not None and bool(points.outermost[kept].any()))
    sensor = target_from_sensor[:3, 3]
    along = (middle - sensor) / max(float(np.linalg.norm(middle - sensor)), 1e-6)
    sideways = MASK_NOISE * distance / focal
    depth_noise = CAMERA_NOISE * distance**2 if points.places is not None else LIDAR_NOISE
    spread = np.atleast_2d(np.cov(surface.T)) / len(kept) if len(kept) > 1 else np.zeros((3, 3))
    covariance = (
        (sideways**2 + LEAST_NOISE**2) * np.eye(3)
        + max(0.0, depth_noise**2 - sideways**2) * np.outer(along, along)
        + spread
    )
    return Measurement(middle, fitted, covariance, len(kept), truncated, area * (distance / focal) ** 2)

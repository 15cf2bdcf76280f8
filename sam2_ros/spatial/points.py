"""Points of a depth image or a cloud, each with the label of the object whose mask it falls into.

There is one path for all sensors: points are projected into the camera whose image the masks are of, and the label is
looked up there. A depth image that lies upon that image pixel by pixel takes a short cut to the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sam2_ros.spatial.camera import Camera
from sam2_ros.spatial.labels import LabelImage
from sam2_ros.spatial.transforms import inverse, is_identity, moved

GAP_SLOPE = 0.02  # metres per metre of distance: how much more points of one surface may be apart further away
_NEIGHBOURS = ((0, 1), (1, -1), (1, 0), (1, 1))  # down and across; the other four are the same pairs


@dataclass(frozen=True, eq=False)
class LabelledPoints:
    """The points that fall into a mask or its margin.

    Attributes:
        labels: (N,) uint16, as in LabelImage.
        points: (N, 3) float32, metres in the frame of the sensor.
        depth: (N,) float32, metres along the axis of the camera whose image the masks are of.
        places: (N,) where each is in the depth image, row * width + column; None for a cloud.
        alone: (N,) bool: most neighbours of the pixel are much nearer or further; such pixels fly at an edge. None for
            a cloud.
        outermost: (N,) bool: at the border of the depth image; None for a cloud.
    """

    labels: np.ndarray
    points: np.ndarray
    depth: np.ndarray
    places: np.ndarray | None = None
    alone: np.ndarray | None = None
    outermost: np.ndarray | None = None

    @cached_property
    def numbers(self) -> np.ndarray:
        """(N,) number of the object of each point, counted from 1."""
        return self.labels >> 2

    @cached_property
    def layers(self) -> np.ndarray:
        """(N,) Layer of each point."""
        return self.labels & 3


def gap_at(depth: Any, gap: float) -> Any:
    """How far points of one surface may be apart along the ray, in metres, at a depth (number or array) in metres.

    `gap` is that at the camera.
    """
    return gap + GAP_SLOPE * depth


def label_depth(
    depth: np.ndarray,
    camera: Camera,
    labels: LabelImage,
    *,
    image_camera: Camera,
    image_from_depth: np.ndarray,
    gap: float,
) -> LabelledPoints:
    """The labelled points of a depth image.

    Args:
        depth: (H, W) float32 as of `in_metres`.
        camera: that sees the depth.
        labels: of the image that the masks are of.
        image_camera: that sees that image.
        image_from_depth: (4, 4), from the frame of the depth camera to that of the other.
        gap: metres, see `gap_at`.
    """
    same_place = is_identity(image_from_depth)
    if same_place and camera.is_like(image_camera):
        x0, y0, x1, y1 = labels.box
        values = labels.values[y0:y1, x0:x1]
        rows, columns = np.nonzero((values != 0) & ~np.isnan(depth[y0:y1, x0:x1]))
        found = values[rows, columns]
        places = (rows + y0) * camera.width + columns + x0
        along = depth.ravel()[places]
    else:
        window = _window(depth, camera, labels, image_camera, image_from_depth)
        part = depth[window]
        across, down = (ray[window] for ray in camera.rays)
        turn, shift = image_from_depth[:3, :3], image_from_depth[:3, 3]
        shift = shift - turn[:, :2] @ np.array(camera.shift)
        # the rays, turned, times the depth: less work than to turn each point
        x, y, z = (
            part * (across * np.float32(row[0]) + down * np.float32(row[1]) + np.float32(row[2])) + np.float32(way)
            for row, way in zip(turn, shift, strict=True)
        )
        within, found = _looked_up(labels, *image_camera.project(x.ravel(), y.ravel(), z.ravel()))
        along = z.ravel()[within]
        rows, columns = np.divmod(within, max(1, part.shape[1]))
        places = (rows + window[0].start) * camera.width + columns + window[1].start
    own = depth.ravel()[places]
    points = np.stack([own * ray.ravel()[places] for ray in camera.rays] + [own], -1)
    points[:, :2] -= np.array(camera.shift, np.float32)
    rows, columns = np.divmod(places, camera.width)
    return LabelledPoints(
        found,
        points,
        along,
        places,
        _alone(depth, rows, columns, gap),
        (rows == 0) | (rows == camera.height - 1) | (columns == 0) | (columns == camera.width - 1),
    )


def _window(
    depth: np.ndarray, camera: Camera, labels: LabelImage, image_camera: Camera, image_from_depth: np.ndarray
) -> tuple[slice, slice]:
    """The part of the depth image that can fall onto the labels, which saves work; all of it where that is not known.

    What the labels cover is seen between the nearest and the furthest depth: a pyramid without its top, whose corners
    bound it in the depth image, too.
    """
    whole = slice(0, camera.height), slice(0, camera.width)
    x0, y0, x1, y1 = labels.box
    if x0 == x1:
        return slice(0, 0), slice(0, 0)
    valid = depth[~np.isnan(depth)]
    if camera.lens is not None or not valid.size:
        return whole
    sides = [ray[y0:y1, x0:x1] for ray in image_camera.rays]
    (left, right), (top, bottom) = ((float(side.min()), float(side.max())) for side in sides)
    # by as much the axes of the two cameras may differ, the depth along them does
    tilt = (1 + left**2 + right**2 + top**2 + bottom**2) ** 0.5 * float(
        np.abs(image_from_depth[2] - (0, 0, 1, 0)).sum()
    )
    nearest, furthest = float(valid.min()) * (1 - tilt) - tilt, float(valid.max()) * (1 + tilt) + tilt
    if not (np.isfinite((left, right, top, bottom)).all() and nearest > 0):
        return whole
    corners = np.array([(x * z, y * z, z) for x in (left, right) for y in (top, bottom) for z in (nearest, furthest)])
    columns, rows = camera.project(*moved(corners, inverse(image_from_depth)).T)
    if not np.isfinite(columns).all():
        return whole
    return (
        slice(*(int(np.clip(edge, 0, camera.height)) for edge in (rows.min() - 1, rows.max() + 3))),
        slice(*(int(np.clip(edge, 0, camera.width)) for edge in (columns.min() - 1, columns.max() + 3))),
    )


def label_cloud(
    points: np.ndarray,
    labels: LabelImage,
    *,
    image_camera: Camera,
    image_from_cloud: np.ndarray,
    low: float,
    high: float,
) -> LabelledPoints:
    """The labelled points of a cloud, such as that of a LiDAR.

    Args:
        points: (N, 3) float32, metres in the frame of the sensor; what is not finite is left out.
        labels: of the image that the masks are of.
        image_camera: that sees that image.
        image_from_cloud: (4, 4), from the frame of the sensor to that of the camera.
        low, high: metres from the sensor, the accepted range.
    """
    x, y, z = (points @ row[:3].astype(np.float32) + np.float32(row[3]) for row in image_from_cloud[:3])
    places, found = _looked_up(labels, *image_camera.project(x, y, z))
    kept = points[places]
    away = np.einsum('ij,ij->i', kept, kept)
    within = (away >= low * low) & (away <= high * high)
    return LabelledPoints(found[within], kept[within], z[places[within]])


def _looked_up(labels: LabelImage, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the pixels (N,) have a label, and it."""
    x0, y0, x1, y1 = labels.box
    inside = (columns >= x0 - 0.5) & (columns < x1 - 0.5) & (rows >= y0 - 0.5) & (rows < y1 - 0.5)
    places = np.flatnonzero(inside)
    found = labels.values[(rows[places] + 0.5).astype(np.intp), (columns[places] + 0.5).astype(np.intp)]
    labelled = found != 0
    return places[labelled], found[labelled]


def _alone(depth: np.ndarray, rows: np.ndarray, columns: np.ndarray, gap: float) -> np.ndarray:
    """Whether more of the 8 neighbours are apart from the pixel than near to it. Those without a value do not count."""
    if not len(rows):
        return np.zeros(0, bool)
    top, left = max(int(rows.min()) - 1, 0), max(int(columns.min()) - 1, 0)
    part = depth[top : int(rows.max()) + 2, left : int(columns.max()) + 2]
    limit, balance = gap_at(part, gap), np.zeros(part.shape, np.int8)
    height, width = part.shape
    for down, across in _NEIGHBOURS:
        here = slice(0, height - down), slice(max(0, -across), width - max(0, across))
        there = slice(down, height), slice(max(0, across), width - max(0, -across))
        apart = np.abs(part[here] - part[there])
        vote = (apart <= limit[here]).view(np.int8) - (apart > limit[here]).view(np.int8)
        balance[here] += vote
        balance[there] += vote
    return balance[rows - top, columns - left] < 0

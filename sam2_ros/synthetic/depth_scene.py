"""A computed scene with depth: a floor, a wall, boxes and balls, seen exactly from anywhere.

The world has x and y on the floor and z up, in metres. A camera looks along its z axis, x right, y down. Depth has no
error but that of its type; `quantised`, `with_dropouts` and `with_flying_rims` make it what sensors deliver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Vector = tuple[float, float, float]
Colour = tuple[int, int, int]

_LIGHT = np.array((0.4, -0.5, 0.77))  # where it comes from
_TILE = 0.5  # metres, side of the tiles of floor and wall
_PATCH = 0.06  # metres, side of the patches on bodies


@dataclass(frozen=True)
class Body:
    """A thing that stands or moves in a straight line.

    Attributes:
        name: of the body.
        size: metres along its own axes. A ball has three equal ones.
        start: metres, its middle at time 0.
        colour: RGB.
        ball: a ball instead of a box.
        yaw: radians about z, of a box.
        velocity: metres per second.
    """

    name: str
    size: Vector
    start: Vector
    colour: Colour
    ball: bool = False
    yaw: float = 0.0
    velocity: Vector = (0.0, 0.0, 0.0)

    def centre(self, time: float) -> np.ndarray:
        """(3,) metres, its middle at a time in seconds."""
        return np.array(self.start) + time * np.array(self.velocity)

    @property
    def axes(self) -> np.ndarray:
        """(3, 3), whose columns are its own axes."""
        sine, cosine = np.sin(self.yaw), np.cos(self.yaw)
        return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, eq=False)
class View:
    """What a sensor sees. `...` stands for the shape of its rays.

    Attributes:
        depth: (...) float32, in lengths of the rays, NaN where nothing is.
        numbers: (...) uint8, of the body, counted from 1; 0 for floor, wall and nothing.
        rgb: (..., 3) uint8.
    """

    depth: np.ndarray
    numbers: np.ndarray
    rgb: np.ndarray


class DepthScene:
    """Bodies on a floor before a wall."""

    def __init__(self, bodies: Sequence[Body], *, wall: float = 4.0) -> None:
        """`wall`: metres along x; the wall stands across it, turned to the origin."""
        self.bodies = tuple(bodies)
        self.wall = wall

    def look(self, rays: np.ndarray, pose: np.ndarray, *, time: float = 0.0, paint: bool = True) -> View:
        """What is seen along rays.

        Args:
            rays: (..., 3) in the frame of the sensor. Depth counts in their lengths: with z = 1 it is that along the
                axis of a camera, with length 1 the distance.
            pose: (4, 4), from the sensor to the world.
            time: in seconds.
            paint: make the colours; without, they are black.
        """
        shape, origin = rays.shape[:-1], pose[:3, 3]
        ways = (rays.reshape(-1, 3) @ pose[:3, :3].T).astype(np.float64)
        nearest, numbers = np.full(len(ways), np.inf), np.zeros(len(ways), np.uint8)
        normals = np.zeros((len(ways), 3))
        for axis, place, normal in ((2, 0.0, (0, 0, 1)), (0, self.wall, (-1, 0, 0))):
            with np.errstate(divide='ignore', invalid='ignore'):
                away = (place - origin[axis]) / ways[:, axis]
            hit = (away > 0) & (away < nearest)
            nearest[hit], normals[hit] = away[hit], normal
        lengths = np.einsum('ij,ij->i', ways, ways)
        for number, body in enumerate(self.bodies, 1):
            towards = body.centre(time) - origin
            along = ways @ towards
            # only the rays that pass the middle within half the diagonal can hit
            reach = towards @ towards - sum(length**2 for length in body.size) / 4
            near = np.flatnonzero((along > 0) & (along * along >= reach * lengths))
            away, facing = (_ball if body.ball else _box)(body, origin, ways[near], time)
            hit = away < nearest[near]
            nearest[near[hit]], normals[near[hit]], numbers[near[hit]] = away[hit], facing[hit], number
        found = np.isfinite(nearest)
        rgb = np.zeros((len(ways), 3), np.uint8)
        if paint:
            at = origin + ways[found] * nearest[found, None]
            rgb[found] = self._paint(at, normals[found], numbers[found], time)
        nearest[~found] = np.nan
        return View(nearest.reshape(shape).astype(np.float32), numbers.reshape(shape), rgb.reshape(*shape, 3))

    def _paint(self, at: np.ndarray, normals: np.ndarray, numbers: np.ndarray, time: float) -> np.ndarray:
        """The colours of points (N, 3): (N, 3) uint8."""
        colours = np.empty((len(at), 3))
        tiles = np.floor(at / _TILE + 1e-6).sum(1) % 2
        colours[:] = 150 + 25 * tiles[:, None]
        for number, body in enumerate(self.bodies, 1):
            own = numbers == number
            inside = (at[own] - body.centre(time)) @ body.axes
            patches = np.floor(inside / _PATCH + 1e-6).sum(1) % 2
            colours[own] = np.array(body.colour) * (0.8 + 0.2 * patches[:, None])
        light = 0.55 + 0.45 * np.clip(normals @ _LIGHT, 0, 1)
        return np.clip(colours * light[:, None], 0, 255).astype(np.uint8)


def _ball(body: Body, origin: np.ndarray, ways: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
    """How far it is to a ball along each way (N, 3): (N,), infinite beside it; and the normals there, (N, 3)."""
    start = origin - body.centre(time)
    square, half = np.einsum('ij,ij->i', ways, ways), ways @ start
    root = half * half - square * (start @ start - (body.size[0] / 2) ** 2)
    away = (-half - np.sqrt(np.where(root > 0, root, np.nan))) / square
    away = np.where(away > 0, away, np.inf)
    return away, (start + ways * np.where(np.isfinite(away), away, 0)[:, None]) / (body.size[0] / 2)


def _box(body: Body, origin: np.ndarray, ways: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
    """As `_ball`, for a box."""
    start, turned = (origin - body.centre(time)) @ body.axes, ways @ body.axes
    with np.errstate(divide='ignore', invalid='ignore'):
        near = (-np.sign(turned) * np.array(body.size) / 2 - start) / turned
        far = (np.sign(turned) * np.array(body.size) / 2 - start) / turned
    face = np.argmax(near, 1)
    enters, leaves = near.max(1), far.min(1)
    away = np.where((enters < leaves) & (enters > 0), enters, np.inf)
    normals = -np.sign(np.take_along_axis(turned, face[:, None], 1)) * body.axes.T[face]
    return away, normals


def pinhole_rays(height: int, width: int, *, focal: float) -> np.ndarray:
    """(height, width, 3) float64 with z = 1: of a camera whose axis goes through the middle; `focal` in pixels."""
    x, y = (np.arange(width) - (width - 1) / 2) / focal, (np.arange(height) - (height - 1) / 2) / focal
    return np.stack([*np.meshgrid(x, y), np.ones((height, width))], -1)


def lidar_rays(*, lines: int = 32, low: float = -35.0, high: float = 5.0, step: float = 0.2) -> np.ndarray:
    """(N, 3) of length 1, of a sensor with x ahead and z up that looks half round.

    Args:
        lines: one above the other.
        low, high: degrees, of the lowest and the highest line.
        step: degrees between two rays of a line.
    """
    up, around = np.radians(np.linspace(low, high, lines)), np.radians(np.arange(-90, 90, step))
    up, around = (angles.ravel() for angles in np.meshgrid(up, around))
    return np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)], -1)


def looking(position: Vector, at: Vector) -> np.ndarray:
    """The pose (4, 4) of a level camera: from its frame to the world. Both points in metres."""
    ahead = np.subtract(at, position)
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(ahead, right), ahead])
    pose[:3, 3] = position
    return pose


def quantised(depth: np.ndarray, unit: float = 0.001) -> np.ndarray:
    """Depth in metres as uint16 in steps of `unit` metres, 0 where there is none: the encoding 16UC1."""
    return np.nan_to_num(np.round(depth / unit), nan=0.0).clip(0, 65535).astype(np.uint16)


def with_dropouts(depth: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Depth of which this share of the pixels, in small patches, was not measured."""
    patches = random.random((depth.shape[0] // 2 + 1, depth.shape[1] // 2 + 1)) < share
    holes = np.kron(patches, np.ones((2, 2), bool))[: depth.shape[0], : depth.shape[1]]
    return np.where(holes, np.float32(np.nan), depth)


def with_flying_rims(depth: np.ndarray, random: np.random.Generator, *, jump: float = 0.1) -> np.ndarray:
    """Depth in which pixels at edges lie anywhere between front and back, as those of many sensors do.

    Args:
        depth: (H, W) float32, metres.
        random: random numbers.
        jump: metres between front and back that make an edge.
    """
    solid = np.nan_to_num(depth, nan=0.0)
    around = np.ones((2, 2), np.uint8)  # the pixel that the edge goes through
    front, back = cv2.erode(solid, around), cv2.dilate(solid, around)
    edge = (back - front > jump) & (front > 0)
    flying = front + (back - front) * random.random(depth.shape, np.float32)
    return np.where(edge, flying, depth)

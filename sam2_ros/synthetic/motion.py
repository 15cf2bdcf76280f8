"""Paths of objects and camera, and two events on them: an object is hidden, or leaves the frame and comes back.

Positions are in units of the frame's shorter side, x right, y down, (0, 0) the upper left corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_OUT_OF_SIGHT = 0.2  # beyond the edge of the frame, because the camera may follow the object


def smooth_noise(rng: np.random.Generator, frames: int, *, period: float) -> np.ndarray:
    """Smooth noise (frames,) with standard deviation 1 that changes over about `period` frames."""
    knots = int(np.ceil(frames / period)) + 3
    values = rng.standard_normal(knots)
    at = (np.arange(frames) + rng.random() * period) / period
    left = at.astype(int)
    weight = at - left
    weight = weight * weight * (3 - 2 * weight)
    return values[left] * (1 - weight) + values[left + 1] * weight


def fold(position: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Reflect positions at the walls `low` and `high`, as a ball bounces."""
    span = np.maximum(high - low, 1e-6)
    folded = np.mod(position - low, 2 * span)
    return low + np.minimum(folded, 2 * span - folded)


def wander(rng: np.random.Generator, frames: int, *, extent: np.ndarray, speed: float, margin: float) -> np.ndarray:
    """A smooth path (frames, 2) within `extent`.

    Args:
        rng: random numbers.
        frames: number of frames.
        extent: (width, height) of the frame in scene units.
        speed: usual path length per frame.
        margin: least distance from the edge of the frame; negative: the path may go this far outside.
    """
    velocity = np.stack([smooth_noise(rng, frames, period=14) for _ in range(2)], axis=1)
    velocity = speed * (velocity + rng.normal(0, 1, 2))
    low, high = np.minimum(margin, extent / 2), np.maximum(extent - margin, extent / 2)
    start = rng.uniform(low, high)
    return fold(start + np.cumsum(velocity, axis=0), low, high)


def walk(rng: np.random.Generator, frames: int, *, extent: np.ndarray, speed: float) -> np.ndarray:
    """A pedestrian's path (frames, 2): straight, mostly sideways, past both ends of the frame. Some stand still."""
    direction = np.array([rng.choice((-1.0, 1.0)), rng.normal(0, 0.25)])
    pace = 0.0 if rng.random() < 0.15 else speed * rng.uniform(0.4, 1.2)
    jitter = 0.15 * speed * np.stack([smooth_noise(rng, frames, period=20) for _ in range(2)], axis=1)
    start = rng.uniform(0.05, 0.95, 2) * extent
    low, high = np.array([-0.15, 0.1]), extent + np.array([0.15, -0.1])
    return fold(start + np.cumsum(pace * direction + jitter, axis=0), low, high)


def hidden_phases(rng: np.random.Generator, frames: int) -> np.ndarray:
    """How far an event has progressed (frames,): 0 before and after it, 1 while the object is hidden.

    Short clips have one event, long ones about one in 45 frames. In clips of at least four frames, the event never
    hides frame 0 or 1 fully.
    """
    events = max(1, round(frames / 45))
    progress = np.zeros(frames)
    time = np.arange(frames)
    room = frames / events
    for event in range(events):
        hold = max(1.0, min(rng.uniform(0.2, 0.4) * room, 18.0))
        ramp = max(1.0, min(rng.uniform(0.12, 0.25) * room, 12.0))
        centre = (event + rng.uniform(0.5, 0.62)) * room
        stage = np.clip(1 - (np.abs(time - centre) - hold / 2) / ramp, 0, 1)
        progress = np.maximum(progress, stage * stage * (3 - 2 * stage))
    return progress


@dataclass(kw_only=True)
class Pose:
    """Where an object is over time.

    Attributes:
        position: (T, 2) of its centre.
        radius: (T,) half of its longer side.
        angle: (T,) radians, from x to y.
        squash: (T,) its width as a share of the width seen from the front.
        mirrored: left and right are exchanged.
    """

    position: np.ndarray
    radius: np.ndarray
    angle: np.ndarray
    squash: np.ndarray
    mirrored: bool = False

    def to_scene(self, frame: int) -> np.ndarray:
        """The (2, 3) map from object coordinates, [-1, 1] along its longer side, to the scene."""
        cos, sin = np.cos(self.angle[frame]), np.sin(self.angle[frame])
        side = self.squash[frame] * (-1 if self.mirrored else 1)
        linear = self.radius[frame] * np.array([[cos * side, -sin], [sin * side, cos]])
        return np.hstack([linear, self.position[frame][:, None]])

    def leave_and_return(self, rng: np.random.Generator, *, extent: np.ndarray) -> None:
        """Let the object leave the frame of `extent` on a random side, as far as needed, and come back."""
        axis, forward = int(rng.integers(2)), bool(rng.random() < 0.5)
        place = self.position[:, axis]
        gap = extent[axis] - place if forward else place
        reach = (gap + 1.6 * self.radius + _OUT_OF_SIGHT) * (1 if forward else -1)
        self.position = self.position.copy()
        self.position[:, axis] += hidden_phases(rng, len(place)) * reach

    def passed_over(self, rng: np.random.Generator, *, extent: np.ndarray, size: float) -> np.ndarray:
        """The path (T, 2) of something of half extent `size` that covers the object, stays over it, and goes on."""
        direction = rng.uniform(0, 2 * np.pi)
        away = 1 - hidden_phases(rng, len(self.position))
        reach = (float(extent.max()) * 0.6 + size) * np.array([np.cos(direction), np.sin(direction)])
        return self.position + away[:, None] * reach


@dataclass(frozen=True)
class Camera:
    """Affine maps (frames, 2, 3) from scene units to pixels."""

    to_pixels: np.ndarray

    def apply(self, frame: int, local_to_scene: np.ndarray) -> np.ndarray:
        """Combine a (2, 3) map from object to scene with the camera of a frame: a (2, 3) map to pixels."""
        camera = self.to_pixels[frame]
        linear = camera[:, :2] @ local_to_scene[:, :2]
        return np.hstack([linear, (camera[:, :2] @ local_to_scene[:, 2] + camera[:, 2])[:, None]])


def make_camera(rng: np.random.Generator, frames: int, *, height: int, width: int, strength: float) -> Camera:
    """A camera that pans, turns, zooms or shakes, or (often) stands still; `strength` 0 always stands still."""
    unit = min(height, width)
    centre = np.array([width, height]) / unit / 2
    moving = strength if rng.random() < 0.6 else 0.0
    pan = moving * 0.05 * np.stack([smooth_noise(rng, frames, period=16) for _ in range(2)], axis=1)
    shake = moving * (rng.random() < 0.3) * rng.uniform(0.002, 0.008)
    pan = pan - pan[0] + shake * rng.standard_normal((frames, 2))
    angle = moving * (rng.random() < 0.4) * 0.06 * smooth_noise(rng, frames, period=20)
    zoom = np.exp(moving * (rng.random() < 0.5) * 0.12 * smooth_noise(rng, frames, period=24))
    squeeze = np.exp(min(strength, 1.0) * rng.uniform(-0.2, 0.2))
    cos, sin = np.cos(angle) * zoom * unit, np.sin(angle) * zoom * unit
    linear = np.stack([np.stack([cos * squeeze, -sin], -1), np.stack([sin, cos / squeeze], -1)], -2)
    shift = np.array([width, height]) / 2 - np.einsum('tij,tj->ti', linear, centre + pan)
    return Camera(np.concatenate([linear, shift[..., None]], axis=-1))

"""All objects in space: measures those that are seen, predicts those that are hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sam2_ros.spatial.labels import LabelImage, Mask, draw_labels
from sam2_ros.spatial.measuring import Measurement, Selection, measure, select
from sam2_ros.spatial.motion import NANOSECONDS, MotionFilter
from sam2_ros.spatial.points import LabelledPoints

PARTLY = 0.85  # a thing of which less than this share of its usual surface is seen is partly hidden
SURFACE_MEMORY = 3.0  # seconds in which the usual surface falls to 37 %, where less is seen


@dataclass(frozen=True)
class SpatialOptions:
    """What the user chose; the parameters of these names say more."""

    box: str = 'upright'  # one of boxes.KINDS
    erosion: float = 2.0  # pixels of the depth image
    min_points: int = 20
    gap: float = 0.05  # metres
    process_noise: float = 0.2  # metres per second squared
    keep_hidden: float = 5.0  # seconds


@dataclass(frozen=True, eq=False)
class TrackedMask:
    """What the tracker says about one object in one image.

    Attributes:
        object_id: its name.
        mask: None where the object is not seen.
        lost: the tracker has given it up: nothing is predicted any more.
    """

    object_id: str
    mask: Mask | None
    lost: bool = False


@dataclass(frozen=True, eq=False)
class Sight:
    """What a sensor says about the objects of one image, and where it was.

    Attributes:
        points: labelled by the masks, in the order of the objects.
        stamp_ns: of the sensor, in nanoseconds.
        image_size: (height, width) of the image with the masks.
        focal: pixels per metre at one metre, of the camera of that image.
        target_from_sensor: (4, 4), from the frame of the points to the target frame, at that stamp.
        tracking_from_target: (4, 4), from there to the frame that stands still, at that stamp.
        optical: the target frame is that of a camera, in which up is -y.
    """

    points: LabelledPoints
    stamp_ns: int
    image_size: tuple[int, int]
    focal: float
    target_from_sensor: np.ndarray
    tracking_from_target: np.ndarray
    optical: bool


@dataclass(frozen=True, eq=False)
class ObjectEstimate:
    """One object in space, at the stamp of its image, in the target frame.

    Attributes:
        position: (3,) metres, of the centre of the box.
        surface: (3,) metres, the median of the visible surface; of a prediction, where it was on the object.
        velocity: (3,) metres per second against the tracking frame, along the axes of the target frame.
        covariance: (6, 6) of position and velocity.
        size: (3,) metres along the axes of the box around the visible surface, as it was when all of it was seen last.
        rotation: (3, 3), whose columns are the axes of the box.
        points: of the measurement; 0 for a prediction.
        measured: seen in this image; otherwise predicted.
        truncated: reaches beyond the border of an image, or is partly hidden: position and box are of a part only.
        measured_ns: stamp of the newest measurement in nanoseconds.
    """

    position: np.ndarray
    surface: np.ndarray
    velocity: np.ndarray
    covariance: np.ndarray
    size: np.ndarray
    rotation: np.ndarray
    points: int
    measured: bool
    truncated: bool
    measured_ns: int


def labels_of(
    objects: Sequence[TrackedMask], *, image_size: tuple[int, int], focal: float, sensor_focal: float, erosion: float
) -> LabelImage:
    """The label image of the objects, numbered in their order from 1.

    Args:
        objects: in any state.
        image_size: (height, width) of the image with the masks.
        focal: of its camera, in pixels.
        sensor_focal: of the depth camera; that of the image for a cloud.
        erosion: pixels of the depth image.
    """
    nothing = Mask((0, 0), np.zeros((0, 0), np.uint8))
    pixels = round(erosion * focal / sensor_focal)
    return draw_labels([tracked.mask or nothing for tracked in objects], image_size=image_size, erosion=pixels)


class _Track:
    """One object in the tracking frame."""

    def __init__(self, seen: Measurement, stamp_ns: int) -> None:
        self.filter = MotionFilter(seen.box.centre, seen.covariance, stamp_ns=stamp_ns)
        self.seen = seen
        self.box = seen.box  # of which size and rotation count
        self._surface = seen.area  # square metres that are usually seen of it
        self.partly_hidden = False
        self._whole_ns = None if seen.truncated else stamp_ns  # when all of it was seen last, in nanoseconds

    def take(self, seen: Measurement, stamp_ns: int, *, process_noise: float) -> bool:
        """Go on with a measurement; False if it does not fit."""
        seconds = max(0.0, (stamp_ns - self.filter.stamp_ns) / NANOSECONDS)
        self.partly_hidden = seen.area < PARTLY * self._surface
        largest = seen.area >= self._surface
        self._surface = max(seen.area, self._surface * float(np.exp(-seconds / SURFACE_MEMORY)))
        # The middle of a part is not that of the whole, and it moves as the edge does that hides the rest. What is
        # known of the whole is better for a while.
        doubtful = self.partly_hidden or seen.truncated
        if not doubtful:
            self._whole_ns = stamp_ns
        elif self._whole_ns is None or (stamp_ns - self._whole_ns) / NANOSECONDS > SURFACE_MEMORY:
            doubtful = False
        doubt = float(self.box.size.max()) ** 2 * np.eye(3) if doubtful else np.zeros((3, 3))
        taken = self.filter.update(
            seen.box.centre,
            seen.covariance + doubt,
            stamp_ns=stamp_ns,
            process_noise=process_noise,
            keep_velocity=doubtful,
        )
        if taken:
            self.seen = seen
            if largest or not doubtful:
                self.box = seen.box
        return taken


class SpatialObjects:
    """Holds what is known of every object, in a frame that stands still."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def reset(self) -> None:
        """Forget everything, as after stamps that went back."""
        self._tracks = {}

    def step(
        self,
        objects: Sequence[TrackedMask],
        sight: Sight | None,
        *,
        stamp_ns: int,
        target_from_tracking: np.ndarray,
        options: SpatialOptions,
    ) -> tuple[dict[str, ObjectEstimate], list[Selection]]:
        """Go on to the next image.

        Args:
            objects: all that the tracker knows; others are forgotten.
            sight: what the sensor says; None where nothing fits the image: then all is predicted.
            stamp_ns: of the image in nanoseconds.
            target_from_tracking: (4, 4), from the frame that stands still to the target frame, at that stamp.
            options: what the user chose.

        Returns:
            The objects whose place is known, by id; and with a sight, for each object, which points are of it.
        """
        known = {tracked.object_id for tracked in objects if not tracked.lost}
        self._tracks = {object_id: track for object_id, track in self._tracks.items() if object_id in known}
        estimates, selections = {}, []
        for number, tracked in enumerate(objects, 1):
            taken = False
            if sight is not None:
                chosen = select(sight.points, number, gap=options.gap, min_points=options.min_points)
                selections.append(chosen)
                enough = len(chosen.kept) >= options.min_points
                if enough and tracked.mask is not None and not tracked.lost:
                    taken = self._take(tracked.object_id, tracked.mask, chosen, sight, options)
            track = self._tracks.get(tracked.object_id)
            if track is None:
                continue
            if (stamp_ns - track.filter.stamp_ns) / NANOSECONDS > options.keep_hidden:
                del self._tracks[tracked.object_id]
                continue
            estimates[tracked.object_id] = _estimate(track, taken, stamp_ns, target_from_tracking, options)
        return estimates, selections

    def _take(self, object_id: str, mask: Mask, chosen: Selection, sight: Sight, options: SpatialOptions) -> bool:
        """Measure an object that is seen; whether the measurement fits what was known of it."""
        track = self._tracks.get(object_id)
        turn = sight.tracking_from_target[:3, :3]
        seen = measure(
            sight.points,
            chosen.kept,
            area=float(np.count_nonzero(mask.crop)),
            truncated=_touches_border(mask, sight.image_size),
            focal=sight.focal,
            target_from_sensor=sight.target_from_sensor,
            box=options.box,
            previous=None if track is None else turn.T @ track.box.rotation,
            optical=sight.optical,
        )
        seen = _moved(seen, sight.tracking_from_target)
        if track is None:
            self._tracks[object_id] = _Track(seen, sight.stamp_ns)
            return True
        return track.take(seen, sight.stamp_ns, process_noise=options.process_noise)


def _touches_border(mask: Mask, image_size: tuple[int, int]) -> bool:
    (x, y), (height, width) = mask.corner, mask.crop.shape
    return x <= 0 or y <= 0 or y + height >= image_size[0] or x + width >= image_size[1]


def _moved(seen: Measurement, matrix: np.ndarray) -> Measurement:
    """The measurement in another frame."""
    turn, shift = matrix[:3, :3], matrix[:3, 3]
    box = replace(seen.box, centre=turn @ seen.box.centre + shift, rotation=turn @ seen.box.rotation)
    return replace(seen, surface=turn @ seen.surface + shift, covariance=turn @ seen.covariance @ turn.T, box=box)


def _estimate(
    track: _Track, measured: bool, stamp_ns: int, target_from_tracking: np.ndarray, options: SpatialOptions
) -> ObjectEstimate:
    state, covariance = track.filter.at(stamp_ns, process_noise=options.process_noise)
    turn, shift = target_from_tracking[:3, :3], target_from_tracking[:3, 3]
    both = np.kron(np.eye(2), turn)
    return ObjectEstimate(
        position=turn @ state[:3] + shift,
        surface=turn @ (state[:3] + track.seen.surface - track.seen.box.centre) + shift,
        velocity=turn @ state[3:],
        covariance=both @ covariance @ both.T,
        size=track.box.size,
        rotation=turn @ track.box.rotation,
        points=track.seen.points if measured else 0,
        measured=measured,
        truncated=track.seen.truncated or track.partly_hidden,
        measured_ns=track.filter.stamp_ns,
    )

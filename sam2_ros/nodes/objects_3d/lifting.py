"""From one array of objects and its depth to objects in space, with the frames and cameras that this needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sam2_ros.live.settings import Settings
from sam2_ros.live.stamps import stamp_nanoseconds
from sam2_ros.msg import TrackedObject
from sam2_ros.nodes.edge.decode_images import ConversionError
from sam2_ros.nodes.edge.depth_messages import cloud_points, depth_pixels
from sam2_ros.nodes.edge.frames import plain
from sam2_ros.nodes.edge.messages import cropped_mask
from sam2_ros.nodes.objects_3d.inputs import Inputs
from sam2_ros.spatial.camera import Camera
from sam2_ros.spatial.depth import in_metres
from sam2_ros.spatial.labels import Mask
from sam2_ros.spatial.measuring import Selection
from sam2_ros.spatial.objects import ObjectEstimate, Sight, SpatialObjects, SpatialOptions, TrackedMask, labels_of
from sam2_ros.spatial.points import LabelledPoints, label_cloud, label_depth
from sam2_ros.spatial.transforms import Lookup

MOST_POINTS = 10_000_000  # of a cloud


@dataclass(frozen=True, eq=False)
class Lifted:
    """What is known of one array of objects.

    Attributes:
        objects: the sam2_ros/TrackedObjectArray.
        frame: of all places.
        estimates: by object id, of those whose place is known.
        problem: why nothing was measured; empty if the objects were looked for in depth.
        depth: the message of the depth image in which they were; None without one, or with a cloud.
        pixels: its pixels.
        selections: which points are of each object, in their order.
        points: these points.
    """

    objects: Any
    frame: str
    estimates: dict[str, ObjectEstimate] = field(default_factory=dict)
    problem: str = ''
    depth: Any = None
    pixels: np.ndarray | None = None
    selections: list[Selection] = field(default_factory=list)
    points: LabelledPoints | None = None

    def places(self, part: Callable[[Selection], np.ndarray]) -> np.ndarray:
        """(N,) pixels of the depth image that are of objects, by what `part` takes of each selection."""
        if self.points is None or self.points.places is None or not self.selections:
            return np.zeros(0, np.intp)
        return self.points.places[np.concatenate([part(selection) for selection in self.selections])]


class Lifting:
    """Measures and predicts. Holds what is known of the objects."""

    def __init__(self, settings: Settings, *, inputs: Inputs, lookup: Lookup) -> None:
        self._settings, self._inputs, self._lookup = settings, inputs, lookup
        self._known = SpatialObjects()
        self._frames: tuple[str, str] | None = None  # the target frame and the one that stands still

    def reset(self) -> None:
        """Forget all objects."""
        self._known.reset()

    def predict(self, objects: Any, problem: str) -> Lifted:
        """Without depth: what was measured before is predicted.

        Args:
            objects: a sam2_ros/TrackedObjectArray.
            problem: why there is no depth.
        """
        target, tracking = self._frame_names(objects)
        try:
            target_from_tracking = self._lookup(stamp_nanoseconds(objects.header.stamp), target, tracking)
            masks = [_tracked(message, mask=None) for message in objects.objects]
            estimates = self._step(masks, None, objects, target_from_tracking)[0]
        except ValueError:  # without a transform there are no places
            estimates = {}
        return Lifted(objects, target, estimates, problem)

    def lift(self, objects: Any, depth: Any) -> Lifted:
        """Measure the objects in depth.

        Args:
            objects: a sam2_ros/TrackedObjectArray.
            depth: a depth image or cloud.

        Raises:
            TransformNotYet: if a transform may still come. Nothing has changed.
            ValueError: a sentence, if something is missing or wrong. Nothing has changed.
        """
        inputs, settings = self._inputs, self._settings
        target, tracking = self._frame_names(objects)
        sensor_frame, image_frame = plain(depth.header.frame_id), self._image_frame(objects)
        stamp_ns, depth_ns = (stamp_nanoseconds(message.header.stamp) for message in (objects, depth))
        image_size = (objects.image_height, objects.image_width)
        image = inputs.image_info.camera(rectified=settings['rectified'], image_size=image_size)
        image_from_sensor = self._lookup(depth_ns, image_frame, sensor_frame)
        target_from_sensor = self._lookup(depth_ns, target, sensor_frame)
        tracking_from_target = self._lookup(depth_ns, tracking, target)
        target_from_tracking = self._lookup(stamp_ns, target, tracking)
        masks = [_tracked(message, mask=_mask(message, image_size)) for message in objects.objects]
        pixels, points = self._points(depth, masks, image, image_from_sensor)
        sight = Sight(
            points,
            depth_ns,
            image_size,
            image.focal,
            target_from_sensor,
            tracking_from_target,
            optical=not settings['target_frame'],
        )
        estimates, selections = self._step(masks, sight, objects, target_from_tracking)
        shown = None if inputs.is_cloud else depth
        return Lifted(objects, target, estimates, '', shown, pixels, selections, points)

    def _points(
        self, depth: Any, masks: list[TrackedMask], image: Camera, image_from_sensor: np.ndarray
    ) -> tuple[np.ndarray | None, LabelledPoints]:
        """The pixels of a depth image (None of a cloud), and the labelled points."""
        inputs, settings = self._inputs, self._settings
        sizes = {'image_size': (image.height, image.width), 'focal': image.focal, 'erosion': settings['erosion']}
        low, high = settings['min_range'], settings['max_range']
        if inputs.depth_info is None:
            cloud = cloud_points(depth, max_points=MOST_POINTS)
            labels = labels_of(masks, sensor_focal=image.focal, **sizes)
            return None, label_cloud(
                cloud, labels, image_camera=image, image_from_cloud=image_from_sensor, low=low, high=high
            )
        pixels = depth_pixels(depth, max_pixels=settings['max_image_pixels'])
        height, width = pixels.shape
        camera = inputs.depth_info.camera(rectified=True, image_size=(height, width))
        labels = labels_of(masks, sensor_focal=camera.focal, **sizes)
        metres = in_metres(pixels, unit=settings['depth_unit'], low=low, high=high)
        return pixels, label_depth(
            metres,
            camera,
            labels,
            image_camera=image,
            image_from_depth=image_from_sensor,
            gap=settings['gap'],
        )

    def _step(
        self, masks: list[TrackedMask], sight: Sight | None, objects: Any, target_from_tracking: np.ndarray
    ) -> tuple[dict[str, ObjectEstimate], list[Selection]]:
        settings = self._settings
        return self._known.step(
            masks,
            sight,
            stamp_ns=stamp_nanoseconds(objects.header.stamp),
            target_from_tracking=target_from_tracking,
            options=SpatialOptions(
                box=settings['box'],
                erosion=settings['erosion'],
                min_points=settings['min_points'],
                gap=settings['gap'],
                process_noise=settings['process_noise'],
                keep_hidden=settings['keep_hidden'],
            ),
        )

    def _image_frame(self, objects: Any) -> str:
        info = self._inputs.image_info.info
        return plain((info.header.frame_id if info is not None else '') or objects.header.frame_id)

    def _frame_names(self, objects: Any) -> tuple[str, str]:
        """The target frame and the one that stands still. When they change, what is known is of another world."""
        target = plain(self._settings['target_frame']) or self._image_frame(objects)
        frames = target, plain(self._settings['tracking_frame']) or target
        if self._frames not in (None, frames):
            self._known.reset()
        self._frames = frames
        return frames


def _tracked(message: Any, *, mask: Mask | None) -> TrackedMask:
    return TrackedMask(message.object_id, mask, lost=message.state == TrackedObject.LOST)


def _mask(message: Any, image_size: tuple[int, int]) -> Mask | None:
    """The mask of an object that is seen; None of others.

    Raises:
        ConversionError: (a ValueError) if the mask cannot be read.
    """
    if message.state != TrackedObject.VISIBLE or not message.has_box:
        return None
    try:
        return Mask(*cropped_mask(message, image_height=image_size[0], image_width=image_size[1]))
    except ConversionError as error:
        raise ValueError(f'the mask of {message.object_id!r}: {error}') from error

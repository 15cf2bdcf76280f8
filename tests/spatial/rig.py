"""A robot's sensors in the computed scene: a colour camera, depth upon it or beside it, a LiDAR, and what is true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from sam2_ros.spatial.camera import Camera
from sam2_ros.spatial.depth import in_metres
from sam2_ros.spatial.labels import Mask
from sam2_ros.spatial.objects import ObjectEstimate, Sight, SpatialObjects, SpatialOptions, TrackedMask, labels_of
from sam2_ros.spatial.points import label_cloud, label_depth
from sam2_ros.synthetic.depth_scene import Body, DepthScene, View, lidar_rays, looking, pinhole_rays, quantised

NANOSECONDS = 1_000_000_000
HEIGHT, WIDTH, FOCAL = 480, 640, 525.0
BOX = Body('box', (0.4, 0.3, 0.5), (2.1, 0.4, 0.25), (200, 60, 40), yaw=0.5)
BALL = Body('ball', (0.3, 0.3, 0.3), (2.0, -0.4, 0.15), (40, 90, 200), ball=True)
SCENE = DepthScene([BOX, BALL])
HIGH = 1.2  # metres above the floor, where the cameras are
BESIDE = np.array([0.05, 0.0, 0.0])  # metres, from the colour camera to the depth camera beside it
Degrade = Callable[[np.ndarray], np.ndarray]


def camera(height: int = HEIGHT, width: int = WIDTH, focal: float = FOCAL) -> Camera:
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return Camera(height, width, matrix)


def camera_info(height: int = HEIGHT, width: int = WIDTH, focal: float = FOCAL, **fields: object) -> SimpleNamespace:
    """The fields of a sensor_msgs/CameraInfo of the same camera."""
    matrix = [focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0]
    made = {
        'height': height, 'width': width, 'distortion_model': 'plumb_bob', 'd': [0.0] * 5, 'k': matrix,
        'r': [1.0, 0, 0, 0, 1, 0, 0, 0, 1], 'p': [*matrix[:3], 0.0, *matrix[3:6], 0.0, *matrix[6:], 0.0],
        'binning_x': 0, 'binning_y': 0, 'roi': SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    }  # fmt: skip
    return SimpleNamespace(**(made | fields))


def standing(time: float) -> np.ndarray:
    return looking((0.0, 0.0, HIGH), (2.0, 0.0, 0.2))


def circling(time: float) -> np.ndarray:
    """A camera that moves 0.3 m/s sideways and turns."""
    return looking((0.0, 0.4 - 0.3 * time, HIGH), (2.0, 0.1 * time, 0.2))


@dataclass
class Rig:
    """All frames are told by poses in the world, which is the tracking frame and, unless told otherwise, the target."""

    scene: DepthScene = SCENE
    pose: Callable[[float], np.ndarray] = standing
    options: SpatialOptions = field(default_factory=SpatialOptions)
    image: Camera = field(default_factory=camera)
    focal: float = FOCAL
    ids: Sequence[str] | None = None
    degrade: Degrade = quantised
    kind: str = 'registered'  # 'beside', 'lidar'
    objects: SpatialObjects = field(default_factory=SpatialObjects)

    def view(self, time: float) -> View:
        """What the colour camera sees."""
        rays = pinhole_rays(self.image.height, self.image.width, focal=self.focal)
        return self.scene.look(rays, self.pose(time), time=time, paint=False)

    def masks(self, view: View, *, hidden: Sequence[str] = ()) -> list[TrackedMask]:
        """Of each body: hidden ones and those without a pixel have none."""
        found = []
        for number, body in enumerate(self.scene.bodies, 1):
            rows, columns = np.nonzero(view.numbers == number)
            mask = None
            if len(rows) and body.name not in hidden:
                window = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
                mask = Mask((int(columns.min()), int(rows.min())), view.numbers[window] == number)
            found.append(TrackedMask(body.name, mask))
        return [tracked for tracked in found if self.ids is None or tracked.object_id in self.ids]

    def sight(self, masks: Sequence[TrackedMask], time: float, *, stamp: float | None = None) -> Sight:
        """What the sensor measures at a time, with a stamp that may be wrong. tf is right for that stamp."""
        pose, told = self.pose(time), self.pose(time if stamp is None else stamp)
        extrinsic = np.eye(4)  # from the sensor to the colour camera
        if self.kind == 'beside':
            extrinsic[:3, 3] = BESIDE
        elif self.kind == 'lidar':
            extrinsic[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
            extrinsic[:3, 3] = (0.0, -0.15, 0.0)
        labels = labels_of(
            masks,
            image_size=(self.image.height, self.image.width),
            focal=self.focal,
            sensor_focal=FOCAL,
            erosion=self.options.erosion,
        )
        if self.kind == 'lidar':
            rays = lidar_rays()
            cloud = rays * self.scene.look(rays, pose @ extrinsic, time=time, paint=False).depth[:, None]
            points = label_cloud(
                cloud.astype(np.float32),
                labels,
                image_camera=self.image,
                image_from_cloud=extrinsic,
                low=0.1,
                high=10.0,
            )
        else:
            rays = pinhole_rays(HEIGHT, WIDTH, focal=FOCAL)
            depth = self.degrade(self.scene.look(rays, pose @ extrinsic, time=time, paint=False).depth)
            points = label_depth(
                in_metres(depth, unit=0.001, low=0.1, high=10.0),
                camera(),
                labels,
                image_camera=self.image,
                image_from_depth=extrinsic,
                gap=self.options.gap,
            )
        stamp_ns = round((time if stamp is None else stamp) * NANOSECONDS)
        return Sight(
            points,
            stamp_ns,
            (self.image.height, self.image.width),
            self.focal,
            told @ extrinsic,
            np.eye(4),
            optical=False,
        )

    def step(
        self, time: float, *, stamp: float | None = None, hidden: Sequence[str] = (), blind: bool = False
    ) -> dict[str, ObjectEstimate]:
        """One image and its depth; `blind`: without depth."""
        masks = self.masks(self.view(time), hidden=hidden)
        sight = None if blind else self.sight(masks, time, stamp=stamp)
        return self.objects.step(
            masks,
            sight,
            stamp_ns=round(time * NANOSECONDS),
            target_from_tracking=np.eye(4),
            options=self.options,
        )[0]

    def surface(self, name: str, time: float) -> np.ndarray:
        """(N, 3) the visible surface of a body in the world, without any error."""
        rays, pose = pinhole_rays(HEIGHT, WIDTH, focal=FOCAL), self.pose(time)
        view = self.scene.look(rays, pose, time=time, paint=False)
        number = 1 + [body.name for body in self.scene.bodies].index(name)
        own = view.numbers == number
        return (rays[own] * view.depth[own][:, None]) @ pose[:3, :3].T + pose[:3, 3]


def true_middle(surface: np.ndarray) -> np.ndarray:
    """What `position` is defined as: the median of the visible surface, axis by axis."""
    return np.median(surface, axis=0)

"""A robot in the computed scene on a real ROS graph: tracker, depth camera, LiDAR and tf, as the node hears them."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.node import Node
from rclpy.parameter import Parameter
from sam2_ros.msg import Object3DArray, TrackedObject, TrackedObjectArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header

from sam2_ros.nodes.edge import diagnostics, frames
from sam2_ros.nodes.edge.depth_messages import depth_image
from sam2_ros.nodes.edge.encode_images import array_to_image
from sam2_ros.nodes.objects_3d.node import Objects3DNode
from sam2_ros.nodes.objects_3d.outputs import OUTPUTS
from sam2_ros.spatial.transforms import inverse, quaternion_of
from sam2_ros.synthetic.depth_scene import DepthScene, View, lidar_rays, looking, pinhole_rays, quantised
from tests.nodes.graph import BEGIN, RELIABLE, TIMEOUT, Graph, stamp_of

HEIGHT, WIDTH, FOCAL = 240, 320, 262.0
MESSAGES = {row.name.removeprefix('~/'): row.type for row in OUTPUTS if row.type is not None}
STANDING = looking((0.0, 0.0, 1.2), (2.0, 0.0, 0.2))
LIDAR = np.eye(4)  # from the LiDAR to the camera
LIDAR[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
LIDAR[:3, 3] = (0.0, -0.15, 0.0)


class TransformException(Exception):
    pass


@dataclass
class Tf:
    """Where a tf2_ros.Buffer would keep what it heard: poses in the world, of frames that may move.

    Attributes:
        known_until: newest time that was heard of, in seconds since BEGIN.
    """

    poses: dict[str, Callable[[float], np.ndarray]] = field(default_factory=dict)
    known_until: float = np.inf

    def clear(self) -> None:
        pass

    def lookup_transform(self, target: str, source: str, time: Any) -> TransformStamped:
        seconds = time.nanoseconds / 1e9 - BEGIN
        for frame in (target, source):
            if frame not in self.poses:
                raise TransformException(f'"{frame}" does not exist')
        if seconds > self.known_until:
            raise TransformException('Lookup would require extrapolation into the future')
        matrix = inverse(self.poses[target](seconds)) @ self.poses[source](seconds)
        x, y, z, w = quaternion_of(matrix[:3, :3])
        shift = Vector3(**dict(zip('xyz', map(float, matrix[:3, 3]), strict=True)))
        return TransformStamped(transform=Transform(translation=shift, rotation=Quaternion(x=x, y=y, z=z, w=w)))


class Robot(Node):
    """Publishes what the node hears and keeps what it says. Times are seconds since BEGIN."""

    def __init__(self, context: Any, *, node: str, scene: DepthScene, tf: Tf) -> None:
        super().__init__('robot', context=context)
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.scene, self.tf, self.node = scene, tf, node
        self.node_object: Objects3DNode
        self._news = threading.Condition()
        self.objects = self.create_publisher(TrackedObjectArray, 'objects', RELIABLE)
        self.depth = self.create_publisher(Image, 'depth/image_rect', RELIABLE)
        self.compressed = self.create_publisher(CompressedImage, 'depth/image_rect/compressedDepth', RELIABLE)
        self.cloud = self.create_publisher(PointCloud2, 'points', RELIABLE)
        self.infos = {
            name: self.create_publisher(CameraInfo, name, RELIABLE) for name in ('camera_info', 'depth/camera_info')
        }
        for name in ('objects', 'markers'):
            self.listen(name)
        self.create_subscription(DiagnosticArray, '/diagnostics', lambda report: self._keep('diagnostics', report), 10)

    def listen(self, name: str) -> Any:
        return self.create_subscription(
            MESSAGES[name], f'{self.node}/{name}', lambda message: self._keep(name, message), 10
        )

    def _keep(self, name: str, message: Any) -> None:
        with self._news:
            self.received[name].append(message)
            self._news.notify_all()

    def wait_for(self, condition: Callable[[], Any], what: str, *, timeout: float = TIMEOUT) -> Any:
        deadline = time.monotonic() + timeout
        with self._news:
            while not (found := condition()):
                assert time.monotonic() < deadline, f'waited in vain for {what}'
                self._news.wait(0.02)
            return found

    def look(self, seconds: float, pose: np.ndarray | None = None) -> View:
        """What the colour camera sees, or one with another pose."""
        pose = self.tf.poses['camera'](seconds) if pose is None else pose
        return self.scene.look(pinhole_rays(HEIGHT, WIDTH, focal=FOCAL), pose, time=seconds, paint=False)

    def calibrate(self, **fields: Any) -> None:
        """Send both calibrations; `fields` replace those of the images."""
        k = [FOCAL, 0.0, (WIDTH - 1) / 2, 0.0, FOCAL, (HEIGHT - 1) / 2, 0.0, 0.0, 1.0]
        for name, publisher in self.infos.items():
            info = CameraInfo(
                header=Header(frame_id='camera' if name == 'camera_info' else 'depth_camera'),
                height=HEIGHT,
                width=WIDTH,
                distortion_model='plumb_bob',
                d=[0.0] * 5,
                k=k,
                r=np.eye(3).ravel(),
                p=[*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0],
            )
            for field_, value in fields.items() if name == 'camera_info' else ():
                setattr(info, field_, value)
            publisher.publish(info)

    def tracked(
        self, seconds: float, *, hidden: Sequence[str] = (), lost: Sequence[str] = (), stamp: Time | None = None
    ) -> TrackedObjectArray:
        """What a tracker without a fault says about the image of this time."""
        view = self.look(seconds)
        header = Header(stamp=stamp_of(BEGIN + seconds) if stamp is None else stamp, frame_id='camera')
        message = TrackedObjectArray(header=header, image_height=HEIGHT, image_width=WIDTH)
        for number, body in enumerate(self.scene.bodies, 1):
            state = TrackedObject.LOST if body.name in lost else TrackedObject.OCCLUDED
            tracked = TrackedObject(object_id=body.name, label=number, state=state, occlusion_probability=0.9)
            rows, columns = np.nonzero(view.numbers == number)
            if len(rows) and body.name not in (*hidden, *lost):
                top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
                tracked.state, tracked.has_box, tracked.occlusion_probability = TrackedObject.VISIBLE, True, 0.1
                tracked.box = [float(edge) for edge in (left, top, right, bottom)]
                crop = (view.numbers[top:bottom, left:right] == number).astype(np.uint8) * 255
                tracked.mask, tracked.area = array_to_image(crop, 'mono8', header=header), len(rows)
            message.objects.append(tracked)
        return message

    def depth_message(self, seconds: float, *, stamp: Time | None = None, metres: bool = False, **change: Any) -> Image:
        frame = change.pop('frame', 'camera')
        view = self.look(seconds, self.tf.poses[frame](seconds))
        pixels = view.depth if metres else quantised(view.depth)
        header = Header(stamp=stamp_of(BEGIN + seconds) if stamp is None else stamp, frame_id=frame)
        message = depth_image(change.pop('pixels', pixels), header=header)
        for name, value in change.items():
            setattr(message, name, value)
        return message

    def compressed_message(self, seconds: float) -> CompressedImage:
        header = Header(stamp=stamp_of(BEGIN + seconds), frame_id='camera')
        data = bytes(12) + cv2.imencode('.png', quantised(self.look(seconds).depth))[1].tobytes()
        return CompressedImage(header=header, format='16UC1; compressedDepth png', data=data)

    def cloud_message(self, seconds: float) -> PointCloud2:
        rays = lidar_rays(step=0.25)
        pose = self.tf.poses['lidar'](seconds)
        cloud = rays * self.scene.look(rays, pose, time=seconds, paint=False).depth[:, None]
        rows = np.zeros(len(cloud), [('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('intensity', '<f4')])
        for axis, values in zip('xyz', cloud.T, strict=True):
            rows[axis] = values
        return PointCloud2(
            header=Header(stamp=stamp_of(BEGIN + seconds), frame_id='lidar'),
            height=1,
            width=len(rows),
            fields=[
                PointField(name=name, offset=4 * i, datatype=7, count=1) for i, name in enumerate(rows.dtype.names)
            ],
            point_step=16,
            row_step=16 * len(rows),
            data=rows.tobytes(),
        )

    def step(self, seconds: float, *, depth: Any = None, before: bool = True, **tracked: Any) -> dict[str, Any]:
        """Send depth and objects of this time; the objects in space by id, when they have come."""
        array = self.tracked(seconds, **tracked)
        depth = self.depth_message(seconds) if depth is None else depth
        publisher = {Image: self.depth, CompressedImage: self.compressed, PointCloud2: self.cloud}.get(type(depth))
        if publisher is not None and before:
            publisher.publish(depth)
        outputs = self.received['objects']
        number = len(outputs)
        self.objects.publish(array)
        if publisher is not None and not before:
            publisher.publish(depth)
        message = self.wait_for(
            lambda: next((found for found in outputs[number:] if found.header.stamp == array.header.stamp), None),
            f'objects of {seconds}',
        )
        return {found.object_id: found for found in message.objects}

    def diagnosed(self, part: str, text: str) -> Any:
        """Wait for a status of `part` whose message holds the text; only reports from now on count."""
        self.received['diagnostics'].clear()

        def find() -> Any:
            for report in self.received['diagnostics']:
                for status in report.status:
                    if status.name == f'{self.node.lstrip("/")}: {part}' and text in status.message:
                        return status
            return None

        return self.wait_for(find, f'{part} with {text!r}')

    def output(self, name: str, seconds: float) -> Any:
        stamp = stamp_of(BEGIN + seconds)
        return self.wait_for(
            lambda: next((found for found in self.received[name] if found.header.stamp == stamp), None), name
        )

    def newest(self) -> Object3DArray:
        return self.received['objects'][-1]


@contextmanager
def robot(
    scene: DepthScene,
    *,
    pose: Callable[[float], np.ndarray] = lambda _: STANDING,
    tf2: bool = True,
    calibrated: bool = True,
    **parameters: Any,
) -> Iterator[Robot]:
    """The node in this process, as the robot sees it.

    Args:
        scene: where the robot is.
        pose: of the camera in the world, by time.
        tf2: whether tf2_ros is there: a stand-in, which is not on every machine.
        calibrated: the calibrations have come.
    """
    made = Graph()
    beside = np.eye(4)
    beside[0, 3] = 0.05
    tf = Tf(
        {
            'world': lambda _: np.eye(4),
            'camera': pose,
            'depth_camera': lambda seconds: pose(seconds) @ beside,
            'lidar': lambda seconds: pose(seconds) @ LIDAR,
        }
    )
    stand_in = SimpleNamespace(
        Buffer=lambda: tf,
        TransformListener=lambda *_: SimpleNamespace(unregister=lambda: None),
        TransformException=TransformException,
    )
    values = {'target_frame': 'world' if tf2 else '', 'tf_timeout': 0.3, 'input_timeout': 1.0, **parameters}
    try:
        with (
            mock.patch.object(diagnostics, 'PERIOD', 0.1),
            mock.patch.object(frames, 'tf2_ros', stand_in if tf2 else None),
        ):
            node = Objects3DNode(
                context=made.context,
                parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
            )
            client = Robot(made.context, node='/objects_3d', scene=scene, tf=tf)
            client.node_object = node
            made.run(node)
            made.run(client)
            client.wait_for(lambda: client.objects.get_subscription_count(), 'the node to listen')
            client.wait_for(lambda: client.count_publishers('/objects_3d/objects'), 'the outputs')
            asked = {'compressed_depth': client.compressed, 'points': client.cloud}.get(
                values.get('source'), client.depth
            )
            for publisher in (client.objects, asked):
                client.wait_for(lambda publisher=publisher: _reliable(client, publisher), 'a reliable subscription')
            if calibrated:
                client.calibrate()
                inputs = node._inputs
                client.wait_for(lambda: inputs.image_info.info is not None, 'the calibration')
                client.wait_for(lambda: inputs.is_cloud or inputs.depth_info.info is not None, 'that of depth')
            yield client
    finally:
        made.close()


def _reliable(client: Robot, publisher: Any) -> bool:
    infos = client.get_subscriptions_info_by_topic(publisher.topic_name)
    return any(info.qos_profile.reliability == RELIABLE.reliability for info in infos)

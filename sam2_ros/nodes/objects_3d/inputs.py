"""What the node listens to: objects of a tracker, depth or a cloud, and both calibrations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from sam2_ros.live.journal import Journal
from sam2_ros.live.settings import Settings
from sam2_ros.live.stamps import stamp_nanoseconds
from sam2_ros.msg import TrackedObjectArray
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.edge.following import FollowingSubscription
from sam2_ros.nodes.edge.qos import make_subscription
from sam2_ros.spatial.camera import Camera, camera_of
from sam2_ros.spatial.ring import StampedRing

QUEUE_DEPTH = 10  # messages; taken off the queue at once, so they do not grow old in it
MEGABYTE = 1e6
DEPTH_TOPIC, COMPRESSED_DEPTH = 'depth/image_rect', '/compressedDepth'

OBJECTS = Endpoint(
    name='objects',
    type_name='sam2_ros/TrackedObjectArray',
    type=TrackedObjectArray,
    description='`~/objects` of a tracker: remap it to /tracker/objects.',
)
CAMERA_INFO = Endpoint(
    name='camera_info',
    type_name='sensor_msgs/CameraInfo',
    type=CameraInfo,
    description='Of the images that the tracker gets.',
)
SOURCES = {  # the parameter `source` -> what is listened to
    'depth': Endpoint(
        name=DEPTH_TOPIC,
        type_name='sensor_msgs/Image',
        type=Image,
        description='Depth, rectified: 16UC1 in steps of depth_unit, 32FC1 in metres. On the images or beside them.',
    ),
    'compressed_depth': Endpoint(
        name=DEPTH_TOPIC + COMPRESSED_DEPTH,
        type_name='sensor_msgs/CompressedImage',
        type=CompressedImage,
        description='The same as PNG, with `source: compressed_depth`.',
    ),
    'points': Endpoint(
        name='points',
        type_name='sensor_msgs/PointCloud2',
        type=PointCloud2,
        description='A cloud of a depth camera or a LiDAR, organised or not, with `source: points`.',
    ),
}
DEPTH_INFO = Endpoint(
    name='depth/camera_info',
    type_name='sensor_msgs/CameraInfo',
    type=CameraInfo,
    description='Beside the depth images, in the namespace that depth/image_rect is remapped to.',
)
INPUTS = (OBJECTS, CAMERA_INFO, *SOURCES.values(), DEPTH_INFO)


class Calibration:
    """The newest CameraInfo of one topic as a camera, which is made anew only when something changes."""

    def __init__(self, node: Node, topic: str, *, whose: str) -> None:
        """`whose`: for sentences: 'the images'."""
        self._node, self._whose = node, whose
        self.topic: str = node.resolve_topic_name(topic)
        self.info: Any = None
        self._made_of: tuple[Any, ...] = ()
        self._camera: Camera | None = None
        self._subscription = make_subscription(node, CameraInfo, topic, self._keep, qos_profile_sensor_data)

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)

    def _keep(self, message: Any) -> None:
        self.info = message

    def missing(self) -> str | None:
        """What is wrong, as a sentence, while no CameraInfo has come."""
        return None if self.info is not None else f'no calibration of {self._whose} came on {self.topic}'

    def camera(self, *, rectified: bool, image_size: tuple[int, int]) -> Camera:
        """The camera of images of this size, (height, width).

        Raises:
            ValueError: a sentence, without a CameraInfo or with one that is no calibration of such images.
        """
        info = self.info
        if info is None:
            raise ValueError(self.missing())
        roi = info.roi
        made_of = (
            rectified, image_size, info.height, info.width, info.distortion_model, bytes(memoryview(info.d)),
            info.k.tobytes(), info.p.tobytes(), info.r.tobytes(), info.binning_x, info.binning_y,
            roi.x_offset, roi.y_offset, roi.width, roi.height,
        )  # fmt: skip
        if made_of != self._made_of:
            self._made_of, self._camera = made_of, None
        if self._camera is None:
            try:
                self._camera = camera_of(info, rectified=rectified, image_size=image_size)
            except ValueError as error:
                raise ValueError(f'the calibration of {self._whose} on {self.topic}: {error}') from error
        return self._camera


class Inputs:
    """Subscribes, keeps depth by stamp, and hands on each array of objects.

    Attributes:
        ring: the newest depth images or clouds.
        image_info: calibration of the images.
        depth_info: that of the depth images; None for clouds.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        *,
        journal: Journal,
        ring: StampedRing[Any],
        on_objects: Callable[[Any], None],
        on_depth: Callable[[], None],
    ) -> None:
        self._settings, self._journal, self.ring = settings, journal, ring
        self._on_objects, self._on_depth = on_objects, on_depth
        source = SOURCES[settings['source']]
        self.is_cloud = source.type is PointCloud2
        topic = source.name if self.is_cloud else node.resolve_topic_name(DEPTH_TOPIC)
        folder = topic.rpartition('/')[0]
        if source.type is CompressedImage:
            topic = topic.removesuffix(COMPRESSED_DEPTH) + COMPRESSED_DEPTH
            folder = topic.removesuffix(COMPRESSED_DEPTH).rpartition('/')[0]
        self.objects = FollowingSubscription(node, OBJECTS.type, OBJECTS.name, self._take_objects, depth=QUEUE_DEPTH)
        self.depth = FollowingSubscription(node, source.type, topic, self._take_depth, depth=QUEUE_DEPTH)
        self.image_info = Calibration(node, CAMERA_INFO.name, whose='the images')
        self.depth_info = (
            None if self.is_cloud else Calibration(node, f'{folder}/camera_info', whose='the depth images')
        )

    def close(self) -> None:
        for part in (self.objects, self.depth, self.image_info, self.depth_info):
            if part is not None:
                part.close()

    def _take_objects(self, message: Any) -> None:
        self._journal.arrived.tick()
        self._on_objects(message)

    def _take_depth(self, message: Any) -> None:
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        if not stamp_ns:
            self._journal.note('depth_unstamped', 'depth without a stamp is dropped: it fits no image')
            return
        self._journal.count('depth')
        self.ring.add(
            message,
            stamp_ns=stamp_ns,
            nbytes=len(message.data),
            most=self._settings['depth_images'],
            most_bytes=int(self._settings['depth_megabytes'] * MEGABYTE),
        )
        self._on_depth()

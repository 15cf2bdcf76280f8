"""Clicks in space, as of Publish Point in RViz, as pixels of the image."""

from __future__ import annotations

from typing import Any

import numpy as np
from builtin_interfaces.msg import Time as TimeMessage
from geometry_msgs.msg import PointStamped
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo

from sam2_ros.files.image_headers import image_size
from sam2_ros.live.arrived_images import ArrivedImage
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.edge.projection import project_point, rotate
from sam2_ros.nodes.edge.qos import make_subscription

try:
    import tf2_ros
except ImportError:  # not part of a minimal ROS installation: points must then be in the frame of the camera
    tf2_ros = None

CAMERA_INFO = Endpoint(
    name='camera_info',
    type_name='sensor_msgs/CameraInfo',
    type=CameraInfo,
    description='Beside the images, in the same namespace. Only for clicks in space.',
)


def _named_rectified(topic: str) -> bool:
    """Whether the topic is named as rectified images are, such as image_rect_color of image_proc."""
    *folders, name = topic.strip('/').split('/')
    return not {'rect', 'rectified'}.isdisjoint([*name.split('_'), *folders[-1:]])


def _image_size(message: Any) -> tuple[int, int] | None:
    """(height, width) in pixels; None where the header of a compressed image does not tell."""
    return (message.height, message.width) if hasattr(message, 'height') else image_size(message.data)


class SpaceClicks:
    """Projects points into the image through the CameraInfo beside it; with tf2 from any frame."""

    def __init__(self, node: Node, *, image_topic: str) -> None:
        self._node = node
        folder = image_topic.rsplit('/', 1)[0]
        self._info_topic = f'{folder}/camera_info'
        self._rectified = _named_rectified(image_topic)
        self._info: CameraInfo | None = None
        self._subscription = make_subscription(
            node, CameraInfo, self._info_topic, self._keep_info, qos_profile_sensor_data
        )
        self._transforms = None
        if tf2_ros is not None:
            self._transforms = tf2_ros.Buffer()  # not for a node: it would make a service each time, which nothing ends
            self._listener = tf2_ros.TransformListener(self._transforms, node)
            back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
            self._clock_jumps = node.get_clock().create_jump_callback(
                back, post_callback=lambda _: self.forget_transforms()
            )

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)
        if self._transforms is not None:
            self._listener.unregister()
            self._clock_jumps.unregister()

    def pixel(self, click: PointStamped, image: ArrivedImage) -> tuple[float, float]:
        """The pixel (x, y) of `image` that shows the point.

        Raises:
            ValueError: with the reason, if there is none.
        """
        if self._info is None:
            raise ValueError(f'a point in space needs the calibration, but no CameraInfo came on {self._info_topic}')
        point = np.array((click.point.x, click.point.y, click.point.z))
        # older drivers begin it with a slash, which tf2 does not know
        camera_frame = (self._info.header.frame_id or image.header.frame_id).lstrip('/')
        frame = click.header.frame_id.lstrip('/')
        if frame not in ('', camera_frame):
            point = self._in_camera_frame(point, frame, camera_frame, at=image.header.stamp)
        size = _image_size(image.message) or (self._info.height, self._info.width)
        return project_point(point, self._info, rectified=self._rectified, image_size=size)

    def forget_transforms(self) -> None:
        """The clock or stamps jumped back: later transforms are of another time."""
        if self._transforms is not None:
            self._transforms.clear()

    def _keep_info(self, message: CameraInfo) -> None:
        self._info = message

    def _in_camera_frame(self, point: np.ndarray, frame: str, camera_frame: str, *, at: TimeMessage) -> np.ndarray:
        """The point in the frame of the camera `at` that time, or at the newest time if tf2 does not know that one."""
        if self._transforms is None:
            raise ValueError(
                f'the point is in the frame {frame!r}; without tf2_ros it must be in that of the camera, '
                f'{camera_frame!r} (set it as fixed frame in RViz)'
            )
        try:
            try:
                found = self._transforms.lookup_transform(camera_frame, frame, Time.from_msg(at))
            except tf2_ros.ExtrapolationException:
                found = self._transforms.lookup_transform(camera_frame, frame, Time())
        except tf2_ros.TransformException as error:
            raise ValueError(f'the point is in the frame {frame!r}: {error}') from error
        turn, shift = found.transform.rotation, found.transform.translation
        return rotate(point, (turn.x, turn.y, turn.z, turn.w)) + np.array((shift.x, shift.y, shift.z))

"""Points in space from any frame. tf2 is not part of every installation, so a stand-in knows the transforms."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import Point, PointStamped, Quaternion, Transform, TransformStamped, Vector3
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from sam2_ros.live.arrived_images import ArrivedImage
from sam2_ros.nodes.edge.encode_images import camera_info
from sam2_ros.nodes.tracker import space_clicks
from sam2_ros.nodes.tracker.space_clicks import SpaceClicks
from tests.nodes.graph import Graph, stamp_of

IMAGE_STAMP = 12.5  # seconds


class TransformException(Exception):
    pass


class ExtrapolationException(TransformException):
    pass


class Buffer:
    """Camera poses by time in nanoseconds (0: the latest), where a tf2_ros.Buffer would keep what it heard."""

    def __init__(self) -> None:
        self.poses: dict[int, Transform] = {}

    def clear(self) -> None:
        self.poses.clear()

    def lookup_transform(self, target_frame: str, source_frame: str, time: Time) -> TransformStamped:
        if (target_frame, source_frame) != ('camera', 'map'):
            raise TransformException(f'{source_frame} is not connected to {target_frame}')
        if time.nanoseconds not in self.poses:
            raise ExtrapolationException('lookup would require extrapolation into the future')
        return TransformStamped(transform=self.poses[time.nanoseconds])


class Listener:
    def __init__(self, buffer: Buffer, node: Node) -> None:
        self.listens = True

    def unregister(self) -> None:
        self.listens = False


@pytest.fixture(scope='module')
def node() -> Iterator[Node]:
    graph = Graph()
    made = rclpy.create_node('clicks', context=graph.context)
    yield made
    made.destroy_node()
    graph.close()


@pytest.fixture
def clicks(node: Node, monkeypatch: pytest.MonkeyPatch) -> Iterator[SpaceClicks]:
    """The camera sees 90 degrees over 640 x 480 pixels: a focal length of 320, the axis at (319.5, 239.5)."""
    monkeypatch.setattr(
        space_clicks,
        'tf2_ros',
        SimpleNamespace(
            Buffer=Buffer,
            TransformListener=Listener,
            TransformException=TransformException,
            ExtrapolationException=ExtrapolationException,
        ),
    )
    made = SpaceClicks(node, image_topic='/camera/image_raw')
    made._keep_info(camera_info(height=480, width=640, horizontal_fov=np.pi / 2, header=Header(frame_id='camera')))
    yield made
    made.close()
    assert not made._listener.listens


def pose(x: float, y: float, z: float) -> Transform:
    """A quarter turn about z, then a shift: the point (a, b, c) of the map is (x - b, y + a, z + c) of the camera."""
    return Transform(
        rotation=Quaternion(z=float(np.sqrt(0.5)), w=float(np.sqrt(0.5))), translation=Vector3(x=x, y=y, z=z)
    )


def pixel(clicks: SpaceClicks, frame: str, *, stamp: float = IMAGE_STAMP) -> tuple[float, float]:
    """Where the point (1, 2, 3) of a frame is seen in the image."""
    image = ArrivedImage(
        Image(header=Header(stamp=stamp_of(stamp), frame_id='camera'), height=480, width=640), time=0.0
    )
    click = PointStamped(header=Header(frame_id=frame, stamp=stamp_of(99.0)), point=Point(x=1.0, y=2.0, z=3.0))
    return clicks.pixel(click, image)


def test_a_point_of_another_frame_is_seen_as_the_camera_stood_at_the_image(clicks: SpaceClicks) -> None:
    clicks._transforms.poses = {round(IMAGE_STAMP * 1e9): pose(3.0, 1.0, 1.0), 0: pose(0.0, 0.0, 9.0)}
    # (3 - 2, 1 + 1, 1 + 3) = (1, 2, 4) of the camera
    assert pixel(clicks, 'map') == pytest.approx((319.5 + 320 * 1 / 4, 239.5 + 320 * 2 / 4))


def test_the_newest_pose_is_taken_where_that_of_the_image_is_not_known(clicks: SpaceClicks) -> None:
    clicks._transforms.poses = {0: pose(1.0, 0.0, 2.0)}
    # (1 - 2, 0 + 1, 2 + 3) = (-1, 1, 5) of the camera
    assert pixel(clicks, 'map') == pytest.approx((319.5 - 320 / 5, 239.5 + 320 / 5))
    assert pixel(clicks, 'map', stamp=0.0) == pytest.approx((319.5 - 320 / 5, 239.5 + 320 / 5))


def test_when_stamps_jump_back_the_old_poses_are_forgotten(clicks: SpaceClicks) -> None:
    clicks._transforms.poses = {0: pose(1.0, 0.0, 2.0)}
    clicks.forget_transforms()
    with pytest.raises(ValueError, match='extrapolation'):
        pixel(clicks, 'map')


def test_when_the_clock_jumps_back_the_old_poses_are_forgotten(clicks: SpaceClicks, node: Node) -> None:
    clock = node.get_clock()
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(Time(seconds=100, clock_type=ClockType.ROS_TIME))
    clicks._transforms.poses = {0: pose(1.0, 0.0, 2.0)}
    clock.set_ros_time_override(Time(seconds=101, clock_type=ClockType.ROS_TIME))
    assert pixel(clicks, 'map')
    clock.set_ros_time_override(Time(seconds=5, clock_type=ClockType.ROS_TIME))
    with pytest.raises(ValueError, match='extrapolation'):
        pixel(clicks, 'map')
    clock._set_ros_time_is_active(False)


def test_a_leading_slash_of_a_frame_does_not_matter(clicks: SpaceClicks) -> None:
    clicks._transforms.poses = {0: pose(1.0, 0.0, 2.0)}
    assert pixel(clicks, '/camera') == pixel(clicks, 'camera')
    assert pixel(clicks, '/map') == pixel(clicks, 'map')
    clicks._info.header.frame_id = '/camera'
    assert pixel(clicks, 'camera') == pytest.approx((319.5 + 320 / 3, 239.5 + 320 * 2 / 3))
    assert pixel(clicks, 'map') == pytest.approx((319.5 - 320 / 5, 239.5 + 320 / 5))


@pytest.mark.parametrize(
    ('topic', 'rectified'),
    [
        ('/camera/image_rect', True),
        ('/camera/image_rect_color', True),
        ('/stereo/left/rect/image', True),
        ('/camera/color_rectified', True),
        ('/camera/image_corrected', False),
        ('/direct/image_raw', False),
        ('/camera/image_raw', False),
        ('/rect_lab/camera/image_raw', False),
    ],
)
def test_rectified_images_are_known_by_a_word_of_the_topic(node: Node, topic: str, rectified: bool) -> None:
    made = SpaceClicks(node, image_topic=topic)
    info = camera_info(height=480, width=640, horizontal_fov=np.pi / 2, header=Header(frame_id='camera'))
    info.d = [0.1, 0.0, 0.0, 0.0, 0.0]
    made._keep_info(info)
    across = 320 / 4 * (1 if rectified else 1.00625)
    image = ArrivedImage(Image(header=Header(frame_id='camera'), height=480, width=640), time=0.0)
    click = PointStamped(header=Header(frame_id='camera'), point=Point(x=0.5, y=0.0, z=2.0))
    assert made.pixel(click, image)[0] == pytest.approx(319.5 + across)
    made.close()


def test_points_of_the_camera_need_no_pose(clicks: SpaceClicks) -> None:
    assert pixel(clicks, 'camera') == pytest.approx((319.5 + 320 / 3, 239.5 + 320 * 2 / 3))


@pytest.mark.parametrize('frame', ['map', 'moon'])
def test_a_pose_that_is_not_known_is_said(clicks: SpaceClicks, frame: str) -> None:
    with pytest.raises(ValueError, match=f"the point is in the frame '{frame}': "):
        pixel(clicks, frame)


def test_a_bad_calibration_is_said(clicks: SpaceClicks) -> None:
    info: CameraInfo = clicks._info
    info.d = [0.1]
    with pytest.raises(ValueError, match='D of the CameraInfo has 1 coefficients'):
        pixel(clicks, 'camera')

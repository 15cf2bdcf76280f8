"""Everything the node publishes about one array of objects. To add an output, add a row to OUTPUTS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, PoseWithCovariance, Quaternion, TransformStamped, TwistWithCovariance, Vector3
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.live.stamps import NANOSECONDS
from sam2_ros.msg import Object3D, Object3DArray
from sam2_ros.nodes.edge.depth_messages import depth_image, with_only
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.edge.qos import make_publisher
from sam2_ros.nodes.objects_3d.lifting import Lifted
from sam2_ros.nodes.objects_3d.markers import MarkerArray, Markers
from sam2_ros.spatial.objects import ObjectEstimate
from sam2_ros.spatial.transforms import quaternion_of

try:
    import tf2_ros
except ImportError:  # not part of a minimal ROS installation
    tf2_ros = None
try:
    from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose
except ImportError:  # not part of a minimal ROS installation
    Detection3DArray = None

OUTPUT_QUEUE = 10  # messages
TURN_VARIANCE = (np.pi / 4) ** 2  # square radians: a box looks the same after a quarter turn, so no error is larger


@dataclass(frozen=True, kw_only=True)
class OutputTopic(Endpoint):
    """One output.

    Attributes:
        make: the message; None if there is none this time.
        lazy: it is made only while someone listens.
    """

    make: Callable[[Lifted, Object3DArray], Any]
    lazy: bool = False


def header_of(lifted: Lifted) -> Header:
    """Stamp of the image, frame of the places."""
    return Header(stamp=lifted.objects.header.stamp, frame_id=lifted.frame)


def objects_message(lifted: Lifted) -> Object3DArray:
    """All objects, in the order of the tracker."""
    return Object3DArray(
        header=header_of(lifted),
        problem=lifted.problem,
        objects=[_object(tracked, lifted.estimates.get(tracked.object_id)) for tracked in lifted.objects.objects],
    )


def _object(tracked: Any, found: ObjectEstimate | None) -> Object3D:
    message = Object3D(
        object_id=tracked.object_id,
        label=tracked.label,
        class_name=tracked.class_name,
        state=tracked.state,
        occlusion_probability=tracked.occlusion_probability,
    )
    if found is None:
        return message
    message.has_pose, message.measured, message.truncated = True, found.measured, found.truncated
    message.points = found.points
    message.pose, message.twist = PoseWithCovariance(), TwistWithCovariance()
    message.pose.pose.position = _point(found.position)
    message.pose.pose.orientation = _quaternion(found.rotation)
    message.pose.covariance = _covariance(found.covariance[:3, :3], TURN_VARIANCE)
    message.twist.twist.linear = _vector(found.velocity)
    message.twist.covariance = _covariance(found.covariance[3:, 3:], 0.0)
    message.size = _vector(found.size)
    message.surface = _point(found.surface)
    seconds, nanoseconds = divmod(found.measured_ns, NANOSECONDS)
    message.last_measured = Time(sec=seconds, nanosec=nanoseconds)
    return message


def _covariance(linear: np.ndarray, angular: float) -> np.ndarray:
    """(36,) of a linear part (3, 3) and one variance for all rotations."""
    whole = np.diag([0.0] * 3 + [angular] * 3)
    whole[:3, :3] = linear
    return whole.ravel()


def _point(values: Iterable[float]) -> Point:
    x, y, z = (float(value) for value in values)
    return Point(x=x, y=y, z=z)


def _vector(values: Iterable[float]) -> Vector3:
    x, y, z = (float(value) for value in values)
    return Vector3(x=x, y=y, z=z)


def _quaternion(rotation: np.ndarray) -> Quaternion:
    x, y, z, w = quaternion_of(rotation)
    return Quaternion(x=x, y=y, z=z, w=w)


def detections(lifted: Lifted, objects: Object3DArray) -> Any:
    """The objects whose place is known as a vision_msgs/Detection3DArray; the score is the probability to be visible.

    Call it only where vision_msgs is installed, that is, where `Detection3DArray` is not None.
    """
    message = Detection3DArray(header=objects.header)
    for found in objects.objects:
        if not found.has_pose:
            continue
        detection = Detection3D(header=objects.header, id=found.object_id)
        detection.bbox.center, detection.bbox.size = found.pose.pose, found.size
        hypothesis = ObjectHypothesisWithPose(pose=found.pose)
        hypothesis.hypothesis.class_id = found.class_name or found.object_id
        hypothesis.hypothesis.score = 1.0 - found.occlusion_probability
        detection.results.append(hypothesis)
        message.detections.append(detection)
    return message


def depth_of_objects(lifted: Lifted, _: Object3DArray) -> Image | None:
    """The depth of the objects only; None without a depth image."""
    if lifted.pixels is None:
        return None
    kept = lifted.places(lambda selection: selection.kept)
    return depth_image(with_only(lifted.pixels, kept, keep=True), header=lifted.depth.header)


def depth_without_objects(lifted: Lifted, _: Object3DArray) -> Image | None:
    """The depth of all but the objects; None without a depth image."""
    if lifted.pixels is None:
        return None
    taken = lifted.places(lambda selection: selection.taken)
    return depth_image(with_only(lifted.pixels, taken, keep=False), header=lifted.depth.header)


def transforms(objects: Object3DArray) -> list[TransformStamped]:
    """A frame object_<id> for each object whose place is known."""
    found = []
    for tracked in (tracked for tracked in objects.objects if tracked.has_pose):
        message = TransformStamped(header=objects.header, child_frame_id=f'object_{tracked.object_id}')
        position = tracked.pose.pose.position
        message.transform.translation = Vector3(x=position.x, y=position.y, z=position.z)
        message.transform.rotation = tracked.pose.pose.orientation
        found.append(message)
    return found


OUTPUTS = (
    OutputTopic(
        name='~/objects',
        type_name='sam2_ros/Object3DArray',
        type=Object3DArray,
        description='Every object: pose, size and velocity with their covariance, measured or predicted.',
        make=lambda _, objects: objects,
    ),
    OutputTopic(
        name='~/detections',
        type_name='vision_msgs/Detection3DArray',
        type=Detection3DArray,
        description='Those whose place is known; only where vision_msgs is installed.',
        make=detections,
    ),
    OutputTopic(
        name='~/markers',
        type_name='visualization_msgs/MarkerArray',
        type=MarkerArray,
        description='Boxes, velocities and names for RViz. Boxes of predicted objects are pale.',
        make=lambda _, __: None,  # of Markers, which remembers what it has drawn
    ),
    OutputTopic(
        name='~/depth_of_objects',
        type_name='sensor_msgs/Image',
        type=Image,
        description='The depth image with the objects only, for depth_image_proc. Made while someone listens.',
        make=depth_of_objects,
        lazy=True,
    ),
    OutputTopic(
        name='~/depth_without_objects',
        type_name='sensor_msgs/Image',
        type=Image,
        description="The depth image without the objects, for MoveIt's octomap. Made while someone listens.",
        make=depth_without_objects,
        lazy=True,
    ),
)


class Outputs:
    """The publishers of the node."""

    def __init__(self, node: Node, *, publish_tf: bool) -> None:
        """Raises ValueError, a sentence, if tf is wanted and not installed, or a quality of service is wrong."""
        if publish_tf and tf2_ros is None:
            raise ValueError('publish_tf needs tf2_ros, which is not installed')
        self._node = node
        self._broadcaster = tf2_ros.TransformBroadcaster(node) if publish_tf else None
        self._markers = Markers()
        self._publishers = {
            row.name: make_publisher(node, row.type, row.name, OUTPUT_QUEUE) for row in OUTPUTS if row.type is not None
        }

    def close(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)

    def publish(self, lifted: Lifted) -> Object3DArray:
        """Publish all; returns the objects."""
        objects = objects_message(lifted)
        for row in OUTPUTS:
            publisher = self._publishers.get(row.name)
            if publisher is None or (row.lazy and not publisher.get_subscription_count()):
                continue
            message = self._markers.update(objects) if row.type is MarkerArray else row.make(lifted, objects)
            if message is not None:
                publisher.publish(message)
        if self._broadcaster is not None:
            self._broadcaster.sendTransform(transforms(objects))
        return objects

"""Tracked objects as collision boxes for MoveIt: they move with the objects and vanish when these are lost.

    python examples/keep_out_boxes.py --ros-args -p margin:=0.02

Give MoveIt's octomap the topic objects_3d/depth_without_objects, so that it does not hold the same objects again.
"""

import rclpy
from geometry_msgs.msg import Pose
from moveit_msgs.msg import CollisionObject  # part of MoveIt, not of this package
from rclpy.node import Node
from sam2_ros.msg import Object3D, Object3DArray
from shape_msgs.msg import SolidPrimitive


class KeepOutBoxes(Node):
    def __init__(self, **options) -> None:
        super().__init__('keep_out_boxes', **options)
        self.margin = self.declare_parameter('margin', 0.02).value  # metres on every side
        self.boxes = self.create_publisher(CollisionObject, 'collision_object', 10)
        self.known: set[str] = set()
        self.create_subscription(Object3DArray, 'objects_3d/objects', self.update, 10)

    def update(self, message: Object3DArray) -> None:
        found = {tracked.object_id: tracked for tracked in message.objects if tracked.has_pose}
        for object_id in self.known - set(found):
            self.publish(CollisionObject(id=object_id, operation=CollisionObject.REMOVE), message)
        for tracked in found.values():  # one of the same id is replaced, with its size
            self.publish(self.box(tracked), message)
        self.known = set(found)

    def box(self, tracked: Object3D) -> CollisionObject:
        sides = [side + 2 * self.margin for side in (tracked.size.x, tracked.size.y, tracked.size.z)]
        made = CollisionObject(id=tracked.object_id, pose=tracked.pose.pose, operation=CollisionObject.ADD)
        made.primitives = [SolidPrimitive(type=SolidPrimitive.BOX, dimensions=sides)]
        made.primitive_poses = [Pose()]  # in the middle of the object
        return made

    def publish(self, box: CollisionObject, message: Object3DArray) -> None:
        box.header = message.header
        self.boxes.publish(box)


if __name__ == '__main__':
    rclpy.init()
    rclpy.spin(KeepOutBoxes())

"""Drives after a tracked object and keeps a distance: objects in space in, velocities of the robot out.

    ros2 run sam2_ros objects_3d --ros-args -r objects:=/tracker/objects -p target_frame:=base_link ...
    python examples/follow_object.py --ros-args -p object:=person -r cmd_vel:=/cmd_vel

The target_frame of objects_3d must be that of the robot: x ahead, y left.
"""

import math

import rclpy
from geometry_msgs.msg import Twist
from rclpy.node import Node
from sam2_ros.msg import Object3DArray

FASTEST, TURN_FASTEST = 0.5, 1.0  # metres and radians per second


class FollowObject(Node):
    """Stops when the object is lost, or when nothing was heard of it for a second."""

    def __init__(self, **options) -> None:
        super().__init__('follow_object', **options)
        self.object_id = self.declare_parameter('object', 'object_1').value
        self.distance = self.declare_parameter('distance', 1.5).value  # metres
        self.commands = self.create_publisher(Twist, 'cmd_vel', 10)
        self.create_subscription(Object3DArray, 'objects_3d/objects', self.drive, 10)
        self.silence = self.create_timer(1.0, lambda: self.commands.publish(Twist()))

    def drive(self, message: Object3DArray) -> None:
        self.silence.reset()
        command = Twist()
        for found in message.objects:
            if found.object_id == self.object_id and found.has_pose:
                x, y = found.pose.pose.position.x, found.pose.pose.position.y
                angle, too_far = math.atan2(y, x), math.hypot(x, y) - self.distance
                command.angular.z = max(-TURN_FASTEST, min(TURN_FASTEST, 1.5 * angle))
                if found.measured and abs(angle) < 0.5:  # towards a place that is only predicted it just turns
                    command.linear.x = max(-FASTEST, min(FASTEST, 0.8 * too_far))
        self.commands.publish(command)


if __name__ == '__main__':
    rclpy.init()
    rclpy.spin(FollowObject())

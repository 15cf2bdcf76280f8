"""A camera in a process of its own: publishes the discs until it is killed. Arguments: topic, reliability, rate."""

import sys

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.nodes.edge.encode_images import array_to_image
from tests.nodes import tracker_scene as scene


def main(topic: str, reliability: str, rate: str) -> None:
    rclpy.init()
    node = rclpy.create_node('camera')
    profile = QoSProfile(depth=5, reliability=ReliabilityPolicy[reliability.upper()])
    publisher = node.create_publisher(Image, topic, profile)

    def publish() -> None:
        now = node.get_clock().now()
        # What the picture shows follows from its stamp, so that whoever receives it knows.
        index = now.nanoseconds // 100_000_000
        header = Header(stamp=now.to_msg(), frame_id='camera')
        publisher.publish(array_to_image(scene.picture(index), 'rgb8', header=header))

    node.create_timer(1 / float(rate), publish)
    rclpy.spin(node)


if __name__ == '__main__':
    main(*sys.argv[1:])

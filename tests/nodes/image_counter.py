"""A process that counts images with the sensor data profile: python -m tests.nodes.image_counter TOPIC NUMBER SECONDS

Prints how many of NUMBER images arrived before SECONDS were over.
"""

import sys
import time

import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image


def main() -> None:
    topic, number, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    rclpy.init()
    node = rclpy.create_node('image_counter')
    stamps = set()
    node.create_subscription(Image, topic, lambda image: stamps.add(str(image.header.stamp)), qos_profile_sensor_data)
    deadline = time.monotonic() + seconds
    silence_ends = deadline
    while len(stamps) < number and time.monotonic() < min(deadline, silence_ends):
        before = len(stamps)
        rclpy.spin_once(node, timeout_sec=0.1)
        if len(stamps) > before:
            silence_ends = time.monotonic() + 3  # the player has ended: what is missing was lost
    print(len(stamps))
    rclpy.shutdown()


if __name__ == '__main__':
    main()

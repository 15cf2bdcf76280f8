"""Translates the detections of yolo_ros for the tracker, which understands vision_msgs/Detection2DArray.

    python examples/yolo_detections.py --ros-args -r yolo:=/yolo/detections -r detections:=/detections
    ros2 launch sam2_ros tracker.launch.py image:=/camera/image_raw detections:=/detections

For another detector write another `translated`: one header, that of the image, and per thing a class, a score from 0 to
1 and a box in pixels of the image. An empty message is one, too: the detector has looked and seen nothing.
"""

from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose


def translated(message: Any) -> Detection2DArray:
    """A yolo_msgs/DetectionArray as a Detection2DArray."""
    array = Detection2DArray(header=message.header)  # that of the image: the tracker finds the image by its stamp
    for found in message.detections:
        detection = Detection2D(header=message.header, id=found.id)
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = found.class_name
        result.hypothesis.score = float(found.score)
        detection.results.append(result)
        centre = found.bbox.center.position
        detection.bbox.center.position.x, detection.bbox.center.position.y = centre.x, centre.y
        detection.bbox.center.theta = found.bbox.center.theta
        detection.bbox.size_x, detection.bbox.size_y = found.bbox.size.x, found.bbox.size.y
        array.detections.append(detection)
    return array


class YoloDetections(Node):
    """Hears `yolo`, says `detections`."""

    def __init__(self, message_type: type, **options: Any) -> None:
        super().__init__('yolo_detections', **options)
        self.publisher = self.create_publisher(Detection2DArray, 'detections', 10)
        self.create_subscription(message_type, 'yolo', self.translate, 10)

    def translate(self, message: Any) -> None:
        self.publisher.publish(translated(message))


def main() -> None:
    from yolo_msgs.msg import DetectionArray  # of yolo_ros; GPL-3, so our package does without it

    rclpy.init()
    try:
        rclpy.spin(YoloDetections(DetectionArray))
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()

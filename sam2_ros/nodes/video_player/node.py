"""A video as a camera: publishes a file, a folder of images, a webcam or a drawn scene."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Iterator

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from sam2_ros.nodes.edge.depth_messages import depth_image
from sam2_ros.nodes.edge.encode_images import array_to_image, camera_info, rgb_to_compressed
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.qos import make_publisher
from sam2_ros.nodes.edge.startup import end_ros, refusals_as_sentences
from sam2_ros.nodes.video_player.parameters import PLAYER_PARAMETERS
from sam2_ros.video.source import FrameSource, SourceError, open_source

QUEUE_DEPTH = 5  # images, as in the sensor data profile
SETTLE_SECONDS = 0.5  # between finding the last subscriber and the first frame: it may not have found us yet
FLUSH_SECONDS = 1.0  # that reliable subscribers get at the end to receive everything


class VideoPlayer(Node):
    """Publishes frames on `image`, with `camera_info` beside it, at an even rate.

    A source that knows depth is an RGB-D camera: `depth/image_rect` (32FC1) and `depth/camera_info` come with a frame.

    Attributes:
        finished: is done at the end of the video.
    """

    def __init__(self) -> None:
        """Raises SourceError when the source cannot be read, ValueError when a parameter is not accepted."""
        super().__init__('video_player')
        self.finished = Future()
        self._settings = ParameterTable(self, PLAYER_PARAMETERS)
        self.add_on_set_parameters_callback(lambda new: self._settings.check(new, configured=True))
        self._source = open_source(
            self._settings['source'], width=self._settings['width'], height=self._settings['height']
        )
        self._frames = itertools.islice(self._endless(self._source), self._settings['max_frames'] or None)
        self._published = 0
        self._start = time.monotonic() + SETTLE_SECONDS

        image_topic = self.resolve_topic_name('image')
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=QUEUE_DEPTH,
            reliability=ReliabilityPolicy[self._settings['reliability'].upper()],
        )
        self._images = make_publisher(self, Image, image_topic, profile)
        info_topic = image_topic.rpartition('/')[0] + '/camera_info'
        self._infos = make_publisher(self, CameraInfo, info_topic, profile)
        self._compressed = (
            make_publisher(self, CompressedImage, f'{image_topic}/compressed', profile)
            if self._settings['compressed']
            else None
        )
        self._depths = self._depth_infos = None
        self._fov = math.radians(self._settings['horizontal_fov'])
        if self._source.depth is not None:
            self._fov = math.radians(self._source.depth.horizontal_fov)
            self._depths = make_publisher(self, Image, 'depth/image_rect', profile)
            self._depth_infos = make_publisher(self, CameraInfo, 'depth/camera_info', profile)
        rate = self._settings['rate'] or self._source.frame_rate
        # A timer that is late skips periods instead of catching up, so frames never come in bursts.
        self._timer = self.create_timer(1 / rate, self._publish_next)
        height, width = self._source.size
        self.get_logger().info(f'{self._source.name}: {width} x {height} pixels at {rate:g} Hz on {image_topic}')

    def _endless(self, source: FrameSource) -> Iterator[np.ndarray]:
        """The frames of the source, again and again if it is to loop."""
        while True:
            count = 0
            for rgb in source:
                count += 1
                yield rgb
            if not count:
                raise SourceError(f'{source.name} delivers no frames any more')
            if not self._settings['loop']:
                return

    def _publish_next(self) -> None:
        if self._settings['paused'] or not self._may_start():
            return
        rgb = next(self._frames, None)
        if rgb is None:
            self._finish()
            return
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._settings['frame_id'])
        self._images.publish(array_to_image(rgb, 'rgb8', header=header))
        info = camera_info(height=rgb.shape[0], width=rgb.shape[1], header=header, horizontal_fov=self._fov)
        self._infos.publish(info)
        if self._source.depth is not None and self._depths is not None and self._depth_infos is not None:
            self._depths.publish(depth_image(self._source.depth.of(self._published), header=header))
            self._depth_infos.publish(info)
        if self._compressed is not None:
            quality = self._settings['jpeg_quality']
            self._compressed.publish(rgb_to_compressed(rgb, header=header, jpeg_quality=quality))
        self._published += 1

    def _may_start(self) -> bool:
        """Whether the subscribers to wait for are there, and have had time to find this node."""
        wanted = self._settings['wait_for_subscribers']
        if self._published or not wanted:
            return True
        listeners = self._images.get_subscription_count()
        if self._compressed is not None:
            listeners += self._compressed.get_subscription_count()
        if listeners < wanted:
            self._start = time.monotonic() + SETTLE_SECONDS
        return time.monotonic() >= self._start

    def _finish(self) -> None:
        self._timer.cancel()
        self._images.wait_for_all_acked(Duration(seconds=FLUSH_SECONDS))
        self.get_logger().info(f'{self._source.name}: the end, after {self._published} frames')
        self.finished.set_result(None)


def main(args: list[str] | None = None) -> None:
    with refusals_as_sentences():
        rclpy.init(args=args)
    try:
        with refusals_as_sentences():
            player = VideoPlayer()
        rclpy.spin_until_future_complete(player, player.finished)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (SourceError, ValueError) as error:
        rclpy.logging.get_logger('video_player').fatal(str(error))
        sys.exit(1)
    except RuntimeError:
        if rclpy.ok():  # otherwise a signal shut ROS down just before rclpy waited
            raise
    finally:
        end_ros()


if __name__ == '__main__':
    main()

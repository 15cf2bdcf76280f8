"""Transforms between frames at a stamp, from tf2 where it is installed. Never waits."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from sam2_ros.spatial.transforms import TransformNotYet, equal_frames_only, rigid

try:
    import tf2_ros
except ImportError:  # not part of a minimal ROS installation: all frames must then be equal
    tf2_ros = None


def plain(frame: str) -> str:
    """The name of a frame as tf2 knows it: older drivers begin it with a slash."""
    return frame.lstrip('/')


class FrameTree:
    """Listens to /tf and /tf_static. Without tf2_ros it knows equal frames only."""

    def __init__(self, node: Node) -> None:
        self._buffer: Any = None
        if tf2_ros is not None:
            self._buffer = tf2_ros.Buffer()  # not for a node: it would make a service each time, which nothing ends
            self._listener = tf2_ros.TransformListener(self._buffer, node)
            back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
            self._jumps = node.get_clock().create_jump_callback(back, post_callback=lambda _: self.forget())

    def close(self) -> None:
        if self._buffer is not None:
            self._listener.unregister()
            self._jumps.unregister()

    def forget(self) -> None:
        """The clock or stamps jumped back: later transforms are of another time."""
        if self._buffer is not None:
            self._buffer.clear()

    def lookup(self, stamp_ns: int, target: str, source: str) -> np.ndarray:
        """A `sam2_ros.spatial.transforms.Lookup`. Frames may begin with a slash.

        Raises:
            TransformNotYet: if tf2 does not know it yet; it may come.
            TransformError: if it never will be known.
        """
        target, source = plain(target), plain(source)
        if self._buffer is None or target == source:
            return equal_frames_only(stamp_ns, target, source)
        try:
            found = self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp_ns)).transform
        except tf2_ros.TransformException as error:
            raise TransformNotYet(f'no transform from {source!r} to {target!r}: {error}') from error
        shift, turn = found.translation, found.rotation
        return rigid((shift.x, shift.y, shift.z), (turn.x, turn.y, turn.z, turn.w))

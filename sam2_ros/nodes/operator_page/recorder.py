"""The record button: begins and ends recordings, and tells the pages how it goes."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rclpy.node import Node

from sam2_ros.live.journal import Journal
from sam2_ros.live.settings import Settings
from sam2_ros.msg import Prompt, TrackedObjectArray
from sam2_ros.nodes.edge.decode_images import ConversionError
from sam2_ros.nodes.operator_page.camera import TrackedCamera
from sam2_ros.web import commands as asked
from sam2_ros.web.thread import ServerThread

if TYPE_CHECKING:  # rosbags is optional
    from sam2_ros.nodes.operator_page.recording import Recording


class RecordButton:
    """One recording at a time, of all cameras."""

    def __init__(self, node: Node, settings: Settings, *, page: ServerThread, journal: Journal) -> None:
        self._node, self._settings, self._page, self._journal = node, settings, page, journal
        self._recording: Recording | None = None

    @property
    def on(self) -> bool:
        return self._recording is not None

    def press(self, command: asked.Record) -> str:
        """Begin or end. Returns why not; empty if it did."""
        if command.on == self.on:
            return ''
        if not command.on:
            return self.end()
        if find_spec('rosbags') is None:
            return 'recording needs the Python package rosbags: pip install rosbags'
        from sam2_ros.nodes.operator_page.recording import Recording, RecordingError

        try:
            self._recording = Recording(self._settings, events_topic=self._node.resolve_topic_name('~/events'))
        except RecordingError as error:
            return str(error)
        self._tell(on=True, path=str(self._recording.path))
        self._node.get_logger().info(f'recording to {self._recording.path}')
        return ''

    def end(self, why: str = '') -> str:
        """End the recording, if there is one. Returns what is wrong with it; empty if nothing is.

        Args:
            why: it ends by itself, as a sentence.
        """
        if self._recording is None:
            return ''
        from sam2_ros.nodes.operator_page.recording import RecordingError

        recording, self._recording = self._recording, None
        try:
            recording.close()
        except RecordingError as error:
            why = str(error)
        self._tell(on=False, path=str(recording.path), **({'error': why} if why else {}))
        if why:
            self._journal.note('recording', f'the recording has ended: {why}')
        else:
            self._node.get_logger().info(f'{recording.images} images were recorded to {recording.path}')
        return why

    def image(self, camera: TrackedCamera, image: Any, objects: TrackedObjectArray) -> None:
        """An image and its objects."""
        try:
            self._write(
                lambda recording, now_ns: recording.image(
                    camera.image_topic, image, camera.objects.topic, objects, now_ns=now_ns
                )
            )
        except ConversionError as error:
            self._journal.note('invalid', f'an image is not recorded: {error}')

    def command(self, camera: TrackedCamera, command: asked.Command, message: Prompt | None) -> None:
        """What is asked of a tracker."""
        if message is not None:
            topic = f'{camera.tracker}/prompts'
            self._write(lambda recording, now_ns: recording.prompt(topic, message, now_ns=now_ns))
            return
        entries = {'tracker': camera.tracker, 'do': 'reset'}
        if isinstance(command, asked.Remove):
            entries |= {'do': 'remove', 'object': command.object_id}
        self._write(lambda recording, now_ns: recording.event(entries, now_ns=now_ns))

    def _write(self, write: Callable[[Recording, int], None]) -> None:
        if self._recording is None:
            return
        from sam2_ros.nodes.operator_page.recording import RecordingError

        try:
            write(self._recording, self._node.get_clock().now().nanoseconds)
        except RecordingError as error:
            self.end(str(error))

    def _tell(self, **facts: Any) -> None:
        self._page.post(self._page.server.set_recording, facts)

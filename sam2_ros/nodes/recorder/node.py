"""Prompts the tracker on the images it sees and records what the tracker says: video, table and summary."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

import rclpy
from rcl_interfaces.srv import SetParameters
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import Image
from tqdm import tqdm

from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.msg import Object3DArray, TrackedObjectArray
from sam2_ros.nodes.edge.messages import prompt_message
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.qos import make_subscription
from sam2_ros.nodes.edge.startup import end_ros, refusals_as_sentences
from sam2_ros.nodes.recorder.parameters import RECORDER_PARAMETERS
from sam2_ros.nodes.recorder.places import PlacesTable
from sam2_ros.nodes.recorder.recording import Recording
from sam2_ros.srv import SetPrompt
from sam2_ros.tracking import Prompt
from sam2_ros.video.prompts import add_prompt_arguments, prompts_by_frame

LOOK_PERIOD = 0.1  # seconds
LAST_OUTPUTS = 5.0  # seconds that outputs may take after the camera has gone
QUEUE_DEPTH = 50


class Recorder(Node):
    """Sends each prompt with the stamp of its image, and records until the camera is gone.

    Attributes:
        finished: its result is empty, or says what failed.
    """

    def __init__(self) -> None:
        """Raises ValueError when a parameter is not accepted, OSError when the folder cannot be written."""
        super().__init__('recorder')
        self.finished: Future = Future()
        self._settings = ParameterTable(self, RECORDER_PARAMETERS)
        self._prompts = _read_prompts(self._settings['prompts'])
        self.recording = Recording(Path(self._settings['folder']), frame_rate=self._settings['frame_rate'])
        self._bar = tqdm(total=self._settings['frames'] or None, unit='image', desc='processed')
        self._unanswered = 0
        self._started = False
        self._news = time.monotonic()
        self._image_topic = self.resolve_topic_name('image')
        make_subscription(
            self, Image, 'image', self._on_image, QoSProfile(depth=QUEUE_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        )
        make_subscription(self, TrackedObjectArray, 'tracker/objects', self._on_objects, QUEUE_DEPTH)
        make_subscription(self, Image, 'tracker/overlay', self._on_overlay, QUEUE_DEPTH)
        self.places = None
        if self._settings['objects_3d']:
            self.places = PlacesTable(Path(self._settings['folder']))
            make_subscription(self, Object3DArray, 'objects_3d/objects', self._on_places, QUEUE_DEPTH)
        self._set_prompt = self.create_client(SetPrompt, 'tracker/set_prompt')
        self._player = None
        if self._settings['player']:
            self._player = self.create_client(SetParameters, f'{self._settings["player"]}/set_parameters')
        self.create_timer(LOOK_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_image(self, message: Image) -> None:
        self._news = time.monotonic()
        prompts = self._prompts.pop(self.recording.images, ())
        self.recording.take_prompts(prompts, stamp_ns=stamp_nanoseconds(message.header.stamp))
        for prompt in prompts:
            request = SetPrompt.Request(prompt=prompt_message(prompt, header=message.header))
            self._unanswered += 1
            self._set_prompt.call_async(request).add_done_callback(self._on_answer)
        self.recording.take_image(stamp_nanoseconds(message.header.stamp))

    def _on_answer(self, future: Future) -> None:
        self._unanswered -= 1
        answer = future.result()
        if not answer.success:
            self._finish(f'the tracker refused a prompt: {answer.reason}')

    def _on_objects(self, message: TrackedObjectArray) -> None:
        self._news = time.monotonic()
        latency = self.get_clock().now().nanoseconds - stamp_nanoseconds(message.header.stamp)
        try:
            self.recording.take_objects(message, latency=latency / NANOSECONDS)
        except OSError as error:
            self._finish(str(error))
        self._bar.update()

    def _on_overlay(self, message: Image) -> None:
        self._news = time.monotonic()
        try:
            self.recording.take_overlay(message)
        except OSError as error:
            self._finish(str(error))

    def _on_places(self, message: Object3DArray) -> None:
        try:
            if self.places is not None:
                self.places.take(message)
        except OSError as error:
            self._finish(str(error))

    def _look(self) -> None:
        """Start the player once everybody is there. End when the camera is gone and its last image is recorded."""
        silence = time.monotonic() - self._news
        if not self._started and self._ready():
            self._started = True
            self._news = time.monotonic()
            if self._player is not None:
                parameter = Parameter('paused', value=False).to_parameter_msg()
                self._player.call_async(SetParameters.Request(parameters=[parameter]))
        elif self.recording.images and not self.count_publishers(self._image_topic):
            done = self.recording.complete and not self._unanswered
            if done or silence > LAST_OUTPUTS:
                self._finish(self._what_is_missing())
        elif silence > self._settings['timeout']:
            self._finish(f'{self._waiting_for()} for {silence:.0f} s')

    def _ready(self) -> bool:
        """Whether the tracker takes prompts and listens to the camera reliably."""
        if not self._set_prompt.service_is_ready():
            return False
        if self._player is None:
            return True
        tracker = self.resolve_service_name('tracker/set_prompt').rpartition('/')[0]
        return self._player.service_is_ready() and any(
            f'{info.node_namespace.rstrip("/")}/{info.node_name}' == tracker
            and info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
            for info in self.get_subscriptions_info_by_topic(self._image_topic)
        )

    def _waiting_for(self) -> str:
        if not self._started:
            return 'the tracker was not ready'
        return 'nothing came out of the tracker' if self.recording.images else 'no image came'

    def _what_is_missing(self) -> str:
        """Why a recording whose camera has gone is not whole; empty if it is."""
        if self._prompts:
            return f'the video has only {self.recording.images} images; there is a prompt for {min(self._prompts)}'
        if self._unanswered:
            return 'the tracker did not answer a prompt'
        return '' if self.recording.processed else 'nothing came out of the tracker'

    def _finish(self, failure: str) -> None:
        if not self.finished.done():
            self._bar.close()
            self.finished.set_result(failure)


def _read_prompts(words: str) -> dict[int, list[Prompt]]:
    """Prompts by image, from command line words. Raises ValueError."""
    parser = argparse.ArgumentParser(prog='prompts', add_help=False, exit_on_error=False)
    add_prompt_arguments(parser)
    try:
        parts = parser.parse_args(shlex.split(words)).prompt_parts
    except argparse.ArgumentError as error:
        raise ValueError(f'prompts: {error}') from error
    return prompts_by_frame(parts or ())


def main(args: list[str] | None = None) -> None:
    """Record until the camera is gone. Exit code 0, or 1 with a sentence when something failed."""
    with refusals_as_sentences():
        rclpy.init(args=args)
    failure = 'interrupted'
    recorder = None
    try:
        with refusals_as_sentences():
            recorder = Recorder()
        rclpy.spin_until_future_complete(recorder, recorder.finished)
        if recorder.finished.done():  # rclpy may also stop waiting because ROS was shut down
            failure = recorder.finished.result()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ValueError, OSError) as error:
        failure = str(error)
    except RuntimeError:
        if rclpy.ok():  # otherwise a signal shut ROS down just before rclpy waited
            raise
    finally:
        if recorder is not None:
            try:
                if recorder.places is not None:
                    recorder.places.close()
                print(recorder.recording.close())
            except OSError as error:
                failure = f'{failure}; {error}' if failure else str(error)
        end_ros()
    if failure:
        print(f'error: {failure}', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    main()

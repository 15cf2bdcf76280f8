"""Prompts the tracker on the images it sees and records what the tracker says: video, table and summary."""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rclpy
from geometry_msgs.msg import Point32
from rcl_interfaces.srv import SetParameters
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tqdm import tqdm

from sam2_ros.drawing.overlay import ScoreStrip, draw_prompts
from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.msg import Prompt as PromptMessage
from sam2_ros.msg import TrackedObject, TrackedObjectArray
from sam2_ros.nodes.edge.decode_images import image_to_rgb
from sam2_ros.nodes.edge.encode_images import array_to_image
from sam2_ros.nodes.edge.messages import STATE_NAMES
from sam2_ros.nodes.edge.parameters import Change, ParameterRow, ParameterTable
from sam2_ros.nodes.edge.qos import make_subscription
from sam2_ros.nodes.edge.startup import refusals_as_sentences
from sam2_ros.srv import SetPrompt
from sam2_ros.tracking import Prompt
from sam2_ros.video.prompts import add_prompt_arguments, prompts_by_frame
from sam2_ros.video.sink import VideoSink

RECORDER_PARAMETERS = (
    ParameterRow('folder', 'demo', 'Folder that the recording is written to.', change=Change.NEVER),
    ParameterRow(
        'prompts',
        '',
        'What to track, in the words of the command line: --box 10,20,50,80 --point 5:30,40',
        change=Change.NEVER,
    ),
    ParameterRow(
        'player',
        '',
        'Name of a paused video player to set going as soon as the tracker listens. Empty: the camera runs by itself.',
        change=Change.NEVER,
    ),
    ParameterRow(
        'frames', 0, 'Images to come, for the progress bar. 0: unknown.', 'images', 0, 10**9, change=Change.NEVER
    ),
    ParameterRow('frame_rate', 30.0, 'Frame rate of the written video.', 'Hz', 0.1, 1000.0, change=Change.NEVER),
    ParameterRow(
        'timeout',
        60.0,
        'The recording fails when nothing new comes for this long.',
        's',
        1.0,
        3600.0,
        change=Change.NEVER,
    ),
)
LOOK_PERIOD = 0.1  # seconds between two looks at how far things are
LAST_OUTPUTS = 5.0  # seconds that outputs may take after the camera has gone
QUEUE_DEPTH = 50
CSV_COLUMNS = ('stamp', 'frame', 'id', 'state', 'object_score_logit', 'occlusion_probability', 'x0', 'y0', 'x1', 'y1')


class Recording:
    """The files of one recording, and what its summary counts."""

    def __init__(self, folder: Path, *, frame_rate: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.images = 0
        self.processed = 0
        self._folder = folder
        self._skipped = 0
        self._newest = {'image': 0, 'objects': 0, 'overlay': 0}  # stamps, nanoseconds
        self._latencies: list[float] = []  # seconds
        self._states: dict[str, Counter[str]] = {}
        self._labels: dict[str, int] = {}
        self._strip = ScoreStrip()
        # by stamp, in nanoseconds, until the overlay comes that they belong to ...
        self._scores: deque[tuple[int, dict[str, float]]] = deque()
        self._prompts: deque[tuple[int, Sequence[Prompt]]] = deque()
        self._overlays: deque[tuple[int, np.ndarray]] = deque()  # ... which waits for the scores
        self._files = ExitStack()
        self._video = self._files.enter_context(VideoSink(folder / 'overlay', frame_rate=frame_rate))
        # line buffered: what happens to the process later, the rows are there
        self._table = csv.writer(self._files.enter_context((folder / 'objects.csv').open('w', newline='', buffering=1)))
        self._table.writerow(CSV_COLUMNS)

    @property
    def complete(self) -> bool:
        """Whether the newest image has come out of the tracker."""
        return self.images > 0 and len(set(self._newest.values())) == 1

    def take_image(self, stamp_ns: int) -> None:
        self.images += 1
        self._newest['image'] = stamp_ns

    def take_prompts(self, prompts: Sequence[Prompt], *, stamp_ns: int) -> None:
        """What the image of this stamp is prompted with: drawn on its overlay, or the next there is."""
        for prompt in prompts:
            self._labels.setdefault(prompt.object_id, len(self._labels) + 1)
        self._prompts.append((stamp_ns, prompts))

    def take_objects(self, message: TrackedObjectArray, *, latency: float) -> None:
        """`latency`: seconds from the stamp of the image to the arrival of this message. Raises OSError."""
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        self.processed += 1
        self._newest['objects'] = stamp_ns
        self._skipped += message.frames_skipped
        self._latencies.append(latency)
        self._labels |= {tracked.object_id: tracked.label for tracked in message.objects}
        # an object that is catching up has no score of this image yet
        self._scores.append(
            (
                stamp_ns,
                {
                    tracked.object_id: tracked.object_score_logit
                    for tracked in message.objects
                    if tracked.state != TrackedObject.CATCHING_UP
                },
            )
        )
        for tracked in message.objects:
            state = STATE_NAMES[tracked.state]
            self._states.setdefault(tracked.object_id, Counter())[state] += 1
            box = [f'{edge:g}' for edge in tracked.box] if tracked.has_box else [''] * 4
            self._table.writerow(
                (
                    f'{stamp_ns // NANOSECONDS}.{stamp_ns % NANOSECONDS:09d}',
                    message.frame_index,
                    tracked.object_id,
                    state,
                    f'{tracked.object_score_logit:.4f}',
                    f'{tracked.occlusion_probability:.4f}',
                    *box,
                )
            )
        self._write_overlays(until=stamp_ns)

    def take_overlay(self, message: Image) -> None:
        """Raises OSError."""
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        self._overlays.append((stamp_ns, image_to_rgb(message)))
        self._newest['overlay'] = stamp_ns
        # objects and overlays come in any order; a message that got lost holds up nothing for long
        longest_wait = self._overlays[-QUEUE_DEPTH][0] if len(self._overlays) >= QUEUE_DEPTH else 0
        self._write_overlays(until=max(self._newest['objects'], longest_wait))

    def _write_overlays(self, *, until: int) -> None:
        """Write the overlays up to this stamp, each with the scores up to its own."""
        while self._overlays and self._overlays[0][0] <= until:
            stamp_ns, rgb = self._overlays.popleft()
            while self._scores and self._scores[0][0] <= stamp_ns:
                self._strip.add(self._scores.popleft()[1])
            while self._prompts and self._prompts[0][0] <= stamp_ns:
                rgb = draw_prompts(rgb, self._prompts.popleft()[1], labels=self._labels)
            self._video.write(self._strip.draw_under(rgb, labels=self._labels))

    def close(self) -> str:
        """Write the summary, which is returned as well, a Markdown text, and close all files. Raises OSError when one
        could not be written as a whole.
        """
        p50, p95 = 1000 * np.percentile(self._latencies or [np.nan], (50, 95))
        lines = [
            '| images | |',
            '| --- | --- |',
            f'| published | {self.images} |',
            f'| processed | {self.processed} |',
            f'| skipped, because a newer one was there | {self._skipped} |',
            f'| missing for other reasons | {self.images - self.processed - self._skipped} |',
            f'| latency, median | {p50:.0f} ms |',
            f'| latency, 95th percentile | {p95:.0f} ms |',
            '',
            f'| images in which the object was | {" | ".join(STATE_NAMES.values())} |',
            '| --- ' * (1 + len(STATE_NAMES)) + '|',
        ]
        for object_id, counts in self._states.items():
            lines.append(f'| {object_id} | {" | ".join(str(counts[state]) for state in STATE_NAMES.values())} |')
        lines += ['', 'Latency: from the stamp of an image to the arrival of its objects in this process.']
        text = '\n'.join(lines) + '\n'
        try:
            self._write_overlays(until=self._newest['overlay'])
            (self._folder / 'summary.md').write_text(text)
        finally:
            self._files.close()
        return text


def prompt_message(prompt: Prompt, *, header: Header) -> PromptMessage:
    """The prompt as a message for the image with this header."""
    message = PromptMessage(
        header=header,
        object_id=prompt.object_id,
        labels=[int(label) for label in prompt.labels],
        points=[Point32(x=float(x), y=float(y)) for x, y in prompt.points],
    )
    if prompt.box is not None:
        message.has_box, message.box = True, [float(edge) for edge in prompt.box]
    if prompt.mask is not None:
        message.mask = array_to_image(prompt.mask.astype(np.uint8) * 255, 'mono8', header=header)
    return message


class Recorder(Node):
    """Sends each prompt stamped to its image, records until the camera is gone. `finished` holds '' or what failed."""

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

    def _look(self) -> None:
        """Set the player going once everybody is there; end when the camera is gone and its last image is recorded."""
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
        """Whether the tracker takes prompts and listens to the camera in the way it will go on listening."""
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
        if rclpy.ok():  # otherwise a signal shut ROS down just before rclpy began to wait
            raise
    finally:
        if recorder is not None:
            try:
                print(recorder.recording.close())
            except OSError as error:
                failure = f'{failure}; {error}' if failure else str(error)
        rclpy.try_shutdown()
    if failure:
        print(f'error: {failure}', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    main()

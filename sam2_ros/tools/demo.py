"""Shows the tracker node at work without a camera or a display: `python -m sam2_ros.tools.demo [--video FILE --box …]`.

A video player, the tracker and a recorder run as processes in their own ROS domain. They talk to each other as on a
robot. The recorder prompts the tracker on the first image and writes what the tracker publishes. With --page the
operator's page takes its place: objects are chosen in a browser, and the video is repeated until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.files.overwriting import check_inputs_stay
from sam2_ros.interruption import command_status
from sam2_ros.synthetic.depth_demo import DepthDemoScene
from sam2_ros.synthetic.sprites import SpriteScene
from sam2_ros.tools.network_arguments import add_model_arguments, load_requested_network, node_parameters
from sam2_ros.tracking import Prompt, VideoTracker
from sam2_ros.tracking.masks import box_of
from sam2_ros.video.prompts import HOW_TO_PROMPT, PromptPart, add_prompt_arguments, check_prompts, prompts_by_frame
from sam2_ros.video.sink import video_files
from sam2_ros.video.source import ACCEPTED, SCENES, FrameSource, files_of, open_source

SCENE_FRAMES = 300  # long enough for hidden objects of a drawn scene to come out again
MEASURED_STEPS, IGNORED_STEPS = 10, 5  # of the tracker, to see how fast this machine is
OVERHEAD = 0.03  # seconds per image for messages, drawing and writing, on a slow machine
RATE_MARGIN = 2.2  # player and recorder use the same processor, and steps take longer when the memory is full
STOP_SECONDS = 5.0  # after each signal, for the processes to end
LOOK_PERIOD = 0.1  # seconds between two looks at the processes
LOG_LINES = 15  # shown of the log of a process that failed
OTHER_FILES = ('objects.csv', 'summary.md', 'tracker.log', 'video_player.log')  # written besides the video
IMAGE_TOPIC = '/camera/image_raw'
PAGE_PORT = 8080
REMAPPINGS = {'objects_3d': ('objects:=/tracker/objects', 'camera_info:=/camera/camera_info')}
DEPTH_FILES = ('objects_3d.csv', 'objects_3d.log')  # written besides where the video has depth

Parameter = str | float | bool


class DemoError(Exception):
    """The demo could not run to its end; the message says why."""


class Child:
    """A node in a process of its own."""

    def __init__(
        self, module: str, parameters: Mapping[str, Parameter], *, env: Mapping[str, str], log: Path | None
    ) -> None:
        """Start the node.

        Args:
            module: in sam2_ros.nodes, without `.node`.
            parameters: of the node.
            env: environment of the process.
            log: file for what the node prints; None: our own output.
        """
        self._log = log
        # ROS reads parameters as YAML, which includes JSON; the quotes keep text that looks like a number
        words = [word for name, value in parameters.items() for word in ('-p', f'{name}:={json.dumps(value)}')]
        command = [
            sys.executable,
            '-m',
            f'sam2_ros.nodes.{module}.node',
            '--ros-args',
            '-r',
            f'image:={IMAGE_TOPIC}',
            *(word for rule in REMAPPINGS.get(module, ()) for word in ('-r', rule)),
            *words,
        ]
        with ExitStack() as stack:
            output = stack.enter_context(log.open('wb')) if log else None
            # a session of its own, so that Ctrl-C in the terminal reaches us only, and we stop the nodes in order
            self._process = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)

    @property
    def exit_code(self) -> int | None:
        """Exit code of the process; None while it runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def log_end(self) -> str:
        """The last lines of the log file."""
        if self._log is None:
            return ''
        lines = self._log.read_text(errors='replace').splitlines()[-LOG_LINES:]
        return f'the end of {self._log}:\n' + '\n'.join(lines)


def stop(children: Sequence[Child]) -> None:
    """End all processes: first SIGINT, then SIGTERM, then SIGKILL."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for child in children:
            child.send(number)  # does nothing to one that has ended
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.exit_code is None for child in children) and time.monotonic() < deadline:
            time.sleep(LOOK_PERIOD)


def run_demo(
    source: FrameSource,
    *,
    prompts: Sequence[PromptPart],
    out: Path,
    rate: float,
    frames: int | None,
    tracker: Mapping[str, Parameter],
) -> None:
    """Play a video to the tracker node and record what it publishes.

    Args:
        source: the video.
        prompts: what to track, in the words of the command line.
        out: folder of the results.
        rate: images per second.
        frames: number of images to play; None: all.
        tracker: parameters of the tracker node.

    Raises:
        DemoError: if a process fails.
    """
    env = child_environment()
    out.mkdir(parents=True, exist_ok=True)
    words = shlex.join(word for part in prompts for word in (f'--{part.kind}', part.text))
    playing: dict[str, Parameter] = {
        'source': source.name,
        'loop': False,
        'paused': True,
        'rate': rate,
        'max_frames': frames or 0,
    }
    recording: dict[str, Parameter] = {
        'folder': str(out),
        'prompts': words,
        'player': '/video_player',
        'frame_rate': source.frame_rate,
        'frames': frames or source.frame_count or 0,
        'objects_3d': source.depth is not None,
    }
    with noted_signals() as signals, started() as start:
        node = start('tracker', tracker, env=env, log=out / 'tracker.log')
        if source.depth is not None:
            start('objects_3d', {}, env=env, log=out / 'objects_3d.log')
        player = start('video_player', playing, env=env, log=out / 'video_player.log')
        recorder = start('recorder', recording, env=env, log=None)
        while recorder.exit_code is None:
            if signals:
                sys.exit(128 + signals[0])  # passes through the end of `started`
            check_children(node, player)
            time.sleep(LOOK_PERIOD)
        if recorder.exit_code:
            raise DemoError(f'the recording failed; {node.log_end()}')


def run_page(source: FrameSource, *, out: Path, rate: float, tracker: Mapping[str, Parameter]) -> None:
    """Play a video to the tracker node again and again, and serve the operator's page until Ctrl-C.

    Args:
        source: the video.
        out: folder of logs and recordings.
        rate: images per second.
        tracker: parameters of the tracker node.

    Raises:
        DemoError: if a process fails.
    """
    env = child_environment()
    out.mkdir(parents=True, exist_ok=True)
    port = free_port()
    page: dict[str, Parameter] = {'port': port, 'recordings': str(out / 'recordings'), 'max_rate': 30.0}
    playing: dict[str, Parameter] = {'source': source.name, 'loop': True, 'rate': rate}
    with noted_signals() as signals, started() as start:
        node = start('tracker', tracker, env=env, log=out / 'tracker.log')
        player = start('video_player', playing, env=env, log=out / 'video_player.log')
        server = start('operator_page', page, env=env, log=out / 'operator_page.log')
        print(f'Open http://localhost:{port}/ in a browser and click on something; Ctrl-C ends the demo.', flush=True)
        while not signals:
            check_children(node, player)
            if server.exit_code is not None:
                raise DemoError(f'the page ended with exit code {server.exit_code}; {server.log_end()}')
            time.sleep(LOOK_PERIOD)


def free_port() -> int:
    """The usual port of the page, or any that is free."""
    for port in (PAGE_PORT, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(('127.0.0.1', port))
            return int(probe.getsockname()[1])
    raise DemoError('no port of this machine is free')


def check_children(tracker: Child, player: Child) -> None:
    """Raises DemoError if one of them has failed."""
    if tracker.exit_code is not None:
        raise DemoError(f'the tracker ended with exit code {tracker.exit_code}; {tracker.log_end()}')
    if player.exit_code:
        raise DemoError(f'the video player ended with exit code {player.exit_code}; {player.log_end()}')


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Signals that came. They are only noted: one must not come between the start of a process and its entry in a
    list.
    """
    signals: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: signals.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def started() -> Iterator[Callable[..., Child]]:
    """A function that starts a `Child`; all of them end with the block."""
    children: list[Child] = []

    def start(module: str, parameters: Mapping[str, Parameter], **options: Any) -> Child:
        children.append(Child(module, parameters, **options))
        return children[-1]

    try:
        yield start
    finally:
        stop(children)


def child_environment() -> dict[str, str]:
    """Environment of the nodes: this machine only, a rarely used domain, and room for images in shared memory.

    Raises:
        DemoError: if the ROS package is not built or not sourced.
    """
    try:
        from sam2_ros.nodes.edge.transport import large_image_environment  # not there without ROS

        profile = large_image_environment()
    except (ImportError, LookupError) as error:
        raise DemoError('the ROS package sam2_ros is not built or not sourced; make demo does both') from error
    return {
        **os.environ,
        **profile,
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
    }


def affordable_rate(source: FrameSource, tracker: VideoTracker, *, prompts: Sequence[Prompt]) -> float:
    """Images per second of a video that the tracker can follow on this machine, measured on the first image.

    Args:
        source: the video.
        tracker: is used up.
        prompts: for the first image.
    """
    rgb = next(iter(source))
    seconds = []
    for step in range(MEASURED_STEPS):
        start = time.perf_counter()
        tracker.step(rgb, prompts if step == 0 else ())
        seconds.append(time.perf_counter() - start)
    step_seconds = float(np.median(seconds[IGNORED_STEPS:]))
    return min(source.frame_rate, round(1 / (RATE_MARGIN * step_seconds + OVERHEAD), 1))


def scene_prompts(scene: SpriteScene | DepthDemoScene) -> list[PromptPart]:
    """Boxes of the objects to track in the first frame of a drawn scene, each with its name.

    Raises:
        ValueError: if one of them is hidden in the first frame.
    """
    masks = scene.masks(0)
    parts = []
    for name in scene.prompted:
        box = box_of(masks[name])
        if box is None:
            raise ValueError(f'{name} cannot be seen in the first frame')
        parts += [PromptPart('name', name, name), PromptPart('box', ','.join(map(str, box)), tuple(map(float, box)))]
    return parts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.tools.demo',
        description='Player, tracker and recorder as ROS nodes; writes overlay.mp4, objects.csv and summary.md.',
    )
    parser.add_argument('--video', default='synthetic', help=f'{ACCEPTED} (default: %(default)s)')
    parser.add_argument('--out', type=Path, default=Path('demo'), metavar='DIR', help='default: %(default)s')
    parser.add_argument(
        '--rate',
        type=float,
        metavar='HZ',
        help='images per second (default: that of the video, or '
        'what this machine can follow; beyond that the tracker skips images)',
    )
    parser.add_argument(
        '--page', action='store_true', help="serve the operator's page instead of recording, until Ctrl-C"
    )
    parser.add_argument('--frames', type=int, metavar='N', help='stop after N images')
    add_prompt_arguments(parser)
    add_model_arguments(parser)
    return parser


def _page(options: argparse.Namespace, source: FrameSource, parts: Sequence[PromptPart]) -> int:
    """The demo with the operator's page; the exit status. Raises ValueError and DemoError."""
    if options.prompt_parts or options.frames:
        raise ValueError('with --page objects are chosen in the browser, and the video is repeated')
    height, width = source.size
    middle = Prompt('middle', box=(width / 4, height / 4, 3 * width / 4, 3 * height / 4))
    tracker = VideoTracker(load_requested_network(options), options.memory)
    prompts = prompts_by_frame(parts)[0] if parts else [middle]  # only to see how fast this machine is
    rate = options.rate or affordable_rate(source, tracker, prompts=prompts)
    del tracker
    print(f'{options.video} at {rate:g} images per second')
    run_page(source, out=options.out, rate=rate, tracker=node_parameters(options))
    return 0


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(args)
    return command_status(lambda: _run(options), errors=(ValueError, OSError, DemoError))


def _run(options: argparse.Namespace) -> int:
    source = open_source(options.video)
    check_inputs_stay(
        files_of(options.video),
        files=[
            *video_files(options.out / 'overlay'),
            *(options.out / name for name in (*OTHER_FILES, *DEPTH_FILES)),
        ],
    )
    scene = SCENES.get(options.video)
    frames = options.frames or (SCENE_FRAMES if scene else None)
    if frames and source.frame_count:
        frames = min(frames, source.frame_count)
    parts = options.prompt_parts or (scene_prompts(scene(*source.size)) if scene else [])
    if options.page:
        return _page(options, source, parts)
    if not parts:
        raise ValueError(
            f'there is no prompt; {HOW_TO_PROMPT}, in pixels of the {source.size[1]}x{source.size[0]} images'
        )
    prompts = prompts_by_frame(parts)
    check_prompts(prompts, size=source.size, frame_count=frames or source.frame_count)
    tracker = VideoTracker(load_requested_network(options), options.memory)  # wrong options raise here
    rate = options.rate or affordable_rate(source, tracker, prompts=prompts[min(prompts)])
    del tracker  # its memory on the device is for the node
    print(f'{options.video} at {rate:g} images per second')
    run_demo(source, prompts=parts, out=options.out, rate=rate, frames=frames, tracker=node_parameters(options))
    video = next(options.out.glob('overlay.*'))
    print(
        f'Look at {video}; the objects are in {options.out / "objects.csv"}, the figures in '
        f'{options.out / "summary.md"}'
    )
    if source.depth is not None:
        print(f'Where they are in space, and how they move: {options.out / "objects_3d.csv"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

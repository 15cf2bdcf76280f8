"""What the ROS node adds to the tracker: milliseconds per image outside VideoTracker.step, and the age of its outputs.

Runs the real nodes as processes: video_player (synthetic scene, 1280 x 720) and tracker, one object, no overlay, with
the transport profile that the launch files set.
    python benchmarks/node_overhead.py [--checkpoint FILE] > benchmarks/node_overhead.md
The overhead is the time from the stamp of an image, taken just before it is published, to the arrival of its output
in a third process, minus the time in VideoTracker.step.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sam2_ros.msg import Prompt, TrackedObjectArray

from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds

WIDTH, HEIGHT = 1280, 720
IMAGE = '/camera/image_raw'
DOMAIN = '57'
PROFILE = Path(__file__).parent.parent / 'config/fastdds_large_images.xml'
WARM_UP = 5.0  # seconds
PATIENCE = 60.0  # seconds in which the nodes must start and track


class Listener(Node):
    """Prompts one object, then keeps when each output came and what the tracker says about its stages."""

    def __init__(self) -> None:
        super().__init__('listener')
        self.ages: list[float] = []  # seconds from the stamp of an image to its output
        self.newest: TrackedObjectArray | None = None
        self.stages: dict[str, float] = {}  # milliseconds
        self.prompts = self.create_publisher(Prompt, '/tracker/prompts', 10)
        self.create_subscription(TrackedObjectArray, '/tracker/objects', self._keep, 10)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._keep_stages, 10)

    def _keep(self, objects: TrackedObjectArray) -> None:
        now = self.get_clock().now().nanoseconds
        self.newest = objects
        self.ages.append((now - stamp_nanoseconds(objects.header.stamp)) / NANOSECONDS)

    def _keep_stages(self, report: DiagnosticArray) -> None:
        for status in report.status:
            self.stages |= {pair.key: float(pair.value) for pair in status.values if pair.key.endswith(', ms')}

    def spin_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rclpy.spin_once(self, timeout_sec=0.1)

    def prompt(self) -> None:
        """Ask for the object in the middle of the newest output; wait until it is tracked."""
        message = Prompt(object_id='object', has_box=True)
        message.box = [WIDTH * 0.4, HEIGHT * 0.4, WIDTH * 0.6, HEIGHT * 0.6]
        self._wait(lambda: self.newest is not None)
        self.prompts.publish(message)
        self._wait(lambda: self.newest is not None and bool(self.newest.objects))

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.spin_for(0.2)
            if time.monotonic() > deadline:
                raise TimeoutError(f'nothing came within {PATIENCE} s: did a node end?')


@contextmanager
def nodes(rate: float, checkpoint: str, image_size: int) -> Iterator[None]:
    """The camera and the tracker, each in a process."""
    tracker = ['-p', f'checkpoint:={checkpoint}'] if checkpoint else []
    commands = (
        ['sam2_ros.nodes.tracker.node', '-p', f'image_size:={image_size}', *tracker],
        ['sam2_ros.nodes.video_player.node', '-p', f'rate:={rate}', '-p', f'width:={WIDTH}', '-p', f'height:={HEIGHT}'],
    )
    processes = [
        subprocess.Popen(
            [sys.executable, '-m', module, '--ros-args', '-r', f'image:={IMAGE}', *arguments], stderr=subprocess.DEVNULL
        )
        for module, *arguments in commands
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def measure(rate: float, *, seconds: float, checkpoint: str, image_size: int) -> Listener:
    """Run the nodes at this camera rate (Hz); what the listener heard after the warm-up."""
    with nodes(rate, checkpoint, image_size):
        listener = Listener()
        listener.prompt()
        listener.spin_for(WARM_UP)
        listener.ages.clear()
        listener.spin_for(seconds)
        listener.destroy_node()
    return listener


def overhead_rows(listener: Listener) -> list[str]:
    total = np.percentile(listener.ages, 50) * 1e3
    stages = listener.stages
    rows = [f'| from the stamp to the output in another process | {total:.1f} |']
    rows += [
        f'| of that in the node: {stage} | {stages[f"{stage} p50, ms"]:.1f} |'
        for stage in ('wait', 'convert', 'track', 'publish')
    ]
    transport = total - stages['total p50, ms']
    return [
        *rows,
        f'| of that on the way (camera to node, node to listener) | {transport:.1f} |',
        f'| **outside VideoTracker.step** | **{total - stages["track p50, ms"]:.1f}** |',
    ]


def main(args: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--checkpoint', default='', help='weights file; the bundled ones without it')
    parser.add_argument('--image-size', type=int, default=0, help="side of the network's input; 0: its own")
    parser.add_argument('--seconds', type=float, default=30.0, help='length of each of the two measurements')
    options = parser.parse_args(args)
    os.environ |= {
        'ROS_DOMAIN_ID': DOMAIN,
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'FASTRTPS_DEFAULT_PROFILES_FILE': str(PROFILE),
    }
    rclpy.init()
    given = {'seconds': options.seconds, 'checkpoint': options.checkpoint, 'image_size': options.image_size}
    slow, fast = measure(2.0, **given), measure(30.0, **given)
    bound = fast.stages['track p95, ms'] / 1e3 + 1 / 30 + 0.02
    within = np.mean(np.array(fast.ages) <= bound)
    print('# What the ROS node adds per image\n')
    print(
        f'{platform.machine()}, {os.cpu_count()} cores, {datetime.date.today()}, one object, {WIDTH} x {HEIGHT} '
        'rgb8, reliable, overlay off;\n`python benchmarks/node_overhead.py`\n'
    )
    print(f'Camera at 2 Hz, {len(slow.ages)} outputs:\n\n| median | ms |\n|---|---|')
    print('\n'.join(overhead_rows(slow)))
    median, high = np.percentile(fast.ages, (50, 95)) * 1e3
    print(
        f'\nCamera at 30 Hz, {len(fast.ages)} outputs in {options.seconds:g} s: age p50 {median:.0f} ms, p95 '
        f'{high:.0f} ms;\n{within:.0%} within inference time (p95) + one camera period + 20 ms = '
        f'{bound * 1e3:.0f} ms.'
    )


if __name__ == '__main__':
    main()

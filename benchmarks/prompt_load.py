"""What a stream of prompts costs: outputs per second and prompts applied, against prompts per second.

Runs the real nodes as processes: video_player (synthetic scene, 1280 x 720, 30 Hz) and tracker. Another process tracks
one object and prompts it again and again, as a detector does, stamped with the newest image it has received.
    python benchmarks/prompt_load.py > benchmarks/prompt_load.md
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import time
from collections.abc import Sequence

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from node_overhead import DOMAIN, HEIGHT, IMAGE, PROFILE, WARM_UP, WIDTH, Listener, nodes
from sam2_ros.msg import Prompt
from sensor_msgs.msg import Image
from std_msgs.msg import Header

RATES = (0, 3, 10, 100)  # prompts per second
COUNTERS = ('applied', 'superseded by newer ones', 'refused', 'catch-ups cut short')
SETTLE = 3.0  # seconds after the last prompt, until the diagnostics have told of it


class Detector(Listener):
    """A listener that prompts its object at a steady rate."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.sent = 0
        self._header = Header()
        self.create_subscription(Image, IMAGE, self._see, 1)

    def _see(self, image: Image) -> None:
        self._header = image.header

    def _keep_stages(self, report: DiagnosticArray) -> None:
        super()._keep_stages(report)
        for status in report.status:
            self.counts |= {pair.key: int(pair.value) for pair in status.values if pair.key in COUNTERS}

    def prompt_for(self, seconds: float, *, rate: float) -> None:
        """Send `rate` prompts per second."""
        start = time.monotonic()
        sent = 0
        while (elapsed := time.monotonic() - start) < seconds:
            rclpy.spin_once(self, timeout_sec=0.0005)
            while sent < rate * elapsed:
                box = [WIDTH * 0.4, HEIGHT * 0.4, WIDTH * 0.6, HEIGHT * 0.6]
                self.prompts.publish(Prompt(header=self._header, object_id='object', has_box=True, box=box))
                sent += 1
        self.sent = sent


def row(rate: float, *, seconds: float) -> tuple[float, list[str]]:
    """Outputs per second, and the cells of the table."""
    with nodes(30.0, '', 0):
        detector = Detector()
        detector.prompt()
        detector.spin_for(WARM_UP)
        detector.ages.clear()
        before = dict(detector.counts)
        detector.prompt_for(seconds, rate=rate)
        outputs = len(detector.ages) / seconds
        detector.spin_for(SETTLE)
        counted = [detector.counts.get(name, 0) - before.get(name, 0) for name in COUNTERS]
        detector.destroy_node()
    return outputs, [f'{rate:g}', f'{outputs:.1f}', str(detector.sent), *map(str, counted)]


def main(args: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=float, default=14.0, help='length of each measurement')
    options = parser.parse_args(args)
    os.environ |= {
        'ROS_DOMAIN_ID': DOMAIN,
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'FASTRTPS_DEFAULT_PROFILES_FILE': str(PROFILE),
    }
    rclpy.init()
    print('# What a stream of prompts costs\n')
    print(
        f'{platform.machine()}, {os.cpu_count()} cores, {datetime.date.today()}, one object, bundled model, '
        f'{WIDTH} x {HEIGHT} rgb8 at 30 Hz, {options.seconds:g} s each;\n`python benchmarks/prompt_load.py`\n'
    )
    print(
        '| prompts/s asked for | outputs/s | of the rate without | prompts sent | '
        + ' | '.join(COUNTERS)
        + ' |\n|'
        + '---|' * (4 + len(COUNTERS))
    )
    alone = 0.0
    for rate in RATES:
        outputs, cells = row(rate, seconds=options.seconds)
        alone = alone or outputs
        print('| ' + ' | '.join([*cells[:2], f'{outputs / alone:.0%}', *cells[2:]]) + ' |', flush=True)


if __name__ == '__main__':
    main()

"""How long a picture takes from the camera to the screen of the operator, and what the page takes from the tracker.

Runs the real nodes as processes: video_player (synthetic scene, 1280 x 720), tracker and operator_page, and a real
Chromium without a window, all on this machine.
    python -m benchmarks.operator_page [--rate HZ] [--seconds N] > benchmarks/operator_page.md
The page tells the node when a picture is on the screen, and the node takes the time since the stamp of its image. So
the way of that word back to the node is in it. The browser draws by the processor, as there is no graphics card.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sam2_ros.msg import Prompt, TrackedObjectArray
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.tools.demo import child_environment, free_port

SIZE = (720, 1280)  # of the images: height, width
IMAGE = '/camera/image_raw'
BOX = (515.0, 215.0, 720.0, 390.0)  # anything: what is tracked does not matter here
WARM_UP = 10.0  # seconds
BUSY = """Other programs kept the machine busy. On a machine of its own the times are shorter; the differences between
the rows are within the noise here."""
PATIENCE = 120.0  # seconds in which the nodes must start and track


class Listener(Node):
    """Keeps the ages of the tracker's outputs and what the page says of its latency."""

    def __init__(self) -> None:
        super().__init__('listener')
        self.ages: list[float] = []  # seconds from the stamp of an image to its objects
        self.values: dict[str, str] = {}  # the newest diagnostics of the page
        self.newest: TrackedObjectArray | None = None
        self.prompts = self.create_publisher(Prompt, '/tracker/prompts', 10)
        self.create_subscription(TrackedObjectArray, '/tracker/objects', self._keep, 10)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._keep_values, 10)

    def _keep(self, objects: TrackedObjectArray) -> None:
        self.newest = objects
        self.ages.append((self.get_clock().now().nanoseconds - stamp_nanoseconds(objects.header.stamp)) / NANOSECONDS)

    def _keep_values(self, report: DiagnosticArray) -> None:
        for status in report.status:
            if status.name.endswith('operator_page: page'):
                self.values = {pair.key: pair.value for pair in status.values}

    def listen(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rclpy.spin_once(self, timeout_sec=0.1)

    def prompt_until_tracked(self) -> None:
        """Raises TimeoutError if nothing is tracked in time."""
        end = time.monotonic() + PATIENCE
        while self.newest is None or not self.newest.objects:
            if time.monotonic() > end:
                raise TimeoutError(f'nothing was tracked within {PATIENCE:g} s')
            if self.newest is not None:
                prompt = Prompt(header=self.newest.header, object_id='object', has_box=True, box=BOX)
                self.prompts.publish(prompt)
            self.listen(2.0)


@contextmanager
def node(name: str, parameters: Sequence[str], environment: dict[str, str]) -> Iterator[None]:
    words = [word for parameter in parameters for word in ('-p', parameter)]
    command = [sys.executable, '-m', f'sam2_ros.nodes.{name}.node', '--ros-args', '-r', f'image:={IMAGE}', *words]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def browser(address: str) -> Iterator[None]:
    found, driver_file = (shutil.which(name) for name in ('chromium', 'chromedriver'))
    if not found or not driver_file:  # selenium would look for them in the internet
        raise FileNotFoundError('there is no Chromium with its driver: apt-get install chromium chromium-driver')
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for switch in ('--headless=new', '--no-sandbox', '--disable-gpu', '--window-size=1280,800'):
        options.add_argument(switch)
    driver = webdriver.Chrome(options=options, service=Service(driver_file))
    try:
        driver.get(address)
        yield
    finally:
        driver.quit()


@dataclass(frozen=True)
class Row:
    """What was measured with so many open pages. Ages in ms: median and 95th percentile."""

    pages: int
    outputs_per_second: float
    output_age: tuple[float, float]
    screen_age: tuple[str, str]


def measured(listener: Listener, pages: int, seconds: float) -> Row:
    listener.listen(WARM_UP)
    listener.ages.clear()
    listener.listen(seconds)
    ages = np.array(listener.ages) * 1e3
    middle, high = (listener.values.get(f'stamp to screen {part}, ms', '-') for part in ('p50', 'p95'))
    output_age = float(np.median(ages)), float(np.percentile(ages, 95))
    return Row(pages, len(ages) / seconds, output_age, (middle, high))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rate', type=float, default=5.0, help='images per second (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=30.0, help='of each measurement (default: %(default)s)')
    options = parser.parse_args()
    environment = child_environment()
    os.environ.update({name: environment[name] for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE')})
    port = free_port()
    player = ['source:=synthetic', f'rate:={options.rate}', f'height:={SIZE[0]}', f'width:={SIZE[1]}']
    rclpy.init()
    listener = Listener()
    rows: list[Row] = []
    with ExitStack() as stack:
        stack.enter_context(node('tracker', [], environment))
        stack.enter_context(node('video_player', player, environment))
        stack.enter_context(node('operator_page', [f'port:={port}', 'max_rate:=30.0'], environment))
        listener.prompt_until_tracked()
        for pages in (0, 1, 3):
            for _ in range(pages - (rows[-1].pages if rows else 0)):
                stack.enter_context(browser(f'http://localhost:{port}/'))
            rows.append(measured(listener, pages, options.seconds))
    rclpy.try_shutdown()
    print_page(rows, options)


def print_page(rows: Sequence[Row], options: argparse.Namespace) -> None:
    load = os.getloadavg()[1]
    print(f"""# The operator's page

How long a picture takes from the camera to the screen, and what open pages take from the tracker, all on one machine:
the nodes as processes, {SIZE[1]} x {SIZE[0]} raw images at {options.rate:g} Hz, one object. Chromium has no window and
draws by the processor.

{platform.machine()} with {os.cpu_count()} cores, {datetime.date.today()}, load {load:.1f} in the last five minutes,
this included; `python -m benchmarks.operator_page --rate {options.rate:g} --seconds {options.seconds:g}`

| open pages | tracker, outputs/s | stamp to tracker's output p50, ms | p95 | stamp to screen p50, ms | p95 |
|---|---|---|---|---|---|""")
    for row in rows:
        ages = f'{row.output_age[0]:.0f} | {row.output_age[1]:.0f}'
        print(f'| {row.pages} | {row.outputs_per_second:.1f} | {ages} | {row.screen_age[0]} | {row.screen_age[1]} |')
    print("""
From the screen the page tells the node that the picture is drawn; this way back is part of the time to the screen.""")
    if load > (os.cpu_count() or 1):
        print(f'\n{BUSY}')


if __name__ == '__main__':
    main()

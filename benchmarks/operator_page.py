"""How long a picture takes from the camera to the screen of the operator, and what the page takes from the tracker.

Runs the real nodes as processes: video_player (the synthetic scene as a video, 1280 x 720), tracker and operator_page.
    python -m benchmarks.operator_page [--rate HZ] [--seconds N] > benchmarks/operator_page.md
The tracker has a processor core of its own and sees small images, so that it is about as fast as with a GPU; all else
shares the other cores. Pages on other machines are programs that read all they are sent and answer at once. They come
and go in turns, so that a change of the machine's speed meets all sides; and so does a program that makes pictures as
the page does, but has nothing to do with ROS: what it costs the tracker is due to the machine. Then a real Chromium
without a window shows the page. It tells the node when a picture is on the screen, and the node takes the time since
the stamp of its image; the way of that word back to the node is in it. Chromium draws by the processor, as there is no
graphics card.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sam2_ros.msg import Prompt, TrackedObjectArray
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.nodes.operator_page.shown import jpeg
from sam2_ros.synthetic.ladybirds import LadybirdScene
from sam2_ros.tools.demo import child_environment, free_port
from sam2_ros.video.sink import VideoSink
from sam2_ros.video.source import open_source
from sam2_ros.web.pictures import unpacked

SIZE = (720, 1280)  # of the images: height, width
IMAGE = '/camera/image_raw'
BOX = (515.0, 215.0, 720.0, 390.0)  # anything: what is tracked does not matter here
WARM_UP = 3.0  # seconds
BUSY = 'Other programs kept the machine busy: neither times nor differences are to be trusted.'
TURNS = 12
JPEG_QUALITY = 80  # as the page has by default
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


def filmed_scene(folder: Path) -> Path:
    """Two seconds of the synthetic scene as a video, which costs the player less than to draw it."""
    source = open_source('synthetic', height=SIZE[0], width=SIZE[1])
    with VideoSink(folder / 'scene', frame_rate=30) as sink:
        for frame in islice(source, 60):
            sink.write(frame)
    assert sink.path is not None
    return sink.path


@contextmanager
def node(name: str, parameters: Sequence[str], environment: dict[str, str], cores: set[int]) -> Iterator[None]:
    words = [word for parameter in parameters for word in ('-p', parameter)]
    command = [sys.executable, '-m', f'sam2_ros.nodes.{name}.node', '--ros-args', '-r', f'image:={IMAGE}', *words]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, cores)  # at once: threads that it starts later inherit it
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


async def read_as_pages_do(address: str, pages: int) -> None:
    """Open so many pages and take in what they are sent, for ever."""

    async def page() -> None:
        async with session.ws_connect(f'{address}ws', headers={'Origin': address.rstrip('/')}) as socket:
            await socket.send_json({'do': 'watch', 'camera': 0, 'number': 1})
            async for message in socket:
                if unpacked(message.data)[0]['kind'] == 'picture':
                    await socket.send_json({'do': 'drawn', 'camera': 0, 'number': 0})

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(page() for _ in range(pages)))


def open_pages(address: str, pages: int) -> None:
    asyncio.run(read_as_pages_do(address, pages))


def compress_pictures(rate: float) -> None:
    """What the page computes at most for its pictures, for ever: each is copied once and compressed."""
    picture = LadybirdScene(*SIZE).frame(0)
    due = time.monotonic()
    while True:
        jpeg(picture.copy(), JPEG_QUALITY)
        due = max(due + 1 / rate, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


@contextmanager
def beside(work: Callable[..., None], *given: object) -> Iterator[None]:
    """Work in a process of its own, until the context ends."""
    process = multiprocessing.get_context('spawn').Process(target=work, args=given, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


@dataclass(frozen=True)
class Row:
    """What was measured beside so many open pages. Ages in ms: median and 95th percentile.

    Attributes:
        pictures_per_second: that the node sends to each page, at most.
    """

    beside: str
    outputs_per_second: float
    output_age: tuple[float, float]
    pictures_per_second: str
    screen_age: tuple[str, str]


def measured(listener: Listener, beside: str, seconds: float, *, on_screen: bool = False) -> Row:
    listener.listen(WARM_UP)
    listener.ages.clear()
    listener.listen(seconds)
    ages = np.array(listener.ages) * 1e3
    names = [f'stamp to screen {part}, ms' for part in ('p50', 'p95')] if on_screen else ['', '']
    middle, high = (listener.values.get(name, '-') for name in names)
    output_age = float(np.median(ages)), float(np.percentile(ages, 95))
    return Row(beside, len(ages) / seconds, output_age, listener.values.get('pictures/s', '-'), (middle, high))


def divided_cores() -> tuple[set[int], set[int]]:
    """For the tracker, and for all else. On a machine with a single core they are the same."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, set(cores[1:] or cores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rate', type=float, default=30.0, help='images per second (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=30.0, help='of each measurement (default: %(default)s)')
    parser.add_argument(
        '--image-size', type=int, default=128, help='input of the network, in pixels (default: %(default)s)'
    )
    options = parser.parse_args()
    environment = child_environment()
    os.environ.update({name: environment[name] for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE')})
    port = free_port()
    address = f'http://localhost:{port}/'
    own, others = divided_cores()
    rclpy.init()
    listener = Listener()
    os.sched_setaffinity(0, others)
    rows: list[Row] = []
    with ExitStack() as stack:
        video = filmed_scene(Path(stack.enter_context(TemporaryDirectory())))
        player = [f'source:={video}', f'rate:={options.rate}']
        tracker = [f'image_size:={options.image_size}']
        stack.enter_context(node('tracker', tracker, environment | {'OMP_NUM_THREADS': '1'}, own))
        stack.enter_context(node('video_player', player, environment, others))
        stack.enter_context(node('operator_page', [f'port:={port}', 'max_rate:=30.0'], environment, others))
        listener.prompt_until_tracked()
        for _ in range(TURNS):
            rows.append(measured(listener, 'no page', options.seconds))
            with beside(open_pages, address, 3):
                rows.append(measured(listener, '3 pages elsewhere', options.seconds))
            with beside(compress_pictures, rows[-1].outputs_per_second):
                rows.append(measured(listener, 'the same pictures, no ROS', options.seconds))
        with browser(address):
            rows.append(measured(listener, '1 page in Chromium, here', options.seconds, on_screen=True))
    rclpy.try_shutdown()
    print_page(rows, options)


def print_page(rows: Sequence[Row], options: argparse.Namespace) -> None:
    load = os.getloadavg()[1]
    print(f"""# The operator's page

How long a picture takes from the camera to the screen, and what open pages take from the tracker, all on one machine:
the nodes as processes, {SIZE[1]} x {SIZE[0]} raw images at {options.rate:g} Hz, one object. The tracker has a core of
its own and sees {options.image_size} pixels, so that it is about as fast as with a GPU; all else shares the other
cores. Pages elsewhere are programs that read all they are sent
and answer at once, as browsers on other machines would. Chromium has no window and draws by the processor.

{platform.machine()} with {os.cpu_count()} cores, {datetime.date.today()}, load {load:.1f} in the last five minutes,
this included; `python -m benchmarks.operator_page --rate {options.rate:g} --seconds {options.seconds:g}
--image-size {options.image_size}`

| beside | tracker, outputs/s | stamp to tracker's output p50, ms | p95 | pictures/s | stamp to screen p50, ms | p95 |
|---|---|---|---|---|---|---|""")
    for row in rows:
        ages = f'{row.output_age[0]:.0f} | {row.output_age[1]:.0f}'
        screen = ' | '.join(row.screen_age)
        print(f'| {row.beside} | {row.outputs_per_second:.2f} | {ages} | {row.pictures_per_second} | {screen} |')
    alone, pages, work = (rows[first : 3 * TURNS : 3] for first in range(3))
    print(f"""
Three pages change the rate of the tracker by {changes(alone, pages, rate)}
and the median of its latency by {changes(alone, pages, latency)} (mean and standard error of {TURNS} turns).
A program without ROS that only compresses as many pictures changes them by {changes(alone, work, rate)} and
{changes(alone, work, latency)}: that much is due to the machine.
From the screen the page tells the node that the picture is drawn; this way back is part of the time to the screen.""")
    if load > 1.5 * (os.cpu_count() or 1):
        print(f'\n{BUSY}')


def rate(row: Row) -> float:
    return row.outputs_per_second


def latency(row: Row) -> float:
    return row.output_age[0]


def changes(before: Sequence[Row], after: Sequence[Row], value: Callable[[Row], float]) -> str:
    shares = [value(new) / value(old) - 1 for old, new in zip(before, after, strict=True)]
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    return f'{np.mean(shares):+.1%} ± {error:.1%}'


if __name__ == '__main__':
    main()

"""The video player as a process of its own, seen by subscribers on a real ROS graph."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from sam2_ros.nodes.edge.decode_images import compressed_to_rgb, image_to_rgb
from sam2_ros.nodes.edge.depth_messages import depth_pixels
from sam2_ros.nodes.edge.parameters import yaml_text
from sam2_ros.nodes.video_player.parameters import PLAYER_PARAMETERS, TITLE
from sam2_ros.synthetic.depth_demo import DepthDemoScene
from tests.common import REPOSITORY

pytestmark = pytest.mark.slow

TIMEOUT = 30.0  # seconds; generous, because other tests share the processor
DOMAIN = 1 + os.getpid() % 100
CAMERA = f'/camera_{os.getpid()}'
TOPIC = f'{CAMERA}/image'
PROFILE = REPOSITORY / 'config/fastdds_large_images.xml'
HEIGHT, WIDTH = 24, 32


@contextmanager
def _player(*, environment: dict[str, str] | None = None, **parameters: Any) -> Iterator[subprocess.Popen[str]]:
    arguments = [text for name, value in parameters.items() for text in ('-p', f'{name}:={_yaml(value)}')]
    process = subprocess.Popen(
        [sys.executable, '-m', 'sam2_ros.nodes.video_player.node', '--ros-args', '-r', f'image:={TOPIC}', *arguments],
        env={**os.environ, **_graph_environment(), **(environment or {})},
        cwd=REPOSITORY,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _graph_environment() -> dict[str, str]:
    return {'ROS_DOMAIN_ID': str(DOMAIN), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'PYTHONUNBUFFERED': '1'}


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output of a process that ends."""
    output, _ = process.communicate(timeout=TIMEOUT)
    return process.returncode, output


class Viewer(Node):
    """Keeps everything the player publishes."""

    def __init__(self, context: rclpy.Context, *, compressed: bool = False) -> None:
        super().__init__('viewer', context=context)
        self.images: list[Image] = []
        self.infos: list[CameraInfo] = []
        self.compressed: list[CompressedImage] = []
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)
        self.create_subscription(CameraInfo, f'{CAMERA}/camera_info', self.infos.append, 100)
        if compressed:
            self.create_subscription(CompressedImage, f'{TOPIC}/compressed', self.compressed.append, 100)
        self.create_subscription(Image, TOPIC, self.images.append, 100)
        self._player = AsyncParameterClient(self, '/video_player')

    def destroy(self) -> None:
        self._executor.shutdown()  # first: rclpy crashed once in destroying a node that an executor still had
        self.destroy_node()

    def wait_for(self, condition: Callable[[], Any], *, timeout: float = TIMEOUT) -> Any:
        deadline = time.monotonic() + timeout
        while not (found := condition()):
            assert time.monotonic() < deadline, f'waited in vain, with {len(self.images)} images'
            self._executor.spin_once(timeout_sec=0.05)
        return found

    def look(self, seconds: float) -> None:
        """Receive for a while."""
        deadline = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() > deadline)

    def numbers(self) -> list[int]:
        """Which frames of the folder arrived: their brightness is their number."""
        return [int(image_to_rgb(image)[0, 0, 0]) for image in self.images]

    def set(self, name: str, value: Any) -> Any:
        """Change a parameter of the player; the result says whether it was accepted."""
        self.wait_for(self._player.services_are_ready)
        future = self._player.set_parameters([Parameter(name, value=value)])
        return self.wait_for(lambda: future.done() and future.result()).results[0]


@pytest.fixture
def viewer(request: pytest.FixtureRequest) -> Iterator[Viewer]:
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    viewer = Viewer(context, compressed=getattr(request, 'param', False))
    yield viewer
    viewer.destroy()
    context.try_shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Five images of brightness 1 to 5, so that an image shows which frame it is."""
    for number in range(1, 6):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((HEIGHT, WIDTH, 3), number, np.uint8))
    return str(tmp_path)


def test_a_video_is_published_from_its_first_frame_to_its_last_and_the_node_ends(viewer: Viewer, folder: str) -> None:
    with _player(source=folder, rate=50.0, loop=False, wait_for_subscribers=1, frame_id='eye') as player:
        viewer.wait_for(lambda: len(viewer.images) == 5 and len(viewer.infos) >= 5)
        code, output = _end(player)
    assert code == 0, output
    assert 'the end, after 5 frames' in output
    assert viewer.numbers() == [1, 2, 3, 4, 5]
    image, info = viewer.images[-1], viewer.infos[-1]
    assert (image.encoding, image.height, image.width, image.header.frame_id) == ('rgb8', HEIGHT, WIDTH, 'eye')
    assert info.header == image.header
    assert (info.height, info.width) == (HEIGHT, WIDTH)


def test_a_scene_with_depth_is_an_rgb_d_camera(viewer: Viewer) -> None:
    scene = DepthDemoScene(120, 160)
    depths: list[Image] = []
    calibrations: list[CameraInfo] = []
    viewer.create_subscription(Image, 'depth/image_rect', depths.append, 100)
    viewer.create_subscription(CameraInfo, 'depth/camera_info', calibrations.append, 100)
    with _player(source='bodies', width=160, height=120, rate=5.0):
        viewer.wait_for(lambda: len(depths) > 2 and len(calibrations) > 2 and len(viewer.images) > 2)
    stamps = [image.header.stamp for image in viewer.images]
    depth = next(depth for depth in depths if depth.header.stamp in stamps)
    rgb = image_to_rgb(viewer.images[stamps.index(depth.header.stamp)])
    pixels = depth_pixels(depth, max_pixels=10**6)
    index = next(index for index in range(40) if np.array_equal(scene.frame(index), rgb))
    assert depth.encoding == '32FC1' and np.array_equal(pixels, scene.depth(index), equal_nan=True)
    assert calibrations[0].k[0] == pytest.approx(80 / np.tan(np.radians(30)))


def test_a_loop_goes_on_with_the_first_frame(viewer: Viewer, folder: str) -> None:
    with _player(source=folder, rate=100.0, max_frames=12, wait_for_subscribers=1) as player:
        viewer.wait_for(lambda: len(viewer.images) == 12)
        assert _end(player)[0] == 0
    assert viewer.numbers() == [1, 2, 3, 4, 5] * 2 + [1, 2]


def test_frames_are_stamped_in_order_and_never_come_faster_than_the_rate(viewer: Viewer, folder: str) -> None:
    with _player(source=folder, rate=40.0, max_frames=30, wait_for_subscribers=1):
        viewer.wait_for(lambda: len(viewer.images) == 30)
    stamps = np.array([image.header.stamp.sec + image.header.stamp.nanosec * 1e-9 for image in viewer.images])
    assert (np.diff(stamps) > 0).all()
    # However late single frames are, n of them never take less than n - 2 periods.
    for count in range(3, 31):
        assert (stamps[count - 1 :] - stamps[: 31 - count]).min() > (count - 2) / 40 - 0.005


def test_images_are_resized(viewer: Viewer, folder: str) -> None:
    with _player(source=folder, rate=20.0, width=64):
        viewer.wait_for(lambda: viewer.images)
    assert (viewer.images[0].height, viewer.images[0].width) == (48, 64)


@pytest.mark.parametrize('viewer', [True], indirect=True)
def test_compressed_images_beside_the_raw_ones(viewer: Viewer) -> None:
    with _player(source='synthetic', height=90, rate=20.0, compressed=True, wait_for_subscribers=2):
        viewer.wait_for(lambda: viewer.images and viewer.compressed)
        viewer.look(0.5)
    raw = {str(image.header.stamp): image for image in viewer.images}
    pairs = [(raw[str(image.header.stamp)], image) for image in viewer.compressed if str(image.header.stamp) in raw]
    assert pairs
    for image, compressed in pairs:
        assert np.abs(image_to_rgb(image).astype(int) - compressed_to_rgb(compressed)).mean() < 6


def test_pausing_holds_the_video_and_going_on_skips_nothing(viewer: Viewer, folder: str) -> None:
    with _player(source=folder, rate=50.0, paused=True, loop=False, wait_for_subscribers=1) as player:
        viewer.wait_for(lambda: viewer.count_publishers(TOPIC))
        viewer.look(0.6)
        assert not viewer.images
        assert viewer.set('paused', False).successful
        viewer.wait_for(lambda: viewer.images)
        assert viewer.set('paused', True).successful
        viewer.look(0.3)
        held = len(viewer.images)
        viewer.look(0.6)
        assert len(viewer.images) == held
        assert viewer.set('paused', False).successful
        viewer.wait_for(lambda: len(viewer.images) == 5)
        assert _end(player)[0] == 0
    assert viewer.numbers() == [1, 2, 3, 4, 5]


def test_changes_that_make_no_sense_are_refused(viewer: Viewer, folder: str) -> None:
    with _player(source=folder, rate=20.0):
        refused = viewer.set('rate', 5.0)
        assert not refused.successful
        assert 'read-only' in refused.reason
        assert not viewer.set('paused', 3).successful
        count = len(viewer.images)
        viewer.wait_for(lambda: len(viewer.images) > count + 3)


@pytest.mark.parametrize('reliability', ['reliable', 'best_effort'])
def test_reliability_is_as_asked(viewer: Viewer, folder: str, reliability: str) -> None:
    with _player(source=folder, reliability=reliability):
        offered = viewer.wait_for(lambda: viewer.get_publishers_info_by_topic(TOPIC))[0].qos_profile
    assert offered.reliability == ReliabilityPolicy[reliability.upper()]


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'source': 'no/such/video.mp4'}, "'no/such/video.mp4' does not exist; accepted are a video file"),
        ({'source': 'README.md'}, "'README.md' cannot be opened as a video"),
        ({'source': 'synthetic', 'height': 20}, 'needs at least 64 x 64'),
        ({'reliability': 'sometimes'}, "reliability is 'sometimes', but must be one of reliable, best_effort"),
        ({'rate': -1.0}, 'rate is -1.0, but must be a number from 0 to 1000 Hz'),
        ({'loop': 3}, 'loop is 3, but must be true or false'),
    ],
)
def test_the_node_refuses_to_start_with_a_sentence(parameters: dict[str, Any], sentence: str) -> None:
    with _player(**parameters) as player:
        code, output = _end(player)
    assert code == 1
    assert sentence in output
    assert 'Traceback' not in output


def test_a_damaged_image_ends_the_video_with_a_sentence(viewer: Viewer, folder: str) -> None:
    (Path(folder) / '3.png').write_bytes(b'no image')
    with _player(source=folder, rate=50.0, wait_for_subscribers=1) as player:
        viewer.wait_for(lambda: player.poll() is not None)
        code, output = _end(player)
    assert code == 1
    assert '3.png cannot be read as an image' in output
    assert 'Traceback' not in output
    assert viewer.numbers() == [1, 2]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_node_cleanly(viewer: Viewer, number: signal.Signals) -> None:
    with _player(source='synthetic', height=90) as player:
        viewer.wait_for(lambda: viewer.images)
        player.send_signal(number)
        code, output = _end(player)
    assert code == 0, output
    assert 'Traceback' not in output


SHUT_DOWN = {
    'just before rclpy waits': """if True:
        wait = rclpy.spin_until_future_complete
        def shut_down_first(node, future):
            executor = rclpy.get_global_executor()
            executor.add_node(node)
            waiting = executor._wait_for_ready_callbacks
            def too_late(*given, **named):
                rclpy.shutdown()
                return waiting(*given, **named)
            executor._wait_for_ready_callbacks = too_late
            wait(node, future)
        rclpy.spin_until_future_complete = shut_down_first
    """,
    'between two spins': 'rclpy.spin_until_future_complete = lambda node, future: rclpy.shutdown()\n',
}


@pytest.mark.parametrize('moment', SHUT_DOWN)
@pytest.mark.parametrize(
    ('node', 'parameters', 'code', 'says'),
    [
        ('video_player', {'source': 'synthetic', 'height': 90}, 0, ''),
        ('recorder', {'folder': 'recording'}, 1, 'error: interrupted'),
    ],
)
def test_a_shutdown_at_a_bad_moment_is_a_clean_end_too(
    node: str, parameters: dict[str, Any], code: int, says: str, moment: str, tmp_path: Path
) -> None:
    """A signal meets these moments about once in a hundred runs; here they are brought about."""
    given = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
    program = (
        f'import rclpy\nfrom sam2_ros.nodes.{node} import node\n{SHUT_DOWN[moment]}\n'
        f"node.main(['--ros-args', *{given}])"
    )
    environment = {**os.environ, **_graph_environment(), 'PYTHONPATH': os.pathsep.join((str(REPOSITORY), *sys.path))}
    ended = subprocess.run(
        [sys.executable, '-c', program], env=environment, cwd=tmp_path, text=True, capture_output=True, timeout=TIMEOUT
    )
    assert ended.returncode == code, ended.stderr
    assert says in ended.stderr and 'Traceback' not in ended.stderr


def _images_of_100_that_arrive() -> int:
    """Two processes, 1280 x 720, 30 Hz, sensor data profile, both with the transport profile."""
    environment = {name: str(PROFILE) for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')}
    with _player(
        environment=environment,
        source='synthetic',
        rate=30.0,
        max_frames=100,
        reliability='best_effort',
        wait_for_subscribers=1,
    ) as player:
        counter = subprocess.run(
            [sys.executable, '-m', 'tests.nodes.image_counter', TOPIC, '100', str(TIMEOUT)],
            env={**os.environ, **_graph_environment(), **environment},
            cwd=REPOSITORY,
            text=True,
            capture_output=True,
            check=True,
        )
        code, output = _end(player)
    assert code == 0, output
    assert '1280 x 720 pixels at 30 Hz' in output
    return int(counter.stdout)


def test_720p_images_arrive_with_the_transport_profile() -> None:
    """Up to three attempts, as a busy processor loses images too; without the profile under 40 arrive in any."""
    assert any(_images_of_100_that_arrive() >= 95 for _ in range(3))


def test_the_parameter_file_is_the_table() -> None:
    assert (REPOSITORY / 'config/video_player.yaml').read_text() == yaml_text(PLAYER_PARAMETERS, title=TITLE)


def test_the_launch_file_loads() -> None:
    """Needs the launch packages, which are part of a ROS installation but not of the wheels from PyPI."""
    sources = pytest.importorskip(
        'launch.launch_description_sources', reason='launch is not installed', exc_type=ImportError
    )
    pytest.importorskip('launch_ros.actions', reason='launch_ros is not installed', exc_type=ImportError)
    description = sources.get_launch_description_from_python_launch_file(
        str(REPOSITORY / 'launch/video_player.launch.py')
    )
    arguments = {argument.name for argument in description.get_launch_arguments()}
    assert arguments == {'image', 'namespace', *(row.name for row in PLAYER_PARAMETERS)}

"""A tracker node and a client on a real ROS graph of their own, for tests that say only what they are about."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Point32
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Log, SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sam2_ros.msg import Prompt, TrackedObject, TrackedObjectArray
from sam2_ros.srv import RemoveObject, SetPrompt
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from sam2_ros.live.engine import Engine
from sam2_ros.live.network import NETWORK_SETTINGS
from sam2_ros.live.settings import Settings
from sam2_ros.live.stamps import NANOSECONDS
from sam2_ros.model import Sam2Network
from sam2_ros.nodes.edge import diagnostics
from sam2_ros.nodes.edge.encode_images import array_to_image, rgb_to_compressed
from sam2_ros.nodes.edge.managed_node import ManagedNode
from sam2_ros.nodes.edge.process import spin
from sam2_ros.nodes.tracker.node import TrackerNode
from sam2_ros.nodes.tracker.outputs import OUTPUTS
from tests.nodes import tracker_scene as scene
from tests.nodes.reference import SIZE, is_as_expected

TIMEOUT = 60.0  # seconds; generous, because other tests share the processor
PERIOD = 0.1  # seconds between the stamps of two images
BEGIN = 1000.0  # stamp of the first image 0, seconds
# Each graph has a domain of its own: workers of one run take theirs from different halves of a hundred. Should another
# run on this machine take the same one, names with the process number keep them apart.
_WORKER = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
_RUN = os.getppid() if 'PYTEST_XDIST_WORKER' in os.environ else os.getpid()
DOMAINS = (1 + (_RUN * 13 + 50 * _WORKER + number % 50) % 100 for number in itertools.count())
IMAGE = f'/camera_{os.getpid()}/image_raw'
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
MESSAGES = {row.name.removeprefix('~/'): row.type for row in OUTPUTS if row.type is not None}


def stamp_of(seconds: float) -> Time:
    nanoseconds = round(seconds * NANOSECONDS)
    return Time(sec=nanoseconds // NANOSECONDS, nanosec=nanoseconds % NANOSECONDS)


def make_prompt(
    object_id: str = '',
    *,
    stamp: Time | None = None,
    points: Any = (),
    labels: Any = (),
    box: Any = None,
    mask: np.ndarray | None = None,
    extend: bool = False,
    class_name: str = '',
) -> Prompt:
    message = Prompt(object_id=object_id, labels=list(labels), extend=extend, class_name=class_name)
    message.points = [Point32(x=float(x), y=float(y)) for x, y in points]
    if stamp is not None:
        message.header.stamp = stamp
    if box is not None:
        message.has_box, message.box = True, [float(edge) for edge in box]
    if mask is not None:
        message.mask = array_to_image(mask.astype(np.uint8) * 255, 'mono8', header=Header())
    return message


class Client(Node):
    """Publishes camera images and prompts, keeps everything the tracker says."""

    def __init__(self, context: rclpy.Context, *, tracker: str, image: str, compressed: bool = False) -> None:
        super().__init__('client', namespace=tracker.rsplit('/', 1)[0], context=context)
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.begin = BEGIN
        self.tracker = tracker  # its full name
        self.tracker_node: TrackerNode | None = None  # to make it fail
        self.graph: Graph | None = None  # to run further nodes beside it
        self.weights: Path | None = None
        self._compressed = compressed
        self.image = image
        self._image_topic = f'{image}/compressed' if compressed else image
        self._news = threading.Condition()
        self.camera = self.create_publisher(CompressedImage if compressed else Image, self._image_topic, RELIABLE)
        self.prompts = self.create_publisher(Prompt, f'{tracker}/prompts', RELIABLE)
        self._service = {
            name: self.create_client(type_, f'{tracker}/{name}')
            for name, type_ in (
                ('set_prompt', SetPrompt),
                ('remove_object', RemoveObject),
                ('reset', Trigger),
                ('change_state', ChangeState),
                ('set_parameters', SetParameters),
            )
        }
        for name in ('objects', 'occlusion_scores'):
            self.listen(name)
        self.create_subscription(DiagnosticArray, '/diagnostics', lambda report: self._keep('diagnostics', report), 10)
        self.create_subscription(Log, '/rosout', lambda line: self._keep('log', line), 1000)

    def stamp(self, index: float) -> Time:
        """The stamp of image `index`."""
        return stamp_of(self.begin + PERIOD * index)

    def listen(self, name: str) -> Any:
        """Subscribe to an output of the tracker."""
        return self.create_subscription(
            MESSAGES[name], f'{self.tracker}/{name}', lambda message: self._keep(name, message), 10
        )

    def _keep(self, name: str, message: Any) -> None:
        with self._news:
            self.received[name].append(message)
            self._news.notify_all()

    def wait_for(self, condition: Callable[[], Any], what: str, *, timeout: float = TIMEOUT) -> Any:
        """What `condition` returns once it is true; it is asked after every message."""
        deadline = time.monotonic() + timeout
        with self._news:
            while not (found := condition()):
                if time.monotonic() > deadline:
                    raise AssertionError(
                        f'waited {timeout} s in vain for {what}; log: '
                        f'{[line.msg for line in self.received["log"]][-5:]}'
                    )
                self._news.wait(0.02)
            return found

    def publish(
        self, index: int, *, stamp: Time | None = None, pixels: np.ndarray | None = None, encoding: str = 'rgb8'
    ) -> Image:
        """Publish image `index` of the scene, or other pixels in its place."""
        header = Header(stamp=self.stamp(index) if stamp is None else stamp, frame_id='camera')
        pixels = scene.picture(index) if pixels is None else pixels
        message = (
            rgb_to_compressed(pixels, header=header, jpeg_quality=95)
            if self._compressed
            else array_to_image(pixels, encoding, header=header)
        )
        self.camera.publish(message)
        return message

    def output(self, name: str, stamp: Time) -> Any:
        """The newest output about the image of this stamp."""
        return self.wait_for(
            lambda: next((message for message in reversed(self.received[name]) if message.header.stamp == stamp), None),
            f'{name} of {stamp}',
        )

    def step(self, index: int, **image: Any) -> TrackedObjectArray:
        """Publish an image and wait until it is processed."""
        outputs = self.received['objects']
        before = len(outputs)
        stamp = self.publish(index, **image).header.stamp
        return self.wait_for(
            lambda: next((objects for objects in outputs[before:] if objects.header.stamp == stamp), None),
            f'the objects of image {index}',
        )

    def is_right(self, tracked: TrackedObject, images: Iterable[int], **options: Any) -> bool:
        """Whether the object in the last of `images` is what the library makes of it, see `is_as_expected`."""
        return is_as_expected(tracked, self.weights, list(images), **options)

    def call(self, name: str, request: Any) -> Any:
        client = self._service[name]
        assert client.wait_for_service(TIMEOUT), f'no service {name}'
        future = client.call_async(request)
        return self.wait_for(lambda: future.done() and future.result(), f'the answer of {name}')

    def set_prompt(self, object_id: str = '', **prompt: Any) -> SetPrompt.Response:
        return self.call('set_prompt', SetPrompt.Request(prompt=make_prompt(object_id, **prompt)))

    def ask_for_prompt(self, object_id: str = '', **prompt: Any) -> Any:
        """The future of the answer."""
        return self._service['set_prompt'].call_async(SetPrompt.Request(prompt=make_prompt(object_id, **prompt)))

    def set_parameter(self, name: str, value: Any) -> SetParametersResult:
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call('set_parameters', request).results[0]

    def remove(self, object_id: str) -> RemoveObject.Response:
        return self.call('remove_object', RemoveObject.Request(object_id=object_id))

    def transition(self, label: str) -> bool:
        future = self.ask_for_transition(label)
        return self.wait_for(lambda: future.done() and future.result(), f'the transition {label}').success

    def ask_for_transition(self, label: str) -> Any:
        """The future of the answer."""
        request = ChangeState.Request()
        request.transition.label = label
        assert self._service['change_state'].wait_for_service(TIMEOUT)
        return self._service['change_state'].call_async(request)

    @contextmanager
    def before_encoding(self, action: Callable[[], object]) -> Iterator[None]:
        """Let the network do something before it encodes an image: sleep, wait or fail."""
        model = self.tracker_node.parts.tracker._model
        encode = model.encode_image
        model.encode_image = lambda images: (action(), encode(images))[1]
        try:
            yield
        finally:
            model.encode_image = encode

    @contextmanager
    def busy_network(self) -> Iterator[threading.Event]:
        """Hold the network up at the next image until the end; the event says that it is there."""
        at_work, go_on = threading.Event(), threading.Event()
        with self.before_encoding(lambda: (at_work.set(), go_on.wait(TIMEOUT))):
            yield at_work
            go_on.set()

    @contextmanager
    def overtaken(self, first: int, *, last: int) -> Iterator[None]:
        """The network is at work on image `first` while those up to `last` arrive; all between have been skipped."""
        with self.busy_network() as at_work:
            self.publish(first)
            assert at_work.wait(TIMEOUT)
            for index in range(first + 1, last + 1):
                self.publish(index)
            self.counted('skipped', last - first - 1)
            yield

    def log_line(self, text: str) -> str:
        """Wait for a line of the tracker's log that contains `text`."""
        logger = self.tracker.lstrip('/').replace('/', '.')
        return self.wait_for(
            lambda: next((line.msg for line in self.received['log'] if text in line.msg and line.name == logger), None),
            f'{text!r} in the log',
        )

    def diagnosed(self, part: str, condition: Callable[[Any, dict[str, str]], bool], what: str) -> Any:
        """Wait for a diagnostic status of `part` for which condition(status, values) is true."""

        def find() -> Any:
            for report in reversed(self.received['diagnostics'][-3:]):
                for status in report.status:
                    values = {pair.key: pair.value for pair in status.values}
                    if status.name == f'{self.tracker.lstrip("/")}: {part}' and condition(status, values):
                        return status
            return None

        return self.wait_for(find, f'{part} diagnostics with {what}')

    def counts(self) -> dict[str, int]:
        """The counters of the images, by a fresh report."""
        self.received['diagnostics'].clear()
        status = self.diagnosed('images', lambda *_: True, 'anything')
        return {pair.key: int(pair.value) for pair in status.values if pair.value.isdigit()}

    def counted(self, reason: str, number: int = 1) -> None:
        """Wait until the diagnostics have counted that many images for this reason."""
        self.diagnosed('images', lambda _, values: int(values[reason]) >= number, f'{reason} >= {number}')

    def connected(self) -> None:
        """Wait until the tracker listens to the camera reliably and to prompts."""

        def ready() -> bool:
            listeners = self.get_subscriptions_info_by_topic(self._image_topic)
            return bool(
                any(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in listeners)
                and self.prompts.get_subscription_count()
                and self.count_publishers(f'{self.tracker}/objects')
            )

        self.wait_for(ready, 'the tracker to listen')


class SparingEngine(Engine):
    """Loads each network once for all graphs of the test process."""

    _kept: ClassVar[dict[tuple[object, ...], Sam2Network]] = {}

    def network(self, settings: Settings) -> Sam2Network:
        wanted = tuple(settings[name] for name in NETWORK_SETTINGS)
        if wanted not in self._kept:
            self._kept[wanted] = super().network(settings)
        return self._kept[wanted]


class Graph:
    """A context with a domain of its own; every node in it has a thread of its own."""

    def __init__(self, arguments: Sequence[str] | None = None) -> None:
        """`arguments`: for all nodes, as on a command line."""
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        self.domain = next(DOMAINS)
        self.context = rclpy.Context()
        rclpy.init(args=arguments, context=self.context, domain_id=self.domain)
        self._running: list[_Running] = []

    def run(self, node: Node) -> None:
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(node)
        ended = threading.Event()
        thread = threading.Thread(target=spin, args=(executor,), kwargs={'until': ended.is_set}, daemon=True)
        thread.start()
        self._running.append(_Running(node, executor, thread, ended))

    def end(self, node: Node) -> None:
        """End this node; the others go on."""
        (one,) = [one for one in self._running if one.node is node]
        self._running.remove(one)
        one.stop()
        one.ended.set()
        one.executor.wake()
        one.thread.join(TIMEOUT)
        node.destroy_node()

    def close(self) -> None:
        for one in self._running:
            if self.context.ok():
                one.stop()
        self.context.try_shutdown()
        for one in self._running:
            one.thread.join(TIMEOUT)
            if isinstance(one.node, ManagedNode):
                one.node.stop()
            one.node.destroy_node()


@dataclass
class _Running:
    """A node and what runs it."""

    node: Node
    executor: SingleThreadedExecutor
    thread: threading.Thread
    ended: threading.Event

    def stop(self) -> None:
        """In its own thread, like everything it does."""
        if isinstance(self.node, ManagedNode):
            stopped = threading.Event()
            self.executor.create_task(lambda: (self.node.stop(), stopped.set()))
            stopped.wait(TIMEOUT)


@contextmanager
def client_of(tracker: str, *, image: str = IMAGE) -> Iterator[Client]:
    """A client on a graph of its own, for a tracker in another process."""
    made = Graph()
    try:
        client = Client(made.context, tracker=tracker, image=image)
        made.run(client)
        yield client
    finally:
        made.close()


@contextmanager
def graph(
    weights: Path,
    *,
    image: str = IMAGE,
    engine: Engine | None = None,
    remap: Mapping[str, str] | None = None,
    **parameters: Any,
) -> Iterator[Client]:
    """A tracker that runs in this process, as its client sees it. Its diagnostics come faster than usual, so that tests
    need not wait for them.

    Args:
        image: the topic that is named to it, IMAGE or that of its compressed images.
        engine: for tests of what becomes of the network; others share one.
        remap: other names of its topics, beside that of the images.
    """
    made = Graph()
    rules = [f'{name}:={topic}' for name, topic in {'image': image, **(remap or {})}.items()]
    try:
        values = {'checkpoint': str(weights), 'image_size': SIZE, 'cpu_threads': 1, **parameters}
        with mock.patch.object(diagnostics, 'PERIOD', 0.1):
            tracker = TrackerNode(
                engine=engine or SparingEngine(),
                context=made.context,
                namespace=f'/graph_{os.getpid()}_{made.domain}',
                cli_args=['--ros-args', *(word for rule in rules for word in ('-r', rule))],
                parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
            )
        client = Client(
            made.context,
            tracker=tracker.get_fully_qualified_name(),
            image=IMAGE,
            compressed=values.get('image_transport') == 'compressed' or image != IMAGE,
        )
        client.tracker_node, client.weights, client.graph = tracker, weights, made
        made.run(tracker)
        made.run(client)
        if values.get('autostart', True):
            client.connected()
        yield client
    finally:
        made.close()

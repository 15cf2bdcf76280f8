"""Measures several cameras on one network: rate and latency of each, beside those of one camera alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch

from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages, ImageMessage
from sam2_ros.live.camera_stream import CameraStream
from sam2_ros.live.inference import InferenceThread
from sam2_ros.live.journal import Journal
from sam2_ros.live.prompt_jobs import ObjectMessages, PromptJobs
from sam2_ros.model import Sam2Network
from sam2_ros.synthetic.ladybirds import LadybirdScene
from sam2_ros.tools.measurement import Case, build_model, prompts_for
from sam2_ros.tracking import FrameResult, VideoTracker

ROUNDS = 5  # alone and together take turns, so that both meet the same computer
BATCHES = 10
PICTURES = 30  # drawn beforehand; the camera goes through them forth and back


@dataclass
class Served:
    """What one camera got while it ran.

    Attributes:
        seconds: for how long it ran.
        latencies: seconds from the arrival of each processed image to its masks, in host memory.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Processed images per second."""
        return len(self.latencies) / self.seconds


@dataclass(frozen=True)
class CamerasMeasurement:
    """Results of one case.

    Attributes:
        alone: the first camera while the others send nothing.
        together: each camera while all send.
        visible: share of objects and images in which the object was visible.
        batch_gain: time of the encoder for one image of each camera, one after the other, divided by that for all of
            them as one batch. The median of BATCHES pairs.
    """

    alone: Served
    together: Sequence[Served]
    visible: float
    batch_gain: float


class _Camera:
    """A camera with a tracker of its own, whose objects were prompted on the first picture."""

    def __init__(self, case: Case, tracker: VideoTracker, pictures: Sequence[np.ndarray]) -> None:
        self.served = Served()
        self.visible: list[float] = []
        self._pictures = pictures
        self._index = 0
        tracker.step(pictures[0], prompts_for(case.objects, LadybirdScene(*case.camera)))
        for _ in range(case.warmup):
            tracker.step(self._next())
        journal = Journal(cast(Any, self))
        self.stream = CameraStream(
            tracker,
            jobs=PromptJobs(
                tracker, ring=ArrivedImages(), messages=cast(ObjectMessages, None), journal=journal, to_rgb=_pixels
            ),  # nobody prompts: no messages about objects
            outputs=self,
            journal=journal,
            to_rgb=_pixels,
            on_fatal=self._fail,
        )
        self.failure = ''

    def offer(self) -> None:
        """The next image arrives."""
        message = SimpleNamespace(header=None, data=b'', rgb=self._next())
        self.stream.offer(ArrivedImage(message, time=time.monotonic()))

    def publish(self, image: ArrivedImage, rgb: np.ndarray, result: FrameResult) -> None:
        self.served.latencies.append(time.monotonic() - image.arrived)
        self.visible.append(float(np.mean([tracked.mask.any() for tracked in result.values()])))

    def warning(self, sentence: str) -> None:
        self.failure = sentence

    def _fail(self, reason: str) -> None:
        self.failure = reason

    def _next(self) -> np.ndarray:
        self._index = (self._index + 1) % (2 * PICTURES - 2)
        return self._pictures[min(self._index, 2 * PICTURES - 2 - self._index)]


def _pixels(message: ImageMessage) -> np.ndarray:
    return cast(Any, message).rgb


def _run(thread: InferenceThread, cameras: Sequence[_Camera], *, rate: float, images: int) -> list[Served]:
    """Let the cameras send until each has got so many images processed. Returns what each got.

    Raises:
        RuntimeError: if the network fails.
    """
    for camera in cameras:
        camera.served = Served()
    begun = time.monotonic()
    ended = threading.Event()

    def send(camera: _Camera, delay: float) -> None:
        due = begun + delay
        while not ended.wait(max(0.0, due - time.monotonic())):
            camera.offer()
            due = max(due + 1 / rate, time.monotonic())

    senders = [
        threading.Thread(target=send, args=(camera, number / len(cameras) / rate), daemon=True)
        for number, camera in enumerate(cameras)
    ]
    for sender in senders:
        sender.start()
    while min(len(camera.served.latencies) for camera in cameras) < images and not any(
        camera.failure for camera in cameras
    ):
        time.sleep(0.005)
    got = [replace(camera.served, latencies=list(camera.served.latencies)) for camera in cameras]
    seconds = time.monotonic() - begun
    ended.set()
    for sender in senders:
        sender.join()
    while any(camera.stream.has_work() for camera in cameras):  # images that wait are not for the next round
        time.sleep(0.005)
    thread.call(lambda: None)  # after the last of them
    if failure := next((camera.failure for camera in cameras if camera.failure), ''):
        raise RuntimeError(failure)
    return [replace(served, seconds=seconds) for served in got]


def measure_cameras(case: Case) -> CamerasMeasurement:
    """Run one case in this process."""
    torch.set_num_threads(case.threads)
    model, scene = build_model(case), LadybirdScene(*case.camera)
    pictures = [scene.frame(index) for index in range(PICTURES)]
    cameras = [_Camera(case, VideoTracker(model, memory=case.memory), pictures) for _ in range(case.cameras)]
    alone, together = Served(), [Served() for _ in cameras]
    thread = InferenceThread()
    for camera in cameras:
        thread.add(camera.stream)
    images = max(1, case.frames // ROUNDS)
    try:
        for _ in range(ROUNDS):
            _add(alone, _run(thread, cameras[:1], rate=case.rate, images=images)[0])
            for total, served in zip(together, _run(thread, cameras, rate=case.rate, images=images), strict=True):
                _add(total, served)
    finally:  # else the thread would go on for ever
        for camera in cameras:
            thread.remove(camera.stream)
    visible = float(np.mean([seen for camera in cameras for seen in camera.visible]))
    return CamerasMeasurement(alone, together, visible, _batch_gain(model, case.cameras))


@torch.inference_mode()
def _batch_gain(model: Sam2Network, images: int) -> float:
    """How many times faster the encoder is with so many images as one batch than one after the other."""
    batch = torch.randn(images, 3, model.image_size, model.image_size, device=model.device)

    def seconds(parts: Sequence[torch.Tensor]) -> float:
        begun = time.perf_counter()
        for part in parts:
            model.encode_image(part)
        if model.device.type == 'cuda':
            torch.cuda.synchronize(model.device)
        return time.perf_counter() - begun

    ways = [batch.split(1), (batch,)]
    times: list[list[float]] = [[], []]
    for pair in range(1 + BATCHES):
        for way in (0, 1) if pair % 2 else (1, 0):  # they take turns, so that both meet the same computer
            times[way].append(seconds(ways[way]))
    one_by_one, together = np.array(times)[:, 1:]  # the first pair warms up
    return float(np.median(one_by_one / together))


def _add(total: Served, served: Served) -> None:
    total.seconds += served.seconds
    total.latencies += served.latencies

"""A camera and a listener without ROS, for tests of the live engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages
from sam2_ros.live.camera_stream import CameraStream
from sam2_ros.live.inference import InferenceThread
from sam2_ros.live.journal import Journal
from sam2_ros.live.prompt_jobs import PromptJobs
from sam2_ros.live.requests import PromptRequest
from sam2_ros.live.stamps import NANOSECONDS
from sam2_ros.tracking import FrameResult, ObjectResult, VideoTracker


@dataclass(eq=False)
class Picture:
    """An image message of our own kind."""

    rgb: np.ndarray
    seconds: float

    @property
    def header(self) -> Any:
        return SimpleNamespace(stamp=SimpleNamespace(sec=int(self.seconds), nanosec=0), frame_id='')

    @property
    def data(self) -> bytes:
        return self.rgb.tobytes()


@dataclass(eq=False)
class PlainCamera:
    """One stream over a tracker; keeps its results, log and failure."""

    tracker: VideoTracker
    results: list[FrameResult] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    jobs: Any = None  # in the place of PromptJobs
    thread: InferenceThread | None = None  # that it was added to
    max_objects: int = 10
    max_points: int = 10

    def __post_init__(self) -> None:
        self.journal = Journal(self)
        self.ring = ArrivedImages()
        self.stream = CameraStream(
            self.tracker,
            jobs=self.jobs
            or PromptJobs(self.tracker, ring=self.ring, messages=self, journal=self.journal, to_rgb=rgb_of),
            outputs=self,
            journal=self.journal,
            to_rgb=rgb_of,
            on_fatal=self.failures.append,
        )

    def show(self, rgb: np.ndarray, number: int) -> ArrivedImage:
        """Offer an image, stamped with its number in seconds, which counts from 1."""
        image = ArrivedImage(Picture(rgb, number), time=float(number), received_ns=number * NANOSECONDS)
        self.ring.add(image, max_images=100, max_bytes=10**9)
        self.stream.offer(image)
        return image

    def warning(self, line: str) -> None:
        self.lines.append(line)

    def publish(self, image: ArrivedImage, rgb: np.ndarray, result: FrameResult) -> None:
        self.results.append(result)

    def note_prompt(self, object_id: str, request: PromptRequest) -> None:
        pass

    def object_message(self, image: ArrivedImage, result: ObjectResult) -> Any:
        x0, y0, x1, y1 = result.box or (0, 0, 0, 0)
        mask = SimpleNamespace(data=result.mask[y0:y1, x0:x1].tobytes(), step=x1 - x0)
        return SimpleNamespace(
            object_id=result.object_id, has_box=result.box is not None, box=(x0, y0, x1, y1), area=result.area,
            mask=mask,
        )  # fmt: skip

    def forget(self, object_id: str) -> None:
        pass

    def forget_all(self) -> None:
        pass


def rgb_of(message: Any) -> np.ndarray:
    return message.rgb

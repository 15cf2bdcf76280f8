"""A camera, a tracker that is always right, and a detector that is often wrong and always late. No network, no ROS.

Bodies of known shape move before the camera. The tracker finds each body that it was given, unless it is hidden; it
catches up with prompts on past images and skips images as the real one does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from sam2_ros.detections.boxes import Box, DetectedBox, area, cut_to_image, overlap
from sam2_ros.detections.detection_prompts import DetectionPrompts
from sam2_ros.detections.kinds import ObjectKind
from sam2_ros.detections.seen import has_settled
from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages, ImageStatus
from sam2_ros.live.journal import Journal
from sam2_ros.live.prompt_rules import NewNames
from sam2_ros.live.requests import Answer, PromptRequest, Source
from sam2_ros.live.stamps import NANOSECONDS
from sam2_ros.tracking import Prompt

WIDTH, HEIGHT = 320, 240
RATE = 30  # images per second
BEGIN = 5000 / RATE  # stamp of the first image, seconds
SETTINGS: dict[str, Any] = {
    'detection_size': (0, 0),
    'detection_fit': 'stretch',
    'detection_classes': (),
    'detection_start_score': 0.6,
    'detection_support_score': 0.3,
    'detection_confirm': 3,
    'detection_match_overlap': 0.5,
    'detection_correct_overlap': 0.0,
    'detection_correct_after': 5,
    'detection_reappear_wait': 1.0,
    'detection_remove_after': 0.0,
}


@dataclass
class Body:
    """A thing before the camera: an ellipse.

    Attributes:
        path: its centre x, y in image `index`.
        size: width and height in pixels.
        hidden: in which images it cannot be seen.
        class_id: as the detector calls it.
    """

    path: Callable[[int], tuple[float, float]]
    size: tuple[float, float] = (50.0, 60.0)
    hidden: range = range(0)
    class_id: str = '41'

    def box(self, index: int) -> Box | None:
        """None while it is hidden or outside."""
        (x, y), (width, height) = self.path(index), self.size
        if index in self.hidden:
            return None
        return cut_to_image((x - width / 2, y - height / 2, x + width / 2, y + height / 2), WIDTH, HEIGHT)


def gliding(x: float, y: float, dx: float = 0.0, dy: float = 0.0) -> Callable[[int], tuple[float, float]]:
    """From x, y by dx, dy pixels per image, turned back at the borders of the image."""

    def bounced(value: float, size: float) -> float:
        low, high = 40.0, size - 40.0
        value = (value - low) % (2 * (high - low))
        return low + min(value, 2 * (high - low) - value)

    return lambda index: (bounced(x + dx * index, WIDTH), bounced(y + dy * index, HEIGHT))


def shown_object(object_id: str, box: Box | None) -> Any:
    """What is handed out about an object: an ellipse that fills this box."""
    if box is None:
        mask = SimpleNamespace(data=b'', step=0)
        return SimpleNamespace(object_id=object_id, has_box=False, box=(0, 0, 0, 0), area=0, mask=mask)
    x0, y0, x1, y1 = (round(edge) for edge in box)
    rows, columns = np.mgrid[: y1 - y0, : x1 - x0]
    across, down = (columns + 0.5) / (x1 - x0) * 2 - 1, (rows + 0.5) / (y1 - y0) * 2 - 1
    pixels = (across**2 + down**2 <= 1).astype(np.uint8) * 255
    mask = SimpleNamespace(data=pixels.tobytes(), step=x1 - x0)
    return SimpleNamespace(
        object_id=object_id, has_box=True, box=(x0, y0, x1, y1), area=int((pixels > 0).sum()), mask=mask
    )


@dataclass
class Detector:
    """What it makes of an image.

    Attributes:
        every: it takes one image of so many; 0: none.
        late: images that come until its message does.
        jitter: of every edge, in pixels: the standard deviation of its error.
        misses, invents: share of the bodies that it does not see, or in place of which it sees something elsewhere.
        score: of what it sees.
        to_input: from pixels of the image to those of its input.
    """

    every: int = 3
    late: int = 9
    jitter: float = 3.0
    misses: float = 0.2
    invents: float = 0.05
    score: float = 0.85
    to_input: Callable[[Box], Box] = lambda box: box
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def boxes(self, bodies: Sequence[Body], index: int) -> list[DetectedBox]:
        found = []
        for body in bodies:
            box = body.box(index)
            if box is not None and self.rng.random() >= self.misses:
                edges = np.array(box) + self.rng.normal(0, self.jitter, 4)
                found.append(self._detected(edges, body.class_id))
            if self.rng.random() < self.invents:
                x, y = self.rng.uniform((0, 0), (WIDTH - 50, HEIGHT - 50))
                found.append(self._detected(np.array([x, y, x + 40, y + 50]), body.class_id))
        return found

    def _detected(self, edges: np.ndarray, class_id: str) -> DetectedBox:
        x0, y0, x1, y1 = map(float, edges)
        return DetectedBox(self.to_input((x0, y0, x1, y1)), class_id, f'class {class_id}', self.score)


@dataclass
class _Track:
    """An object of the tracker.

    Attributes:
        body: None: something that is no body, at `box`.
        done: the index of the image that it has come to.
        rest: images that come until it catches up.
    """

    body: Body | None
    box: Box
    done: int
    rest: int = 0


class World:
    """All of it, image by image.

    Attributes:
        settings: of the detections; change them at any time.
        tracks: by object id.
        rest: images that come until an object begins to catch up.
        finds_after: images that the memory needs to find a body that was hidden.
        drift: added to the boxes of what the tracker hands out, for objects whose mask went astray.
    """

    def __init__(
        self, bodies: Sequence[Body], detector: Detector | None = None, *, tracks_every: int = 1, max_objects: int = 64
    ) -> None:
        self.bodies = list(bodies)
        self.detector = detector or Detector()
        self.settings = dict(SETTINGS)
        self.tracks: dict[str, _Track] = {}
        self.rest = 0
        self.finds_after = 2
        self.drift: dict[str, tuple[float, float]] = {}
        self.lines: list[str] = []
        self.image_size = (HEIGHT, WIDTH)
        self.max_objects = max_objects
        self.remark = ''  # of every answer
        self.index = -1
        self.ever: list[str] = []  # objects that were ever started
        self.ring = ArrivedImages()
        self.journal = Journal(self)
        self.prompts = DetectionPrompts(self.settings, ring=self.ring, objects=self, journal=self.journal)
        self.prompts.begin(self)
        self._tracks_every = tracks_every
        self._kinds: dict[str, ObjectKind] = {}
        self._names = NewNames()
        self._asked: list[Callable[[], None]] = []
        self._messages: list[tuple[int, int, list[DetectedBox]]] = []  # when due, stamp, boxes
        self._images: list[ArrivedImage] = []

    # What the detections know and ask: sam2_ros.detections.detection_prompts.Objects and Commands.

    @property
    def known_objects(self) -> tuple[str, ...]:
        return tuple(self.tracks)

    def kind(self, object_id: str) -> ObjectKind:
        return self._kinds[object_id]

    def submit(self, image: ArrivedImage, request: PromptRequest) -> None:
        self._asked.append(lambda: self._apply(image, request))

    def remove(self, object_id: str, answer: Callable[[Answer], None]) -> None:
        self._asked.append(lambda: self._forget(object_id))

    def warning(self, line: str) -> None:
        self.lines.append(line)

    # What people do.

    def operator_prompts(self, object_id: str, box: Box, *, class_name: str = '') -> None:
        """On the newest image."""
        self.submit(self._images[-1], PromptRequest(Prompt(object_id, box=box), object_id, class_name=class_name))

    def operator_removes(self, object_id: str) -> None:
        self._asked.append(lambda: self.prompts.removing(object_id))
        self._asked.append(lambda: self._forget(object_id))

    # What happens.

    def run(self, images: int, *, each: Callable[[], None] = lambda: None) -> World:
        """So many images come. `each` is called after every one."""
        for _ in range(images):
            self._step()
            each()
        return self

    def say(self, boxes: Sequence[DetectedBox], *, back: int = 0) -> None:
        """A message of the detector about the image `back` images ago, beside those it sends by itself."""
        self._take(self._stamp(self.index - back), list(boxes))

    def body_of(self, object_id: str) -> Body | None:
        return self.tracks[object_id].body

    def counts(self) -> dict[str, int]:
        return self.journal.counts()

    def _stamp(self, index: int) -> int:
        return round((BEGIN + index / RATE) * NANOSECONDS)

    def _step(self) -> None:
        self.index += 1
        asked, self._asked = self._asked, []
        for work in asked:
            work()
        stamp = self._stamp(self.index)
        header = SimpleNamespace(stamp=SimpleNamespace(sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS))
        image = ArrivedImage(
            SimpleNamespace(header=header, data=b''), time=self.index / RATE, arrived=float(self.index)
        )
        if self.index % self._tracks_every:
            image.status = ImageStatus.SKIPPED
        else:
            image.status, image.frame_index = ImageStatus.TRACKED, self.index
        self._images.append(image)
        self.ring.add(image, max_images=90, max_bytes=10**9)
        self._catch_up()
        if image.status is ImageStatus.TRACKED:
            for object_id, track in self.tracks.items():
                box = self._box(object_id, self.index) if track.done >= self.index - 1 else None
                track.done = self.index if track.done >= self.index - 1 else track.done
                image.keep_object(shown_object(object_id, box))
        elif self.tracks:
            for track in self.tracks.values():
                track.done = self.index if track.done >= self.index - 1 else track.done
        if self.detector.every and self.index % self.detector.every == 0:
            stamp = round(stamp / 1e6) * 1_000_000  # rounded to milliseconds
            boxes = self.detector.boxes(self.bodies, self.index)
            self._messages.append((self.index + self.detector.late, stamp, boxes))
        due = [message for message in self._messages if message[0] <= self.index]
        self._messages = [message for message in self._messages if message[0] > self.index]
        for when, stamp, boxes in due:
            if not self._take(stamp, boxes):
                self._messages.append((when, stamp, boxes))

    def _take(self, stamp: int, boxes: list[DetectedBox]) -> bool:
        """Whether the message could be taken; else its image has not settled."""
        image = self.ring.at_stamp(stamp, tolerance=0.001)
        if image is None:
            self.journal.count('detections_unplaced')
            return True
        if not has_settled(self.ring.images(), image):
            return False
        self.prompts.take(image, boxes)
        return True

    def _box(self, object_id: str, index: int) -> Box | None:
        """What the tracker makes of an object in an image."""
        track = self.tracks[object_id]
        if track.body is None:
            return track.box
        if any(track.body.box(earlier) is None for earlier in range(index - self.finds_after, index + 1)):
            return None
        box, (dx, dy) = track.body.box(index), self.drift.get(object_id, (0.0, 0.0))
        return box and cut_to_image((box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy), WIDTH, HEIGHT)

    def _catch_up(self) -> None:
        """Two past images after each live one."""
        for object_id, track in self.tracks.items():
            track.rest -= 1
            for _ in range(2 if track.rest < 0 else 0):
                if track.done < self.index - 1:
                    track.done += 1
                    past = self._images[track.done]
                    if past.status is ImageStatus.TRACKED:
                        past.keep_object(shown_object(object_id, self._box(object_id, track.done)))

    def _apply(self, image: ArrivedImage, request: PromptRequest) -> None:
        """A prompt with a box: the body there, or whatever else is in it."""
        index, box = self._images.index(image), tuple(map(float, request.prompt.box))
        if request.source is Source.DETECTOR and request.object_id and request.object_id not in self.tracks:
            request.answer(Answer('it is gone'))
            return
        object_id = request.object_id or self._names.new(request.class_name, taken=self.tracks)
        known = self.tracks.get(object_id)
        if known is None and len(self.tracks) >= self.max_objects:
            request.answer(Answer('there are too many'))
            return
        overlaps = [(overlap(body.box(index), box), n) for n, body in enumerate(self.bodies) if body.box(index)]
        common, number = max(overlaps, default=(0.0, 0))
        body = self.bodies[number] if common > 0.3 else None
        assert area(box) > 0
        self.tracks[object_id] = _Track(body, box, index, self.rest)
        self.drift.pop(object_id, None)
        if known is None:
            self.ever.append(object_id)
            self._kinds[object_id] = ObjectKind(request.source)
        self._kinds[object_id].prompted(source=request.source, class_name=request.class_name)
        image.keep_object(shown_object(object_id, body.box(index) if body else box))
        request.answer(Answer(object_id=object_id, image=image, remark=self.remark))

    def _forget(self, object_id: str) -> None:
        del self.tracks[object_id], self._kinds[object_id]
        self.ring.forget_object(object_id)

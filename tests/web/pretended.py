"""A robot for browsers to look at: cameras that show two gliding discs, and trackers that know where these are."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from sam2_ros.web.access import Access
from sam2_ros.web.cameras import Seen
from sam2_ros.web.commands import Command, Prompt, Record, Remove, Rename, Reset
from sam2_ros.web.pictures import NANOSECONDS, Picture, ShownObject
from sam2_ros.web.server import PageServer, Serving
from sam2_ros.web.thread import ServerThread
from tests.nodes import tracker_scene as scene

PERIOD = 0.05  # seconds between two pictures
COLOURS = ((255, 176, 0), (64, 156, 255), (255, 64, 129))
Mask = np.ndarray


@dataclass
class Tracked:
    """An object: a disc by its name, or a mask that stays where it is."""

    label: int
    disc: str = ''
    still: Mask | None = None
    class_name: str = ''

    def mask(self, index: int) -> Mask:
        return scene.disc(self.disc, index) if self.disc else self.still


@dataclass
class PretendedCamera:
    """A camera with its tracker, by the number of its images.

    Attributes:
        prompts: those that were accepted.
        hidden: objects that the tracker does not see, though they are there.
        silent: the tracker says nothing of the images.
        pattern: the disc with white stripes.
        events: by image, the memory event of all objects; otherwise the usual ones.
    """

    name: str
    objects: dict[str, Tracked] = field(default_factory=dict)
    prompts: list[Prompt] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    silent: bool = False
    events: dict[int, str] | None = None
    pattern: str = ''
    index: int = 0
    labels: int = 0
    shift: int = 0  # between cameras, so that their pictures differ

    def image(self) -> np.ndarray:
        image = scene.picture(self.index)
        if self.pattern:  # stripes of two pixels
            image[scene.disc(self.pattern, self.index) & (np.arange(scene.WIDTH) // 2 % 2 == 1)] = 255
        return np.roll(image, self.shift, axis=2)

    def stamp_ns(self, index: int) -> int:
        return 1_800_000_000 * NANOSECONDS + round(index * PERIOD * NANOSECONDS) + 123

    def index_of(self, stamp_ns: int) -> int:
        index = round((stamp_ns - self.stamp_ns(0)) / (PERIOD * NANOSECONDS))
        assert self.stamp_ns(index) == stamp_ns, 'the stamp is that of an image, to the nanosecond'
        return index

    def shown(self, name: str, index: int) -> ShownObject:
        tracked = self.objects[name]
        mask, box = tracked.mask(index), None
        if name not in self.hidden and mask.any():
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        facts: dict[str, Any] = {
            'label': tracked.label,
            'class_name': tracked.class_name,
            'source': 'operator',
            'state': 'visible' if box else 'occluded',
            'score': 5.0 if box else -4.0,
            'occlusion': self.occlusion(name, index),
            'iou': 0.9,
            'area': int(mask.sum()),
            'colour': COLOURS[(tracked.label - 1) % len(COLOURS)],
        }
        crop = None if box is None else mask[box[1] : box[3], box[0] : box[2]]
        return ShownObject(name, facts, box, crop)

    def seen(self) -> dict[str, Seen]:
        usual = {1: 'prompt', 40: 'anchor'}.get(self.index % 90, 'recent' if self.index % 5 == 0 else '')
        event = usual if self.events is None else self.events.get(self.index, '')
        return {name: Seen(self.occlusion(name, self.index), event) for name in self.objects}

    def occlusion(self, name: str, index: int) -> float:
        return 0.96 if name in self.hidden else 0.06 + 0.05 * float(np.sin(index / 7 + self.objects[name].label))

    def disc_of(self, prompt: Prompt) -> str:
        """The disc that the prompt is about; '' for none."""
        index = self.index_of(prompt.stamp_ns)
        positive = [(x, y) for x, y, label in prompt.points if label]
        if prompt.box is not None:
            positive.append(((prompt.box[0] + prompt.box[2]) / 2, (prompt.box[1] + prompt.box[3]) / 2))
        for name in ('red', 'blue'):
            if any(scene.disc(name, index)[int(y), int(x)] for x, y in positive):
                return name
        return ''


class PretendedRobot:
    """Does what pages ask, as the node would. Cameras go on by themselves, or by `step`."""

    def __init__(self, cameras: tuple[str, ...] = ('/tracker',)) -> None:
        self.cameras = [PretendedCamera(name, shift=number) for number, name in enumerate(cameras)]
        self.asked: list[Command] = []
        self.watched: frozenset[int] = frozenset()
        self.thread: ServerThread | None = None
        self.recording = False
        self._lock = threading.Lock()
        self._end = threading.Event()

    def watching(self, cameras: frozenset[int]) -> None:
        self.watched = cameras

    def ask(self, viewer: int, command: Command) -> None:
        with self._lock:
            self.asked.append(command)
            answer = self._answer(self.cameras[command.camera], command)
        self.thread.server.answer(viewer, command.number, **answer)

    def _answer(self, camera: PretendedCamera, command: Command) -> dict[str, Any]:
        if isinstance(command, Remove):
            known = camera.objects.pop(command.object_id, None)
            return {'success': known is not None, 'reason': '' if known else f'{command.object_id} is not tracked'}
        if isinstance(command, Reset):
            camera.objects.clear()
        if isinstance(command, Record):
            self.recording = command.on
            self.thread.server.set_recording({'on': command.on, 'path': 'recordings/first'})
        if not isinstance(command, Prompt):
            return {'success': True}
        name = command.object_id or f'object_{camera.labels + 1}'
        disc = camera.disc_of(command)
        if not disc and command.mask is None and name not in camera.objects:
            return {'success': False, 'reason': 'there is nothing at this place'}
        if name not in camera.objects:
            camera.labels += 1
            camera.objects[name] = Tracked(camera.labels, disc=disc)
        if command.mask is not None:
            still = np.zeros((scene.HEIGHT, scene.WIDTH), bool)
            (x, y), (height, width) = command.corner, command.mask.shape
            still[y : y + height, x : x + width] = command.mask
            camera.objects[name].still, camera.objects[name].disc = still, ''
        if command.class_name:
            camera.objects[name].class_name = command.class_name
        if isinstance(command, Rename):
            camera.objects.pop(command.old, None)
        camera.prompts.append(command)
        index = camera.index_of(command.stamp_ns)
        return {
            'success': True,
            'object_id': name,
            'stamp_ns': command.stamp_ns,
            'shown': camera.shown(name, index),
        }

    def step(self) -> None:
        """Show the next image of every camera."""
        for number, camera in enumerate(self.cameras):
            with self._lock:
                camera.index += 1
                objects = [] if camera.silent else [camera.shown(name, camera.index) for name in camera.objects]
                seen = camera.seen()
            _, encoded = cv2.imencode('.png', cv2.cvtColor(camera.image(), cv2.COLOR_RGB2BGR))
            picture = Picture(
                camera.stamp_ns(camera.index),
                (scene.HEIGHT, scene.WIDTH),
                objects,
                encoded.tobytes(),
                'image/png',
                age=0.02,
                facts={'tracked': not camera.silent},
            )
            self.thread.post(self.thread.server.saw, number, picture.stamp_ns, seen)
            self.thread.post(self.thread.server.show, number, picture)

    def go_on(self) -> None:
        while not self._end.wait(PERIOD):
            self.step()

    def end(self) -> None:
        self._end.set()


@contextmanager
def pretended(
    cameras: tuple[str, ...] = ('/tracker',),
    *,
    moving: bool = True,
    access: Access | None = None,
    port: int = 0,
    **serving: Any,
) -> Iterator[PretendedRobot]:
    """A robot whose page is served on a port of this machine, by default any that is free."""
    robot = PretendedRobot(cameras)
    server = PageServer(Serving(access=access or Access(), port=port, **serving), robot)
    robot.thread = ServerThread(server)
    facts = {'ring_seconds': 4.0}
    robot.thread.post(server.set_cameras, [(camera.name, True, facts) for camera in robot.cameras])
    going = threading.Thread(target=robot.go_on, daemon=True)
    try:
        robot.step()
        if moving:
            going.start()
        yield robot
    finally:
        robot.end()
        if going.is_alive():
            going.join()
        robot.thread.close()


def wait_for(condition: Any, what: str, *, timeout: float = 30.0) -> Any:
    """What `condition` returns once it is true."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f'waited {timeout:g} s in vain for {what}'
        time.sleep(0.02)
    return found

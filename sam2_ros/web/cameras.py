"""What the server keeps of a camera: its newest picture, and how well each object was seen lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sam2_ros.web.pictures import NANOSECONDS, Picture

HISTORY_SECONDS = 30.0  # of the curves on the page
MOST_FRAMES = 3600  # kept of them: 120 a second


@dataclass(frozen=True)
class Seen:
    """How an object was seen in one image: occlusion probability 0 to 1, and the memory event by its name, or ''."""

    occlusion: float
    event: str


@dataclass
class Camera:
    """A camera whose tracker the page shows.

    Attributes:
        name: of the tracker.
        index: in the list of cameras.
        alive: whether it is there now.
        size: (height, width) of its images; None while none has come.
        newest: the newest picture.
        facts: what the page is told of it beside.
    """

    name: str
    index: int
    alive: bool = True
    size: tuple[int, int] | None = None
    newest: Picture | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    _frames: deque[tuple[int, float, Mapping[str, Seen]]] = field(default_factory=lambda: deque(maxlen=MOST_FRAMES))
    _count: int = 0

    def saw(self, stamp_ns: int, objects: Mapping[str, Seen]) -> None:
        """Remember how the objects were seen in an image, shown or not."""
        seconds = stamp_ns / NANOSECONDS
        if self._frames and seconds < self._frames[-1][1]:  # time has jumped back
            self._frames.clear()
        self._count += 1
        self._frames.append((self._count, seconds, objects))
        while self._frames[0][1] < seconds - HISTORY_SECONDS:
            self._frames.popleft()

    def frames_since(self, number: int) -> tuple[int, list[list[Any]]]:
        """The number of the newest image, and for each after image `number`: [seconds, {object: [occlusion, event]}].

        Seconds are those of the stamp.
        """
        fresh = []
        for count, seconds, objects in reversed(self._frames):
            if count <= number:
                break
            seen = {name: [round(one.occlusion, 3), one.event] for name, one in objects.items()}
            fresh.append([round(seconds, 3), seen])
        return self._count, fresh[::-1]

    def head(self) -> dict[str, Any]:
        """What the page is told of it in the list of cameras."""
        return {'name': self.name, 'alive': self.alive, **self.facts}

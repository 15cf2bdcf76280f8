"""What the page is shown: pictures with their objects, packed for one WebSocket message each.

A message is the length of its head (four bytes, the lowest first), the head as JSON, then the binary parts. The head
says where each part lies behind it: `[begin, length]` in bytes.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

NANOSECONDS = 1_000_000_000


def stamp_as_text(stamp_ns: int) -> str:
    """A stamp as 'seconds.nanoseconds', because numbers in JavaScript would lose the last digits."""
    return f'{stamp_ns // NANOSECONDS}.{stamp_ns % NANOSECONDS:09d}'


def runs_of(mask: np.ndarray) -> np.ndarray:
    """A mask as lengths of runs, row by row, beginning with a run of background, which may be empty.

    Args:
        mask: (h, w) bool.

    Returns:
        (N,) uint32; they sum up to h * w.
    """
    flat = np.concatenate([[False], mask.ravel(), [False]])
    turns = np.flatnonzero(flat[1:-1] != flat[:-2])
    return np.diff(np.concatenate([[0], turns, [mask.size]])).astype(np.uint32)


def mask_of_runs(runs: Sequence[int], *, height: int, width: int) -> np.ndarray:
    """The (height, width) bool mask of such runs.

    Raises:
        ValueError: a sentence, if they do not sum up to its pixels.
    """
    lengths = np.asarray(runs, np.int64)
    if lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(f'the runs of the mask do not make {width} x {height} pixels')
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)


@dataclass(frozen=True, eq=False)
class ShownObject:
    """One object in one picture. `facts` goes into the head as it is; `mask` is that of the crop at `box`, or None.

    Attributes:
        box: x_min, y_min, x_max, y_max in pixels of the full image, half-open; None: hidden.
        mask: (h, w) bool, of the size of the box.
    """

    object_id: str
    facts: Mapping[str, Any]
    box: tuple[int, int, int, int] | None = None
    mask: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """An image of a camera and what is tracked in it.

    Attributes:
        stamp_ns: of the image, in nanoseconds.
        size: (height, width) of the camera's image, in pixels. Boxes and masks are in these pixels.
        objects: in the order in which they were first prompted.
        file: the image as the browser gets it; it may be smaller than `size`.
        media_type: of the file, such as 'image/jpeg'.
        age: of the image, in seconds, when the picture was made at the time `made` of the monotonic clock.
        facts: further entries of the head: rates and the like.
    """

    stamp_ns: int
    size: tuple[int, int]
    objects: Sequence[ShownObject]
    file: bytes
    media_type: str
    age: float = 0.0
    made: float = field(default_factory=time.monotonic)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def age_now(self) -> float:
        """Seconds since the stamp of the image."""
        return self.age + time.monotonic() - self.made


class _Parts:
    """The binary parts of one message."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.length = 0

    def add(self, part: bytes) -> list[int]:
        begin, self.length = self.length, self.length + len(part)
        self.parts.append(part)
        return [begin, len(part)]


def packed(head: Mapping[str, Any], objects: Sequence[ShownObject] = (), file: bytes = b'') -> bytes:
    """A message for the page."""
    parts = _Parts()
    shown = []
    for one in objects:
        entry = {'id': one.object_id, **one.facts, 'box': one.box}
        if one.mask is not None:
            entry['mask'] = parts.add(runs_of(one.mask).astype('<u4').tobytes())
        shown.append(entry)
    whole = {**head, 'objects': shown, **({'file': parts.add(file)} if file else {})}
    text = json.dumps(whole, separators=(',', ':'), allow_nan=False).encode()
    return b''.join([struct.pack('<I', len(text)), text, *parts.parts])


def packed_picture(picture: Picture, head: Mapping[str, Any]) -> bytes:
    """A picture as a message. `head`: what is said to this one viewer beside it."""
    height, width = picture.size
    facts = {
        'kind': 'picture',
        'stamp': stamp_as_text(picture.stamp_ns),
        'width': width,
        'height': height,
        'type': picture.media_type,
        'age': round(picture.age_now(), 4),
        **picture.facts,
        **head,
    }
    return packed(facts, picture.objects, picture.file)


def unpacked(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Head and binary parts of a message, for programs that look on as the page does."""
    (length,) = struct.unpack_from('<I', message)
    return json.loads(message[4 : 4 + length]), message[4 + length :]

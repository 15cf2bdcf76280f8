"""Memory of a session: bounded, whatever the length of the video; what does not fit goes to a file and comes back."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from sam2_ros.model import Sam2Network
from sam2_ros.session import SessionOptions, SpillError, VideoSession
from sam2_ros.session.spill import SpillStore
from sam2_ros.tracking import Prompt
from tests.peak_memory import MEBIBYTE, forget_peak, peak_bytes
from tests.session.cheap_network import CheapNetwork
from tests.session.conftest import assert_same
from tests.tracking.clips import Clip

LONG = 20_000  # frames
SETTLED = 1000  # frames after which caches are full and what is loaded late is loaded
SMALL_BUDGET = 4 * MEBIBYTE
MOST_GROWTH = 16 * MEBIBYTE  # 2 were measured; the state itself is 240


class DrawnVideo(Sequence[np.ndarray]):
    """Frames of 48 x 64 pixels, in which a square moves; each is drawn when it is asked for."""

    def __init__(self, count: int) -> None:
        self.count = count
        rng = np.random.default_rng(0)
        self.background = rng.integers(0, 120, (48, 64, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> np.ndarray:
        image = self.background.copy()
        x, y = self.corner(index)
        image[y : y + 16, x : x + 16] = (220, 180, 40)
        return image

    def corner(self, index: int) -> tuple[int, int]:
        return 8 + round(20 * (1 + np.sin(index / 40))), 8 + round(8 * (1 + np.cos(index / 55)))

    def prompt(self, index: int, object_id: str = 'a') -> Prompt:
        x, y = self.corner(index)
        return Prompt(object_id, box=(x, y, x + 16, y + 16))


@pytest.mark.slow
def test_peak_memory_over_20000_frames(tmp_path: Path) -> None:
    """Every frame is drawn, encoded, tracked and remembered. Only the network is cheap: it has no part in the state."""
    video = DrawnVideo(LONG)
    options = SessionOptions(memory_bytes=SMALL_BUDGET, features_bytes=SMALL_BUDGET, spill_folder=tmp_path)
    with VideoSession(CheapNetwork(), video, options=options) as session:
        session.prompt(0, video.prompt(0))
        session.prompt(LONG // 2, video.prompt(LONG // 2))
        passes = session.propagate()
        for _ in range(SETTLED):
            next(passes)
        forget_peak()
        before = peak_bytes()
        count = SETTLED + sum(1 for _ in passes)
        assert count == LONG
        growth = peak_bytes() - before
        assert growth < MOST_GROWTH, f'{growth / MEBIBYTE:.1f} MiB'
        assert session.memory_bytes <= SMALL_BUDGET
        assert session.bytes_per_frame * LONG > 5 * MOST_GROWTH, 'the limit would hold without a file'
        assert session.file_bytes >= session.bytes_per_frame * LONG - SMALL_BUDGET
        for frame in (0, 7, LONG - 1):
            assert session.result(frame)['a'].mask.shape == (48, 64)


def test_a_small_budget_changes_nothing_but_where_things_are(
    small: Sam2Network, clip: Clip, images: list[np.ndarray], tmp_path: Path
) -> None:
    def run(options: SessionOptions) -> tuple[list, VideoSession]:
        session = VideoSession(small, images, options=options)
        for name in 'ab':
            session.prompt(6, clip.prompt(name, 'box', 6))
        shown = list(session.propagate_both_ways())
        shown.append(session.result(3))
        session.prompt(12, clip.prompt('a', 'points', 12))
        shown += list(session.propagate_both_ways())
        session.undo()
        return [*shown, *[session.result(frame) for frame in range(len(images))]], session

    roomy, plain = run(SessionOptions())
    tight, spilling = run(SessionOptions(memory_bytes=0, features_bytes=0, spill_folder=tmp_path))
    with plain, spilling:
        assert_same(roomy, tight)
        assert (plain.file_bytes, spilling.memory_bytes) == (0, spilling.bytes_per_frame)
        assert spilling.file_bytes > 10 * spilling.bytes_per_frame
        assert not list(tmp_path.iterdir()), 'the file has no name, so that nothing is left behind'


def test_propagating_again_and_again_uses_the_same_room(
    small: Sam2Network, clip: Clip, images: list[np.ndarray]
) -> None:
    with VideoSession(small, images, options=SessionOptions(memory_bytes=0, undo_steps=1)) as session:
        session.prompt(0, clip.prompt('a', 'box'))
        sizes = []
        for frame in range(1, 7):
            list(session.propagate())
            session.prompt(frame, clip.prompt('a', 'points', frame))
            sizes.append(session.file_bytes)
        assert sizes[-1] == sizes[2], sizes  # from then on one state for undo is dropped with each new one


def group(value: float) -> tuple[torch.Tensor, ...]:
    return torch.full((4, 4), value), torch.full((2, 3), value, dtype=torch.bfloat16), torch.full((5,), value)


def test_groups_come_back_as_they_were(tmp_path: Path) -> None:
    store = SpillStore(max_bytes=1, folder=tmp_path)
    held = {value: store.keep(group(value)) for value in range(20)}
    for value in (7, 19, 0, 7):
        assert all(torch.equal(one, other) for one, other in zip(held[value].load(), group(value), strict=True))
    used = store.file_bytes
    for value in range(10):
        del held[value]
    for value in range(100, 110):
        held[value] = store.keep(group(value))
    assert store.file_bytes <= used, 'what nobody holds any more makes room'
    for value, kept in held.items():
        assert kept.load()[0][0, 0] == value
    store.close()
    with pytest.raises(SpillError, match='cannot be read'):
        held[11].load()


def test_a_full_disk_loses_nothing(
    small: Sam2Network, clip: Clip, images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error says where there is no room. What was found stays; with room again the session goes on."""

    def full(*_: object) -> int:
        raise OSError(28, 'No space left on device')

    options = SessionOptions(memory_bytes=0, spill_folder=tmp_path)
    with VideoSession(small, images, options=options) as session:
        session.prompt(0, clip.prompt('a', 'box'))
        passes = session.propagate()
        found = [next(passes) for _ in range(5)]
        with monkeypatch.context() as patched:
            patched.setattr(os, 'pwrite', full)
            with pytest.raises(SpillError, match=f'folder {tmp_path} takes no more: No space left on device'):
                next(passes)
        assert_same([session.result(frame) for frame in range(5)], found)
        assert 'a' not in session.result(5)
        assert [one.frame_index for one in session.propagate(5)] == list(range(5, 24))

"""Erased objects leave the background that was behind them, as near to the truth as is stated here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sam2_ros.effects import erase
from tests.effects.world import World, psnr


def quality(world: World, **options: float) -> list[float]:
    """PSNR in dB within the erased area, for each frame."""
    frames = erase(lambda: world, **options)
    return [psnr(frame, world.background(index), world.mask(index)) for index, frame in enumerate(frames)]


@pytest.mark.parametrize(
    ('world', 'least'),
    [
        (World(), 60.0),  # a still camera without noise: the truth itself
        (World(noise=2.0), 43.0),  # a single frame with this noise has 42 dB
        (World(pan=1.3), 42.0),
        (World(pan=1.3, noise=2.0), 40.0),
        (World(pan=4.0, noise=2.0), 36.0),
        (World(flicker=9), 42.0),  # every other frame is darker
        (World(pan=1.3, speed=0.0), 40.0),  # the ball stays in the view, the camera turns past it
    ],
)
def test_the_erased_area_comes_this_near_to_the_truth(world: World, least: float) -> None:
    measured = quality(world)
    assert len(measured) == world.count
    assert min(measured) >= least


def test_what_no_frame_shows_is_inpainted() -> None:
    world = World(speed=0.0, count=3)
    for index, frame in enumerate(erase(lambda: world)):
        seen, mask = world.frame(index), world.mask(index)
        red = (frame[mask].astype(int) - (220, 30, 40)).__abs__().max(1) < 40
        assert red.mean() < 0.1
        assert psnr(frame, world.background(index), mask) > psnr(seen, world.background(index), mask) + 6


def test_all_but_the_object_stays_as_it_was() -> None:
    world = World(pan=1.3, noise=2.0, count=12)
    margin = 4
    for index, frame in enumerate(erase(lambda: world, margin=margin)):
        rows, columns = np.nonzero(world.mask(index))
        far = np.ones(frame.shape[:2], bool)
        far[rows.min() - margin : rows.max() + margin + 1, columns.min() - margin : columns.max() + margin + 1] = False
        np.testing.assert_array_equal(frame[far], world.frame(index)[far])


def test_frames_without_an_object_are_not_touched() -> None:
    world = World(noise=2.0, count=4)

    def read() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((rgb, np.zeros_like(mask)) for rgb, mask in world)

    for frame, (rgb, _) in zip(erase(read), world, strict=True):
        np.testing.assert_array_equal(frame, rgb)


def test_little_memory_makes_it_worse_but_not_wrong() -> None:
    """So few frames are kept that some of the background is 16 frames away."""
    world = World(count=40)
    megabytes = 4 * world.frame(0).nbytes * 4 / 3 / 1e6
    assert min(quality(world, megabytes=megabytes, reach=40)) >= 25
    assert min(quality(world, reach=2)) < 25  # not far enough to see behind the ball

"""The ring of depth images: nearest by stamp, wait, or why not; bounded."""

from __future__ import annotations

import pytest

from sam2_ros.spatial.ring import Chance, StampedRing

SECOND = 1_000_000_000


def ring(*seconds: float, most: int = 100, most_bytes: int = 10**9, nbytes: int = 10) -> StampedRing[float]:
    made: StampedRing[float] = StampedRing('depth image')
    for stamp in seconds:
        made.add(stamp, stamp_ns=round(stamp * SECOND), nbytes=nbytes, most=most, most_bytes=most_bytes)
    return made


def test_the_nearest_is_found() -> None:
    made = ring(10.0, 10.1, 10.2)
    found = made.find(round(10.09 * SECOND), tolerance=0.03)
    assert (found.chance, found.item, found.stamp_ns) == (Chance.FOUND, 10.1, round(10.1 * SECOND))


def test_a_nearer_one_may_still_come() -> None:
    made = ring(10.0, 10.1)
    found = made.find(round(10.12 * SECOND), tolerance=0.03)
    assert (found.chance, found.item) == (Chance.WAIT, 10.1)
    found = made.find(round(10.2 * SECOND), tolerance=0.03)
    assert (found.chance, found.item, found.reason) == (Chance.WAIT, None, 'the nearest depth image is 0.100 s older')
    assert made.usual_step == pytest.approx(0.1)


def test_why_there_is_none() -> None:
    assert ring().find(0, tolerance=1.0).reason == 'no depth image has come'
    found = ring(10.0, 10.5).find(round(9.0 * SECOND), tolerance=0.03)
    assert found.chance is Chance.NONE
    assert found.reason == 'the nearest depth image is 1.000 s newer; those kept are of the last 0.5 s'
    assert ring(10.0, 10.5).find(round(10.2 * SECOND), tolerance=0.03).chance is Chance.NONE


def test_it_is_bounded_in_number_and_bytes() -> None:
    made = ring(*range(10), most=4)
    assert len(made) == 4 and made.forgotten == 6
    made = ring(*range(10), most_bytes=35)
    assert len(made) == 3 and made.nbytes == 30
    assert len(ring(1.0, 2.0, nbytes=100, most_bytes=50)) == 1


def test_overtaken_ones_find_their_place_and_a_restart_empties_it() -> None:
    made = ring(10.0, 10.2, 10.1)
    assert made.newest_ns == round(10.2 * SECOND)
    assert made.find(round(10.1 * SECOND), tolerance=0.001).item == 10.1
    made = ring(10.0, 10.2, 3.0)
    assert len(made) == 1 and made.went_back == 1 and made.newest_ns == 3 * SECOND
    made.clear()
    assert made.newest_ns is None and made.usual_step == 0.5

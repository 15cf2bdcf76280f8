"""What stamps say about the order of images."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.live.stamps import NANOSECONDS, Arrival, StampOrder, stamp_text

SECOND = NANOSECONDS


def arrivals(stamps: Sequence[float], *, period: float = 10.0, order: StampOrder | None = None) -> list[Arrival]:
    """What a new order, or this one, says of images that come every `period` seconds."""
    order = order or StampOrder()
    return [
        order.classify(round(stamp * SECOND), arrived=period * n, reorder_window=1.0) for n, stamp in enumerate(stamps)
    ]


def test_stamps_in_order() -> None:
    assert arrivals([5.0, 5.1, 9.0]) == [Arrival.NEXT] * 3


def test_the_same_image_again() -> None:
    assert arrivals([5.0, 5.0, 5.1]) == [Arrival.NEXT, Arrival.DUPLICATE, Arrival.NEXT]


def test_overtaken_images_do_not_set_the_time_back() -> None:
    assert arrivals([5.0, 5.2, 5.1, 5.3]) == [Arrival.NEXT, Arrival.NEXT, Arrival.REORDERED, Arrival.NEXT]


def test_a_jump_back_is_a_new_epoch() -> None:
    assert arrivals([50.0, 1.0, 1.1, 1.2, 1.15], period=0.1) == [
        Arrival.NEXT,
        Arrival.OUTLIER,
        Arrival.OUTLIER,
        Arrival.NEW_EPOCH,
        Arrival.REORDERED,
    ]


def test_images_without_a_stamp_do_not_count_as_old() -> None:
    assert arrivals([5.0, 0.0, 0.0, 5.1]) == [Arrival.NEXT, Arrival.UNSTAMPED, Arrival.UNSTAMPED, Arrival.NEXT]


@given(st.lists(st.integers(0, 20 * SECOND), max_size=40))
def test_stream_time_never_goes_back(stamps: list[int]) -> None:
    order, before = StampOrder(), 0.0
    for number, stamp in enumerate(stamps):
        order.classify(stamp, arrived=float(number), reorder_window=1.0)
        assert order.elapsed >= before
        before = order.elapsed


def test_stream_time_is_that_of_the_stamps_across_a_loop() -> None:
    order = StampOrder()
    arrivals((100.0, 100.25, 100.5, 3.0, 3.25, 3.5), period=0.25, order=order)
    assert order.elapsed == pytest.approx(1.0)


@pytest.mark.parametrize('images', [2, 3, 5, 9])
def test_a_bag_shorter_than_the_window_goes_on_when_it_is_looped(images: int) -> None:
    found = arrivals([50 + 0.1 * number for number in range(images)] * 24, period=0.1)
    second_half = found[12 * images :]
    assert second_half == ([Arrival.NEW_EPOCH] + [Arrival.NEXT] * (images - 1)) * 12


@pytest.mark.parametrize('speed', [0.5, 1.0, 10.0])  # of a bag that is played
@pytest.mark.parametrize('rate', [5.0, 30.0, 120.0])
@pytest.mark.parametrize('error', [0.5, 5.0, 4e9, -0.5, -5.0, -900.0])
def test_a_single_wrong_stamp_changes_nothing_but_itself(rate: float, error: float, speed: float) -> None:
    stamps = [1000 + number / rate for number in range(100)]
    right, order = StampOrder(), StampOrder()
    arrivals(stamps, period=1 / rate / speed, order=right)
    found = arrivals([*stamps[:50], stamps[50] + error, *stamps[51:]], period=1 / rate / speed, order=order)
    itself = Arrival.NEXT if error > 0 else Arrival.REORDERED if error >= -0.5 else Arrival.OUTLIER
    assert found.pop(50) is itself and order.outliers == (error > 0)
    assert found == [Arrival.NEXT] * 99
    assert order.elapsed == pytest.approx(right.elapsed, abs=1e-6)


@pytest.mark.parametrize('rate', [10.0, 30.0, 120.0])
@pytest.mark.parametrize('error', [0.02, 0.04, 0.06, 0.09])
def test_a_stamp_that_is_a_little_wrong_is_no_new_epoch(rate: float, error: float) -> None:
    """It may cost those images that it is ahead of, no more."""
    stamps = [1000 + number / rate for number in range(100)]
    found = arrivals([*stamps[:50], stamps[50] + error, *stamps[51:]], period=1 / rate)
    assert Arrival.NEW_EPOCH not in found and found.count(Arrival.NEXT) >= 99 - error * rate


@pytest.mark.parametrize('leap', [-3600.0, -5.0, -0.4, 5.0, 3600.0])
def test_a_leap_of_all_that_follow_is_believed(leap: float) -> None:
    order = StampOrder()
    found = arrivals(
        [1000 + 0.1 * number for number in range(20)] + [1000 + leap + 0.1 * number for number in range(20, 40)],
        period=0.1,
        order=order,
    )
    assert found.count(Arrival.NEW_EPOCH) == (leap < 0) and order.outliers == 0
    assert found[22:].count(Arrival.NEXT) == 18 - (leap < 0)
    assert found[20:22] == (
        [Arrival.NEXT] * 2 if leap > 0 else [Arrival.REORDERED if leap > -1 else Arrival.OUTLIER] * 2
    )
    assert 3.7 <= order.elapsed <= 3.9 + 3.0


@given(st.lists(st.tuples(st.integers(0, 10 * SECOND), st.floats(0, 2)), min_size=1, max_size=40))
def test_whatever_comes_a_stream_that_is_in_order_is_tracked_soon(garbage: list[tuple[int, float]]) -> None:
    order, now = StampOrder(), 0.0
    for stamp, pause in garbage:
        now += pause
        order.classify(stamp, arrived=now, reorder_window=1.0)
    found = [
        order.classify((20 + number) * SECOND // 10, arrived=now + 0.1 * (number + 1), reorder_window=1.0)
        for number in range(12)
    ]
    assert set(found[6:]) <= {Arrival.NEXT, Arrival.NEW_EPOCH} and found[-1] is Arrival.NEXT


def test_a_late_image_now_and_then_is_no_new_epoch() -> None:
    order = StampOrder()
    stamps = [second + part for second in range(5, 15) for part in (0.0, 0.2, 0.1)]
    found = {order.classify(round(stamp * SECOND), arrived=stamp, reorder_window=1.0) for stamp in stamps}
    assert found == {Arrival.NEXT, Arrival.REORDERED}


def test_a_pause_counts_as_stream_time() -> None:
    order = StampOrder()
    for stamp, arrived_at in ((5.0, 0.0), (5.0, 20.0), (65.0, 60.0)):  # the camera hung; it sent one image twice
        order.classify(round(stamp * SECOND), arrived=arrived_at, reorder_window=1.0)
    assert order.elapsed == pytest.approx(60.0)


def test_stamps_as_text() -> None:
    assert stamp_text(12_345_000_000) == '12.345'
    assert stamp_text(12_345_678_000) == '12.345678'

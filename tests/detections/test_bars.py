"""Places where something was removed: what is held back there, for how long, and what is not."""

from __future__ import annotations

import pytest

from sam2_ros.detections.bars import Bar, Bars
from sam2_ros.detections.boxes import DetectedBox
from sam2_ros.detections.kinds import ClassVotes


def box(x: float, y: float = 0.0, *, name: str = 'cup') -> DetectedBox:
    """Of 40 x 40 pixels."""
    return DetectedBox((x, y, x + 40, y + 40), '', name, 0.9)


def barred(*, lasting: float = 10.0) -> Bars:
    """A cup was removed at x = 100 at the time 0."""
    votes = ClassVotes()
    votes.add('cup', 0.9)
    bars = Bars()
    bars.add(Bar([(0.0, box(100).box)], until=10.0, lasting=lasting, votes=votes))
    return bars


@pytest.mark.parametrize(
    ('found', 'held'),
    [
        (box(100), True),
        (box(118), True),  # overlaps a third
        (box(130), True),  # hardly overlaps, but may have gone there unseen
        (box(141), False),  # the cup beside it
        (box(104, name='bowl'), True),  # the same thing under another name
        (box(118, name='bowl'), False),  # something else that overlaps
        (box(118, name=''), True),
    ],
)
def test_what_is_held_back(found: DetectedBox, held: bool) -> None:
    assert barred().let_through([found], time=1.0) == ([] if held else [found])


def test_it_lasts_while_the_thing_is_seen_and_goes_with_it() -> None:
    bars = barred()
    for step in range(1, 40):
        assert bars.let_through([box(100 + 5 * step)], time=float(step)) == []
    there, gone_from = box(300), box(100)
    assert bars.let_through([gone_from], time=40.0) == [gone_from]
    assert bars.let_through([there], time=48.0) == []
    assert bars.let_through([there], time=59.0) == [there]  # nothing was seen there for longer than it lasts


def test_one_that_does_not_last_ends_in_any_case() -> None:
    bars = barred(lasting=0.0)
    for time in (3.0, 6.0, 9.0):
        assert bars.let_through([box(100)], time=time) == []
    assert bars.let_through([box(100)], time=11.0) == [box(100)]


def test_a_box_beside_it_does_not_lead_it_astray() -> None:
    bars = barred()
    assert bars.let_through([box(120)], time=1.0) == []
    assert bars.let_through([box(140), box(96)], time=1.1) == []
    assert bars.let_through([box(80)], time=1.2) == []

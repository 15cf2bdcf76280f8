"""What kind of thing an object is: what a prompt says, and what a detector says again and again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.detections.kinds import ClassVotes, ObjectKind, checked_class
from sam2_ros.live.requests import Source


def test_the_class_is_what_is_seen_most_surely_of_late() -> None:
    votes = ClassVotes()
    assert (votes.best, votes.score) == ('', 0.0)
    for _ in range(20):
        votes.add('cup', 0.8)
    assert (votes.best, votes.score) == ('cup', pytest.approx(0.8))
    votes.add('bowl', 0.95)  # once
    assert votes.best == 'cup' and votes.score == pytest.approx(0.72)
    for _ in range(8):
        votes.add('bowl', 0.95)
    assert votes.best == 'bowl' and 0.5 < votes.score < 0.95


def test_any_number_of_names_may_come() -> None:
    votes = ClassVotes()
    for number in range(1000):
        votes.add(f'name {number}', 0.9)
    assert len(votes._means) < 50 and votes.best == 'name 999'


def test_a_box_without_a_class_says_nothing() -> None:
    votes = ClassVotes()
    votes.add('cup', 0.7)
    votes.add('', 1.0)
    assert (votes.best, votes.score) == ('cup', 0.7)


@given(st.lists(st.tuples(st.sampled_from(['', 'a', 'b', 'c']), st.floats(0, 1)), max_size=40))
def test_scores_stay_within_0_and_1(boxes: list[tuple[str, float]]) -> None:
    votes = ClassVotes()
    for class_name, score in boxes:
        votes.add(class_name, score)
        assert 0 <= votes.score <= 1
    assert bool(votes.best) == any(class_name for class_name, _ in boxes)


def test_what_a_prompt_says_counts_more_than_all_votes() -> None:
    kind = ObjectKind(Source.DETECTOR)
    for _ in range(5):
        kind.votes.add('cup', 0.9)
    kind.prompted(source=Source.DETECTOR, class_name='bowl')  # as we do ourselves, to correct it
    assert (kind.class_name, kind.source) == ('cup', Source.DETECTOR)
    kind.prompted(source=Source.OPERATOR, class_name='')
    assert (kind.class_name, kind.class_score, kind.source) == ('cup', pytest.approx(0.9), Source.OPERATOR)
    kind.prompted(source=Source.OPERATOR, class_name='my mug')
    kind.votes.add('cup', 1.0)
    assert (kind.class_name, kind.class_score) == ('my mug', 1.0)
    kind.prompted(source=Source.OPERATOR, class_name='')  # what was said before stays
    assert kind.class_name == 'my mug'


@pytest.mark.parametrize(('name', 'problem'), [('x' * 65, '65 characters'), ('a\nb', 'printable')])
def test_names_of_classes_are_checked(name: str, problem: str) -> None:
    assert checked_class('Ein roter Becher') and checked_class('') == ''
    with pytest.raises(ValueError, match=problem):
        checked_class(name)

"""What the journal counts and says, rates and latencies."""

import pytest

from sam2_ros.live.journal import Journal
from sam2_ros.live.measurements import Latencies, Rate


@pytest.mark.parametrize(
    ('moments', 'now', 'rate'),
    [
        ([], 1.0, 0.0),
        ([1.0], 1.0, 0.0),
        ([1.0, 1.5, 2.0, 2.5], 2.5, 2.0),
        ([1.0, 1.1, 1.2, 1.3], 1.3, 3.0),  # of a stream that began just now nobody knows whether it goes on
        ([1.0, 1.1, 60.0, 60.005], 60.005, 1.0),
        ([1.0, 1.1, 1.2, 1.3], 6.25, 0.0),
        ([0.0, 8.0, 16.0], 23.0, 0.125),  # slower than the span that rates are taken over
        ([0.0, 8.0, 16.0], 33.0, 0.0),
    ],
)
def test_rates(moments: list[float], now: float, rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Rate()
    for moment in moments:
        monkeypatch.setattr('time.monotonic', lambda moment=moment: moment)
        measured.tick()
    monkeypatch.setattr('time.monotonic', lambda: now)
    assert measured.per_second() == pytest.approx(rate)


def test_percentiles_of_latencies() -> None:
    latencies = Latencies()
    for number in range(101):
        latencies.add('track', float(number))
    assert latencies.percentiles() == {'track': (50.0, 95.0)}


class Lines(list):
    """A logger that keeps its lines."""

    def warning(self, line: str) -> None:
        self.append(line)


def test_the_journal_counts_everything_and_says_each_reason_once_in_a_while() -> None:
    lines = Lines()
    journal = Journal(lines)
    for _ in range(3):
        journal.note('invalid', 'no good')
    journal.note('reordered', 'too late')
    journal.refuse_prompt('why not')
    journal.refuse_prompt('why not')
    assert lines == ['no good', 'too late', 'prompt refused: why not', 'prompt refused: why not']
    assert journal.counts() == {'invalid': 3, 'reordered': 1, 'prompts_refused': 2}
    assert journal.last_refusal == 'why not'

"""What kind of thing each object is, and who wants it tracked."""

from __future__ import annotations

from dataclasses import dataclass, field

from sam2_ros.live.requests import Source
from sam2_ros.tracking.checks import quoted
from sam2_ros.tracking.prompt import MAX_NAME

LEAST_SHARE = 0.1  # of the newest box in the running means: they reach back over ten boxes or so
LEAST_MEAN = 0.01  # a class with a lower mean is forgotten, so that any number of names may come
SURE = 1.0  # the score of a class that a prompt has said


def checked_class(name: str) -> str:
    """The name of a class, which may be empty. It becomes part of logs, tables and the names of objects.

    Raises:
        ValueError: a sentence, if it is too long or not printable.
    """
    if len(name) > MAX_NAME:
        raise ValueError(f'class_name has {len(name)} characters, but at most {MAX_NAME} are accepted')
    if not name.isprintable():
        raise ValueError(f'class_name must be printable characters, without line breaks, not {quoted(name)}')
    return name


class ClassVotes:
    """What a detector calls one thing: the running mean of its scores for each class.

    A box of one class counts 0 for all others. So the class that is seen most surely of late wins, and a single other
    name changes nothing.
    """

    def __init__(self) -> None:
        self._means: dict[str, float] = {}
        self._boxes = 0

    def add(self, class_name: str, score: float) -> None:
        """Count a box. One without a class says nothing.

        Args:
            score: from 0 to 1.
        """
        if not class_name:
            return
        self._boxes += 1
        share = max(1 / self._boxes, LEAST_SHARE)
        self._means.setdefault(class_name, 0.0)
        means = {
            name: mean + share * ((score if name == class_name else 0.0) - mean) for name, mean in self._means.items()
        }
        self._means = {name: mean for name, mean in means.items() if mean >= LEAST_MEAN or name == class_name}

    @property
    def best(self) -> str:
        """The class; of equal ones the first seen. Empty before the first box that has one."""
        return max(self._means, key=self._means.__getitem__, default='')

    @property
    def score(self) -> float:
        """Of the best class, from 0 to 1."""
        return self._means.get(self.best, 0.0)


@dataclass
class ObjectKind:
    """What is known of an object beside its track.

    Attributes:
        source: who wants it tracked.
        said: its class as a prompt said it; empty if none did. It counts more than all votes.
        votes: its class as the detector says it.
        missed: messages of the detector in a row that had no box for it while it was seen.
    """

    source: Source = Source.OPERATOR
    said: str = ''
    votes: ClassVotes = field(default_factory=ClassVotes)
    missed: int = 0

    @property
    def class_name(self) -> str:
        """Empty if it is not known."""
        return self.said or self.votes.best

    @property
    def class_score(self) -> float:
        """How sure the class is, from 0 to 1; 0 if it is not known."""
        return SURE if self.said else self.votes.score

    def prompted(self, *, source: Source, class_name: str) -> None:
        """A prompt for the object has been applied.

        Args:
            class_name: what the prompt calls it; may be empty.
        """
        if source is Source.OPERATOR:
            self.source = source
            self.said = class_name or self.said

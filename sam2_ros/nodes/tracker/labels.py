"""Small integers that stand for the objects, or for their classes, in the label mask."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

UNLABELED = 'UNLABELED'  # as vision_msgs/VisionClass calls the highest number


class LabelTable:
    """Gives every object a label of its own, 1 and up, for its whole life.

    A freed label is used again only after all others, oldest first. A consumer that is a few images behind then does
    not take a new object for an old one.
    """

    def __init__(self, highest: int) -> None:
        self.highest = highest
        self._labels: dict[str, int] = {}
        self._freed: deque[int] = deque()
        self._next = 1

    def assign(self, object_id: str) -> int:
        """The label of the object; a new one if it has none.

        Raises:
            ValueError: if every label is in use.
        """
        if object_id not in self._labels:
            if self._next <= self.highest:
                self._labels[object_id] = self._next
                self._next += 1
            elif self._freed:
                self._labels[object_id] = self._freed.popleft()
            else:
                raise ValueError(f'all {self.highest} labels are in use; remove an object first')
        return self._labels[object_id]

    def free(self, object_id: str) -> None:
        """Give the label back. Unknown objects are ignored."""
        label = self._labels.pop(object_id, None)
        if label is not None:
            self._freed.append(label)


class ClassNumbers:
    """Gives every class a number of its own, 1 and up, as long as the node is configured.

    Names that are known beforehand have the numbers of their places, so that these are the same in every run; others
    follow in the order in which they come. The highest number stands for UNLABELED: no class is known, or there are no
    numbers left.

    Args:
        names: those known beforehand, the first of which has the number 1.
        highest: 255 or 65535.
    """

    def __init__(self, names: Sequence[str], *, highest: int) -> None:
        self._highest = highest
        self._numbers: dict[str, int] = {}
        for number, name in enumerate(names[: highest - 1], start=1):
            if name:
                self._numbers.setdefault(name, number)
        self._next = min(len(names) + 1, highest)

    def number(self, class_name: str) -> int:
        """Of an empty name the highest."""
        if class_name not in self._numbers:
            if not class_name or self._next >= self._highest:
                return self._highest
            self._numbers[class_name] = self._next
            self._next += 1
        return self._numbers[class_name]

    @property
    def names(self) -> dict[int, str]:
        """The names by number, UNLABELED among them."""
        return {number: name for name, number in self._numbers.items()} | {self._highest: UNLABELED}

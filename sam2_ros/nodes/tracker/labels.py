"""Small integers that stand for the objects in the label mask."""

from __future__ import annotations

from collections import deque


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

"""Names of the classes that a detector sends as numbers."""

from __future__ import annotations

from collections.abc import Iterable

from sam2_ros.live.settings import Settings

MAX_DIGITS = 5  # the numbers of vision_msgs/VisionClass go up to 65535


class ClassIds:
    """What the class ids of a detector stand for: as `class_names` says, else as the detector itself has said."""

    def __init__(self, settings: Settings) -> None:
        """`settings`: class_names, the first of which stands for 0."""
        self._settings = settings
        self._heard: dict[int, str] = {}

    def hear(self, names: Iterable[tuple[int, str]]) -> None:
        """The detector says what its numbers stand for."""
        self._heard = dict(names)

    def name_of(self, class_id: str) -> str:
        """The name; the class id itself if it is no number, or one without a name."""
        if not (class_id.isdecimal() and len(class_id) <= MAX_DIGITS):
            return class_id
        number, names = int(class_id), self._settings['class_names']
        if names:
            return (names[number] if number < len(names) else '') or class_id
        return self._heard.get(number) or class_id

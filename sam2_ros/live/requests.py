"""What is asked of the inference thread, and how it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sam2_ros.live.arrived_images import ArrivedImage, ShownObject
from sam2_ros.tracking import Prompt

UNNAMED = '(unnamed)'  # object_id of a Prompt until the inference thread knows which object it is for


class Source(Enum):
    """Who wants an object tracked."""

    OPERATOR = 'operator'  # a person or a program: a topic, a service, a click
    DETECTOR = 'detector'  # we ourselves, from the boxes of a detector


@dataclass(frozen=True)
class Answer:
    """What became of a request.

    Attributes:
        reason: why it was refused, a sentence; empty if it was not.
        object_id: the object it was for.
        image: the prompted image.
        tracked_object: the object on that image.
        remark: why the mask may not be what was meant, a sentence; empty if it fits.
    """

    reason: str = ''
    object_id: str = ''
    image: ArrivedImage | None = None
    tracked_object: ShownObject | None = None
    remark: str = ''

    @property
    def success(self) -> bool:
        return not self.reason


def ignore(_: Answer) -> None:
    """For requests that nobody waits for. The log has the reason of a refusal."""


@dataclass(frozen=True, eq=False)
class PromptRequest:
    """A prompt on its way to the inference thread.

    Attributes:
        object_id: the object it is for. Empty: a new one; for a click, the object that was clicked on.
        answer: is called once, from any thread.
        extend: points and box add to those given before for the object on this image.
        click: the prompt is a single click.
        class_name: what kind of thing it is; a new object without a name is named after it. Empty: not said.
        source: who asks.
    """

    prompt: Prompt
    object_id: str
    answer: Callable[[Answer], None] = ignore
    extend: bool = False
    click: bool = False
    class_name: str = ''
    source: Source = Source.OPERATOR

"""What the executor asks of the inference thread, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sam2_ros.live.arrived_images import ArrivedImage, ShownObject
from sam2_ros.tracking import Prompt

UNNAMED = '(unnamed)'  # object_id of a Prompt until the inference thread knows which object it is for


@dataclass(frozen=True)
class Answer:
    """What became of a request. A refused one has a reason, a sentence; an applied prompt has the rest, and a remark,
    a sentence, where its mask does not fit it.
    """

    reason: str = ''
    object_id: str = ''
    image: ArrivedImage | None = None  # the prompted image
    tracked_object: ShownObject | None = None  # on that image
    remark: str = ''

    @property
    def success(self) -> bool:
        return not self.reason


def ignore(_: Answer) -> None:
    """The answer to a request that nobody waits for; the log has the reason of a refusal."""


@dataclass(frozen=True, eq=False)
class PromptRequest:
    """A prompt whose image is known or still to come.

    `object_id`: the object it is for; empty: a new one, or for a click the object that was clicked on.
    `extend`: its points and box add to those given before for the object on this image.
    `answer` is called once, in the thread that knows.
    """

    prompt: Prompt
    object_id: str
    answer: Callable[[Answer], None] = ignore
    extend: bool = False
    click: bool = False

"""What pages ask for, as calls of the services of a tracker. Everything here runs in the executor."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from sam2_ros.live.journal import Journal
from sam2_ros.live.requests import UNNAMED
from sam2_ros.live.settings import Settings
from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.msg import Prompt as PromptMessage
from sam2_ros.nodes.edge.messages import prompt_message
from sam2_ros.nodes.operator_page.camera import TrackedCamera
from sam2_ros.nodes.operator_page.shown import shown_object
from sam2_ros.srv import RemoveObject, SetPrompt
from sam2_ros.tracking import Prompt
from sam2_ros.web import commands as asked
from sam2_ros.web.thread import ServerThread

MOST_OPEN = 100  # commands without an answer


class Inbox:
    """Hands commands over from the thread of the server to the executor."""

    def __init__(self, node: Node, take: Callable[[], None]) -> None:
        """`take`: is called in the executor soon after something came."""
        self._commands: queue.SimpleQueue[tuple[int, asked.Command]] = queue.SimpleQueue()
        self._node = node
        self._bell = node.create_guard_condition(take)
        self.watched: frozenset[int] = frozenset()

    def ask(self, viewer: int, command: asked.Command) -> None:
        self._commands.put((viewer, command))
        self._bell.trigger()

    def watching(self, cameras: frozenset[int]) -> None:
        self.watched = cameras
        self._bell.trigger()

    def commands(self) -> list[tuple[int, asked.Command]]:
        """All that came since this was last asked."""
        taken = []
        while not self._commands.empty():
            taken.append(self._commands.get())
        return taken

    def close(self) -> None:
        self._node.destroy_guard_condition(self._bell)


@dataclass(eq=False)
class _Open:
    """A command whose answer is not there yet."""

    viewer: int
    command: asked.Command
    camera: TrackedCamera
    deadline: float  # seconds of the monotonic clock
    future: Any = None


class Commands:
    """Does what pages ask for, and answers each of them once."""

    def __init__(
        self,
        settings: Settings,
        *,
        page: ServerThread,
        journal: Journal,
        note: Callable[[TrackedCamera, asked.Command, PromptMessage | None], None],
    ) -> None:
        """`note`: is told what is asked of a tracker, with the prompt message if it is one, for recordings."""
        self._settings, self._page, self._journal, self._note = settings, page, journal, note
        self._open: set[_Open] = set()

    def do(self, viewer: int, command: asked.Command, cameras: Sequence[TrackedCamera | None]) -> None:
        """Begin what a page asks for. `cameras`: by index; None for one that is gone."""
        camera = cameras[command.camera] if command.camera < len(cameras) else None
        if camera is None:
            return self._refuse(viewer, command, 'the tracker is gone')
        if len(self._open) >= MOST_OPEN:
            return self._refuse(viewer, command, f'{MOST_OPEN} commands wait for an answer already')
        now = time.monotonic()
        one = _Open(viewer, command, camera, now + self._settings['answer_timeout'])
        if isinstance(command, asked.Prompt):
            self._prompt(one, command)
        elif isinstance(command, asked.Remove):
            self._note(camera, command, None)
            self._call(one, camera.remove_object, RemoveObject.Request(object_id=command.object_id), self._removed)
        elif isinstance(command, asked.Reset):
            self._note(camera, command, None)
            self._call(one, camera.reset, Trigger.Request(), self._reset)

    def give_up_late(self) -> None:
        """Answer for trackers that did not in time."""
        for one in [one for one in self._open if one.deadline < time.monotonic()]:
            self._open.discard(one)
            timeout = self._settings['answer_timeout']
            self._refuse(one.viewer, one.command, f'{one.camera.tracker} did not answer within {timeout:g} s')

    def close(self, reason: str) -> None:
        """Refuse what is open."""
        for one in self._open:
            self._refuse(one.viewer, one.command, reason)
        self._open.clear()

    def _prompt(self, one: _Open, command: asked.Prompt) -> None:
        try:
            message = _message_of(command, one.camera)
        except ValueError as error:
            return self._refuse(one.viewer, command, str(error))
        self._note(one.camera, command, message)
        self._call(one, one.camera.set_prompt, SetPrompt.Request(prompt=message), self._prompted)

    def _call(self, one: _Open, client: Any, request: Any, take: Callable[[_Open, Any], None]) -> None:
        if not client.service_is_ready():
            return self._refuse(one.viewer, one.command, f'{client.srv_name} is not there: is the tracker active?')
        self._open.add(one)
        one.future = client.call_async(request)
        one.future.add_done_callback(lambda future: self._take(one, future, take))

    def _take(self, one: _Open, future: Any, take: Callable[[_Open, Any], None]) -> None:
        if one in self._open and not future.cancelled():
            self._open.discard(one)
            take(one, future.result())

    def _prompted(self, one: _Open, answer: SetPrompt.Response) -> None:
        command = one.command
        if answer.success and isinstance(command, asked.Rename) and command.old != answer.object_id:
            self._note(one.camera, asked.Remove(camera=command.camera, object_id=command.old), None)
            request = RemoveObject.Request(object_id=command.old)
            return self._call(one, one.camera.remove_object, request, lambda one, _: self._applied(one, answer))
        self._applied(one, answer)

    def _applied(self, one: _Open, answer: SetPrompt.Response) -> None:
        if not answer.success:
            return self._refuse(one.viewer, one.command, answer.reason)
        shown = None
        if one.camera.size is not None and answer.object.object_id:
            height, width = one.camera.size
            shown = shown_object(answer.object, image_height=height, image_width=width)
        self._answer(
            one,
            success=True,
            reason=answer.reason,
            object_id=answer.object_id,
            stamp_ns=stamp_nanoseconds(answer.header.stamp),
            shown=shown,
        )

    def _removed(self, one: _Open, answer: RemoveObject.Response) -> None:
        self._answer(one, success=answer.success, reason=answer.reason, object_id=answer.object_id)

    def _reset(self, one: _Open, answer: Trigger.Response) -> None:
        self._answer(one, success=answer.success, reason=answer.message)

    def _answer(self, one: _Open, **answer: Any) -> None:
        self._journal.count('commands_answered')
        self._page.post(self._page.server.answer, one.viewer, one.command.number, **answer)

    def _refuse(self, viewer: int, command: asked.Command, reason: str) -> None:
        self._journal.refuse_prompt(reason)
        self._page.post(self._page.server.answer, viewer, command.number, success=False, reason=reason)


def _message_of(command: asked.Prompt, camera: TrackedCamera) -> PromptMessage:
    """The prompt, for the image that was seen.

    Raises:
        ValueError: a sentence, for a prompt without sense.
    """
    mask = None
    if command.mask is not None:
        if camera.size is None:
            raise ValueError('no objects of this camera have come yet, so the size of its images is not known')
        (left, top), (height, width) = command.corner, command.mask.shape
        if top + height > camera.size[0] or left + width > camera.size[1]:
            raise ValueError('the mask is not within the image: it has another size by now')
        mask = np.zeros(camera.size, bool)
        mask[top : top + height, left : left + width] = command.mask
    prompt = Prompt(
        command.object_id or UNNAMED,
        points=[(x, y) for x, y, _ in command.points],
        labels=[label for *_, label in command.points] or None,
        box=command.box,
        mask=mask,
    )
    stamp = Time(sec=command.stamp_ns // NANOSECONDS, nanosec=command.stamp_ns % NANOSECONDS)
    header = Header(stamp=stamp, frame_id=camera.frame_id)
    message = prompt_message(prompt, header=header)
    message.object_id, message.class_name, message.extend = command.object_id, command.class_name, command.extend
    return message

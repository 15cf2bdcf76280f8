"""Services that answer later, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from sam2_ros.live.requests import Answer

# Every call is answered, however many come at once: no call in a queue is replaced by a newer one.
ALL_CALLS = QoSProfile(
    history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
)


@dataclass(frozen=True, eq=False)
class _Call:
    response: Any
    header: Any  # which client asked, and which of its calls this is


def _call_of(request: Any, response: Any) -> tuple[Any, Any]:
    """The callback of a service, whose result goes to `send_response`."""
    return request, response


class AnsweredService:
    """One service whose calls are answered when the answer is known.

    A callback that awaits its answer would be simpler. But rclpy looks at every waiting call in every round, newest
    first: hundreds of calls take seconds and are answered in the wrong order. So the callback only returns what was
    asked, and `send_response`, which rclpy calls next, begins the work.

    Args:
        ask: `ask(request, give)` begins the work; `give(answer)` is called once, at once or later.
        fill: `fill(response, answer)` writes the answer into the response.
    """

    def __init__(
        self,
        node: Node,
        type_: type,
        name: str,
        *,
        ask: Callable[[Any, Callable[[Answer], None]], None],
        fill: Callable[[Any, Answer], None],
    ) -> None:
        self._node = node
        self._ask = ask
        self._fill = fill
        self._calls: set[_Call] = set()  # whose answer was not sent yet
        self._lock = threading.Lock()
        # the types of rclpy do not foresee this
        self._service = cast(Any, node.create_service(type_, name, cast(Any, _call_of), qos_profile=ALL_CALLS))
        self._send = self._service.send_response
        self._service.send_response = self._begin

    @property
    def answering(self) -> bool:
        """Whether there are calls whose answer was not sent yet."""
        return bool(self._calls)

    def refuse(self, reason: str) -> None:
        """Answer all calls that are still open."""
        for call in list(self._calls):
            self._give(call, Answer(reason))

    def close(self) -> None:
        self._node.destroy_service(self._service)

    def _begin(self, asked: tuple[Any, Any], header: Any) -> None:
        request, response = asked
        call = _Call(response, header)
        with self._lock:
            self._calls.add(call)
        self._ask(request, lambda answer: self._give(call, answer))

    def _give(self, call: _Call, answer: Answer) -> None:
        with self._lock:
            if call in self._calls:
                self._calls.remove(call)
                self._fill(call.response, answer)
                self._send(call.response, call.header)

"""Services whose answers are sent when they are known, from whichever thread knows them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from sam2_ros.live.requests import Answer

# Every call is answered, however many come at once: nothing in the queues is replaced by something newer.
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
    """One service. `ask(request, give)` begins the work; `give(answer)` is called once, then or later; `fill(response,
    answer)` writes the answer into the response.

    A callback that awaits its answer would do as well, were it not that rclpy looks at every such call in every round
    and goes on with the newest first: hundreds of them take seconds, and are answered in the wrong order. So what the
    callback returns only says what was asked, and `send_response`, which rclpy calls next, begins the work.
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
        # a type as rclpy has it knows nothing of what is done here
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

"""One camera of the process: its tracker node, and the thread that runs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from rclpy.executors import SingleThreadedExecutor

from sam2_ros.live.network import device_works
from sam2_ros.nodes.edge.process import end, spin
from sam2_ros.nodes.tracker.node import TrackerNode

RESTART_DELAY = 2.0  # seconds
LOOK_PERIOD = 0.1  # seconds between two looks whether the thread of a camera still runs

Result = TypeVar('Result')


class CameraNode(TrackerNode):
    """A tracker node beside others. If it fails while the device works, it alone starts anew."""

    def __init__(self, *, end_process: Callable[[str], None], **options: Any) -> None:
        """As a `TrackerNode`, with the function that is told why the process has to end."""
        super().__init__(**options)
        self._end_process = end_process

    def give_up(self, reason: str) -> None:
        if self.parts is not None and not device_works(self.parts.device):
            self._end_process(f'{self.get_fully_qualified_name()}: {reason}; the device does not work any more')
            return
        self.get_logger().error(f'{reason}; this camera forgets everything, the others go on')
        if self.executor is not None:
            self.executor.create_task(self._start_anew)  # in its own thread, like all transitions

    def _start_anew(self) -> None:
        if self.state != 'active':  # somebody was faster
            return
        self.trigger_deactivate()
        if self.state == 'inactive':  # after an error it is unconfigured
            self.trigger_cleanup()
        if self.state == 'unconfigured' and self._settings['autostart']:
            self.start_in(RESTART_DELAY)


class RunningCamera:
    """A camera node with an executor and a thread of its own, so that no camera waits for another's callbacks."""

    def __init__(self, node: CameraNode) -> None:
        self.node = node
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=node.get_namespace(), daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], Result]) -> Result:
        """Do something in the thread of the camera. Returns what it returns, raises what it raises."""
        done: Future[Result] = Future()

        def carry_out() -> None:
            try:
                done.set_result(work())
            except Exception as error:
                done.set_exception(error)

        self._executor.create_task(carry_out)
        while wait([done], LOOK_PERIOD).not_done:
            if not self._thread.is_alive():
                raise RuntimeError(f'{self.node.get_fully_qualified_name()} has ended')
        return done.result()

    def begin_end(self) -> None:
        """Stop to listen and to track, then end the thread. The answers that services owe are sent."""
        self._ending = True
        self._executor.create_task(lambda: None)  # wakes it

    def ended(self, timeout: float | None) -> bool:
        """Wait until the thread has ended, `timeout` seconds at most."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def destroy(self) -> None:
        """Take the node off the graph. Its thread has ended."""
        self._executor.shutdown()
        self.node.destroy_node()

    def _run(self) -> None:
        spin(self._executor, until=lambda: self._ending)
        end(self.node, self._executor)

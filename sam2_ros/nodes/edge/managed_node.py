"""A lifecycle node whose transitions go well, or say in the log why not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn


class ManagedNode(LifecycleNode, ABC):
    """A lifecycle node that says in `configure`, `activate`, `deactivate` and `forget` what its transitions do.

    Each may raise: the sentence of the error is logged, which rclpy would not do, and the node is as it was, or
    unconfigured, never half active.

    Attributes:
        state: of the lifecycle: 'unconfigured', 'inactive', 'active' or 'finalized'.
        failure: why the process has to end; empty while it has not.
    """

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.state = 'unconfigured'
        self.failure = ''

    @abstractmethod
    def configure(self) -> None:
        """From unconfigured to inactive. After an error `forget` is called."""

    @abstractmethod
    def activate(self) -> None:
        """From inactive to active. After an error `deactivate` is called."""

    @abstractmethod
    def deactivate(self) -> None:
        """From active to inactive. Must also be right in any other state."""

    @abstractmethod
    def forget(self) -> None:
        """From inactive to unconfigured. Must also be right in any other state."""

    @abstractmethod
    def stop(self, timeout: float | None = None) -> bool:
        """End the work, because the process ends. Returns False if that took longer than `timeout` seconds."""

    @property
    def answering(self) -> bool:
        """Whether there are service calls whose answer was not sent yet."""
        return False

    def start_in(self, seconds: float) -> None:
        """Configure and activate the node after that time, if it is unconfigured then."""
        self._start = self.create_timer(seconds, self._start_now, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def give_up(self, reason: str) -> None:
        """End the process. Whoever started it starts it anew: a GPU that failed does not recover within a process.

        Any thread may call this.
        """
        self.get_logger().fatal(reason)
        self.failure = reason
        self.context.try_shutdown()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._done('configured', self.configure):
            self.state = 'inactive'
            return TransitionCallbackReturn.SUCCESS
        self.forget()
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._done('activated', self.activate):
            self.state = 'active'
            return TransitionCallbackReturn.SUCCESS
        self._done('stopped', self.deactivate)
        return TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._success_or_error(self._done('deactivated', self.deactivate), 'inactive')

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._success_or_error(self._done('cleaned up', self.forget), 'unconfigured')

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        stopped, forgotten = self._done('stopped', self.deactivate), self._done('cleaned up', self.forget)
        return self._success_or_error(stopped and forgotten, 'finalized')

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, never half active."""
        ended = self.on_shutdown(state)
        if ended is TransitionCallbackReturn.SUCCESS:
            self.state = 'unconfigured'
        return ended

    def _done(self, what: str, work: Callable[[], object]) -> bool:
        """Whether a part of a transition went well. If not, the reason is logged."""
        try:
            work()
        except Exception as error:
            self.get_logger().error(f'not {what}: {error}')
            return False
        return True

    def _success_or_error(self, done: bool, state: str) -> TransitionCallbackReturn:
        """The end of a transition to `state`."""
        if done:
            self.state = state
        return TransitionCallbackReturn.SUCCESS if done else TransitionCallbackReturn.ERROR

    def _start_now(self) -> None:
        self.destroy_timer(self._start)
        if self.state == 'unconfigured' and self.trigger_configure() is TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

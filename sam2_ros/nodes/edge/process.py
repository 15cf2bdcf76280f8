"""A process with one managed node: runs until it is interrupted, and ends without losing what is in work."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from sam2_ros.interruption import Interruption
from sam2_ros.nodes.edge.managed_node import ManagedNode
from sam2_ros.nodes.edge.startup import end_ros, refusals_as_sentences

STOP_TIMEOUT = 3.0  # seconds given to the message in work when the process ends
ANSWER_TIMEOUT = 0.5  # seconds given to the answers of services when the process ends


def spin(executor: Executor, *, until: Callable[[], bool], period: float | None = None) -> None:
    """Run callbacks until `until` is true or ROS is shut down. A callback that fails is logged, and the others go on.

    `until` is asked after every callback, and every `period` seconds.
    """
    while executor.context.ok() and not until():
        try:
            executor.spin_once(timeout_sec=period)
        except ExternalShutdownException:
            return
        except Exception:
            if until():  # an interruption inside rclpy comes out as another error
                return
            rclpy.logging.get_logger('sam2_ros').error(traceback.format_exc())


def end(node: ManagedNode, executor: Executor) -> None:
    """Stop the node and send the answers that services still owe."""
    if not node.stop(STOP_TIMEOUT):
        node.get_logger().warning(f'the image in work is given up: it was not done within {STOP_TIMEOUT:g} s')
    deadline = time.monotonic() + ANSWER_TIMEOUT
    spin(executor, until=lambda: not node.answering or time.monotonic() > deadline, period=ANSWER_TIMEOUT / 10)


def run(make: Callable[[], ManagedNode], args: Sequence[str] | None = None, *, name: str) -> int:
    """Run the node until it is interrupted. Returns 0, or 1 if it gave up, or 2 for a parameter that was refused.

    Args:
        make: makes the node.
        args: the command line; None: that of the process.
        name: of the node in the log, if it cannot be made.
    """
    interruption = Interruption()

    def interrupt(*_: object) -> None:
        if not interruption.came:  # a further signal does not cut the end off
            # an exception alone may get lost: Python ignores those raised while it deletes an object
            interruption.came = True
            raise KeyboardInterrupt

    # Without rclpy's own handlers the graph stays up until the image in work has been published.
    with refusals_as_sentences():
        rclpy.init(args=list(args) if args is not None else None, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    node: ManagedNode | None = None
    try:
        executor = SingleThreadedExecutor()
        with refusals_as_sentences():
            node = make()
        executor.add_node(node)
        spin(executor, until=lambda: interruption.came)
    except ValueError as error:
        rclpy.logging.get_logger(name).fatal(str(error))
        return 2
    except KeyboardInterrupt:
        pass
    finally:
        interruption.came = True
        if node is not None:
            end(node, executor)
        end_ros()
    return 1 if node and node.failure else 0

"""The one thread that owns the network. Cameras take turns in it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sam2_ros.live.camera_stream import CameraStream
from sam2_ros.live.prompt_budget import PROMPT_SHARE

LINGER = 0.5  # seconds that the thread waits for more, so that a tracker runs where it was warmed up

Result = TypeVar('Result')


@dataclass(frozen=True, eq=False)
class _Call:
    """Work that somebody waits for."""

    work: Callable[[], Any]
    done: Future[Any] = field(default_factory=Future)

    def carry_out(self) -> None:
        try:
            self.done.set_result(self.work())
        except BaseException as error:
            self.done.set_exception(error)


class InferenceThread:
    """Gives turns to the streams that have something to do, so that each gets its share of the time.

    A turn is one piece of work: the newest image of the stream, or one prompt. The stream that has had the least time,
    by its weight, is next (see `Account`). A stream that has nothing to do costs nothing, and saves nothing up. Prompts
    get a turn for as long as there is time for them, see `PromptBudget`. The thread runs while there are streams or
    calls, and a moment longer. All methods may be called from any thread but itself.
    """

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._streams: list[CameraStream] = []  # the one that had its turn longest ago comes first
        self._calls: deque[_Call] = deque()
        self._counter = 0.0  # of the account that had the last turn, before it
        self._running = False

    def add(self, stream: CameraStream) -> None:
        """Take a stream in. It must not be in another thread."""
        with self._news:
            stream.on_news = self._wake
            stream.account.lift(self._counter)
            self._streams.append(stream)
            self._share_out()
            self._start_or_wake()

    def remove(self, stream: CameraStream, timeout: float | None = None) -> bool:
        """End a stream after the image in work. Its waiting requests are refused; objects that catch up stay where they
        are.

        Returns False if that took longer than `timeout` seconds. The stream then ends later.
        """
        stream.close()
        with self._news:
            return self._news.wait_for(lambda: stream not in self._streams, timeout)

    def call(self, work: Callable[[], Result]) -> Result:
        """Do something else with the network, before the next turn. Returns what it returns, raises what it raises."""
        call = _Call(work)
        with self._news:
            self._calls.append(call)
            self._start_or_wake()
        result: Result = call.done.result()
        return result

    def _start_or_wake(self) -> None:
        if self._running:
            self._news.notify_all()
        else:
            self._running = True
            threading.Thread(target=self._run, name='inference', daemon=True).start()

    def _wake(self) -> None:
        with self._news:
            self._news.notify_all()

    def _share_out(self) -> None:
        for stream in self._streams:
            stream.budget.share = PROMPT_SHARE / len(self._streams)

    def _run(self) -> None:
        try:
            while (work := self._wait_for_work()) is not None:
                if not isinstance(work, CameraStream):
                    work.carry_out()
                elif not work.closing:
                    self._give_turn(work)
                else:
                    work.refuse_what_waits()
                    with self._news:
                        self._streams.remove(work)
                        self._share_out()
                        del work  # and its memory, before anybody is told
                        self._news.notify_all()
                    continue
                del work  # not to be kept while the thread waits
        except BaseException as error:  # a mistake of ours: nobody shall wait for this thread for ever
            with self._news:
                self._streams.clear()
                for call in self._calls:
                    call.done.set_exception(RuntimeError(f'the inference thread has died: {error}'))
                self._calls.clear()
                self._running = False
                self._news.notify_all()
            raise

    def _wait_for_work(self) -> CameraStream | _Call | None:
        """What is to be done next; None when there was nothing for a while."""
        with self._news:
            while self._news.wait_for(lambda: self._streams or self._calls, LINGER):
                if self._calls:
                    return self._calls.popleft()
                stream = self._next()
                if stream is not None:
                    self._streams.remove(stream)
                    self._streams.append(stream)
                    return stream
                waits = [stream.budget.wait for stream in self._streams if stream.prompts_ready()]
                self._news.wait(min(waits, default=None))
            self._running = False
            return None

    def _next(self) -> CameraStream | None:
        """The stream whose turn it is; None if none has anything to do. What leaves goes first, it costs nothing."""
        leaving = next((stream for stream in self._streams if stream.closing), None)
        ready = [stream for stream in self._streams if stream.has_work()]
        if leaving is not None or not ready:
            return leaving
        stream = min(ready, key=lambda stream: stream.account.counter)  # of equals, the first
        self._counter = stream.account.counter
        for idle in self._streams:
            if idle not in ready:
                idle.account.lift(self._counter)
        return stream

    def _give_turn(self, stream: CameraStream) -> None:
        """One piece of its work. When the time for prompts is used up, objects that catch up skip images."""
        started, image = time.monotonic(), False
        if not stream.prompts_due:
            image = stream.work_off()
        elif stream.budget.left:
            stream.serve_prompt()
            waiting = [other.waiting_since for other in tuple(self._streams) if other.waiting_since is not None]
            stream.budget.spend(started, min(waiting, default=None))
        else:
            stream.cut_short()
        stream.account.charge(time.monotonic() - started, image=image)

"""The one thread that owns the network. The streams of several cameras take turns in it."""

from __future__ import annotations

import threading
import time

from sam2_ros.live.camera_stream import CameraStream
from sam2_ros.live.prompt_budget import PromptBudget


class InferenceThread:
    """Gives each stream that has something to do one turn after the other.

    A turn is the newest image of the stream, then prompts, for as long as the budget for these lasts. The thread runs
    while there are streams. All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._streams: list[CameraStream] = []  # that whose turn is next comes first
        self._budget = PromptBudget()
        self._running = False

    def add(self, stream: CameraStream) -> None:
        """Take a stream in, which must not be in any thread."""
        with self._news:
            stream.on_news = self._wake
            self._streams.append(stream)
            if self._running:
                self._news.notify_all()
            else:
                self._running = True
                threading.Thread(target=self._run, name='inference', daemon=True).start()

    def remove(self, stream: CameraStream, timeout: float | None = None) -> bool:
        """End the work on a stream after the image in work: what waits is refused, objects that catch up stay where
        they are. False if that took longer than `timeout` seconds.
        """
        stream.close()
        with self._news:
            return self._news.wait_for(lambda: stream not in self._streams, timeout)

    def _wake(self) -> None:
        with self._news:
            self._news.notify_all()

    def _run(self) -> None:
        while (stream := self._wait_for_work()) is not None:
            if not stream.closing:
                self._give_turn(stream)
                continue
            stream.refuse_what_waits()
            with self._news:
                self._streams.remove(stream)
                del stream  # and its memory, before anybody is told
                self._news.notify_all()

    def _wait_for_work(self) -> CameraStream | None:
        """The stream whose turn it is, which then comes last. None when there is no stream any more."""
        with self._news:
            while self._streams:
                stream = self._next()
                if stream is not None:
                    self._streams.remove(stream)
                    self._streams.append(stream)
                    return stream
                waits_for_time = any(stream.prompts_ready() for stream in self._streams)
                self._news.wait(self._budget.wait if waits_for_time else None)
            self._running = False
            return None

    def _next(self) -> CameraStream | None:
        """The stream whose turn it is; None while there is nothing to do."""
        prompts_too = self._budget.left
        return next((stream for stream in self._streams if stream.has_work(prompts_too=prompts_too)), None)

    def _give_turn(self, stream: CameraStream) -> None:
        """Its newest image, then prompts. Once the time for these is used up, objects that catch up go on from where
        they are.
        """
        for _ in range(stream.work_off()):
            if stream.closing or not stream.prompts_ready():
                return
            if not self._budget.left:
                stream.cut_short()
                return
            started = time.monotonic()
            stream.serve_prompt()
            waiting = [other.waiting_since for other in tuple(self._streams) if other.waiting_since is not None]
            self._budget.spend(started, min(waiting, default=None))

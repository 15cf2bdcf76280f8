"""The one thread that owns the network. Cameras take turns in it."""

from __future__ import annotations

import threading
import time

from sam2_ros.live.camera_stream import CameraStream
from sam2_ros.live.prompt_budget import PromptBudget


class InferenceThread:
    """Gives each stream that has something to do a turn, one after the other.

    In its turn a stream gets its newest image tracked. Prompts follow for as long as there is time for them, see
    `PromptBudget`. The thread runs while there are streams. All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._streams: list[CameraStream] = []  # the one whose turn is next comes first
        self._budget = PromptBudget()
        self._running = False

    def add(self, stream: CameraStream) -> None:
        """Take a stream in. It must not be in another thread."""
        with self._news:
            stream.on_news = self._wake
            self._streams.append(stream)
            if self._running:
                self._news.notify_all()
            else:
                self._running = True
                threading.Thread(target=self._run, name='inference', daemon=True).start()

    def remove(self, stream: CameraStream, timeout: float | None = None) -> bool:
        """End a stream after the image in work. Its waiting requests are refused; objects that catch up stay where they
        are.

        Returns False if that took longer than `timeout` seconds. The stream then ends later.
        """
        stream.close()
        with self._news:
            return self._news.wait_for(lambda: stream not in self._streams, timeout)

    def _wake(self) -> None:
        with self._news:
            self._news.notify_all()

    def _run(self) -> None:
        try:
            while (stream := self._wait_for_work()) is not None:
                if not stream.closing:
                    self._give_turn(stream)
                    continue
                stream.refuse_what_waits()
                with self._news:
                    self._streams.remove(stream)
                    del stream  # and its memory, before anybody is told
                    self._news.notify_all()
        except BaseException:  # a mistake of ours: nobody shall wait for this thread for ever
            with self._news:
                self._streams.clear()
                self._running = False
                self._news.notify_all()
            raise

    def _wait_for_work(self) -> CameraStream | None:
        """The stream whose turn it is; it goes to the end of the queue. None when the last stream has left."""
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
        """The first stream that has something to do; None if none has."""
        prompts_too = self._budget.left
        return next((stream for stream in self._streams if stream.has_work(prompts_too=prompts_too)), None)

    def _give_turn(self, stream: CameraStream) -> None:
        """Its newest image, then its prompts. When their time is used up, objects that catch up skip the rest of the
        images.
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

"""The one thread that owns the network: newest image first, prompts on past images between the images."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sam2_ros.live.arrived_images import ArrivedImage, ImageStatus
from sam2_ros.live.journal import Journal
from sam2_ros.live.prompt_jobs import PromptJobs
from sam2_ros.live.requests import Answer, PromptRequest
from sam2_ros.tracking import FrameResult, VideoTracker
from sam2_ros.tracking.checks import quoted

PROMPT_SHARE = 0.1  # of the time that images may wait for work on prompts
PROMPT_CREDIT = 0.5  # seconds of such work that may be saved up: for the prompts that come once in a while
NAMES_SHOWN = 10  # of the tracked objects, when another is asked for
MAX_COMMANDS = 1000  # prompts that wait until the image in work is done
MAX_FAILURES = 10  # failed images in a row after which the process is given up


class Outputs(Protocol):
    """Where results go. Called in the inference thread."""

    def publish(self, image: ArrivedImage, rgb: np.ndarray, result: FrameResult) -> None: ...


@dataclass(frozen=True)
class _Command:
    """Something to do between images. `work` returns the answer, or None if that comes later."""

    work: Callable[[], Answer | None]
    answer: Callable[[Answer], None]


class _PromptBudget:
    """How long images may still wait for work on prompts: so much of the time goes to that, however many come."""

    def __init__(self) -> None:
        self._credit = PROMPT_CREDIT  # seconds
        self._updated = time.monotonic()

    @property
    def left(self) -> bool:
        """Whether there is time for more."""
        return self._earned() > 0

    @property
    def wait(self) -> float:
        """Seconds until there is."""
        return max(0.001, -self._earned() / PROMPT_SHARE)

    def spend(self, started: float, waiting_since: float | None) -> None:
        """Work was done since `started` (monotonic clock); an image waits for its end since then, None: no image."""
        credit, now = self._earned(), time.monotonic()
        waited = 0.0 if waiting_since is None else max(0.0, now - max(started, waiting_since))
        self._credit, self._updated = credit - waited, now

    def _earned(self) -> float:
        return min(PROMPT_CREDIT, self._credit + PROMPT_SHARE * (time.monotonic() - self._updated))


class Inference:
    """Runs the tracker in a thread of its own. All methods but `stop` return at once, whichever thread calls them."""

    def __init__(
        self,
        tracker: VideoTracker,
        *,
        jobs: PromptJobs,
        outputs: Outputs,
        journal: Journal,
        to_rgb: Callable[[Any], np.ndarray],
        on_fatal: Callable[[str], None],
    ) -> None:
        """`to_rgb` turns an image message into (H, W, 3) uint8, or raises ValueError; `on_fatal` is told why the
        process has to end: the network failed MAX_FAILURES times in a row.
        """
        self._tracker = tracker
        self._jobs = jobs
        self._outputs = outputs
        self._journal = journal
        self._to_rgb = to_rgb
        self._on_fatal = on_fatal
        self._changed = threading.Condition()
        self._mailbox: ArrivedImage | None = None
        self._mail_since = 0.0  # monotonic clock: since when the mailbox is not empty, newer images in it or not
        self._commands: list[_Command] = []
        self._budget = _PromptBudget()
        self._stopping = False
        self._failures = 0  # in a row
        self._unreported = 0  # images skipped before others that could not be processed
        self._format = ''  # size and encoding of the images
        self._thread = threading.Thread(target=self._run, name='inference', daemon=True)
        self._thread.start()

    def offer(self, image: ArrivedImage) -> None:
        """Put the newest image in front of the tracker; one that still waits there is skipped."""
        with self._changed:
            if self._mailbox is not None:
                self._mailbox.status = ImageStatus.SKIPPED
                image.skipped_before = self._mailbox.skipped_before + 1
                self._journal.count('skipped')
            else:
                self._mail_since = image.arrived
            self._mailbox = image
            self._changed.notify()

    def submit(self, image: ArrivedImage, request: PromptRequest) -> None:
        """Queue a prompt on an arrived image; it is answered when it has been decoded on its image."""
        if len(self._commands) < MAX_COMMANDS:
            self._command(lambda: self._jobs.add(image, request), request.answer)
            return
        reason = f'{MAX_COMMANDS} prompts wait already; prompt an object once, not on every image'
        self._journal.refuse_prompt(reason)
        request.answer(Answer(reason))

    def remove(self, object_id: str, answer: Callable[[Answer], None]) -> None:
        """Queue the removal of an object."""
        self._command(lambda: self._remove(object_id), answer)

    def reset(self, answer: Callable[[Answer], None]) -> None:
        """Queue the removal of all objects."""
        self._command(self._reset, answer)

    def stop(self, timeout: float | None) -> bool:
        """End the thread after the image in work; whatever waits is refused, and what is catching up stays where it is.
        False if that took longer than `timeout` seconds.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _command(self, work: Callable[[], Answer | None], answer: Callable[[Answer], None]) -> None:
        with self._changed:
            self._commands.append(_Command(work, answer))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._has_work():
                    self._changed.wait(self._budget.wait if self._jobs.ready() else None)
                if self._stopping:
                    break
                commands, self._commands = self._commands, []
                image, self._mailbox = self._mailbox, None
            for command in commands:
                self._obey(command)
            if image is not None:
                self._guarded(self._track, image)
            self._serve(self._jobs.share() if image is not None else 1)
        if self._mailbox is not None:
            self._mailbox.status = ImageStatus.SKIPPED
        for command in self._commands:  # so that every request gets its answer
            self._obey(command)
        self._jobs.refuse_waiting('the node was deactivated')

    def _serve(self, times: int) -> None:
        """Work on prompts while there is time; when it is used up, objects that catch up go on from where they are."""
        for _ in range(times):
            if self._stopping or not self._jobs.ready():
                return
            if not self._budget.left:
                self._guarded(self._jobs.cut_short)
                return
            started = time.monotonic()
            self._guarded(self._jobs.serve)
            with self._changed:
                self._budget.spend(started, None if self._mailbox is None else self._mail_since)

    def _has_work(self) -> bool:
        ready = self._jobs.ready() and self._budget.left
        return bool(self._stopping or self._commands or self._mailbox is not None or ready)

    def _guarded(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run a piece of work; a failing network costs that piece, and the process when it does not recover."""
        try:
            return work(*arguments)
        except Exception as error:
            self._failures += 1
            self._journal.note('failed', f'the tracker failed: {type(error).__name__}: {error}')
            if self._failures == MAX_FAILURES:
                self._on_fatal(f'the tracker failed {MAX_FAILURES} times in a row, last with {error}')
            return Answer(f'the tracker failed: {error}')

    def _obey(self, command: _Command) -> None:
        answer = self._guarded(command.work)
        if answer is not None:
            self._guarded(command.answer, answer)

    def _track(self, image: ArrivedImage) -> None:
        try:
            self._process(image)
        finally:
            if image.status is not ImageStatus.TRACKED:
                image.status = ImageStatus.FAILED
                self._unreported = image.skipped_before

    def _process(self, image: ArrivedImage) -> None:
        started = time.monotonic()
        image.skipped_before += self._unreported
        try:
            rgb = self._to_rgb(image.message)
        except ValueError as error:
            self._journal.note('invalid', f'an image is dropped: {error}')
            self._journal.waiting_since = None
            return
        self._notice_format(image.message, rgb)
        converted = time.monotonic()
        result = self._tracker.step(rgb, time=image.time)
        tracked = time.monotonic()
        image.frame_index, image.status = result.frame_index, ImageStatus.TRACKED
        self._outputs.publish(image, rgb, result)
        done = time.monotonic()
        self._failures = self._unreported = 0
        self._journal.published.tick()
        self._journal.waiting_since = None
        stages = {
            'wait': started - image.arrived,
            'convert': converted - started,
            'track': tracked - converted,
            'publish': done - tracked,
            'total': done - image.arrived,
        }
        for stage, seconds in stages.items():
            self._journal.latencies.add(stage, seconds)

    def _notice_format(self, message: Any, rgb: np.ndarray) -> None:
        height, width = rgb.shape[:2]
        kind = f'{width}x{height} {message.format if hasattr(message, "format") else message.encoding}'
        if self._format not in ('', kind):
            self._journal.note('format_changes', f'images change from {self._format} to {kind}; objects are kept')
        self._format = kind

    def _remove(self, object_id: str) -> Answer:
        if object_id not in self._tracker.object_ids:
            known = ', '.join(self._tracker.object_ids[:NAMES_SHOWN]) or 'none'
            more = len(self._tracker.object_ids) - NAMES_SHOWN
            return Answer(
                f'no object is called {quoted(object_id)}; tracked are: {known}'
                + (f' and {more} more' if more > 0 else '')
            )
        self._tracker.remove(object_id)
        self._jobs.forget(object_id, f'{object_id!r} was removed')
        return Answer(object_id=object_id)

    def _reset(self) -> Answer:
        self._tracker.reset()
        self._jobs.forget_all('the tracker was reset')
        return Answer()

"""One camera in the inference thread: its tracker, its newest image, what it was asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sam2_ros.live.account import Account
from sam2_ros.live.arrived_images import ArrivedImage, ImageMessage, ImageStatus
from sam2_ros.live.journal import Journal
from sam2_ros.live.prompt_budget import PromptBudget
from sam2_ros.live.prompt_jobs import PromptJobs
from sam2_ros.live.requests import Answer, PromptRequest, ignore
from sam2_ros.tracking import FrameResult, VideoTracker
from sam2_ros.tracking.checks import quoted

NAMES_SHOWN = 10  # of the tracked objects, when another is asked for
MAX_COMMANDS = 1000  # prompts that wait until the image in work is done
MAX_FAILURES = 10  # failed images in a row after which the camera is given up


class Outputs(Protocol):
    """Where results go. Called in the inference thread."""

    def publish(self, image: ArrivedImage, rgb: np.ndarray, result: FrameResult) -> None: ...


@dataclass(frozen=True)
class _Command:
    """Something to do between images. `work` returns the answer, or None if that comes later."""

    work: Callable[[], Answer | None]
    answer: Callable[[Answer], None]


class CameraStream:
    """The work of one camera, which the inference thread does turn by turn.

    `offer`, `submit`, `remove`, `reset`, `do` and `close` only leave a note and return at once; any thread may call
    them. All other methods are for the `InferenceThread` that the stream was added to.

    Attributes:
        on_news: called when there is something to do.
        account: of the time that the camera has had of the network.
        budget: of the time that images may wait for its prompts.
        closing: the stream is about to end and tracks nothing more.
        waiting_since: since when an image waits, in seconds of the monotonic clock; None while none does. A newer image
            that takes its place does not change it.
    """

    def __init__(
        self,
        tracker: VideoTracker,
        *,
        jobs: PromptJobs,
        outputs: Outputs,
        journal: Journal,
        to_rgb: Callable[[ImageMessage], np.ndarray],
        on_fatal: Callable[[str], None],
        account: Account | None = None,
    ) -> None:
        """Make a stream that belongs to no thread yet.

        Args:
            to_rgb: turns an image message into (H, W, 3) uint8, or raises ValueError.
            on_fatal: is told why this camera cannot go on, which is after MAX_FAILURES failures of it in a row.
            account: None: a new one.
        """
        self.on_news: Callable[[], None] = lambda: None
        self.account = account or Account()
        self.budget = PromptBudget()
        self.closing = False
        self.waiting_since: float | None = None
        self._tracker = tracker
        self._jobs = jobs
        self._outputs = outputs
        self._journal = journal
        self._to_rgb = to_rgb
        self._on_fatal = on_fatal
        self._lock = threading.Lock()  # of the mailbox and the commands
        self._mailbox: ArrivedImage | None = None
        self._commands: list[_Command] = []
        self._due = 0  # prompts that may have a turn before the next image
        self._failures = 0  # in a row
        self._unreported = 0  # images skipped before others that could not be processed
        self._format = ''  # size and encoding of the images

    def offer(self, image: ArrivedImage) -> None:
        """Put the newest image in front of the tracker; one that still waits there is skipped."""
        with self._lock:
            if self._mailbox is not None:
                self._mailbox.status = ImageStatus.SKIPPED
                image.skipped_before = self._mailbox.skipped_before + 1
                self._journal.count('skipped')
            else:
                self.waiting_since = image.arrived
            self._mailbox = image
        self.on_news()

    def submit(self, image: ArrivedImage, request: PromptRequest) -> None:
        """Queue a prompt on an arrived image. The answer comes once it has been decoded on that image."""
        if len(self._commands) < MAX_COMMANDS:
            self._queue(lambda: self._jobs.add(image, request), request.answer)
            return
        reason = f'{MAX_COMMANDS} prompts wait already; prompt an object once, not on every image'
        self._journal.refuse_prompt(reason)
        request.answer(Answer(reason))

    def remove(self, object_id: str, answer: Callable[[Answer], None]) -> None:
        """Queue the removal of an object."""
        self._queue(lambda: self._remove(object_id), answer)

    def reset(self, answer: Callable[[Answer], None]) -> None:
        """Queue the removal of all objects."""
        self._queue(self._reset, answer)

    def do(self, work: Callable[[], None]) -> None:
        """Queue a piece of work on what only the inference thread may touch."""
        self._queue(work, ignore)

    def close(self) -> None:
        """Track nothing more. `InferenceThread.remove` calls this and waits for the image in work."""
        self.closing = True
        self.on_news()

    def has_work(self) -> bool:
        """Whether a turn would do something. Prompts count only while there is time for them."""
        asked = self.closing or bool(self._commands) or self._mailbox is not None
        return asked or self.prompts_due or (self.budget.left and self.prompts_ready())

    def prompts_ready(self) -> bool:
        """Whether `serve_prompt` would do something."""
        return self._jobs.ready()

    @property
    def prompts_due(self) -> bool:
        """Whether the next turn is for a prompt."""
        return self._due > 0 and self.prompts_ready()

    def work_off(self) -> bool:
        """Do what was asked, then track the newest image; then prompts are due. Returns whether there was an image."""
        with self._lock:
            commands, self._commands = self._commands, []
            image, self._mailbox, self.waiting_since = self._mailbox, None, None
        for command in commands:
            self._obey(command)
        if image is not None:
            self._guarded(lambda: self._track(image))
        self._due = 1 if image is None else self._jobs.turns_after_live_image()
        return image is not None

    def serve_prompt(self) -> None:
        """See `PromptJobs.serve`."""
        self._due -= 1
        self._guarded(self._jobs.serve)

    def cut_short(self) -> None:
        """See `PromptJobs.cut_short`. The next turn is for an image."""
        self._due = 0
        self._guarded(self._jobs.cut_short)

    def refuse_what_waits(self) -> None:
        """The end: an image that waits is skipped, and every request that waits is answered."""
        with self._lock:
            commands, self._commands = self._commands, []
            if self._mailbox is not None:
                self._mailbox.status = ImageStatus.SKIPPED
            self._mailbox, self.waiting_since = None, None
        for command in commands:
            self._obey(command)
        self._jobs.refuse_waiting('the node was deactivated')

    def _queue(self, work: Callable[[], Answer | None], answer: Callable[[Answer], None]) -> None:
        with self._lock:
            self._commands.append(_Command(work, answer))
        self.on_news()

    def _guarded(self, work: Callable[[], Answer | None]) -> Answer | None:
        """Do a piece of work. If it fails, only this piece is lost; the camera is given up when failures go on."""
        try:
            return work()
        except Exception as error:
            self._failures += 1
            self._journal.note('failed', f'the tracker failed: {type(error).__name__}: {error}')
            if self._failures == MAX_FAILURES:
                self._on_fatal(f'the tracker failed {MAX_FAILURES} times in a row, last with {error}')
            return Answer(f'the tracker failed: {error}')

    def _obey(self, command: _Command) -> None:
        answer = self._guarded(command.work)
        if answer is not None:
            self._guarded(lambda: command.answer(answer))

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

    def _notice_format(self, message: ImageMessage, rgb: np.ndarray) -> None:
        height, width = rgb.shape[:2]
        encoding = getattr(message, 'encoding', None) or getattr(message, 'format', '')  # raw or compressed
        kind = f'{width}x{height} {encoding}'
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

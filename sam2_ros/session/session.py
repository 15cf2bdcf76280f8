"""A whole video: prompts on any frame in any order, carried through it in both directions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from sam2_ros.model import Network
from sam2_ros.session.features import FeatureCache
from sam2_ros.session.masklet import FrameRecord, Masklet
from sam2_ros.session.options import SessionOptions
from sam2_ros.session.results import frame_result
from sam2_ros.session.spill import SpillStore
from sam2_ros.session.steps import MaskletSteps
from sam2_ros.tracking.checks import check_whole
from sam2_ros.tracking.errors import UnknownObjectError
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.result import FrameResult, ObjectResult
from sam2_ros.video.frames import VideoFrames
from sam2_ros.video.source import FrameSource, open_source

SHORTEST = 2  # frames; the codes of pointers are distances divided by the length less 1


class VideoSession:
    """Segments objects in a recorded video; the offline protocol of SAM 2.

    Prompt any object on any frame, in any order. `propagate` carries all objects through the video. Look at the result,
    correct what is wrong with more prompts, and propagate again. Memory is bounded: frames are decoded when they are
    needed, and what does not fit into `SessionOptions.memory_bytes` goes to a file. What stays in memory for each frame
    and object is a few hundred bytes.

    A frame reads prompted frames before and after it, and the last frames in the direction of propagation, as in the
    official video predictor; see `SessionOptions` for what differs. The order of prompts on different frames does not
    matter, as long as nothing is propagated between them. Nor do objects influence each other, except with
    `non_overlap`.

    Use it in a `with` statement, or call `close` when done.

    Args:
        model: from `build_sam2`, or any other `Network`.
        source: a path that `open_source` takes (a video file or a folder of images), an opened `FrameSource`, or any
            sequence of (H, W, 3) uint8 RGB images that are made when they are asked for.
        options: see `SessionOptions`.

    Raises:
        SourceError: if the source cannot be opened.
        ValueError: if its frames cannot be read in any order, as those of a camera, or there are none.
        TypeError: for a source or options of another type.
    """

    def __init__(
        self,
        model: Network,
        source: str | Path | FrameSource | Sequence[np.ndarray],
        *,
        options: SessionOptions | None = None,
    ) -> None:
        if not isinstance(options, SessionOptions | None):
            raise TypeError(f'options must be a SessionOptions, not {type(options).__name__}')
        self._options = options or SessionOptions()
        self._frames = _frames_of(source)
        if not len(self._frames):
            raise ValueError('the video has no frames')
        self._features = FeatureCache(
            model, self._frames, resize=self._options.resize, max_bytes=self._options.features_bytes
        )
        self._store = SpillStore(max_bytes=self._options.memory_bytes, folder=self._options.spill_folder)
        self._steps = MaskletSteps(
            model, self._features, self._store, self._options, video_length=max(SHORTEST, len(self._frames))
        )
        self._masklets: dict[str, Masklet] = {}
        self._history: deque[dict[str, Masklet]] = deque(maxlen=self._options.undo_steps)
        self._shared = False  # the records are those of an entry of the history, too
        self._changes = 0

    @property
    def frame_count(self) -> int:
        """Number of frames. A damaged video file may turn out to be shorter than it says when its end is reached."""
        return len(self._frames)

    @property
    def object_ids(self) -> tuple[str, ...]:
        """All objects in the order in which they were added."""
        return tuple(self._masklets)

    @property
    def undo_count(self) -> int:
        """How often `undo` can be called."""
        return len(self._history)

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of the mask and memory of one object on one frame; 0 before the first prompt."""
        return self._store.group_bytes

    @property
    def memory_bytes(self) -> int:
        """Bytes of masks and memories on the network's device."""
        return self._store.memory_bytes

    @property
    def file_bytes(self) -> int:
        """Bytes in the file that takes the rest."""
        return self._store.file_bytes

    def prompts(self, object_id: str) -> Mapping[int, tuple[Prompt, ...]]:
        """The prompts of an object, by frame, in the order in which they were given.

        Raises:
            UnknownObjectError: (a KeyError) if there is no object of this name.
        """
        return self._masklet(object_id).prompts

    def prompt(self, frame_index: int, prompt: Prompt) -> ObjectResult:
        """Prompt an object on a frame. Other frames change with the next propagation.

        A second prompt on the same frame replaces the first; its points are decoded on top of the mask that is there.
        To refine with one more click, give all clicks of the frame, the old ones included.

        Returns:
            The object on that frame.

        Raises:
            TypeError, ValueError: for an unsuitable prompt, or a frame that does not exist. Nothing has changed then.
        """
        self._check_frame('frame_index', frame_index)
        if not isinstance(prompt, Prompt):
            raise TypeError(f'a prompt must be a Prompt, not {type(prompt).__name__}')
        masklet = self._masklets.get(prompt.object_id, Masklet())
        record = self._steps.prompt(masklet, frame_index, prompt)
        self._note_change()
        self._masklets = {**self._masklets, prompt.object_id: masklet.prompted(frame_index, prompt, record)}
        return self.result(frame_index)[prompt.object_id]

    def unprompt(self, frame_index: int, object_id: str) -> None:
        """Take back all prompts of an object on a frame. Its masks stay as they are until the next propagation.

        Raises:
            UnknownObjectError: (a KeyError) if there is no object of this name.
            ValueError: if it has no prompt on that frame.
        """
        masklet = self._masklet(object_id)
        if frame_index not in masklet.prompts:
            frames = ', '.join(map(str, sorted(masklet.prompts))) or 'none'
            raise ValueError(f'{object_id!r} has no prompt on frame {frame_index}; frames with prompts: {frames}')
        self._note_change()
        changed = masklet.unprompted(frame_index, clear=self._options.clear_on_correction)
        self._masklets = {**self._masklets, object_id: changed}

    def remove(self, object_id: str) -> None:
        """Forget an object. The others stay as they are.

        Raises:
            UnknownObjectError: (a KeyError) if there is no object of this name.
        """
        self._masklet(object_id)
        self._note_change()
        self._masklets = {name: masklet for name, masklet in self._masklets.items() if name != object_id}

    def undo(self) -> None:
        """Take back the last `prompt`, `unprompt` or `remove`, and all that was propagated since.

        Everything is as if it had never been said.

        Raises:
            ValueError: if nothing is left to take back.
        """
        if not self._history:
            raise ValueError(f'there is nothing to undo; at most {self._options.undo_steps} changes are kept for it')
        self._masklets = self._history.pop()
        self._shared = True
        self._changes += 1

    def propagate(
        self, start: int | None = None, *, reverse: bool = False, max_frames: int | None = None
    ) -> Iterator[FrameResult]:
        """Carry all objects through the video, frame by frame, as the caller asks for them.

        Prompted frames keep their masks; all others are tracked anew. An object is tracked on every frame passed, also
        on those before its first prompt; see `propagate_both_ways`. It may be left at any frame, and the session be
        used; what was tracked until then stays.

        Args:
            start: the first frame passed; None = the first prompted frame of any object, or the last one with
                `reverse`. (The official predictor begins at the first prompted frame in both directions.)
            reverse: go backwards.
            max_frames: most frames to pass, `start` included; None = up to the end. (The official predictor passes one
                frame more than it is asked for, and none in reverse from frame 0.)

        Yields:
            The results of each frame passed. An object may be known on others, too: see `result`.

        Raises:
            ValueError: if an object has no prompt, or an argument is out of range; TypeError: if it is of a wrong type.
                Nothing has changed then.
            RuntimeError: while iterating, if the prompts have been changed since the call.
            SourceError, SpillError: (both are OSErrors) while iterating, if a frame cannot be read, or the disk is
                full. Results until then stay.
        """
        if start is not None:
            self._check_frame('start', start)
        if max_frames is not None:
            check_whole('max_frames', max_frames, least=1)
        self._commit()
        if start is None:
            prompted = [frame for masklet in self._masklets.values() for frame in masklet.conditioning]
            start = max(prompted) if reverse else min(prompted)
        count = start + 1 if reverse else self.frame_count - start
        count = count if max_frames is None else min(count, max_frames)
        frames = range(start, start - count, -1) if reverse else range(start, start + count)
        return self._passes(frames, reverse=reverse, taken=lambda _: self.object_ids, changes=self._changes)

    def propagate_both_ways(self) -> Iterator[FrameResult]:
        """Carry every object from its first prompted frame to both ends of the video.

        First forwards, where each object joins on its first prompted frame; then backwards from there. In this way no
        frame reads masks that were tracked before there was a prompt to go on from. After it, `result` knows every
        object on every frame. Raises the errors of `propagate`.

        Yields:
            The results of each frame passed: of the objects that were tracked on it. Frames between the first prompts
            of several objects come twice.
        """
        self._commit()
        firsts = {name: masklet.first for name, masklet in self._masklets.items()}
        changes = self._changes

        def both() -> Iterator[FrameResult]:
            yield from self._passes(
                range(min(firsts.values()), self.frame_count),
                reverse=False,
                taken=lambda frame: [name for name, first in firsts.items() if first <= frame],
                changes=changes,
            )
            yield from self._passes(
                range(max(firsts.values()) - 1, -1, -1),
                reverse=True,
                taken=lambda frame: [name for name, first in firsts.items() if frame < first],
                changes=changes,
            )

        return both()

    def result(self, frame_index: int) -> FrameResult:
        """What is known of a frame: all objects that were prompted or tracked on it.

        The frame itself is not decoded, unless nothing is known of it.

        Raises:
            TypeError, ValueError: if there is no such frame.
        """
        self._check_frame('frame_index', frame_index)
        known = {name: masklet.at(frame_index) for name, masklet in self._masklets.items()}
        return self._result(frame_index, {name: record for name, record in known.items() if record is not None})

    def close(self) -> None:
        """Drop all results, and free memory and file."""
        self._masklets = {}
        self._history.clear()
        self._features.clear()
        self._store.close()

    def __enter__(self) -> VideoSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _passes(
        self, frames: Iterable[int], *, reverse: bool, taken: Callable[[int], Iterable[str]], changes: int
    ) -> Iterator[FrameResult]:
        """Track objects on these frames.

        Args:
            frames: in the order of the pass.
            reverse: backwards.
            taken: the objects to track on a frame.
            changes: how many changes there had been when the pass was asked for; after another one, it must not go on.
        """
        for frame in frames:
            if changes != self._changes:
                raise RuntimeError('the prompts were changed while they were propagated; call propagate again')
            if frame >= self.frame_count:  # the video turned out to be shorter
                return
            try:
                records = self._step(frame, tuple(taken(frame)), reverse=reverse)
            except IndexError:
                if frame < self.frame_count:
                    raise
                return
            yield self._result(frame, records)

    def _step(self, frame_index: int, object_ids: Sequence[str], *, reverse: bool) -> dict[str, FrameRecord]:
        """Pass one frame with these objects, as a batch, and note what is found."""
        found: dict[str, FrameRecord] = {}
        tracked = []
        for name in object_ids:
            record = self._masklets[name].records.get(frame_index)
            if record is not None and record.conditioning:
                found[name] = record.passed(reverse=reverse)
            else:
                tracked.append(name)
        if tracked:
            masklets = [self._masklets[name] for name in tracked]
            found.update(zip(tracked, self._steps.track(masklets, frame_index, reverse=reverse), strict=True))
        for name, record in found.items():
            self._masklets[name].records[frame_index] = record
        return {name: found[name] for name in object_ids}

    def _result(self, frame_index: int, records: Mapping[str, FrameRecord]) -> FrameResult:
        size = next((record.size for record in records.values()), None)
        if size is None:
            size = self._features.get(frame_index)[1]
        return frame_result(frame_index, size, records, options=self._options)

    def _commit(self) -> None:
        """Let the next propagation read what was prompted. Afterwards the records are this state's own."""
        idle = [name for name, masklet in self._masklets.items() if not masklet.can_be_tracked]
        if not self._masklets or idle:
            missing = f'{", ".join(map(repr, idle))} has no prompt left' if idle else 'there is no object yet'
            raise ValueError(f'{missing}: give a prompt{" or remove it" if idle else ""} before you propagate')
        if self._shared or any(masklet.pending for masklet in self._masklets.values()):
            clear = self._options.clear_on_correction
            self._masklets = {name: masklet.committed(clear=clear) for name, masklet in self._masklets.items()}
            self._shared = False

    def _note_change(self) -> None:
        """Keep the state as it is for `undo`. What runs on it ends."""
        self._history.append(self._masklets)
        self._shared = True
        self._changes += 1

    def _masklet(self, object_id: str) -> Masklet:
        if object_id not in self._masklets:
            known = ', '.join(map(repr, self._masklets)) or 'none'
            raise UnknownObjectError(f'there is no object {object_id!r}; objects: {known}')
        return self._masklets[object_id]

    def _check_frame(self, name: str, frame_index: int) -> None:
        check_whole(name, frame_index, least=0, most=self.frame_count - 1)


def _frames_of(source: str | Path | FrameSource | Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    if isinstance(source, str | Path):
        source = open_source(str(source))
    if isinstance(source, FrameSource):
        return VideoFrames(source)
    if not hasattr(source, '__getitem__') or not hasattr(source, '__len__'):
        raise TypeError(
            f'source must be a path, a FrameSource or a sequence of (H, W, 3) images, not {type(source).__name__}'
        )
    return source

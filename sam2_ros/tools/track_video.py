"""Tracks objects in a video: `python -m sam2_ros.tools.track_video VIDEO --box 258,219,291,308 --out DIR`."""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sam2_ros.drawing.overlay import ScoreStrip, draw_overlay, draw_prompts
from sam2_ros.files.overwriting import check_inputs_stay
from sam2_ros.interruption import command_status, noted_interruption
from sam2_ros.model import Network
from sam2_ros.session import SessionOptions, VideoSession, carry_prompts
from sam2_ros.tools.network_arguments import add_model_arguments, load_requested_network
from sam2_ros.tracking import FrameResult, Prompt, VideoTracker
from sam2_ros.video.frames import VideoFrames
from sam2_ros.video.prompts import HOW_TO_PROMPT, add_prompt_arguments, check_prompts, mask_files, prompts_by_frame
from sam2_ros.video.sink import VideoSink, video_files
from sam2_ros.video.source import ACCEPTED, FrameSource, files_of, open_source

CSV_COLUMNS = (
    'frame',
    'id',
    'state',
    'object_score_logit',
    'occlusion_probability',
    'predicted_iou',
    'x0',
    'y0',
    'x1',
    'y1',
    'area',
    'memory_event',
    'memory_reason',
    'anchors',
)


@dataclass
class Written:
    """What a run has written so far.

    Attributes:
        frames: number of frames.
        video: the overlay video; None before the first frame.
        visible: number of frames in which each object was visible, by object id.
        unused: frames with prompts that were never reached.
    """

    frames: int
    video: Path | None
    visible: dict[str, int]
    unused: tuple[int, ...] = ()


class ResultWriter:
    """Writes overlay video, masks and table of one run into a folder. Use it in a `with` statement."""

    def __init__(self, folder: Path, *, frame_rate: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._labels: dict[str, int] = {}
        self._strip = ScoreStrip()
        self._visible: dict[str, int] = {}
        self._first_frames: dict[str, int] = {}
        self._whole = 0  # frames that are completely written
        self._video = VideoSink(folder / 'overlay', frame_rate=frame_rate)
        # line buffered, so that rows are in the file whatever happens to the process later
        self._file = (folder / 'objects.csv').open('w', newline='', buffering=1)
        self._table = csv.writer(self._file)
        with _writing(self._file.name):
            self._table.writerow(CSV_COLUMNS)

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        """Finish all files.

        Raises:
            OSError: if a file could not be written or finished. The message says which files are complete.
        """
        problems = [str(error)] if isinstance(error, OSError) else []
        whole = ['objects.csv', 'masks']
        try:
            self._video.close()
            whole += [self._video.path.name] if self._video.path else []
        except OSError as unfinished:
            problems.append(str(unfinished))
        try:
            with _writing(self._file.name):
                self._file.close()
        except OSError as unfinished:
            problems.append(str(unfinished))
        if problems and (error is None or isinstance(error, OSError)):
            raise OSError(
                f'{"; ".join(dict.fromkeys(problems))}. The first {self._whole} frames are whole in '
                f'{self._folder}: {", ".join(whole)}'
            ) from error

    def write(self, rgb: np.ndarray, result: FrameResult, prompts: Sequence[Prompt]) -> None:
        """Add the next frame.

        Args:
            rgb: (H, W, 3) uint8.
            result: the objects in it.
            prompts: the prompts given on it.

        Raises:
            OSError: if a file cannot be written.
        """
        for object_id, tracked in result.items():
            self._labels.setdefault(object_id, len(self._labels) + 1)
            self._visible[object_id] = self._visible.get(object_id, 0) + (tracked.box is not None)
            with _writing(self._file.name):
                self._table.writerow(
                    (
                        result.frame_index,
                        object_id,
                        tracked.state.value,
                        f'{tracked.object_score_logit:.4f}',
                        f'{tracked.occlusion_probability:.4f}',
                        f'{tracked.predicted_iou:.4f}',
                        *(tracked.box or ('',) * 4),
                        tracked.area,
                        tracked.memory_event.value,
                        tracked.memory_reason,
                        tracked.anchors,
                    )
                )
            self._write_mask(object_id, result.frame_index, tracked.mask)
        self._strip.add({object_id: tracked.object_score_logit for object_id, tracked in result.items()})
        overlay = draw_prompts(draw_overlay(rgb, result, labels=self._labels), prompts, labels=self._labels)
        self._video.write(self._strip.draw_under(overlay, labels=self._labels))
        self._whole += 1

    def written(self) -> Written:
        return Written(self._video.frames, self._video.path, self._visible)

    def _write_mask(self, object_id: str, frame: int, mask: np.ndarray) -> None:
        folder = self._folder / 'masks' / object_id
        folder.mkdir(parents=True, exist_ok=True)
        if frame == self._first_frames.setdefault(object_id, frame):
            for old in folder.glob('[0-9]' * 6 + '.png'):  # of an earlier run, which may have other frames
                old.unlink()
        file = folder / f'{frame:06d}.png'
        _, png = cv2.imencode('.png', mask.astype(np.uint8) * 255)
        try:
            with _writing(file):
                file.write_bytes(png.tobytes())  # cv2.imwrite does not notice a full disk
        except OSError:
            file.unlink(missing_ok=True)
            raise


@contextmanager
def _writing(file: Path | str) -> Iterator[None]:
    """Name the file in errors of writing, which do not name it themselves."""
    try:
        yield
    except OSError as error:
        raise OSError(f'{file} cannot be written: {error.strerror}') from error


def track_video(
    source: FrameSource,
    tracker: VideoTracker,
    *,
    prompts: Mapping[int, Sequence[Prompt]],
    out: Path,
    max_frames: int | None = None,
) -> Written:
    """Track through all frames of a video and write what was found.

    Args:
        source: the video.
        tracker: a new tracker.
        prompts: by index of their frame, from 0.
        out: folder of the results.
        max_frames: stop after this many frames.

    Raises:
        ValueError: if a prompt does not fit the video, or the video would be overwritten. Nothing has been written
            then.
        OSError: if a frame cannot be read or a file cannot be written. The message says what is complete.
    """
    check_inputs_stay(files_of(source.name), **_outputs(out))
    count = source.frame_count
    if max_frames is not None:
        if max_frames < 1:
            raise ValueError(f'the number of frames must be 1 or more, got {max_frames}')
        count = max_frames if count is None else min(count, max_frames)
    check_prompts(prompts, size=source.size, frame_count=count)
    with ResultWriter(out, frame_rate=source.frame_rate) as writer:
        frames = tqdm(itertools.islice(source, max_frames), total=count, unit='frame', desc=source.name)
        for index, rgb in enumerate(frames):
            given = prompts.get(index, ())
            writer.write(rgb, tracker.step(rgb, given), given)
        written = writer.written()
    return replace(written, unused=tuple(frame for frame in sorted(prompts) if frame >= written.frames))


def track_whole_video(
    source: FrameSource,
    model: Network,
    *,
    prompts: Mapping[int, Sequence[Prompt]],
    out: Path,
    max_frames: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Written:
    """Carry prompts through a recorded video in both directions, and write what was found on every frame.

    Args:
        source: the video; not a live one.
        model: the network.
        prompts, out, max_frames: as for `track_video`.
        stopped: asked after each frame. If it says so before all is propagated, what was found until then is written
            for all frames; if it says so later, writing ends after the current frame.

    Raises:
        ValueError, OSError: as `track_video`.
    """
    check_inputs_stay(files_of(source.name), **_outputs(out))
    if max_frames is not None and max_frames < 1:
        raise ValueError(f'the number of frames must be 1 or more, got {max_frames}')
    frames = VideoFrames(source, max_frames=max_frames)
    check_prompts(prompts, size=source.size, frame_count=len(frames))
    out.mkdir(parents=True, exist_ok=True)
    with VideoSession(model, frames, options=SessionOptions(spill_folder=out)) as session:
        passes = carry_prompts(session, prompts, refused=_refuse)
        for _ in tqdm(passes, unit='frame', desc=f'{source.name}: propagating'):
            if stopped():
                break
        cut_short = stopped()
        with ResultWriter(out, frame_rate=source.frame_rate) as writer:
            for index in tqdm(range(len(frames)), unit='frame', desc=f'{source.name}: writing'):
                if index == len(frames) or (stopped() and not cut_short):
                    break
                writer.write(frames[index], session.result(index), prompts.get(index, ()))
            return writer.written()


def _refuse(frame: int, prompt: Prompt, error: ValueError) -> None:
    raise ValueError(f'the prompt for {prompt.object_id!r} on frame {frame} is refused: {error}') from error


def _outputs(folder: Path) -> dict[str, list[Path]]:
    """What a run into this folder writes, as arguments of `check_inputs_stay`."""
    return {'files': [*video_files(folder / 'overlay'), folder / 'objects.csv'], 'folders': [folder / 'masks']}


@contextmanager
def until_interrupted(source: FrameSource) -> Iterator[FrameSource]:
    """The same source, which ends after the current frame on Ctrl-C or SIGTERM.

    For the main thread only.
    """
    with noted_interruption() as interruption:
        yield replace(source, read=lambda: itertools.takewhile(lambda _: not interruption.came, source))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.tools.track_video',
        description='Track objects in a video; writes overlay.mp4, objects.csv, masks/<object>/<frame>.png.',
    )
    parser.add_argument('video', help=ACCEPTED)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder for the results')
    parser.add_argument(
        '--offline',
        action='store_true',
        help='a recorded video as a whole: prompts on any frame, carried forwards and backwards with the memory of SAM '
        '2 (--memory is not used); results are written when all frames are done',
    )
    parser.add_argument('--frames', type=int, metavar='N', help='stop after N frames (Ctrl-C stops any time)')
    add_prompt_arguments(parser)
    add_model_arguments(parser)
    return parser


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(args)
    return command_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    source = open_source(options.video)
    prompts = prompts_by_frame(options.prompt_parts or ())
    if not prompts:
        height, width = source.size
        raise ValueError(f'there is no prompt; {HOW_TO_PROMPT}, in pixels of the {width}x{height} frames')
    check_inputs_stay(mask_files(options.prompt_parts), **_outputs(options.out))
    model = load_requested_network(options)
    arguments = {'prompts': prompts, 'out': options.out, 'max_frames': options.frames}
    if options.offline:
        with noted_interruption() as interruption:
            written = track_whole_video(source, model, **arguments, stopped=lambda: interruption.came)
    else:
        with until_interrupted(source) as frames:
            written = track_video(frames, VideoTracker(model, memory=options.memory), **arguments)
    for object_id, visible in written.visible.items():
        print(f'{object_id}: visible in {visible} of {written.frames} frames')
    for frame in written.unused:
        print(f'the prompt on frame {frame} was not used: the video ended before it', file=sys.stderr)
    print(
        f'Look at {written.video}; boxes and scores are in {options.out / "objects.csv"}, '
        f'masks in {options.out / "masks"}'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())

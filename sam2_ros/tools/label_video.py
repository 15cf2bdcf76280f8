"""Labels one video, from what is kept of it to its overlay: the work of one process when several are labelled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sam2_ros.drawing.masks import draw_numbered_masks
from sam2_ros.evaluation.network import NetworkSource, loaded
from sam2_ros.images import AutomaticMaskGenerator
from sam2_ros.interruption import Interruption, noted_interruption
from sam2_ros.labelling import Correction, LabelOptions, Labels, apply_corrections, find_masklets
from sam2_ros.model import Sam2Network
from sam2_ros.tracking import FrameResult
from sam2_ros.video.frames import VideoFrames
from sam2_ros.video.sink import VideoSink, video_files
from sam2_ros.video.source import FrameSource, open_source

NETWORK = ('model', 'checkpoint', 'image_size')  # what the network is, among the settings


@dataclass(frozen=True)
class LabelWork:
    """What all videos of a command have in common. Small enough to send to another process.

    Attributes:
        out: folder for the results.
        start_from: folder of the result to begin with; None: that in `out`, or none.
        max_frames: of every video the first ones are labelled; None: all.
        usual: all settings as they are if they are not given.
        given: those that were given. Those of the network always are.
        network: which network.
        points_per_batch: see `AutomaticMaskGenerator`.
        memory_bytes: see `SessionOptions`.
        alone: whether this is the process of the command: it shows progress, and SIGINT and SIGTERM stop it after the
            frame in work.
    """

    out: Path
    start_from: Path | None
    max_frames: int | None
    usual: Mapping[str, Any]
    given: Mapping[str, Any]
    network: NetworkSource
    points_per_batch: int
    memory_bytes: int
    alone: bool


@dataclass(frozen=True)
class WorkItem:
    """One video.

    Attributes:
        work: how it is labelled.
        name: of the video in the results.
        video: as `open_source` takes it.
        corrections: of a person; those not applied yet are applied.
    """

    work: LabelWork
    name: str
    video: str
    corrections: tuple[Correction, ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def file(self) -> Path:
        """Where its labels lie."""
        return labels_file(self.work.out, self.name)


@dataclass(frozen=True)
class Outcome:
    """What became of a video: a sentence for the user, which says why if it failed."""

    failed: bool
    sentence: str


def name_of(video: str) -> str:
    """The name of a video in results: that of its file without suffix, or of its folder."""
    path = Path(video).expanduser().resolve()
    return path.name if path.is_dir() else path.stem


def labels_file(out: Path, name: str) -> Path:
    """The labels of the video of this name in a folder of results."""
    return out / 'labels' / f'{name}.json'


def label_options(settings: Mapping[str, Any]) -> LabelOptions:
    """Those of the settings that are not of the network or the grid. Raises the errors of `LabelOptions`."""
    return LabelOptions(**{field.name: settings[field.name] for field in fields(LabelOptions)})


def mask_generator(model: Sam2Network, settings: Mapping[str, Any], *, points_per_batch: int) -> AutomaticMaskGenerator:
    """With the grid of the settings. Raises the errors of `AutomaticMaskGenerator`."""
    others = {*NETWORK, 'frames', *asdict(label_options(settings))}
    grid = {name: value for name, value in settings.items() if name not in others}
    return AutomaticMaskGenerator(model, points_per_batch=points_per_batch, **grid)


def label_video(item: WorkItem) -> Outcome:
    """Do what is left to do for a video. Its labels are saved after each step, so that going on loses little.

    Raises:
        KeyboardInterrupt: if a signal came and `LabelWork.alone` is set. What was saved is whole.
    """
    try:
        with noted_interruption() if item.work.alone else nullcontext(Interruption()) as interruption:
            source = open_source(item.video)
            frames = VideoFrames(source, max_frames=item.work.max_frames)
            labels = _label(item, _begin(item, source, frames), frames, interruption=interruption)
            overlay = _current_overlay(item) or _write_overlay(item, labels, frames, interruption=interruption)
    except (ValueError, OSError, RuntimeError) as error:  # the last one also when a GPU's memory is full
        return Outcome(True, f'{item.name}: {error}')
    return Outcome(False, _told(labels, overlay))


def _begin(item: WorkItem, source: FrameSource, frames: VideoFrames) -> Labels:
    """The labels of an earlier run, of the result to start from, or none.

    Raises:
        ValueError: if the earlier run was of another video or had other settings.
        OSError: if a file cannot be read.
    """
    work = item.work
    given = {**work.given, 'frames': len(frames)}
    earlier = item.file
    if not earlier.exists() and work.start_from is not None:
        earlier = labels_file(work.start_from, item.name)
    if not earlier.exists():
        return Labels(item.name, source.size, source.frame_rate, len(frames), {**work.usual, **given})
    labels = Labels.load(earlier)
    if labels.size != source.size or labels.settings.get('frames') != len(frames):
        raise ValueError(
            f'{earlier} is of a video of {labels.settings.get("frames")} frames of {labels.size[1]} x '
            f'{labels.size[0]} pixels, but {item.video} has {len(frames)} of {source.size[1]} x {source.size[0]}'
        )
    if earlier == item.file:
        _check_same(labels, given, work.out)
    elif labels.settings != {**labels.settings, **given}:  # look again, with other settings
        labels = replace(labels, settings={**labels.settings, **given}, next_look=0, waiting=())
    return labels


def _check_same(labels: Labels, given: Mapping[str, Any], out: Path) -> None:
    """The network may change when only corrections are left to do, all else must be as it was."""
    for name, value in given.items():
        if labels.settings.get(name) != value and not (labels.finished and name in NETWORK):
            raise ValueError(
                f'{out} was begun with {name} {labels.settings.get(name)}, not {value}; give the same, or another '
                f'folder and --start-from {out}'
            )


def _label(item: WorkItem, now: Labels, frames: VideoFrames, *, interruption: Interruption) -> Labels:
    """Find masklets and apply corrections; the labels are saved after each step.

    Raises:
        KeyboardInterrupt: if a signal came. What was saved is whole.
        ValueError, OSError: as `apply_corrections` and `find_masklets`.
    """
    name, silent = item.name, not item.work.alone

    def watch(results: Iterable[FrameResult], count: int) -> Iterator[FrameResult]:
        words = f'{name}: tracking'
        for result in tqdm(results, total=count, unit='frame', desc=words, leave=False, disable=silent):
            _stop_if(interruption)
            yield result

    model = loaded(item.work.network)
    generator = mask_generator(model, now.settings, points_per_batch=item.work.points_per_batch)
    passes: dict[str, Any] = {
        'memory_bytes': item.work.memory_bytes,
        'spill_folder': item.file.parent,
        'watch': watch,
    }
    if not item.file.exists():
        now.save(item.file)
    with tqdm(total=now.frame_count, unit='frame', desc=f'{name}: looking for objects', disable=silent) as bar:
        bar.update(min(now.next_look, now.frame_count))
        for step in find_masklets(now, frames, generator, options=label_options(now.settings), **passes):
            now = step
            now.save(item.file)
            bar.set_postfix(objects=len(now.objects))
            bar.update(min(now.next_look, now.frame_count) - bar.n)
            _stop_if(interruption)
    for step in apply_corrections(now, item.corrections, model, frames, **passes):
        now = step
        now.save(item.file)
        _stop_if(interruption)
    return now


def _stop_if(interruption: Interruption) -> None:
    if interruption.came:
        raise KeyboardInterrupt


def _current_overlay(item: WorkItem) -> Path | None:
    """The overlay video, if it was drawn since the labels have changed."""
    changed = item.file.stat().st_mtime_ns
    drawn = [file for file in video_files(item.work.out / item.name) if file.exists()]
    return next((file for file in drawn if file.stat().st_mtime_ns > changed), None)


def _write_overlay(item: WorkItem, labels: Labels, frames: VideoFrames, *, interruption: Interruption) -> Path:
    """Write a video of the frames with masks and numbers of the objects. It is whole, or what it was before.

    A number is in brackets on frames with a prompt of the object: where it was found, or was corrected.

    Raises:
        KeyboardInterrupt: if a signal came.
        OSError: if it cannot be written.
    """
    shown = {number: one for number, one in labels.objects.items() if not one.dropped}
    part = item.work.out / f'{item.name}.part'
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
    part.mkdir()
    try:
        with VideoSink(part / item.name, frame_rate=labels.frame_rate) as sink:
            words = f'{item.name}: drawing'
            for frame in tqdm(range(labels.frame_count), unit='frame', desc=words, disable=not item.work.alone):
                _stop_if(interruption)
                masks = {number: one.masks[frame].mask() for number, one in shown.items() if frame in one.masks}
                prompted = [number for number, one in shown.items() if frame in one.prompts]
                image = draw_numbered_masks(frames[frame], masks, bracketed=prompted, note=f'frame {frame}')
                sink.write(image)
        assert sink.path is not None, 'there is a frame'
        finished = item.work.out / sink.path.name
        os.replace(sink.path, finished)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return finished


def _told(labels: Labels, overlay: Path) -> str:
    shown = [one for one in labels.objects.values() if not one.dropped]
    checked = sum(one.checked for one in shown)
    return (
        f'{labels.name}: {len(shown)} objects, {checked} of them checked, {len(labels.objects) - len(shown)} dropped; '
        f'look at {overlay}'
    )

"""Labels videos without a prompt, and corrects what was found: `python -m sam2_ros.tools.label VIDEO --out DIR`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sam2_ros.drawing.masks import draw_numbered_masks
from sam2_ros.files.overwriting import check_inputs_stay
from sam2_ros.files.writing import write_whole_folder
from sam2_ros.images import AutomaticMaskGenerator
from sam2_ros.interruption import Interruption, command_status, noted_interruption
from sam2_ros.labelling import Correction, LabelOptions, Labels, apply_corrections, find_masklets, read_corrections
from sam2_ros.masklets import FORMATS, AnnotatedVideo, write_masklets
from sam2_ros.masklets.sav_json import STRIDE, SavJson
from sam2_ros.model import Sam2Network
from sam2_ros.tools.grid_arguments import add_grid_arguments, given_grid, usual_grid
from sam2_ros.tools.network_arguments import add_model_arguments, load_requested_network
from sam2_ros.tracking import FrameResult
from sam2_ros.video.frames import VideoFrames
from sam2_ros.video.sink import VideoSink, video_files
from sam2_ros.video.source import ACCEPTED, FrameSource, files_of, open_source

OPTIONS = {
    'every': (int, 'N', 'look for new objects on every N-th frame'),
    'least_score': (float, 'SCORE', 'leave out masklets whose mean of predicted IoU times stability is lower'),
    'least_frames': (int, 'N', 'leave out masklets that are seen on fewer frames'),
    'largest': (float, 'SHARE', 'leave out masks of more than this share of the image, as background'),
    'objects_at_once': (int, 'N', 'objects that are tracked together; more need more memory'),
}
NETWORK = ('model', 'checkpoint', 'image_size')  # what the network is, among the settings


@dataclass(frozen=True)
class Task:
    """One video to label.

    Attributes:
        source, frames: the video.
        file: where its labels lie.
        labels: what is known of it.
    """

    source: FrameSource
    frames: VideoFrames
    file: Path
    labels: Labels


def settings_of(options: argparse.Namespace, model: Sam2Network) -> tuple[dict[str, Any], dict[str, Any]]:
    """All settings as they are when nothing is given, and those that were given. Those of the network always are."""
    names = [field.name for field in fields(LabelOptions)]
    given = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    network = {
        'model': options.model,
        'checkpoint': options.checkpoint and options.checkpoint.name,
        'image_size': model.image_size,
    }
    usual = {name: asdict(LabelOptions())[name] for name in names}
    return usual | usual_grid(options) | network, given | given_grid(options) | network


def begin(options: argparse.Namespace, video: str, settings: tuple[dict[str, Any], dict[str, Any]]) -> Task:
    """Open a video, with the labels of an earlier run, of the result to start from, or none.

    Raises:
        ValueError: if the earlier run was of another video or had other settings.
        OSError: if a file cannot be read.
    """
    source = open_source(video)
    frames = VideoFrames(source, max_frames=options.frames)
    name = name_of(video)
    file = labels_file(options.out, name)
    usual, given = settings
    given = given | {'frames': len(frames)}
    earlier = file if file.exists() or options.start_from is None else labels_file(options.start_from, name)
    if not earlier.exists() and earlier == file:
        labels = Labels(name, source.size, source.frame_rate, len(frames), usual | given)
        return Task(source, frames, file, labels)
    labels = Labels.load(earlier)
    if labels.size != source.size or labels.settings.get('frames') != len(frames):
        raise ValueError(
            f'{earlier} is of a video of {labels.settings.get("frames")} frames of {labels.size[1]} x '
            f'{labels.size[0]} pixels, but {video} has {len(frames)} of {source.size[1]} x {source.size[0]}'
        )
    if earlier == file:
        _check_same(labels, given, options.out)
    elif labels.settings != {**labels.settings, **given}:  # look again, with other settings
        labels = replace(labels, settings={**labels.settings, **given}, next_look=0, waiting=())
    return Task(source, frames, file, labels)


def _check_same(labels: Labels, given: Mapping[str, Any], out: Path) -> None:
    """The network may change when only corrections are left to do, all else must be as it was."""
    for name, value in given.items():
        if labels.settings.get(name) != value and not (labels.finished and name in NETWORK):
            raise ValueError(
                f'{out} was begun with {name} {labels.settings.get(name)}, not {value}; give the same, or another '
                f'folder and --start-from {out}'
            )


def name_of(video: str) -> str:
    """The name of a video in results: that of its file without suffix, or of its folder."""
    path = Path(video).expanduser().resolve()
    return path.name if path.is_dir() else path.stem


def labels_file(out: Path, name: str) -> Path:
    return out / 'labels' / f'{name}.json'


def label(
    task: Task,
    model: Sam2Network,
    corrections: Sequence[Correction],
    *,
    points_per_batch: int,
    interruption: Interruption,
) -> Labels:
    """Find masklets and apply corrections; the labels are saved after each step.

    Raises:
        KeyboardInterrupt: if a signal came. What was saved is whole.
        ValueError, OSError: as `apply_corrections` and `find_masklets`.
    """
    now = task.labels
    name = now.name

    def watch(passes: Iterable[FrameResult], count: int) -> Iterator[FrameResult]:
        for result in tqdm(passes, total=count, unit='frame', desc=f'{name}: tracking', leave=False):
            _stop_if(interruption)
            yield result

    settings = now.settings
    chosen = LabelOptions(**{field.name: settings[field.name] for field in fields(LabelOptions)})
    others = {*NETWORK, 'frames', *asdict(chosen)}
    grid = {name: value for name, value in settings.items() if name not in others}
    generator = AutomaticMaskGenerator(model, points_per_batch=points_per_batch, **grid)
    spill: dict[str, Any] = {'spill_folder': task.file.parent, 'watch': watch}
    now.save(task.file)
    with tqdm(total=now.frame_count, unit='frame', desc=f'{name}: looking for objects') as bar:
        bar.update(min(now.next_look, now.frame_count))
        for step in find_masklets(now, task.frames, generator, options=chosen, **spill):
            now = step
            now.save(task.file)
            bar.set_postfix(objects=len(now.objects))
            bar.update(min(now.next_look, now.frame_count) - bar.n)
            _stop_if(interruption)
    for step in apply_corrections(now, corrections, model, task.frames, **spill):
        now = step
        now.save(task.file)
        _stop_if(interruption)
    return now


def _stop_if(interruption: Interruption) -> None:
    if interruption.came:
        raise KeyboardInterrupt


def write_overlay(task: Task, labels: Labels, out: Path, *, interruption: Interruption) -> Path:
    """Write a video of the frames with masks and numbers of the objects. It is whole, or what it was before.

    A number is in brackets on frames with a prompt of the object: where it was found, or was corrected.

    Raises:
        KeyboardInterrupt: if a signal came.
        OSError: if it cannot be written.
    """
    shown = {number: one for number, one in labels.objects.items() if not one.dropped}
    with tempfile.TemporaryDirectory(dir=out) as part:
        with VideoSink(Path(part) / labels.name, frame_rate=labels.frame_rate) as sink:
            for frame in tqdm(range(labels.frame_count), unit='frame', desc=f'{labels.name}: drawing'):
                _stop_if(interruption)
                masks = {number: one.masks[frame].mask() for number, one in shown.items() if frame in one.masks}
                prompted = [number for number, one in shown.items() if frame in one.prompts]
                image = draw_numbered_masks(task.frames[frame], masks, bracketed=prompted, note=f'frame {frame}')
                sink.write(image)
        assert sink.path is not None, 'there is a frame'
        finished = out / sink.path.name
        os.replace(sink.path, finished)
    return finished


def as_format(video: AnnotatedVideo, name: str) -> AnnotatedVideo:
    """What a format can hold of a video."""
    video = video if FORMATS[name].overlaps else video.without_overlaps()
    return video.every(STRIDE) if name == SavJson.name else video


def write_result(labels: Sequence[Labels], out: Path, *, format: str) -> Path:
    """Write the masklets of all videos anew.

    Returns:
        The file or folder.

    Raises:
        ValueError: if the format cannot hold them.
        OSError: if a file cannot be written.
    """
    videos = [as_format(one.annotated(), format) for one in labels]
    path = out / f'masklets-{format}'
    if FORMATS[format].one_file:
        path = path.with_suffix('.json')
        write_masklets(videos, path, format=format)
    else:
        write_whole_folder(path, lambda part: write_masklets(videos, part, format=format))
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.tools.label',
        description='Find and track the objects of videos without a prompt, then correct what was found. Writes '
        'masklets-<format>, an overlay video for each video, and labels/<video>.json, from which the same command goes '
        'on where it was.',
    )
    parser.add_argument('videos', nargs='+', metavar='VIDEO', help=ACCEPTED)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder for the results')
    parser.add_argument(
        '--corrections', type=Path, metavar='FILE', help='JSON: what is wrong; those not applied yet are applied'
    )
    parser.add_argument(
        '--start-from',
        type=Path,
        metavar='DIR',
        help='begin with the result in this folder, which stays as it is; with other settings, look for more objects',
    )
    formats = '; '.join(f'{one.name} ({one.description})' for one in FORMATS.values())
    parser.add_argument(
        '--format', choices=FORMATS, default='coco-video', metavar='NAME', help=f'{formats} (default: %(default)s)'
    )
    parser.add_argument('--frames', type=int, metavar='N', help='label the first N frames only')
    group = parser.add_argument_group('which masklets are made', 'What is not given is as in the run before.')
    for name, (kind, metavar, text) in OPTIONS.items():
        default = getattr(LabelOptions, name)
        group.add_argument(
            f'--{name.replace("_", "-")}', type=kind, metavar=metavar, help=f'{text} (default: {default})'
        )
    add_grid_arguments(parser)
    add_model_arguments(parser, memory=False)
    return parser


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(args)
    return command_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    names = [name_of(video) for video in options.videos]
    if len(set(names)) < len(names):
        raise ValueError(f'two videos have the same name: {", ".join(names)}; rename one, or give it its own --out')
    if options.frames is not None and options.frames < 1:
        raise ValueError(f'the number of frames must be 1 or more, got {options.frames}')
    _check_outputs(options, names)
    model = load_requested_network(options)
    settings = settings_of(options, model)
    tasks = [begin(options, video, settings) for video in options.videos]
    sizes = {task.labels.name: task.labels.size for task in tasks}
    corrections = read_corrections(options.corrections, sizes) if options.corrections else {}
    done = []
    with noted_interruption() as interruption:
        try:
            for task in tasks:
                labels = label(
                    task,
                    model,
                    corrections.get(task.labels.name, []),
                    points_per_batch=options.points_per_batch,
                    interruption=interruption,
                )
                done.append(labels)
                print(_told(labels, write_overlay(task, labels, options.out, interruption=interruption)))
        except KeyboardInterrupt:
            print(
                f'what was found is in {options.out / "labels"}; the same command goes on from there', file=sys.stderr
            )
            raise
    print(f'masklets are in {write_result(done, options.out, format=options.format)}')
    return 0


def _check_outputs(options: argparse.Namespace, names: Sequence[str]) -> None:
    """Raise ValueError if an input would be overwritten."""
    inputs = [file for video in options.videos for file in files_of(video)]
    if options.corrections:
        inputs.append(options.corrections)
    if options.start_from is not None:
        earlier = [labels_file(options.start_from, name) for name in names]
        missing = [str(file) for file in earlier if not file.exists()]
        if missing:
            raise ValueError(f'{missing[0]} does not exist; --start-from takes the --out of an earlier run')
        inputs += earlier
    written = [file for name in names for file in (*video_files(options.out / name), labels_file(options.out, name))]
    folders = [options.out / f'masklets-{options.format}']
    check_inputs_stay(inputs, files=[*written, folders[0].with_suffix('.json')], folders=folders)


def _told(labels: Labels, overlay: Path) -> str:
    shown = [one for one in labels.objects.values() if not one.dropped]
    checked = sum(one.checked for one in shown)
    return (
        f'{labels.name}: {len(shown)} objects, {checked} of them checked, {len(labels.objects) - len(shown)} dropped; '
        f'look at {overlay}'
    )


if __name__ == '__main__':
    sys.exit(main())

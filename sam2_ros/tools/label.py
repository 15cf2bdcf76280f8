"""Labels videos without a prompt, and corrects what was found: `python -m sam2_ros.tools.label VIDEO... --out DIR`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sam2_ros.evaluation.executor_arguments import add_executor_arguments, chosen_executor
from sam2_ros.evaluation.executors import Executor, Processes
from sam2_ros.evaluation.network import loaded
from sam2_ros.files.overwriting import check_inputs_stay
from sam2_ros.files.writing import write_whole_folder
from sam2_ros.interruption import command_status, interrupted_by_sigterm
from sam2_ros.labelling import LabelOptions, Labels, read_corrections
from sam2_ros.masklets import FORMATS, AnnotatedVideo, write_masklets
from sam2_ros.masklets.sav_json import STRIDE, SavJson
from sam2_ros.model import Sam2Network
from sam2_ros.session import SessionOptions
from sam2_ros.tools.grid_arguments import add_grid_arguments, given_grid, usual_grid
from sam2_ros.tools.label_video import (
    LabelWork,
    WorkItem,
    label_options,
    label_video,
    labels_file,
    mask_generator,
    name_of,
)
from sam2_ros.tools.network_arguments import add_model_arguments, requested_network
from sam2_ros.video.folders import is_folder_of_videos, videos_of
from sam2_ros.video.sink import video_files
from sam2_ros.video.source import ACCEPTED, SCENES, files_of, open_source

OPTIONS = {
    'every': (int, 'N', 'look for new objects on every N-th frame'),
    'least_score': (float, 'SCORE', 'leave out masklets whose mean of predicted IoU times stability is lower'),
    'least_frames': (int, 'N', 'leave out masklets that are seen on fewer frames'),
    'largest': (float, 'SHARE', 'leave out masks of more than this share of the image, as background'),
    'objects_at_once': (int, 'N', 'objects that are tracked together; more need more memory'),
}


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


def as_format(video: AnnotatedVideo, name: str) -> AnnotatedVideo:
    """What a format can hold of a video."""
    video = video if FORMATS[name].overlaps else video.without_overlaps()
    return video.every(STRIDE) if name == SavJson.name else video


def write_result(labels: Iterable[Labels], out: Path, *, format: str) -> Path:
    """Write the masklets of all videos anew.

    Returns:
        The file or folder.

    Raises:
        ValueError: if the format cannot hold them.
        OSError: if a file cannot be written.
    """
    videos = (as_format(one.annotated(), format) for one in labels)
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
    parser.add_argument(
        'videos',
        nargs='+',
        metavar='VIDEO',
        help=f'{ACCEPTED}; or a folder of videos: of video files and of folders of images',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder for the results')
    parser.add_argument(
        '--corrections', type=Path, metavar='FILE', help='JSON: what is wrong; those not applied yet are applied'
    )
    parser.add_argument(
        '--start-from',
        type=Path,
        metavar='DIR',
        help='begin with the result in this folder, which stays as it is; with other settings, look for more objects; '
        'a video that it lacks is begun anew',
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
    add_executor_arguments(parser)
    return parser


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 1 if a video could not be labelled."""
    options = _parser().parse_args(args)
    return command_status(lambda: _run(options), errors=(ValueError, OSError, ImportError, RuntimeError))


def _run(options: argparse.Namespace) -> int:
    videos = _chosen_videos(options.videos)
    if options.frames is not None and options.frames < 1:
        raise ValueError(f'the number of frames must be 1 or more, got {options.frames}')
    _check_outputs(options, videos)
    network = requested_network(options)
    executor = chosen_executor(options, network.device)
    alone = executor == Processes(1)
    model = loaded(network) if alone else network.load()
    usual, given = settings_of(options, model)
    label_options(usual | given)
    mask_generator(model, usual | given, points_per_batch=options.points_per_batch)
    corrections = read_corrections(options.corrections, _Sizes(videos)) if options.corrections else {}
    work = LabelWork(
        options.out.absolute(),
        options.start_from and options.start_from.absolute(),
        options.frames,
        usual,
        given,
        network,
        options.points_per_batch,
        SessionOptions.memory_bytes // options.processes,
        alone,
    )
    items = [WorkItem(work, name, video, tuple(corrections.get(name, ()))) for name, video in videos.items()]
    try:
        with interrupted_by_sigterm():
            done = _do(items, executor)
    except KeyboardInterrupt:
        print(f'what was found is in {options.out / "labels"}; the same command goes on from there', file=sys.stderr)
        raise
    if done:
        path = write_result((Labels.load(item.file) for item in done), options.out, format=options.format)
        print(f'masklets are in {path}{"" if len(done) == len(items) else f", of {len(done)} of {len(items)} videos"}')
    return 0 if len(done) == len(items) else 1


def _do(items: Sequence[WorkItem], executor: Executor) -> list[WorkItem]:
    """Label all videos, and tell at once what became of each. Returns those that are done, in their order."""
    done = set()
    with tqdm(total=len(items), unit='video', disable=None if len(items) > 1 else True) as progress:
        for index, outcome in executor.run(label_video, items):
            progress.update()
            if outcome.failed:
                progress.write(f'error: {outcome.sentence}', file=sys.stderr)
            else:
                progress.write(outcome.sentence)
                done.add(index)
    return [items[index] for index in sorted(done)]


def _chosen_videos(sources: Sequence[str]) -> dict[str, str]:
    """The videos by their names in results; those of folders, too. Paths are absolute.

    Raises:
        OSError: if a folder holds no video.
        ValueError: if two have the same name.
    """
    videos = [video for source in sources for video in videos_of(source)]
    names = [name_of(video) for video in videos]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f'two videos have the same name: {", ".join(twice)}; rename one, or give it its own --out')
    return dict(zip(names, map(_absolute, videos), strict=True))


def _absolute(video: str) -> str:
    """The same video for a process that may work in another folder."""
    path = Path(video).expanduser()
    return str(path.absolute()) if video not in SCENES and path.exists() else video


class _Sizes(Mapping[str, tuple[int, int]]):
    """(height, width) of videos by their names; a video is opened when it is asked for."""

    def __init__(self, videos: Mapping[str, str]) -> None:
        self._videos = videos
        self._size = cache(lambda name: open_source(videos[name]).size)

    def __getitem__(self, name: str) -> tuple[int, int]:
        return self._size(name)

    def __contains__(self, name: object) -> bool:
        return name in self._videos

    def __iter__(self) -> Iterator[str]:
        return iter(self._videos)

    def __len__(self) -> int:
        return len(self._videos)


def _check_outputs(options: argparse.Namespace, videos: Mapping[str, str]) -> None:
    """Raise ValueError if an input would be overwritten, or taken for one."""
    if any(is_folder_of_videos(source) and _same_folder(source, options.out) for source in options.videos):
        raise ValueError(f'{options.out} holds the videos; give another --out, or its results are videos of it, too')
    inputs = [file for video in videos.values() for file in files_of(video)]
    if options.corrections:
        inputs.append(options.corrections)
    if options.start_from is not None:
        earlier = [labels_file(options.start_from, name) for name in videos]
        if not any(file.exists() for file in earlier):
            raise ValueError(f'{earlier[0]} does not exist; --start-from takes the --out of an earlier run')
        inputs += earlier
    written = [file for name in videos for file in (*video_files(options.out / name), labels_file(options.out, name))]
    folders = [options.out / f'masklets-{options.format}']
    check_inputs_stay(inputs, files=[*written, folders[0].with_suffix('.json')], folders=folders)


def _same_folder(source: str, out: Path) -> bool:
    return Path(source).expanduser().resolve() == out.resolve()


if __name__ == '__main__':
    sys.exit(main())

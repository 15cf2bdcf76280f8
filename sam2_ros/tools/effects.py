"""Draws effects on objects of a video: `python -m sam2_ros.tools.effects VIDEO RESULT --effect erase --out DIR`.

RESULT is what `python -m sam2_ros.tools.track_video` or `python -m sam2_ros.tools.label` wrote.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sam2_ros.effects import EFFECTS, EffectOptions, apply_effect, cut_out, erase, replace_background
from sam2_ros.files.masks import read_mask
from sam2_ros.files.overwriting import check_inputs_stay
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.files.writing import write_whole
from sam2_ros.interruption import command_status, noted_interruption
from sam2_ros.labelling import Labels
from sam2_ros.tools.label_video import labels_file, name_of
from sam2_ros.video.ffmpeg import MISSING, add_sound, has_ffmpeg, has_sound, write_prores
from sam2_ros.video.sink import VideoSink, video_files
from sam2_ros.video.source import ACCEPTED, FrameSource, files_of, open_source, read_image

ERASE, CUT_OUT, REPLACE = 'erase', 'cut-out', 'replace'
OTHER_EFFECTS = {
    ERASE: 'gone; the background is taken from other frames that show it',
    CUT_OUT: 'alone, everything else transparent',
    REPLACE: 'before another background (--background)',
}
OBJECTS, BACKGROUND = 'objects', 'background'


@dataclass(frozen=True)
class MaskedVideo:
    """A video and the masks of objects in it.

    Attributes:
        source: the video.
        objects: what holds the mask of each object that is wanted, by index of the frame; it may lack frames.
        on: 'objects', or 'background' for all but them.
    """

    source: FrameSource
    objects: Sequence[Mapping[int, Path | RunLengths]]
    on: str = OBJECTS

    def __iter__(self) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Frames (H, W, 3) uint8, each with the masks (H, W) bool that an effect goes to.

        Raises:
            OSError, ValueError: if a frame or a mask cannot be read, or does not fit.
        """
        for index, rgb in enumerate(self.source):
            masks = [self._mask(one.get(index)) for one in self.objects]
            if self.on == BACKGROUND:
                masks = [~np.any(masks, axis=0)]
            yield rgb, masks

    def joined(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same with one mask."""
        return ((rgb, np.any(masks, axis=0)) for rgb, masks in self)

    def _mask(self, where: Path | RunLengths | None) -> np.ndarray:
        if where is None:
            return np.zeros(self.source.size, bool)
        mask = where.mask() if isinstance(where, RunLengths) else read_mask(where)
        if mask.shape != self.source.size:
            height, width = self.source.size
            raise ValueError(
                f'{where if isinstance(where, Path) else "the mask"} is {mask.shape[1]} x {mask.shape[0]} pixels, but '
                f'the frames of {self.source.name} are {width} x {height}: is the result of another video?'
            )
        return mask


def objects_of(
    result: Path, video: str, wanted: Sequence[str] = ()
) -> tuple[list[Mapping[int, Path | RunLengths]], int]:
    """The masks of these objects, or of all, by frame; and the last frame that was tracked, -1 if there is none.

    Args:
        result: folder that `track_video` or `label` wrote.
        video: as given on the command line; `label` may have labelled several.
        wanted: ids or numbers of objects.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if there are none.
    """
    file, folder = labels_file(result, name_of(video)), result / 'masks'
    known: dict[str, Mapping[int, Path | RunLengths]] = {}
    last = -1
    if file.exists():
        labels = Labels.load(file)
        known = {str(one.number): one.masks for one in labels.annotated().masklets}
        last = labels.frame_count - 1
    elif folder.is_dir():
        for child in sorted(child for child in folder.iterdir() if child.is_dir()):
            known[child.name] = {int(mask.stem): mask for mask in child.glob('*.png') if mask.stem.isdecimal()}
        last = max((frame for masks in known.values() for frame in masks), default=-1)
    if not known:
        raise ValueError(
            f'{result} has no masks of {video}; it must be a folder that python -m sam2_ros.tools.track_video or '
            'python -m sam2_ros.tools.label has written'
        )
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f'{result} has no object {", ".join(unknown)}; there are {", ".join(known)}')
    return [known[name] for name in wanted or known], last


def images_of(
    video: MaskedVideo, effect: str, *, options: EffectOptions, background: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """The frames of a video with an effect: (H, W, 3) uint8, or RGBA (H, W, 4) of 'cut-out'.

    Raises:
        ValueError: if the effect lacks a background, or goes to objects only.
    """
    if effect == ERASE:
        if video.on == BACKGROUND:
            raise ValueError('erase goes to objects only; cut-out leaves out the background')
        return erase(video.joined, margin=options.margin or None)
    if effect == CUT_OUT:
        return (cut_out(rgb, mask) for rgb, mask in video.joined())
    if effect == REPLACE:
        if background is None:
            raise ValueError('the effect replace needs an image, --background FILE')
        return (replace_background(rgb, mask, background) for rgb, mask in video.joined())
    return (apply_effect(effect, rgb, masks, options) for rgb, masks in video)


def write_images(images: Iterable[np.ndarray], source: FrameSource, *, out: Path, name: str, prores: bool) -> Path:
    """Write a video with the sound of its source, or, of images with transparency, a folder of PNGs or a .mov.

    Returns:
        The video, or the folder.

    Raises:
        OSError: if a file cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    images = iter(images)
    first = next(images, None)
    if first is None:
        raise ValueError(f'{source.name} has no frames')
    images = tqdm(itertools.chain([first], images), total=source.frame_count, unit='frame', desc=source.name)
    if prores:
        file = out / f'{name}.mov'
        write_prores(file, images, size=source.size, frame_rate=source.frame_rate)
        return file
    if first.shape[2] == 4:
        for old in (out / name).glob('[0-9]' * 6 + '.png'):  # of an earlier run, which may have more frames
            old.unlink()
        for index, rgba in enumerate(images):
            png = cv2.imencode('.png', cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))[1]
            write_whole(out / name / f'{index:06d}.png', png.tobytes())
        return out / name
    with VideoSink(out / name, frame_rate=source.frame_rate) as sink:
        for image in images:
            sink.write(image)
    assert sink.path is not None
    return sink.path


def keep_sound(video: Path, source: str) -> None:
    """Give a video the sound of the file it was made of, if there is any; say so if that cannot be done."""
    if not Path(source).is_file() or not video.is_file():
        return
    if not has_ffmpeg():
        print(f'{video} has no sound, because {MISSING}', file=sys.stderr)
    elif has_sound(Path(source)):
        try:
            add_sound(video, Path(source))
        except OSError as error:
            print(f'{video} has no sound: {error}', file=sys.stderr)


def _colour(text: str) -> tuple[int, int, int]:
    parts = text.split(',')
    if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f'{text!r} must be RED,GREEN,BLUE, each from 0 to 255')
    red, green, blue = map(int, parts)
    return red, green, blue


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.tools.effects',
        description='Draw an effect on tracked objects of a video; writes a video named after the effect, with the '
        'sound of the original where there is ffmpeg.',
    )
    told = {**OTHER_EFFECTS, **{name: effect.description for name, effect in EFFECTS.items()}}
    parser.add_argument('video', help=ACCEPTED)
    parser.add_argument('result', type=Path, metavar='RESULT', help='folder that track_video or label wrote')
    parser.add_argument(
        '--effect',
        choices=told,
        required=True,
        metavar='NAME',
        help='the objects are: ' + '; '.join(f'{name}: {text}' for name, text in told.items()),
    )
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder for the video')
    parser.add_argument('--objects', default='', metavar='ID,ID', help='ids of the objects (default: all)')
    parser.add_argument(
        '--on', choices=(OBJECTS, BACKGROUND), default=OBJECTS, help='what the effect goes to (default: %(default)s)'
    )
    parser.add_argument('--colour', type=_colour, default=EffectOptions.colour, metavar='R,G,B', help='0 to 255 each')
    parser.add_argument(
        '--cells',
        type=int,
        default=EffectOptions.cells,
        metavar='N',
        help='blocks along the longer side of an object; the fewer, the less can be recognised (default: %(default)s)',
    )
    parser.add_argument(
        '--margin',
        type=int,
        default=0,
        metavar='PIXELS',
        help='widen the masks (default: 0; erase: 1.2%% of the height)',
    )
    parser.add_argument('--background', type=Path, metavar='IMAGE', help='for the effect replace')
    parser.add_argument(
        '--prores', action='store_true', help='cut-out as a ProRes 4444 video instead of PNGs; needs ffmpeg'
    )
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.prores and options.effect != CUT_OUT:
        raise ValueError('--prores is for the effect cut-out')
    if options.prores and not has_ffmpeg():
        raise ValueError(f'--prores cannot be done: {MISSING}')
    source = open_source(options.video)
    if source.frame_count is None:
        raise ValueError(f'{options.video} has no end that is known; accepted are video files and folders of images')
    objects = [name for name in options.objects.split(',') if name]
    masks, last_frame = objects_of(options.result, options.video, objects)
    video = MaskedVideo(source, masks, options.on)
    if last_frame < source.frame_count - 1:
        print(f'the result ends with frame {last_frame}; later frames have no masks', file=sys.stderr)
    name = options.effect
    files = [*video_files(options.out / name), options.out / f'{name}.mov']
    inputs = [*files_of(options.video), *filter(None, [options.background])]
    check_inputs_stay(inputs, files=files, folders=[options.out / name])
    background = options.background and read_image(options.background)
    looks = EffectOptions(options.colour, options.cells, options.margin)
    with noted_interruption() as interruption:
        images = images_of(video, name, options=looks, background=background)
        until = itertools.takewhile(lambda _: not interruption.came, images)
        written = write_images(until, source, out=options.out, name=name, prores=options.prores)
    keep_sound(written, options.video)
    print(f'Look at {written}')
    return 0


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(args)
    return command_status(lambda: _run(options))


if __name__ == '__main__':
    sys.exit(main())

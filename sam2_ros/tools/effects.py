"""Draws effects on objects of a video: `python -m sam2_ros.tools.effects VIDEO RESULT --effect erase --out DIR`.

RESULT is what `python -m sam2_ros.tools.track_video` wrote.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sam2_ros.effects import EFFECTS, EffectOptions, apply_effect, cut_out, erase, replace_background
from sam2_ros.files.masks import read_mask
from sam2_ros.files.overwriting import check_inputs_stay
from sam2_ros.files.writing import write_whole
from sam2_ros.interruption import command_status, noted_interruption
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
    """A video and the masks that `track_video` wrote for it.

    Attributes:
        source: the video.
        folders: of the masks, one for each object that is wanted.
        on: 'objects', or 'background' for all but them.
    """

    source: FrameSource
    folders: Sequence[Path]
    on: str = OBJECTS

    def __iter__(self) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Frames (H, W, 3) uint8, each with the masks (H, W) bool that an effect goes to.

        Raises:
            OSError, ValueError: if a frame or a mask cannot be read, or does not fit.
        """
        for index, rgb in enumerate(self.source):
            masks = [self._mask(folder / f'{index:06d}.png') for folder in self.folders]
            if self.on == BACKGROUND:
                masks = [~np.any(masks, axis=0)]
            yield rgb, masks

    def joined(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same with one mask."""
        return ((rgb, np.any(masks, axis=0)) for rgb, masks in self)

    @property
    def last_frame(self) -> int:
        """Index of the last frame that has a mask; -1 if there is none."""
        names = (file.stem for folder in self.folders for file in folder.glob('*.png'))
        return max((int(name) for name in names if name.isdecimal()), default=-1)

    def _mask(self, file: Path) -> np.ndarray:
        if not file.exists():
            return np.zeros(self.source.size, bool)
        mask = read_mask(file)
        if mask.shape != self.source.size:
            height, width = self.source.size
            raise ValueError(
                f'{file} is {mask.shape[1]} x {mask.shape[0]} pixels, but the frames of {self.source.name} are '
                f'{width} x {height}: is the result of another video?'
            )
        return mask


def mask_folders(result: Path, objects: Sequence[str] = ()) -> list[Path]:
    """The folders of the masks of these objects, or of all, in a result of `track_video`.

    Raises:
        ValueError: if there are none.
    """
    masks = result / 'masks'
    known = sorted(child.name for child in masks.iterdir() if child.is_dir()) if masks.is_dir() else []
    if not known:
        raise ValueError(
            f'{result} has no masks; it must be a folder that python -m sam2_ros.tools.track_video has written'
        )
    unknown = [name for name in objects if name not in known]
    if unknown:
        raise ValueError(f'{result} has no object {", ".join(unknown)}; there are {", ".join(known)}')
    return [masks / name for name in objects or known]


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
    parser.add_argument('result', type=Path, metavar='RESULT', help='the folder that track_video wrote for this video')
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
    video = MaskedVideo(source, mask_folders(options.result, objects), options.on)
    if video.last_frame < source.frame_count - 1:
        print(f'the result ends with frame {video.last_frame}; later frames have no masks', file=sys.stderr)
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

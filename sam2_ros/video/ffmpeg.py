"""What OpenCV cannot do: sound, and videos with transparency. Needs the program ffmpeg."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sam2_ros.files.writing import named_in_errors

MISSING = 'there is no program ffmpeg on this machine'
_QUIET = ('-hide_banner', '-loglevel', 'error', '-y')


def has_ffmpeg() -> bool:
    return shutil.which('ffmpeg') is not None


def has_sound(video: Path) -> bool:
    """Whether a file has sound. Needs ffmpeg."""
    command = ['ffmpeg', '-hide_banner', '-i', str(video)]
    told = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return b'Audio:' in told.stderr


def add_sound(video: Path, source: Path) -> None:
    """Give a video the sound of another one, from the beginning. The pictures stay as they are.

    Raises:
        OSError: if ffmpeg cannot do it. The video is unchanged then.
    """
    unfinished = _unfinished(video)
    streams = ('-map', '0:v', '-map', '1:a', '-c:v', 'copy')
    try:
        for codec in ('copy', 'aac', 'libmp3lame'):  # the container may not take the sound as it is
            command = ['ffmpeg', *_QUIET, '-i', str(video), '-i', str(source), *streams, '-c:a', codec, str(unfinished)]
            told = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
            if told.returncode == 0:
                os.replace(unfinished, video)
                return
        raise OSError(f'the sound of {source} cannot be added to {video}: {_last_line(told.stderr)}')
    finally:
        unfinished.unlink(missing_ok=True)


def write_prores(file: Path, images: Iterable[np.ndarray], *, size: tuple[int, int], frame_rate: float) -> int:
    """Write a ProRes 4444 video with transparency (.mov).

    Args:
        file: the video.
        images: (H, W, 4) uint8 RGBA.
        size: (height, width) of the images in pixels.
        frame_rate: frames per second.

    Returns:
        Number of frames.

    Raises:
        OSError: if ffmpeg cannot do it. An earlier file of that name is left as it was.
    """
    unfinished = _unfinished(file)
    pictures = ('-f', 'rawvideo', '-pix_fmt', 'rgba', '-s', f'{size[1]}x{size[0]}', '-r', f'{frame_rate}', '-i', '-')
    codec = ('-c:v', 'prores_ks', '-profile:v', '4444', '-pix_fmt', 'yuva444p10le', '-alpha_bits', '16')
    command = ['ffmpeg', *_QUIET, *pictures, *codec, str(unfinished)]
    count = 0
    try:
        # In a session of its own: Ctrl-C is for us, who then end the file.
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdin is not None and process.stderr is not None
            try:
                for image in images:
                    process.stdin.write(np.ascontiguousarray(image).tobytes())
                    count += 1
                process.stdin.close()
            except BrokenPipeError:
                pass  # it says itself what is wrong
            except BaseException:
                process.kill()
                raise
            told = process.stderr.read()
        if process.returncode:
            raise OSError(f'{file} cannot be written: {_last_line(told)}')
        with named_in_errors(file):
            os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _unfinished(file: Path) -> Path:
    return file.with_name(f'{file.stem}.part{file.suffix}')


def _last_line(told: bytes) -> str:
    lines = told.decode(errors='replace').strip().splitlines()
    return lines[-1] if lines else 'ffmpeg does not say why'

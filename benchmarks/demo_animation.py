"""The animation at the top of the README, made from the video of `make demo`.

make demo && python -m benchmarks.demo_animation
"""

from __future__ import annotations

from pathlib import Path

import cv2

from sam2_ros.synthetic.sprites import FRAME_RATE
from sam2_ros.video.source import open_source

VIDEO = Path('demo/overlay.mp4')
ANIMATION = Path('benchmarks/demo.webp')  # a fifth of the size of a GIF of the same length, and sharper
WIDTH = 720  # pixels
STEP = 3  # every third frame
PROMPT_SECONDS = 2.0  # that the first frame, which shows the prompts, stands still
QUALITY = 60  # of WebP, to 100


def main() -> None:
    frames = [cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR) for rgb in open_source(str(VIDEO), width=WIDTH)][::STEP]
    animation = cv2.Animation()
    animation.frames = frames
    seconds = [PROMPT_SECONDS, *[STEP / FRAME_RATE] * (len(frames) - 1)]
    animation.durations = [round(1000 * duration) for duration in seconds]  # milliseconds
    if not cv2.imwriteanimation(str(ANIMATION), animation, [cv2.IMWRITE_WEBP_QUALITY, QUALITY]):
        raise OSError(f'{ANIMATION} cannot be written')
    print(f'{ANIMATION}: {len(frames)} frames, {ANIMATION.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()

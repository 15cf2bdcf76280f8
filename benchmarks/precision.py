"""Masks in half precision against those in float32, on filmed clips.

    python -m benchmarks.precision FOLDER [--frames N] > benchmarks/precision.md

FOLDER holds clips of your own, as the data set `folder` of the evaluation. The objects of a clip are tracked from their
boxes, never corrected. On a CPU without bfloat16 or float16 these take many times as long as float32.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.datasets.registry import open_dataset
from sam2_ros.evaluation.machine import processor_name
from sam2_ros.evaluation.pages.markdown import markdown_row, markdown_table
from sam2_ros.evaluation.protocols.first_prompts import box_prompt
from sam2_ros.model import build_sam2
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.model.device import AUTO, DTYPES, choose_device
from sam2_ros.tools.agreement import Agreement
from sam2_ros.tracking import FrameResult, VideoTracker

REDUCED = ('bfloat16', 'float16')
COLUMNS = ('clip', 'dtype', 'masks', 'mean IoU', 'least IoU', 'IoU below 0.95', 'other presence', 'other memory event')


def track(sequence: VideoSequence, *, frames: int, dtype: str, device: torch.device) -> list[FrameResult]:
    """All objects that are there in the first frame, with the memory `dam`."""
    tracker = VideoTracker(build_sam2(DEFAULT_MODEL, device=device, dtype=DTYPES[dtype]))
    prompts = [box_prompt(one.object_id, sequence.first_mask(one)) for one in sequence.objects if one.start == 0]
    numbers = tqdm(range(min(frames, len(sequence.frames))), desc=f'{sequence.name} {dtype}', disable=None)
    return [tracker.step(sequence.image(number), () if number else prompts) for number in numbers]


def row(clip: str, dtype: str, ours: Sequence[FrameResult], exact: Sequence[FrameResult]) -> list[str]:
    found = Agreement.of(ours, exact)
    return [
        clip, dtype, str(len(found.overlaps)), f'{found.overlaps.mean():.4f}', f'{found.overlaps.min():.3f}',
        f'{np.mean(found.overlaps < 0.95):.1%}', f'{found.other_presence:.1%}', f'{found.other_event:.1%}',
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--split', default='second-half')
    parser.add_argument('--frames', type=int, default=60, help='of each clip, at most (default: %(default)s)')
    parser.add_argument('--device', default=AUTO)
    options = parser.parse_args()
    device, data = choose_device(options.device), open_dataset('folder', options.folder, options.split)
    print(f"""# Half precision

Masks of the bundled model with the memory `dam` in half precision against those in float32, frame by frame, from a box
in the first frame. "other presence": one of the two masks is empty. "other memory event": the frame was remembered
otherwise. {processor_name(str(device))}; torch {torch.__version__}; {datetime.date.today()}; half of the clips that
[real.md](real.md) is of; `python -m benchmarks.precision FOLDER --split {options.split} --frames {options.frames}`
""")
    print(markdown_table(COLUMNS, []), flush=True)
    for name in data.names:
        sequence = data.sequence(name)
        sequence = replace(sequence, objects=tuple(one for one in sequence.objects if one.start == 0))
        exact = track(sequence, frames=options.frames, dtype='float32', device=device)
        for dtype in REDUCED:
            ours = track(sequence, frames=options.frames, dtype=dtype, device=device)
            print(markdown_row(row(name, dtype, ours, exact)), flush=True)


if __name__ == '__main__':
    main()

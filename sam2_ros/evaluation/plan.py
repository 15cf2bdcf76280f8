"""What an evaluation would take, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np
from tqdm import tqdm

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.evaluation import Evaluation
from sam2_ros.evaluation.machine import processor_name
from sam2_ros.evaluation.network import loaded
from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.model import Network
from sam2_ros.tracking import Prompt, VideoTracker

WARM_UP, TIMED = 3, 6  # frames
GPUS = (1, 2, 4, 8)
# Frames per second of the official video predictor on one A100, wholly compiled, with torch 2.5.1 and CUDA 12.4, by the
# README of SAM 2.1 of December 2024; its script benchmark.py tracks one object.
PUBLISHED_SPEED = {
    'sam2.1_hiera_tiny': 91.2,
    'sam2.1_hiera_small': 84.8,
    'sam2.1_hiera_base_plus': 64.1,
    'sam2.1_hiera_large': 39.5,
}


def plan(evaluation: Evaluation, names: Sequence[str]) -> str:
    """How many videos, frames and hours, as a table in Markdown with a sentence.

    A few frames of the first video are tracked to know the time of a frame here, with one and with two objects.

    Args:
        evaluation: what would be done.
        names: of the videos.

    Raises:
        DatasetError, OSError, ValueError: if a video is damaged; so everything is read, but for the images.
    """
    dataset, frames, objects, images, tracked = evaluation.dataset.open(), 0, 0, 0, 0
    for name in tqdm(names, desc='reading the data set', unit='video', disable=None):
        sequence = dataset.sequence(name)
        cost = evaluation.protocol.cost(sequence)
        frames += len(sequence.frames)
        objects += len(sequence.objects)
        images += cost.images * len(evaluation.memories)
        tracked += cost.objects * len(evaluation.memories)
    model = loaded(evaluation.network)
    first = dataset.sequence(names[0])
    alone, pair = (_frame_time(model, evaluation.memories[0], first, count) for count in (1, 2))
    per_object = max(pair - alone, 0.0)
    per_image = max(alone - per_object, 0.0)
    seconds = per_image * images + per_object * tracked
    rows = [
        ['videos', f'{len(names)}'],
        ['frames', f'{frames}'],
        ['objects', f'{objects}'],
        ['images to encode', f'{images}'],
        ['objects to track in an image', f'{tracked}'],
        [f'hours here ({processor_name(evaluation.network.device)}), one process', _hours(seconds)],
        *_gpu_rows(evaluation, seconds, frames=seconds / alone),
    ]
    return (
        f'With {len(evaluation.memories)} memories and the protocol {evaluation.protocol.name}. Measured on {TIMED} '
        f'frames: {1000 * per_image:.0f} ms for an image and {1000 * per_object:.0f} ms for each object in it.\n\n'
        + markdown_table(['', ''], rows)
    )


def _gpu_rows(evaluation: Evaluation, seconds: float, *, frames: float) -> list[list[str]]:
    """Hours on several GPUs; `frames`: the work as a number of frames with one object."""
    if evaluation.network.device.startswith('cuda'):
        return [[f'hours on {count} of these GPUs', _hours(seconds / count)] for count in GPUS[1:]]
    speed = PUBLISHED_SPEED.get(evaluation.network.name)
    if speed is None:
        return [['hours on GPUs', f'no speed is published for {evaluation.network.name}']]
    return [
        [f'hours on {count} A100, by the published {speed} frames per second', _hours(frames / speed / count)]
        for count in GPUS
    ]


def _hours(seconds: float) -> str:
    return f'{seconds / 3600:.2g}'


def _frame_time(model: Network, memory: str, sequence: VideoSequence, count: int) -> float:
    """Median seconds of a frame with some objects, each prompted with a box in the middle of the image."""
    tracker = VideoTracker(model, memory)
    height, width = sequence.size
    box = (width / 4, height / 4, width * 3 / 4, height * 3 / 4)
    prompts = [Prompt(str(number), box=box) for number in range(count)]
    seconds = []
    for frame in range(WARM_UP + TIMED):
        rgb = sequence.image(min(frame, len(sequence.frames) - 1))
        began = perf_counter()
        tracker.step(rgb, [] if frame else prompts)
        seconds.append(perf_counter() - began)
    return float(np.median(seconds[WARM_UP:]))

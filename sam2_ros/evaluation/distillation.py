"""Measures how much distracts from the objects of videos: one piece of work for each video, kept on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from sam2_ros.drawing.charts import film_strip, save_picture
from sam2_ros.evaluation.datasets.dataset import TrackedObject, VideoSequence
from sam2_ros.evaluation.evaluation import DatasetSource
from sam2_ros.evaluation.executors import Processes
from sam2_ros.evaluation.measures.distractors import FrameDistractors, find_distractors
from sam2_ros.evaluation.network import NetworkSource, code_digest, loaded
from sam2_ros.evaluation.predictions import claim_folder
from sam2_ros.evaluation.results import file_of_video
from sam2_ros.files.json_files import read_json
from sam2_ros.files.writing import write_whole
from sam2_ros.tracking.frame_encoder import encode_pixels
from sam2_ros.tracking.preprocessing import shrink

MEASURED, PICTURES = 'measured', 'pictures'
_SHOWN = 3  # frames in the picture of a video
_MEASURED_BY = (
    'model/*.py',
    'tracking/preprocessing.py',
    'evaluation/datasets/*.py',
    'evaluation/measures/distractors.py',
    'evaluation/distillation.py',
    'drawing/charts.py',
)


@dataclass(frozen=True)
class VideoDistractors:
    """How much resembles the object of a video that has the most look-alikes.

    Attributes:
        source: its data set and the folder of it, such as `lasot/LaSOT`.
        name: of the video within it.
        object_id: of the object; empty where no frame could be measured.
        frames: indices of the frames that were measured.
        ratios: in each of them the area that resembles the object, by its own.
    """

    source: str
    name: str
    object_id: str
    frames: tuple[int, ...]
    ratios: tuple[float, ...]

    @property
    def full_name(self) -> str:
        return f'{self.source}/{self.name}'

    @property
    def mean_ratio(self) -> float:
        return float(np.mean(self.ratios)) if self.ratios else 0.0

    def share(self, ratio: float) -> float:
        """Of the measured frames that with more look-alike area than `ratio` times the object's."""
        return float(np.mean(np.array(self.ratios) > ratio)) if self.ratios else 0.0


@dataclass(frozen=True)
class Distillation:
    """What is measured, and where it is kept.

    Attributes:
        network: whose image encoder gives the features.
        folder: of the results.
        frames: of every object at most so many are measured, evenly spread; None: all that the data set annotates.
    """

    network: NetworkSource
    folder: Path
    frames: int | None

    def claim(self, *, overwrite: bool = False) -> None:
        """Make the folder that of this configuration. Raises the error of `claim_folder`."""
        config: dict[str, Any] = {
            'model': self.network.name,
            'weights_sha256': self.network.weights_digest,
            'image_size': self.network.image_size,
            'device': self.network.device,
            'frames': self.frames,
            'torch': torch.__version__,
            'code_sha256': code_digest(_MEASURED_BY),
        }
        claim_folder(self.folder, config, kept=f'{MEASURED}/**/*.json', overwrite=overwrite)

    def measured(self, source: DatasetSource, name: str) -> VideoDistractors | None:
        """What is kept of a video; None if nothing is."""
        file = file_of_video(self.folder / MEASURED, f'{label(source)}/{name}', '.json')
        if not file.is_file():
            return None
        tree = read_json(file)
        return VideoDistractors(
            tree['source'], tree['name'], tree['object_id'], tuple(tree['frames']), tuple(tree['ratios'])
        )


@dataclass(frozen=True)
class WorkItem:
    """One video."""

    distillation: Distillation
    source: DatasetSource
    name: str


def label(source: DatasetSource) -> str:
    """What a data set is called in the list."""
    return f'{source.name}/{source.root.resolve().name}'


def picture_of(full_name: str) -> str:
    """The picture of a video, relative to the folder of the results."""
    return f'{PICTURES}/{full_name}.jpg'


def distill(
    distillation: Distillation, videos: Sequence[tuple[DatasetSource, str]], *, processes: int = 1
) -> Iterator[tuple[str, str]]:
    """Measure the videos of which nothing is kept yet.

    Yields:
        For each video, as they are finished, its full name, and why it failed or an empty text.
    """
    items = [WorkItem(distillation, source, name) for source, name in videos]
    for index, reason in Processes(processes).run(measure_video, items):
        yield f'{label(items[index].source)}/{items[index].name}', reason


def measure_video(item: WorkItem) -> str:
    """Do one piece of work, unless it is done. Returns why it failed, or an empty text."""
    source, name = item.source, item.name
    try:
        if item.distillation.measured(source, name) is not None:
            return ''
        sequence = source.open().sequence(name)
        if not any(one.scored for one in sequence.objects):
            return 'a server keeps its truth, so nobody here knows where its objects are'
        found = _measure(item.distillation, label(source), sequence)
        folder, full_name = item.distillation.folder, found.full_name
        if found.frames:
            # before the measures, because these say that the video is done
            picture = file_of_video(folder / PICTURES, full_name, '.jpg')
            save_picture(picture, _strip(item.distillation, sequence, found))
        write_whole(file_of_video(folder / MEASURED, full_name, '.json'), json.dumps(asdict(found)).encode())
    except (ValueError, OSError, RuntimeError) as error:  # the last one also when a GPU's memory is full
        return str(error)
    return ''


def _measure(distillation: Distillation, source: str, sequence: VideoSequence) -> VideoDistractors:
    """All objects together, so that an image is encoded once."""
    chosen = {one.object_id: set(_spread(_known(one), distillation.frames)) for one in sequence.objects}
    ratios: dict[str, dict[int, float]] = {name: {} for name in chosen}
    for frame in sorted(set().union(*chosen.values())):
        objects = [one for one in sequence.objects if frame in chosen[one.object_id]]
        for name, found in _in_frame(distillation, sequence, objects, frame).items():
            ratios[name][frame] = found.ratio
    measured = [
        VideoDistractors(source, sequence.name, name, tuple(own), tuple(own.values()))
        for name, own in ratios.items()
        if own
    ]
    if not measured:
        return VideoDistractors(source, sequence.name, '', (), ())
    return max(measured, key=lambda one: one.mean_ratio)


def _known(one: TrackedObject) -> list[int]:
    """The frames in which the truth says where an object is."""
    frames = sorted({one.start, *one.scored})
    return frames if one.visible is None else [frame for frame in frames if one.visible[frame]]


def _spread(frames: Sequence[int], most: int | None) -> list[int]:
    if most is None or len(frames) <= most:
        return list(frames)
    return [frames[index] for index in np.linspace(0, len(frames) - 1, most).round().astype(int)]


def _in_frame(
    distillation: Distillation, sequence: VideoSequence, objects: Sequence[TrackedObject], frame: int
) -> dict[str, FrameDistractors]:
    """By object what resembles it, for those that the frame shows."""
    model, masks = loaded(distillation.network), sequence.masks(frame)
    with torch.inference_mode():
        features = encode_pixels(model, shrink(sequence.image(frame), model.image_size, 'bicubic')).stride16[0]
    found = {
        one.object_id: find_distractors(features, masks[one.object_id], is_box=sequence.read_masks is None)
        for one in objects
        if one.object_id in masks
    }
    return {name: own for name, own in found.items() if own is not None}


def _strip(distillation: Distillation, sequence: VideoSequence, video: VideoDistractors) -> np.ndarray:
    """Of every third of the video the frame with the most look-alikes."""
    target = next(one for one in sequence.objects if one.object_id == video.object_id)
    parts = np.array_split(np.arange(len(video.frames)), min(_SHOWN, len(video.frames)))
    shown = [video.frames[max(part, key=lambda index: video.ratios[index])] for part in parts]
    found = [_in_frame(distillation, sequence, [target], frame)[video.object_id] for frame in shown]
    height, width = sequence.size
    places = [
        cv2.resize(one.places.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
        for one in found
    ]
    return film_strip(
        [sequence.image(frame) for frame in shown],
        np.array(places),
        np.array([sequence.masks(frame)[video.object_id] for frame in shown]),
        [f'frame {frame}: {one.ratio:.2f}' for frame, one in zip(shown, found, strict=True)],
    )

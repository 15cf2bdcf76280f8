"""Archives for the servers that keep the truth of a data set, in the form that each of them asks for."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.datasets.vot_regions import mask_text
from sam2_ros.evaluation.evaluation import Evaluation
from sam2_ros.evaluation.measures.boxes import boxes_of
from sam2_ros.evaluation.protocols.protocol import Track
from sam2_ros.evaluation.results import ResultStore
from sam2_ros.files.palette_png import encode_palette_png
from sam2_ros.files.writing import named_in_errors

_MOST_LABELS = 255  # of a palette image

# Gives the files of a video, by their paths in the archive; the number is the seconds that tracking took.
Writer = Callable[[VideoSequence, Sequence[Track], float], Iterator[tuple[str, bytes]]]


def label_images(sequence: VideoSequence, tracks: Sequence[Track], seconds: float) -> Iterator[tuple[str, bytes]]:
    """<video>/<frame>.png with a palette. Where masks overlap, the lower label has the pixel, as the official tool."""
    frames = range(len(sequence.frames)) if sequence.submitted is None else sequence.submitted
    ordered = sorted(tracks, key=lambda track: -int(track.object_id))
    for frame in frames:
        labels = np.zeros(sequence.size, np.uint8)
        for track in ordered:
            if not 0 < int(track.object_id) <= _MOST_LABELS:
                raise ValueError(f'{sequence.name}: a palette image cannot hold the label {track.object_id}')
            if frame in track.places:
                labels[track.mask(frame)] = int(track.object_id)
        yield f'{sequence.name}/{sequence.frames[frame].stem}.png', encode_palette_png(labels)


def label_images_in_a_folder(
    sequence: VideoSequence, tracks: Sequence[Track], seconds: float
) -> Iterator[tuple[str, bytes]]:
    """The same below Annotations/."""
    for name, data in label_images(sequence, tracks, seconds):
        yield f'Annotations/{name}', data


def got10k_texts(sequence: VideoSequence, tracks: Sequence[Track], seconds: float) -> Iterator[tuple[str, bytes]]:
    """<video>/<video>_001.txt: a box in each line, the first as given. <video>_time.txt: the mean time of a frame."""
    track, one = tracks[0], sequence.objects[0]
    assert one.boxes is not None, 'GOT-10k has boxes'
    boxes = np.array([boxes_of(mask.mask()) for mask in track.masks])
    boxes[0] = one.boxes[0]
    lines = '\n'.join(','.join(f'{number:.4f}' for number in box) for box in boxes)
    times = '\n'.join([f'{seconds / len(boxes):.8f}'] * len(boxes))
    yield f'{sequence.name}/{sequence.name}_001.txt', f'{lines}\n'.encode()
    yield f'{sequence.name}/{sequence.name}_time.txt', f'{times}\n'.encode()


def vots_texts(sequence: VideoSequence, tracks: Sequence[Track], seconds: float) -> Iterator[tuple[str, bytes]]:
    """baseline/<video>/<video>_<object>_001.txt as the toolkit keeps results; `vot pack` packs them for the server."""
    for track in tracks:
        name = f'{sequence.name}_{track.object_id}' if len(sequence.objects) > 1 else sequence.name
        lines = ['1', *(mask_text(mask.mask()) for mask in track.masks[1:])]
        yield f'baseline/{sequence.name}/{name}_001.txt', '\n'.join([*lines, '']).encode()


SUBMISSIONS: dict[str, Writer] = {
    'davis2017': label_images,
    'mose': label_images,
    'vost': label_images,
    'youtube-vos': label_images_in_a_folder,
    'lvos': label_images_in_a_folder,
    'got10k': got10k_texts,
    'vots': vots_texts,
}


def write_submission(evaluation: Evaluation, store: ResultStore, names: Sequence[str], *, memory: str) -> Path:
    """Write the archive of one memory into the folder of the results.

    Args:
        evaluation: of a data set of `SUBMISSIONS`.
        store: has the tracks of all these videos.
        names: of the videos.
        memory: whose tracks are submitted.

    Returns:
        The archive.

    Raises:
        OSError: if it cannot be written. An earlier one is left as it was.
        ValueError: if labels do not fit.
    """
    dataset, write = evaluation.dataset.open(), SUBMISSIONS[evaluation.dataset.name]
    path = store.folder / f'submission_{memory}.zip'
    part = path.with_suffix('.part')
    try:
        with named_in_errors(path), zipfile.ZipFile(part, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name in tqdm(names, desc=path.name, unit='video', disable=None):
                sequence = dataset.sequence(name)
                files = write(sequence, store.tracks(memory, name), store.seconds(memory, name))
                for inner, data in files:
                    archive.writestr(zipfile.ZipInfo(inner), data, zipfile.ZIP_DEFLATED)  # no date: the same bytes
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path

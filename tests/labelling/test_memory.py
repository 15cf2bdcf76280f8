"""Memory while a long video is labelled: bounded by what a frame of an object costs, as run lengths."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.labelling import LabelledObject, LabelOptions, Labels, find_masklets
from sam2_ros.masklets import write_masklets
from sam2_ros.tracking import FrameResult
from tests.peak_memory import MEBIBYTE, forget_peak, peak_bytes
from tests.session.cheap_network import CheapNetwork

SIZE = (240, 320)
SIDE = 80  # pixels of the object
FRAMES, OBJECTS, SETTLED = 500, 8, 50
SESSION = 4 * MEBIBYTE  # for masks and memories
MOST_TRACKED = 1200  # bytes for each object and frame while they are tracked; a mask as an image is 76800
# Bytes for each object and frame in the file's way. The labels have 223 in their file, and a tree of it 800.
MOST_SAVING, MOST_LOADING, MOST_WRITING = 100, 700, 700


class DrawnVideo(Sequence[np.ndarray]):
    """A bright square that moves; each frame is drawn when it is asked for."""

    def __len__(self) -> int:
        return FRAMES

    def __getitem__(self, index: int) -> np.ndarray:
        if index >= FRAMES:
            raise IndexError
        image = np.zeros((*SIZE, 3), np.uint8)
        x, y = round(120 + 100 * np.sin(index / 40)), round(80 + 70 * np.cos(index / 55))
        image[y : y + SIDE, x : x + SIDE] = 255
        return image


def square(place: int) -> RunLengths:
    mask = np.zeros(SIZE, bool)
    mask[place : place + SIDE, 2 * (place % 20) : 2 * (place % 20) + SIDE] = True
    return RunLengths.of(mask)


class CheapLook:
    """Segments what is bright, several times over; tracks with a network of a few operations."""

    model = CheapNetwork()

    def generate(self, image: np.ndarray) -> list[dict[str, Any]]:
        mask = image[..., 0] > 0
        return [{'segmentation': mask, 'area': int(mask.sum())}] * OBJECTS


def test_a_long_video_is_labelled_in_bounded_memory(tmp_path: Path) -> None:
    """Eight objects at once; what a session knows of them goes to a file, and masks are run lengths."""
    grown = []

    def watch(passes: Iterable[FrameResult], count: int) -> Iterator[FrameResult]:
        for place, result in enumerate(passes):
            if place == SETTLED:
                forget_peak()
                grown.append(-peak_bytes())
            yield result

    labels = Labels('long', SIZE, 30.0, FRAMES)
    options = LabelOptions(every=FRAMES, objects_at_once=OBJECTS)
    steps = find_masklets(
        labels, DrawnVideo(), CheapLook(), options=options, memory_bytes=SESSION, spill_folder=tmp_path, watch=watch
    )
    *_, labels = steps
    grown[0] += peak_bytes()
    (only,) = labels.objects.values()
    assert len(only.masks) == FRAMES
    assert grown[0] < SESSION + MOST_TRACKED * OBJECTS * FRAMES, f'{grown[0] / MEBIBYTE:.1f} MiB'


def test_many_masks_go_through_a_file_in_bounded_memory(tmp_path: Path) -> None:
    """It is written object by object, and read without a tree of all masks."""
    objects, frames, file = 40, 150, tmp_path / 'many.json'
    masks = {frame: square(frame // 3) for frame in range(frames)}
    one = LabelledObject(masks, dict.fromkeys(masks, 0.5))
    labels = Labels('many', SIZE, 30.0, frames, objects=dict.fromkeys(range(1, objects + 1), one), numbered=objects)

    def grown(work: Callable[[], object]) -> float:
        forget_peak()
        before = peak_bytes()
        held = work()
        growth = (peak_bytes() - before) / objects / frames
        assert held is None or held == labels
        return growth

    assert grown(lambda: labels.save(file)) < MOST_SAVING
    assert grown(lambda: Labels.load(file)) < MOST_LOADING
    video = labels.annotated()
    assert grown(lambda: write_masklets([video], tmp_path / 'coco.json', format='coco-video')) < MOST_WRITING

"""CPU time of turning images into messages and back: python -m benchmarks.conversions

Prints the table of benchmarks/conversions.md. CPU time of this process, all threads together, so that other
programs on the machine hardly matter; the median of REPEATS runs.
"""

from __future__ import annotations

import platform
import time
from array import array
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.drawing.overlay import draw_overlay
from sam2_ros.nodes.edge.decode_images import LAYOUTS, compressed_to_rgb, image_to_rgb
from sam2_ros.nodes.edge.encode_images import array_to_image, rgb_to_compressed
from sam2_ros.nodes.edge.messages import TrackRecord, label_image, tracked_objects
from sam2_ros.synthetic.ladybirds import LadybirdScene
from tests.results import frame_result, object_result

REPEATS = 50
SIZES = {'1280x720': (720, 1280), '1920x1080': (1080, 1920)}
HEADER = Header()
RECORD = TrackRecord(label=1, first_seen=Time(), last_seen=Time())


def _milliseconds(work: Callable[[], object]) -> float:
    """Median CPU time of one call."""
    work()
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return 1e3 * float(np.median(times))


def _message(encoding: str, height: int, width: int) -> Image:
    layout = LAYOUTS[encoding]
    row_bytes = width * layout.channels * np.dtype(layout.dtype).itemsize
    data = np.random.default_rng(0).integers(0, 256, height * row_bytes, dtype=np.uint8)
    return Image(height=height, width=width, encoding=encoding, step=row_bytes, data=array('B', data.tobytes()))


def _rows(height: int, width: int) -> dict[str, float]:
    scene = LadybirdScene(height, width)
    rgb, masks = scene.frame(0), scene.masks(0)
    result = frame_result(*(object_result(name, mask) for name, mask in masks.items()), image_size=(height, width))
    labels = {name: number for number, name in enumerate(masks, start=1)}
    records = dict.fromkeys(masks, RECORD)
    compressed = rgb_to_compressed(rgb, header=HEADER, jpeg_quality=90)
    works: dict[str, Callable[[], object]] = {}
    for encoding in ('rgb8', 'bgr8', 'rgba8', 'mono8', 'mono16', 'yuv422', 'yuv422_yuy2', 'bayer_rggb8'):
        works[f'{encoding} message to RGB'] = partial(image_to_rgb, _message(encoding, height, width))
    works |= {
        'JPEG message to RGB': lambda: compressed_to_rgb(compressed),
        'RGB to rgb8 message': lambda: array_to_image(rgb, 'rgb8', header=HEADER),
        'RGB to JPEG message, quality 90': lambda: rgb_to_compressed(rgb, header=HEADER, jpeg_quality=90),
        'three objects to TrackedObjectArray': lambda: tracked_objects(
            result, records=records, frames_skipped=0, header=HEADER
        ),
        'three objects to label image': lambda: label_image(result, labels=labels, encoding='mono8', header=HEADER),
        'overlay of three objects': lambda: draw_overlay(rgb, result, labels=labels),
        'frame of the ladybird scene': lambda: scene.frame(0),
    }
    return {name: _milliseconds(work) for name, work in works.items()}


def main() -> None:
    cv2.setNumThreads(1)
    tables = {size: _rows(*shape) for size, shape in SIZES.items()}
    print(
        f'{platform.machine()}, Python {platform.python_version()}, OpenCV {cv2.__version__}, '
        f'NumPy {np.__version__}, one thread. Milliseconds of CPU time, median of {REPEATS}.\n'
    )
    print(f'| | {" | ".join(tables)} |\n|---|{"---|" * len(tables)}')
    for name in next(iter(tables.values())):
        print(f'| {name} | {" | ".join(f"{table[name]:.2f}" for table in tables.values())} |')


if __name__ == '__main__':
    main()

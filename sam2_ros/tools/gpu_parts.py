"""The parts of the GPU suite: what it checks and measures, as lines of a page in Markdown, one by one."""

from __future__ import annotations

import csv
import itertools
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from sam2_ros.evaluation.machine import cpu_name, processor_name
from sam2_ros.evaluation.pages.markdown import markdown_row, markdown_table
from sam2_ros.model import VARIANTS, Sam2Network, build_sam2
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.model.device import DTYPES
from sam2_ros.model.used_attention import chosen_kernel, kernel_times
from sam2_ros.synthetic.demo_scene import DemoScene
from sam2_ros.synthetic.ladybirds import LadybirdScene
from sam2_ros.tools.agreement import Agreement
from sam2_ros.tools.camera_measurement import measure_cameras
from sam2_ros.tools.measurement import Case, Measurement, build_model, measure, prompts_for
from sam2_ros.tracking import POLICY_NAMES, FrameResult, Prompt, TrackerOptions, VideoTracker

MEBIBYTE = 2**20
SMALL = (180, 320)  # images for many frames, which are drawn quickly
SETTINGS_OF_TRAINING = Path(__file__).resolve().parents[2] / 'config' / 'train.yaml'


@dataclass(frozen=True)
class Scale:
    """How large the suite is.

    Attributes:
        device: cuda, or cpu for a rehearsal.
        models, image_sizes, objects: what is measured, the most important first.
        camera: (height, width) of the images in pixels.
        warmup, frames: of a measurement.
        clip: frames on which masks are compared.
        long: frames of the long run.
        cameras: numbers of them that share a network.
        training_minutes: 0: neither training nor compiling.
    """

    device: str
    models: tuple[str, ...]
    image_sizes: tuple[int, ...]
    objects: tuple[int, ...]
    camera: tuple[int, int]
    warmup: int
    frames: int
    clip: int
    long: int
    cameras: tuple[int, ...]
    training_minutes: float

    @property
    def dtype(self) -> str:
        return 'bfloat16' if self.device == 'cuda' else 'float32'

    def case(self, model: str, image_size: int, objects: int, **changes: object) -> Case:
        """One measurement with the memory `dam`, unless the changes say otherwise."""
        usual = Case(
            model=model, checkpoint=None, image_size=image_size, dtype=self.dtype, device=self.device, memory='dam',
            objects=objects, camera=self.camera, warmup=self.warmup, frames=self.frames,
            threads=torch.get_num_threads(), official=False,
        )  # fmt: skip
        return replace(usual, **changes)  # type: ignore[arg-type]


FULL = Scale(
    device='cuda',
    models=('sam2.1_hiera_tiny', 'sam2.1_hiera_large', 'sam2.1_hiera_base_plus', 'sam2.1_hiera_small'),
    image_sizes=(1024, 512),
    objects=(1, 10, 5, 16),
    camera=(720, 1280),
    warmup=30,
    frames=60,
    clip=40,
    long=2000,
    cameras=(1, 2, 4),
    training_minutes=0.4,
)
REHEARSAL = Scale('cpu', (DEFAULT_MODEL,), (64,), (1, 2), (96, 160), 1, 2, 6, 20, (1, 2), 0.0)
Left = Callable[[], float]  # seconds until a part has to end


def machine(scale: Scale, left: Left) -> Iterator[str]:
    """What it ran on, and the kernels of attention to memory."""
    yield f'{processor_name(scale.device)}; host: {cpu_name()}; torch {torch.__version__}, numpy {np.__version__}'
    if scale.device != 'cuda':
        yield 'The kernels of attention to memory are timed on a GPU only.'
        return
    major, minor = torch.cuda.get_device_capability()
    total = torch.cuda.get_device_properties(0).total_memory
    yield f'Compute capability {major}.{minor}, {total / 2**30:.0f} GiB, cuDNN {torch.backends.cudnn.version()}.'
    for dtype in ('bfloat16', 'float16', 'float32'):
        shape = torch.device('cuda', torch.cuda.current_device()), DTYPES[dtype], 256, 64
        yield f'\nAttention to memory, {dtype}, 2 objects, 4096 queries, 28,736 keys; chosen: {chosen_kernel(*shape)}\n'
        rows = [[name, f'{one:.2f}' if isinstance(one, float) else one] for name, one in kernel_times(*shape).items()]
        yield markdown_table(('kernel', 'ms'), rows)


def correct(scale: Scale, left: Left) -> Iterator[str]:
    """Masks of the bundled model: GPU against CPU, graphs against plain frames with every memory, host waits."""
    torch.backends.cudnn.allow_tf32 = False  # float32 is the reference here
    size = VARIANTS[DEFAULT_MODEL].image_size if scale.device == 'cuda' else 64
    on_device, on_cpu = (build_sam2(DEFAULT_MODEL, device=device, image_size=size) for device in (scale.device, 'cpu'))
    scene = DemoScene(*scale.camera)
    plain = TrackerOptions(graphs=False)
    yield f'{DEFAULT_MODEL} at {size} pixels, float32, {scale.clip} frames of the demo scene, 3 objects.\n'
    yield markdown_table(('compared', 'mask IoU mean', 'least', 'other presence', 'other memory event'), [])
    reference = _run(VideoTracker(on_cpu), scene, scale.clip)
    yield _compared('GPU with graphs, CPU', _run(VideoTracker(on_device), scene, scale.clip), reference)
    trackers = []
    for memory in POLICY_NAMES:
        if left() < 5:
            yield f'\nno time left for the memory {memory} and those after it'
            return
        trackers.append(VideoTracker(on_device, memory))
        frames = _run(trackers[-1], scene, scale.clip)
        expected = _run(VideoTracker(on_device, memory, options=plain), scene, scale.clip)
        yield _compared(f'{memory}: graphs, plain', frames, expected)
    graphs = trackers[0].graphs
    if graphs is not None:
        yield f'\n{graphs.count} graphs, {graphs.nbytes / MEBIBYTE:.0f} MiB. {graphs.trouble or "All are in use."}'
        yield f'Places where a frame waits for the device: {_waits(trackers[0], scene.frame(scale.clip))}'


def speed(scale: Scale, left: Left) -> Iterator[str]:
    """Frames a second of the published sizes, with masks on the host at image size."""
    yield _speed_head()
    for image_size, objects, model in itertools.product(scale.image_sizes, scale.objects, scale.models):
        if left() < 10:
            yield '\nno time left for the rows that are missing'
            return
        case = scale.case(model, image_size, objects)
        measured = _measured(case)
        yield _speed_row(_ours(measured), case, measured, 0)


def official(scale: Scale, left: Left) -> Iterator[str]:
    """The same by the official predictor as it is, frame by frame in turn with ours."""
    yield from _beside_official(scale, left, optimized=False)


def optimized(scale: Scale, left: Left) -> Iterator[str]:
    """The same by the official predictor compiled (`vos_optimized`)."""
    if not scale.training_minutes:
        yield 'not rehearsed'
        return
    yield from _beside_official(scale, left, optimized=True)


def _beside_official(scale: Scale, left: Left, *, optimized: bool) -> Iterator[str]:
    yield _speed_head()
    sizes = (1, 10) if scale.device == 'cuda' and not optimized else (1,)
    for objects, model in itertools.product(sizes, scale.models[:2]):
        if left() < 15:
            yield '\nno time left for the rows that are missing'
            return
        case = scale.case(model, scale.image_sizes[0], objects, memory='sam2', official=True, optimized=optimized)
        measured = _measured(case)
        yield _speed_row(_ours(measured), case, measured, 0)
        yield _speed_row('vos_optimized' if optimized else 'official', case, measured, 1)


def precision(scale: Scale, left: Left) -> Iterator[str]:
    """Half precision against float32: the masks of the bundled model."""
    torch.backends.cudnn.allow_tf32 = False  # float32 is the reference here
    size = VARIANTS[DEFAULT_MODEL].image_size if scale.device == 'cuda' else 64
    yield markdown_table(('scene, compared', 'mask IoU mean', 'least', 'other presence', 'other memory event'), [])
    for scene in (DemoScene(*scale.camera), LadybirdScene(*scale.camera)):
        frames = {
            dtype: _run(
                VideoTracker(build_sam2(DEFAULT_MODEL, device=scale.device, dtype=DTYPES[dtype], image_size=size)),
                scene,
                scale.clip,
            )
            for dtype in ('float32', 'bfloat16', 'float16')
        }
        for dtype in ('bfloat16', 'float16'):
            yield _compared(f'{type(scene).__name__}: {dtype}', frames[dtype], frames['float32'])


def cameras(scale: Scale, left: Left) -> Iterator[str]:
    """Several cameras on one network, through the thread and the mailbox that the node has."""
    yield markdown_table(('model', 'cameras', 'one alone, fps', 'p50 ms', 'all together, fps', 'p50 ms of each'), [])
    model, size = scale.models[0], scale.image_sizes[0]
    for count in scale.cameras:
        if left() < 10:
            return
        case = scale.case(model, size, 1, cameras=count, rate=1000.0, frames=5 * scale.frames)
        measured = measure_cameras(case)
        each = ', '.join(f'{1000 * np.median(served.latencies):.2f}' for served in measured.together)
        total = sum(served.rate for served in measured.together)
        alone = 1000 * np.median(measured.alone.latencies)
        yield markdown_row([model, str(count), f'{measured.alone.rate:.1f}', f'{alone:.2f}', f'{total:.1f}', each])
    yield '\nLatency counts from the arrival of an image in the mailbox; what it has beyond "speed" is the node.'


def long(scale: Scale, left: Left) -> Iterator[str]:
    """Whether time or memory grow over many frames."""
    case = scale.case(
        scale.models[0], scale.image_sizes[-1], 1, frames=scale.long, warmup=max(2, scale.warmup), camera=SMALL
    )
    measured = _measured(case)
    tenth = max(1, scale.long // 10)
    early, late = (1000 * np.median(measured.seconds[0, part]) for part in (slice(tenth), slice(-tenth, None)))
    grown = (measured.memory_at_end - measured.memory_early) / MEBIBYTE
    yield f'{case.model} at {case.image_size} pixels, {scale.long} frames: first tenth {early:.2f} ms a frame, last'
    yield f'{late:.2f} ms ({late / early:.3f}); memory grew by {grown:.1f} MiB.'


def start(scale: Scale, left: Left) -> Iterator[str]:
    """From nothing to the first mask, in this process."""
    for model in scale.models[:2]:
        begun = time.monotonic()
        case = scale.case(model, scale.image_sizes[0], 1)
        tracker, scene = VideoTracker(build_model(case)), LadybirdScene(*scale.camera)
        loaded = time.monotonic() - begun
        tracker.step(scene.frame(0), prompts_for(1, scene))
        prompted = time.monotonic() - begun
        for index in range(1, 4):
            tracker.step(scene.frame(index))
        yield (
            f'{model}: network after {loaded:.1f} s, first mask after {prompted:.1f} s, '
            f'at speed after {time.monotonic() - begun:.1f} s'
        )


def training(scale: Scale, left: Left) -> Iterator[str]:
    """Steps a second of the training of the bundled model (`config/train.yaml`)."""
    if not scale.training_minutes:
        yield 'not rehearsed'
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, '-m', 'sam2_ros.training.train', '--config', str(SETTINGS_OF_TRAINING), '--device',
            scale.device, '--minutes', str(scale.training_minutes), '--workers', '10', '--folder', folder,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(10.0, left()), check=False)
        if done.returncode:
            yield f'failed: {done.stderr.strip().splitlines()[-1]}'
            return
        with open(Path(folder) / 'log.csv', encoding='utf-8', newline='') as file:
            last = list(csv.DictReader(file))[-1]
        yield f'{int(last["step"]) / float(last["seconds"]):.2f} steps a second'


PARTS: dict[str, Callable[[Scale, Left], Iterator[str]]] = {
    part.__name__: part
    for part in (machine, correct, speed, official, precision, cameras, long, start, training, optimized)
}


def _run(tracker: VideoTracker, scene: DemoScene | LadybirdScene, frames: int) -> list[FrameResult]:
    visible = {name: mask for name, mask in scene.masks(0).items() if mask.any()}
    prompts = [Prompt(name, mask=mask) for name, mask in itertools.islice(visible.items(), 3)]
    return [tracker.step(scene.frame(index), () if index else prompts) for index in range(frames)]


def _compared(what: str, ours: list[FrameResult], theirs: list[FrameResult]) -> str:
    """A row about the masks of one run against those of another."""
    found = Agreement.of(ours, theirs)
    return markdown_row([
        what, f'{found.overlaps.mean():.5f}', f'{found.overlaps.min():.4f}', f'{found.other_presence:.2%}',
        f'{found.other_event:.2%}',
    ])  # fmt: skip


def _waits(tracker: VideoTracker, image: np.ndarray) -> str:
    """Lines of this package in which a frame waits for the device, as PyTorch reports them."""
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            tracker.step(image)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    return ', '.join(sorted({f'{Path(one.filename).name}:{one.lineno}' for one in caught})) or 'none that it knows'


@lru_cache(maxsize=4)
def _network_of(model: str, image_size: int, dtype: str, device: str) -> Sam2Network:
    return build_model(REHEARSAL.case(model, image_size, 1, dtype=dtype, device=device))


def _measured(case: Case) -> Measurement:
    """One measurement with a network that stays for the next case."""
    model = _network_of(case.model, case.image_size, case.dtype, case.device)
    if case.device == 'cuda':
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return measure(case, model)


def _ours(measured: Measurement) -> str:
    """Our side, and why it ran without graphs, if it should have had them."""
    return f'ours; {measured.graphs_trouble}' if measured.graphs_trouble else 'ours'


def _speed_head() -> str:
    return markdown_table(
        ('side', 'model', 'size', 'dtype', 'objects', 'fps', 'p50 ms', 'p99 ms', 'p99 / p50', 'peak MiB', 'mask IoU'),
        [],
    )


def _speed_row(side: str, case: Case, measured: Measurement, row: int) -> str:
    seconds = measured.seconds[row]
    p50, p99 = 1000 * np.percentile(seconds, (50, 99))
    return markdown_row([
        side, case.model, str(case.image_size), case.dtype, str(case.objects), f'{1 / seconds.mean():.1f}',
        f'{p50:.2f}', f'{p99:.2f}', f'{p99 / p50:.2f}', f'{measured.memory_peak / MEBIBYTE:.0f}',
        '-' if np.isnan(measured.mask_iou) else f'{measured.mask_iou:.4f}',
    ])  # fmt: skip

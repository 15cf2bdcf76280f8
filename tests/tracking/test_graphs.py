"""Frames as graphs: on the CPU, on fixed buffers that are spoilt after every frame, against frames that run plainly."""

import logging
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sam2_ros.model import VARIANTS, ModelConfig, Sam2Network, position_encoding
from sam2_ros.tracking import POLICY_NAMES, DamSettings, FrameResult, Prompt, TrackerOptions, VideoTracker, make_policy
from sam2_ros.tracking.arriving import ArrivingMasks, DescribeMasks
from sam2_ros.tracking.candidates import KEPT
from sam2_ros.tracking.device_resize import Shrink
from sam2_ros.tracking.graphs import MOST_GRAPHS, GraphRunner, PlainRunner, Tensors
from sam2_ros.tracking.memory_reads import ReadLayout
from sam2_ros.tracking.memory_writes import EncodeMemory
from sam2_ros.tracking.preprocessing import resize_bicubic
from sam2_ros.tracking.whole_frame import TrackObjects
from tests.tracking.clips import Clip
from tests.tracking.conftest import OFTEN, SMALLEST, assert_close
from tests.tracking.fake_graphs import FakeCapture, GraphTracker

RELAXED = settings(deadline=None, max_examples=25)
TWICE = DamSettings(min_predicted_iou=0.0, min_area_ratio=0.0, max_area_ratio=1000.0, max_box_iou=1.0, max_pointers=40)


def assert_same_frames(one: FrameResult, other: FrameResult) -> None:
    assert list(one) == list(other)
    for object_id in one:
        assert_close(one[object_id], other[object_id])


@pytest.mark.parametrize('memory', POLICY_NAMES)
def test_frames_as_graphs_are_frames(suited: Sam2Network, clip: Clip, memory: str) -> None:
    """Objects that join and leave, corrections, prompts for past frames, anchors, an image of another size."""
    policy = make_policy(memory, OFTEN)
    trackers = VideoTracker(suited, policy), GraphTracker(suited, policy)
    script = {
        0: [clip.prompt('a', 'mask'), clip.prompt('b', 'box')],
        5: [clip.prompt('c', 'points', 5)],
        8: [clip.prompt('a', 'point', 8)],
    }
    events = set()
    for frame in range(18):
        image = clip.image(frame)
        if frame == 14:
            image = np.ascontiguousarray(image[:-3, :-5])
        plain, graph = (tracker.step(image, script.get(frame, ())) for tracker in trackers)
        assert_same_frames(graph, plain)
        events |= {one.memory_event.name for one in graph.values()}
        if frame == 10:
            past = [tracker.prompt(7, clip.prompt('b', 'point', 7)) for tracker in trackers]
            past += [tracker.prompt(9, clip.prompt('a', 'points', 10), image=clip.image(3))[:1] for tracker in trackers]
            for one, other in zip([*past[0], *past[2]], [*past[1], *past[3]], strict=True):
                assert_close(one, other)
        if frame == 12:
            for tracker in trackers:
                tracker.remove('b')
    assert {'PROMPT', 'RECENT'} <= events
    assert ('ANCHOR' in events) is (memory in ('drm1', 'drm2', 'dam'))
    assert trackers[1].capture.replays > 3 * 14
    assert not trackers[1].graphs.trouble


@pytest.mark.parametrize('count', [1, 2, 3, 7, 12, 64])
def test_any_number_of_objects(small: Sam2Network, clip: Clip, count: int) -> None:
    boxes = [(x, y, x + 30, y + 25) for x in range(0, 88, 11) for y in range(0, 64, 8)]
    prompts = [Prompt(f'{number}', box=box) for number, box in enumerate(boxes[:count])]
    trackers = VideoTracker(small), GraphTracker(small)
    for frame in range(4):
        plain, graph = (tracker.step(clip.image(frame), () if frame else prompts) for tracker in trackers)
        assert_same_frames(graph, plain)
        assert len(graph) == count


def test_more_pointers_than_usual_have_room(small: Sam2Network, clip: Clip) -> None:
    policy = make_policy('dam', TWICE)
    trackers = VideoTracker(small, policy), GraphTracker(small, policy)
    for frame in range(30):
        prompts = [clip.prompt('a', 'mask')] if frame == 0 else ()
        assert_same_frames(*(tracker.step(clip.image(frame), prompts) for tracker in reversed(trackers)))


@pytest.mark.parametrize(
    'options', [TrackerOptions(max_hole_area=3), TrackerOptions(resize='bilinear'), TrackerOptions(non_overlap=True)]
)
def test_graphs_and_options(small: Sam2Network, clip: Clip, options: TrackerOptions) -> None:
    prompts = [clip.prompt('a', 'mask'), clip.prompt('b', 'mask')]
    trackers = VideoTracker(small, options=options), GraphTracker(small, options=options)
    for frame in range(4):
        assert_same_frames(
            *(tracker.step(clip.image(frame), () if frame else prompts) for tracker in reversed(trackers))
        )


def test_each_shape_is_captured_once(small: Sam2Network, clip: Clip, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, 'sam2_ros')
    tracker = GraphTracker(small)
    for frame in range(6):
        tracker.step(clip.image(frame), [clip.prompt('a', 'mask')] if frame == 0 else ())
    captured = [record.message for record in caplog.records if 'captured' in record.message]
    kinds = [message.split()[1] for message in captured]
    assert sorted(kinds) == ['DescribeMasks', 'EncodeMemory', 'Shrink', 'TrackObjects']
    assert tracker.graphs.count == 4


def test_a_network_on_the_cpu_has_no_graphs(small: Sam2Network) -> None:
    assert VideoTracker(small).graphs is None


# the runner


def double(x: Tensor) -> Tensors:
    return (2 * x, x > 0)


def test_results_belong_to_the_caller() -> None:
    capture = FakeCapture()
    runner = GraphRunner(capture)
    x = torch.tensor([1.0, -2.0])
    first = runner.run(double, x)
    second = runner.run(double, -x)
    capture.spoil()
    assert [one.tolist() for one in (*first, *second)] == [[2, -4], [True, False], [-2, 4], [False, True]]
    assert x.tolist() == [1.0, -2.0]


def test_old_graphs_make_room() -> None:
    runner = GraphRunner(FakeCapture())
    for length in range(1, MOST_GRAPHS + 5):
        runner.run(double, torch.ones(length))
    assert runner.count == MOST_GRAPHS
    runner.forget()
    assert runner.count == 0


def wrong(compute: Callable[[], Tensors]) -> tuple[Callable[[], None], Tensors]:
    replay, results = FakeCapture()(compute)
    return lambda: (replay(), results[0][-1].add_(1)), results  # type: ignore[return-value]


def empty(compute: Callable[[], Tensors]) -> tuple[Callable[[], None], Tensors]:
    """Has the results already, but computes nothing."""
    return lambda: None, tuple(one.clone() for one in compute())


def out_of_memory(compute: Callable[[], Tensors]) -> tuple[Callable[[], None], Tensors]:
    try:
        raise torch.OutOfMemoryError('CUDA out of memory.\nmore')
    finally:
        raise RuntimeError('the end of a capture that failed fails, too')


@pytest.mark.parametrize(
    ('capture', 'reason'),
    [
        (wrong, 'function (2) differs from what it should compute: 1 of 2 values of result 0, the largest of which is'),
        (empty, 'function (2) differs from what it should compute: 2 of 2 values of result 0, the largest of which is'),
        (out_of_memory, 'function (2) could not be captured: OutOfMemoryError: CUDA out of memory.'),
    ],
)
def test_where_a_graph_is_no_good_functions_run_plainly(
    capture: Callable[..., object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    runner = GraphRunner(capture)  # type: ignore[arg-type]
    for number in (1.0, 3.0):
        assert runner.run(double, torch.tensor([number, -1.0]))[0].tolist() == [2 * number, -2]
    assert runner.trouble.startswith(f'frames run without graphs, which is slower: {reason}')
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and reason in warnings[0].message
    assert runner.count == 0


def test_how_many_rows_a_batch_has() -> None:
    runner = GraphRunner(FakeCapture())
    counts = {1: 1, 2: 2, 3: 3, 5: 5, 8: 8, 9: 10, 10: 10, 15: 16, 17: 20, 64: 64, 65: 80}
    assert {count: runner.rows(1, most=count) for count in counts} == counts
    assert PlainRunner().rows(5, most=9) == 5


# the functions


@RELAXED
@given(
    height=st.integers(1, 200), width=st.integers(1, 200), size=st.sampled_from([32, 64, 96]), seed=st.integers(0, 99)
)
def test_images_are_resized_byte_for_byte(height: int, width: int, size: int, seed: int) -> None:
    image = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
    [ours] = Shrink(size)(image)
    assert torch.equal(ours, resize_bicubic(image.permute(2, 0, 1), size))


def test_large_images_are_resized_byte_for_byte() -> None:
    generator = np.random.default_rng(0)
    for shape, size in (((720, 1280, 3), 384), ((1080, 1920, 3), 1024), ((2160, 3840, 3), 384)):
        image = torch.from_numpy(generator.integers(0, 256, shape, dtype=np.uint8))
        assert torch.equal(Shrink(size)(image)[0], resize_bicubic(image.permute(2, 0, 1), size))


@RELAXED
@given(count=st.integers(1, 10), width=st.integers(1, 40), height=st.integers(1, 40), seed=st.integers(0, 99))
def test_what_arrives_of_masks(count: int, width: int, height: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 3, 8, 8, generator=generator) - torch.randint(
        0, 3, (count, 3, 1, 1), generator=generator
    )
    ious, score = torch.rand(count, 3, generator=generator), torch.randn(count, generator=generator)
    chosen = torch.randint(0, 3, (count,), generator=generator)
    size = (height, width)
    arriving = ArrivingMasks.begin(*DescribeMasks(size, 32)(logits, ious, chosen, score), size=size, count=count)
    rows, candidates, picks = [*range(count), 0], [KEPT] * count + [1], [*chosen.tolist(), 1]
    found = arriving.select(rows).choose(candidates).numbers()
    for row, pick, one in zip(rows, picks, found, strict=True):
        assert one.chosen == pick
        masks = [mask > 0 for mask in _resized(logits[row], size)]
        assert np.array_equal(one.mask, masks[pick])
        others = [mask for number, mask in enumerate(masks) if number != pick]
        for ours, mask in zip(one.alternatives(), others, strict=True):
            assert np.array_equal(ours, mask)
        assert (one.area, one.extent) == (masks[pick].sum(), _corners(masks[pick]))
        assert one.peak_logit == float(logits[row, pick].max())
        assert (one.object_score_logit, one.predicted_iou) == (float(score[row]), float(ious[row, pick]))
        if pick == int(chosen[row]):
            assert one.outside == [_corners(mask & ~masks[pick]) for mask in others]
    assert np.array_equal(arriving.offers(), torch.cat([ious, score[:, None]], dim=1).double().numpy())
    for row, extents in enumerate(arriving.extents()):
        full = [_corners(mask > 0) or (0, 0, 0, 0) for mask in _resized(logits[row], (32, 32))]
        assert extents == full


def _resized(logits: Tensor, size: tuple[int, int]) -> list[np.ndarray]:
    return [cv2.resize(one, size[::-1], interpolation=cv2.INTER_LINEAR) for one in logits.numpy()]


def _corners(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    y, x = np.nonzero(mask)
    return (int(x.min()), int(y.min()), int(x.max()), int(y.max())) if len(x) else None


class NoHost(TorchDispatchMode):
    """Refuses what reads a value on the host, and what brings one from there."""

    def __torch_dispatch__(self, func: object, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
        name = str(func)
        assert not any(part in name for part in ('_local_scalar_dense', 'nonzero', 'lift_fresh')), name
        return func(*args, **(kwargs or {}))  # type: ignore[operator]


@pytest.mark.parametrize('look', [Tensor.item, Tensor.nonzero, lambda x: torch.tensor([1.0]) + x])
def test_no_host_finds_what_looks_there(look: Callable[[Tensor], object]) -> None:
    with pytest.raises(AssertionError), NoHost():
        look(torch.ones(1))


@pytest.mark.parametrize('config', [SMALLEST, *(VARIANTS[name] for name in ('edgetam', 'efficienttam_ti_1'))])
def test_a_frame_neither_waits_for_the_host_nor_reads_from_it(
    monkeypatch: pytest.MonkeyPatch, config: ModelConfig
) -> None:
    """On a device without values, which takes the ways of a GPU. Tables are made in a run before, as for a capture."""
    monkeypatch.setattr(position_encoding.torch, 'autocast', lambda *_, **__: torch.no_grad())  # not for this device
    with torch.inference_mode():
        model = Sam2Network(config).eval().to('meta')
        grid, count = config.image_size // 16, 3

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(shape, dtype=dtype, device='meta')

        def frame() -> None:
            [pixels] = Shrink(config.image_size)(empty(48, 80, 3, dtype=torch.uint8))
            found = TrackObjects(model, ReadLayout(7, 20, True, True), 0.0)(
                pixels,
                empty(count, 7, *model.spatial_perceiver.shape(grid, grid), dtype=torch.bfloat16),
                empty(count, 20, config.hidden_dim),
                empty(count, 7 + 20 + 2 + 27),
            )
            masks, _, score, _, logits, ious, chosen, _, *_, stride16 = found
            DescribeMasks((48, 81), config.image_size)(logits, ious, chosen, score)
            EncodeMemory(model)(stride16, masks, score, empty(count, dtype=torch.bool))

        frame()
        with NoHost():
            frame()

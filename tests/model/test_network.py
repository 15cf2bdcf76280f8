"""Properties of the network itself: batches, sizes, number formats, refused input."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sam2_ros.model import ImageFeatures, MaskDecoding, MemoryRead, Sam2Network, build_sam2
from sam2_ros.model.layers import LayerNorm2d
from tests.common import MICRO
from tests.model.conftest import Pair
from tests.official import assert_near
from tests.scenes import network_input, scene

pytestmark = pytest.mark.slow

SIZE = 128
RELAXED = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
labels_of_points = st.lists(st.sampled_from([-1, 0, 1, 2, 3]), max_size=4)


def encode(model: Sam2Network) -> ImageFeatures:
    return model.encode_image(network_input(scene(height=SIZE, width=SIZE, seed=2).image, model.image_size))


def random_read(model: Sam2Network, *, count: int, memories: int, pointers: int, seed: int) -> MemoryRead:
    generator = torch.Generator().manual_seed(seed)
    grid, config = model.image_size // 16, model.config
    return MemoryRead(
        torch.randn(count, memories, config.memory_dim, grid, grid, generator=generator),
        torch.randint(0, 7, (count, memories), generator=generator),
        torch.randn(count, pointers, config.hidden_dim, generator=generator),
        torch.rand(count, pointers, generator=generator),
        0.95 + 0.1 * torch.rand(count, memories + pointers, generator=generator) if seed % 2 else None,
    )


def rows(read: MemoryRead, index: slice) -> MemoryRead:
    columns = [getattr(read, field.name) for field in fields(MemoryRead)]
    return MemoryRead(*(None if column is None else column[index] for column in columns))


@RELAXED
@given(count=st.integers(1, 4), labels=labels_of_points, with_mask=st.booleans(), seed=st.integers(0, 999))
def test_a_batch_of_prompts_equals_single_calls(
    micro128: Sam2Network, count: int, labels: list[int], with_mask: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = encode(micro128)
    points = torch.rand(count, len(labels), 2, generator=generator) * SIZE
    kinds = torch.tensor(labels, dtype=torch.long).expand(count, -1)
    masks = torch.randn(count, 1, SIZE // 4, SIZE // 4, generator=generator) * 5 if with_mask else None
    multimask = torch.rand(count, generator=generator) < 0.5
    conditioned = features.stride16 + torch.randn(count, 1, 1, 1, generator=generator)

    def decode(index: slice) -> MaskDecoding:
        prompt = micro128.embed_prompts(points[index], kinds[index], None if masks is None else masks[index])
        return micro128.decode_masks(features, conditioned[index], prompt, multimask[index])

    batch = decode(slice(None))
    for index in range(count):
        single = decode(slice(index, index + 1))
        for field in fields(MaskDecoding):
            assert_near(getattr(batch, field.name)[[index]], getattr(single, field.name), tolerance=1e-5)


def test_a_decoding_may_take_other_candidates(micro128: Sam2Network) -> None:
    """Mask, predicted IoU and object pointer change together; where nothing is to change, nothing does."""
    features = encode(micro128)
    points = torch.tensor([[[30.0, 40.0]], [[90.0, 60.0]], [[60.0, 100.0]], [[10.0, 10.0]]])
    prompt = micro128.embed_prompts(points, torch.ones(4, 1, dtype=torch.long))
    conditioned = features.stride16.expand(4, -1, -1, -1)
    decoding = micro128.decode_masks(features, conditioned, prompt, torch.tensor([True, True, True, False]))
    kept = micro128.choose_candidates(decoding, torch.full((4,), -1))
    own = micro128.choose_candidates(decoding, decoding.chosen)
    for field in fields(MaskDecoding):
        assert torch.equal(getattr(kept, field.name), getattr(decoding, field.name))
        # the pointer of a single mask is made of the single token, also where a candidate stands in for the mask
        assert_near(getattr(own, field.name)[:3], getattr(decoding, field.name)[:3], tolerance=1e-5)
    others = (decoding.chosen + 1) % 3
    swapped = micro128.choose_candidates(decoding, others)
    rows = torch.arange(4)
    assert torch.equal(swapped.mask_logits, decoding.candidate_logits[rows, others])
    assert torch.equal(swapped.predicted_iou, decoding.candidate_ious[rows, others])
    assert torch.equal(swapped.chosen, others)
    visible = decoding.object_score_logit > 0
    assert visible.any()
    same = (swapped.object_pointer == decoding.object_pointer).all(dim=1)
    assert torch.equal(same, ~visible)  # the pointer of an absent object is the same for all
    again = micro128.choose_candidates(swapped, decoding.chosen.clamp(min=0))
    assert_near(again.object_pointer[:3], decoding.object_pointer[:3], tolerance=1e-5)


def test_the_presence_threshold_says_from_which_score_on_an_object_is_absent(micro128: Sam2Network) -> None:
    features = encode(micro128)
    prompt = micro128.embed_prompts(torch.tensor([[[64.0, 64.0]]]), torch.ones(1, 1, dtype=torch.long))
    multimask = torch.tensor([True])
    score = float(micro128.decode_masks(features, features.stride16, prompt, multimask).object_score_logit)
    for threshold, absent in ((score - 1e-3, False), (score + 1e-3, True)):
        decoding = micro128.decode_masks(features, features.stride16, prompt, multimask, presence_threshold=threshold)
        again = micro128.choose_candidates(decoding, torch.tensor([0]), presence_threshold=threshold)
        for one in (decoding, again):
            assert bool((one.mask_logits == -1024).all()) == absent
            assert torch.equal(one.object_pointer, micro128.no_obj_ptr) == absent


@RELAXED
@given(count=st.integers(1, 3), memories=st.integers(1, 7), pointers=st.integers(0, 16), seed=st.integers(0, 999))
def test_a_batch_of_memories_equals_single_calls(
    micro128: Sam2Network, count: int, memories: int, pointers: int, seed: int
) -> None:
    stride16 = encode(micro128).stride16
    read = random_read(micro128, count=count, memories=memories, pointers=pointers, seed=seed)
    batch = micro128.condition_on_memory(stride16, read)
    expanded = micro128.condition_on_memory(stride16.expand(count, -1, -1, -1), read)
    assert_near(expanded, batch, tolerance=1e-5)
    for index in range(count):
        one = slice(index, index + 1)
        assert_near(batch[one], micro128.condition_on_memory(stride16, rows(read, one)), tolerance=1e-5)


@RELAXED
@given(
    shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5)), min_size=1, max_size=3), seed=st.integers(0, 999)
)
def test_free_places_change_nothing(micro128: Sam2Network, shapes: list[tuple[int, int]], seed: int) -> None:
    """Objects that read differently much are one batch, whatever stands where they read nothing."""
    compare_with_free_places(micro128, shapes, seed)


@pytest.mark.parametrize('landmarks', ['scores', 'keys'])
def test_free_places_change_nothing_of_landmarks(micro128: Sam2Network, landmarks: str) -> None:
    """Those of a single memory are read otherwise than those of several."""
    network = Sam2Network(replace(micro128.config, landmarks=landmarks), image_size=128).eval()
    network.load_state_dict(micro128.state_dict())
    with torch.inference_mode():
        compare_with_free_places(network, [(1, 0), (4, 5), (2, 3), (1, 5)], seed=1)


def compare_with_free_places(network: Sam2Network, shapes: list[tuple[int, int]], seed: int) -> None:
    features = encode(network)
    reads = [random_read(network, count=1, memories=m, pointers=k, seed=seed + n) for n, (m, k) in enumerate(shapes)]
    ones = torch.ones(1, 9)
    weights = [ones[:, : m + k] if r.key_weights is None else r.key_weights
               for r, (m, k) in zip(reads, shapes, strict=True)]  # fmt: skip
    padded = [
        MemoryRead(
            F.pad(read.spatial, (0, 0, 0, 0, 0, 0, 4 - memories, 0), value=3.0),
            F.pad(read.temporal_index, (4 - memories, 0), value=5),
            F.pad(read.pointers, (0, 0, 0, 5 - pointers), value=3.0),
            F.pad(read.pointer_position, (0, 5 - pointers), value=0.3),
            F.pad(weight, (4 - memories, 5 - pointers), value=2.0),
            torch.tensor([[memories, pointers]]),
        )
        for read, weight, (memories, pointers) in zip(reads, weights, shapes, strict=True)
    ]
    columns = zip(*([getattr(one, field.name) for field in fields(MemoryRead)] for one in padded), strict=True)
    together = network.condition_on_memory(features.stride16, MemoryRead(*map(torch.cat, columns)))
    alone = torch.cat([network.condition_on_memory(features.stride16, read) for read in reads])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5 * float(alone.abs().max()))


@RELAXED
@given(count=st.integers(1, 4), seed=st.integers(0, 999))
def test_a_batch_of_masks_equals_single_calls(micro128: Sam2Network, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = encode(micro128)
    logits = torch.randn(count, SIZE, SIZE, generator=generator) * 5
    score = torch.randn(count, generator=generator)
    binarize = torch.rand(count, generator=generator) < 0.5
    memory = micro128.encode_memory(features.stride16, logits, score, binarize)
    output = micro128.use_mask_as_output(features, (logits > 0).float())
    for index in range(count):
        one = slice(index, index + 1)
        single = micro128.encode_memory(features.stride16, logits[one], score[one], binarize[one])
        assert_near(memory[one].float(), single.float(), tolerance=2.0**-7)  # one step of bfloat16
        single_output = micro128.use_mask_as_output(features, (logits[one] > 0).float())
        for field in fields(MaskDecoding):
            assert_near(getattr(output, field.name)[one], getattr(single_output, field.name), tolerance=1e-5)


@pytest.mark.parametrize('image_size', [32, 64, 96, 160, 288])
def test_any_multiple_of_32_runs(image_size: int, micro_weights: str) -> None:
    model = build_sam2(MICRO, checkpoint=micro_weights, image_size=image_size)
    features = encode(model)
    grid = image_size // 16
    assert features.stride16.shape == (1, 128, grid, grid)
    assert features.stride8.shape == (1, 32, 2 * grid, 2 * grid)
    assert features.stride4.shape == (1, 16, 4 * grid, 4 * grid)
    prompt = model.embed_prompts(torch.full((1, 1, 2), image_size / 2), torch.ones(1, 1, dtype=torch.long))
    read = random_read(model, count=1, memories=2, pointers=2, seed=0)
    conditioned = model.condition_on_memory(features.stride16, read)
    decoding = model.decode_masks(features, conditioned, prompt, torch.tensor([True]))
    assert decoding.mask_logits.shape == (1, 4 * grid, 4 * grid)
    high_res = F.interpolate(decoding.mask_logits[None], size=(image_size, image_size))[0]
    memory = model.encode_memory(features.stride16, high_res, decoding.object_score_logit, torch.tensor([False]))
    assert memory.shape == (1, 32, grid, grid)
    assert memory.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_reduced_precision_gives_about_the_same_masks(
    dtype: torch.dtype, micro: Sam2Network, micro_weights: str
) -> None:
    reduced = build_sam2(MICRO, checkpoint=micro_weights, image_size=micro.image_size, dtype=dtype)
    assert reduced.dtype == dtype
    exact, approximate = run_two_frames(micro), run_two_frames(reduced)
    large = exact.flatten(1).sum(1) > 50  # pixels; in a few the border would decide
    assert large[:3].all()
    overlap = ((exact & approximate).flatten(1).sum(1) / (exact | approximate).flatten(1).sum(1))[large]
    assert overlap.mean() > 0.95, overlap
    assert overlap.min() > 0.85, overlap


def run_two_frames(model: Sam2Network) -> Tensor:
    """Masks (K, S/4, S/4) of three boxed objects, at once and read back through the memory; all values finite.

    Every mask is compared, not the chosen one: which is chosen may tip over with the last bit.
    """
    size = model.image_size
    one = scene(height=size, width=size, seed=2)
    features = model.encode_image(network_input(one.image, size))
    boxes = torch.from_numpy(one.boxes()).view(-1, 2, 2)
    prompt = model.embed_prompts(boxes, torch.tensor([[2, 3]]).expand(3, -1))
    conditioned = model.without_memory(features.stride16).expand(3, -1, -1, -1)
    no_multimask = torch.zeros(3).bool()
    first = model.decode_masks(features, conditioned, prompt, no_multimask, stability_fallback=False)
    extreme = F.interpolate(first.mask_logits[:, None], size=(size, size), mode='bilinear')[:, 0] * 100
    memory = model.encode_memory(features.stride16, extreme, first.object_score_logit, no_multimask)
    read = MemoryRead(
        memory[:, None].expand(-1, 7, -1, -1, -1),
        torch.arange(7).expand(3, -1),
        first.object_pointer[:, None].expand(-1, 16, -1),
        torch.linspace(0, 1, 16).expand(3, -1),
    )
    no_prompt = model.embed_prompts(boxes[:, :0], torch.zeros(3, 0, dtype=torch.long))
    conditioned = model.condition_on_memory(features.stride16, read)
    second = model.decode_masks(features, conditioned, no_prompt, torch.ones(3).bool())
    for decoding in (first, second):
        for field in fields(MaskDecoding):
            assert getattr(decoding, field.name).isfinite().all(), field.name
    assert memory.isfinite().all()
    return torch.cat((first.mask_logits, second.candidate_logits.flatten(0, 1))) > 0


def test_points_keep_their_precision_in_bfloat16(micro128: Sam2Network, micro_weights: str) -> None:
    """The random Fourier code is computed in float32: a click must not move with the number format."""
    reduced = build_sam2(MICRO, checkpoint=micro_weights, image_size=SIZE, dtype=torch.bfloat16)
    points = torch.tensor([[[17.0, 93.0], [101.5, 8.25]]])
    labels = torch.ones(1, 2, dtype=torch.long)
    exact = micro128.embed_prompts(points, labels).sparse
    approximate = reduced.embed_prompts(points, labels).sparse.float()
    assert (exact - approximate).abs().max() < 0.02


def test_the_image_is_read_in_any_float_format(micro128: Sam2Network) -> None:
    image = network_input(scene(height=SIZE, width=SIZE).image, SIZE)
    features = micro128.encode_image(image.double())
    assert features.stride16.dtype == torch.float32
    assert_near(features.stride16, micro128.encode_image(image).stride16)


REFUSED: list[tuple[Callable[[Sam2Network], object], type[Exception], str]] = [
    (lambda m: m.encode_image(torch.zeros(3, SIZE, SIZE)), ValueError, r'images must be \(B, 3, 128, 128\)'),
    (lambda m: m.encode_image(torch.zeros(1, 3, 64, 64)), ValueError, r'images must be .* got \(1, 3, 64, 64\)'),
    (lambda m: m.encode_image(torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8)), TypeError, 'normalised floats'),
    (lambda m: m.embed_prompts(torch.zeros(1, 2), torch.zeros(1).long()), ValueError, r'points must be \(N, P, 2\)'),
    (lambda m: m.embed_prompts(torch.zeros(1, 2, 2), torch.zeros(1, 3).long()), ValueError, r'labels \(N, P\)'),
    (lambda m: m.embed_prompts(torch.zeros(1, 2, 2), torch.zeros(1, 2)), TypeError, 'labels must be integers'),
    (
        lambda m: m.embed_prompts(torch.zeros(1, 0, 2), torch.zeros(1, 0).long(), torch.zeros(1, 1, 8, 8)),
        ValueError,
        r'mask_logits must be \(1, 1, 32, 32\)',
    ),
    (lambda m: decode(m, torch.zeros(2).bool()), ValueError, 'one row per object'),
    (lambda m: decode(m, torch.zeros(1)), TypeError, 'multimask must be bool'),
    (lambda m: choose(m, torch.zeros(2).long()), ValueError, r'candidates must be \(1,\), one for each object'),
    (lambda m: choose(m, torch.zeros(1)), TypeError, 'candidates must be integers'),
    (lambda m: m.use_mask_as_output(encode(m), torch.zeros(1, 64, 64)), ValueError, r'masks must be \(N, 128, 128\)'),
    (lambda m: encode_memory(m, torch.zeros(1, 64, 64)), ValueError, r'mask_logits must be \(N, 128, 128\)'),
    (lambda m: read_memory(m, memories=0), ValueError, 'M >= 1'),
    (lambda m: read_memory(m, grid=4), ValueError, r'spatial must be .* for features'),
]  # fmt: skip


def decode(model: Sam2Network, multimask: Tensor) -> MaskDecoding:
    features = encode(model)
    prompt = model.embed_prompts(torch.zeros(1, 1, 2), torch.ones(1, 1).long())
    return model.decode_masks(features, features.stride16, prompt, multimask)


def choose(model: Sam2Network, candidates: Tensor) -> MaskDecoding:
    return model.choose_candidates(decode(model, torch.ones(1).bool()), candidates)


def encode_memory(model: Sam2Network, logits: Tensor) -> Tensor:
    return model.encode_memory(encode(model).stride16, logits, torch.ones(1), torch.ones(1).bool())


def read_memory(model: Sam2Network, *, memories: int = 1, grid: int = SIZE // 16) -> Tensor:
    read = random_read(model, count=1, memories=memories, pointers=1, seed=0)
    return model.condition_on_memory(torch.zeros(1, model.config.hidden_dim, grid, grid), read)


@pytest.mark.parametrize(('call', 'error', 'message'), REFUSED, ids=[message for *_, message in REFUSED])
def test_bad_input_is_refused_with_a_sentence(
    micro128: Sam2Network, call: Callable[[Sam2Network], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(micro128)


def test_norms_have_the_official_epsilon(pair: Pair) -> None:
    """Too small a difference for the comparisons of features to notice."""
    official = dict(pair.official.named_modules())
    generator = torch.Generator().manual_seed(0)
    compared = 0
    for name, module in pair.ours.named_modules():
        if isinstance(module, nn.LayerNorm | LayerNorm2d):
            faint = 1e-3 * torch.randn(1, len(module.weight), 2, len(module.weight), generator=generator)
            assert_near(module(faint), official[name](faint), tolerance=1e-5)
            compared += 1
    assert compared > 40

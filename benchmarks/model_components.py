"""Time per component of the network, ours beside the official one, in the same run.

    python -m benchmarks.model_components --variant sam2.1_hiera_tiny --dtype float32

From the repository root, with the packages of the tests (the official code is `sam2` from PyPI). Both get the same
random weights and inputs; calls alternate, so that a machine that slows down slows both; the table shows medians.
In bfloat16 ours holds bfloat16 weights and the official one runs under autocast, as its authors do.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model import VARIANTS, HieraConfig, MemoryRead, Sam2Network
from tests.official import load_official, official_base
from tests.random_weights import randomise

MEMORIES, POINTERS = 7, 16  # a full memory bank
FRAME = 20  # frames 0 and 14..19 are in it, and pointers of 0 and 5..19


@dataclass(frozen=True)
class Component:
    """One step of tracking; each side returns a tensor to compare."""

    name: str
    ours: Callable[[], Tensor]
    official: Callable[[], Tensor]


@dataclass(frozen=True)
class Timing:
    """Median milliseconds, and the largest difference over the official value range."""

    name: str
    ours_ms: float
    official_ms: float
    difference: float


@dataclass(frozen=True)
class Inputs:
    """What both sides work on, float32: one image and the memories of `objects` objects."""

    image: Tensor  # (1, 3, S, S)
    stride16: Tensor  # (1, C, h, w)
    high_res: list[Tensor]  # (1, C / 8, 4h, 4w), (1, C / 4, 2h, 2w)
    boxes: Tensor  # (N, 2, 2)
    mask_logits: Tensor  # (N, S, S)
    memories: Tensor  # (N, 7, Cm, h, w), conditioning first, then oldest to newest
    pointers: Tensor  # (N, 16, C), conditioning first, then newest to oldest


def make_inputs(model: Sam2Network, *, objects: int, device: torch.device) -> Inputs:
    """Random inputs of the sizes that tracking has."""
    generator = torch.Generator().manual_seed(1)
    size, grid, config = model.image_size, model.image_size // 16, model.config

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    image = random(1, 3, size, size)
    features = model.encode_image(image)
    corners = torch.rand(objects, 2, 2, generator=generator).sort(dim=1).values * size
    coarse = 8 * random(objects, 1, 8, 8)
    return Inputs(
        image=image,
        stride16=features.stride16.float(),
        high_res=[one.float() for one in (features.stride4, features.stride8) if one is not None],
        boxes=corners.to(device),
        mask_logits=F.interpolate(coarse, size=(size, size), mode='bicubic')[:, 0],
        memories=random(objects, MEMORIES, config.memory_dim, grid, grid).to(torch.bfloat16),
        pointers=random(objects, POINTERS, config.hidden_dim),
    )


def our_calls(model: Sam2Network, inputs: Inputs) -> dict[str, Callable[[], Tensor]]:
    """All objects in one batch."""
    objects, device = len(inputs.boxes), inputs.image.device
    stride16 = inputs.stride16.to(model.dtype)
    features = model.encode_image(inputs.image)
    conditioned = model.without_memory(stride16).expand(objects, -1, -1, -1)
    labels = torch.tensor([[2, 3]], device=device).expand(objects, -1)
    no = torch.zeros(objects, dtype=torch.bool, device=device)
    distances = [FRAME, *range(1, POINTERS)]
    read = MemoryRead(
        inputs.memories,
        torch.tensor([6, 5, 4, 3, 2, 1, 0], device=device).expand(objects, -1),
        inputs.pointers.to(model.dtype),
        torch.tensor(distances, device=device).expand(objects, -1) / 15,
    )
    score = torch.ones(objects, device=device)

    def decode() -> Tensor:
        return model.decode_masks(features, conditioned, model.embed_prompts(inputs.boxes, labels), no).mask_logits

    return {
        'image encoder': lambda: model.encode_image(inputs.image).stride16,
        'memory attention': lambda: model.condition_on_memory(stride16, read),
        'prompt encoder and mask decoder': decode,
        'memory encoder': lambda: model.encode_memory(stride16, inputs.mask_logits, score, no),
    }


def official_calls(network: Any, inputs: Inputs) -> dict[str, Callable[[], Tensor]]:
    """One object after the other, as the official video predictor does."""
    objects, device = len(inputs.boxes), inputs.image.device
    position = network.image_encoder.neck.position_encoding(inputs.stride16)
    flat = [level.flatten(2).permute(2, 0, 1) for level in (inputs.stride16, position)]
    sizes = [tuple(inputs.stride16.shape[-2:])]
    memory_position = network.memory_encoder.position_encoding(inputs.memories[:1, 0])
    labels = torch.tensor([[2, 3]], dtype=torch.int32, device=device)
    score = torch.ones(1, 1, device=device)

    def bank(index: int) -> dict[str, Any]:
        entries: dict[int, dict[str, Any]] = {0: {'obj_ptr': inputs.pointers[index, :1]}}
        for distance in range(1, POINTERS):
            entries[FRAME - distance] = {'obj_ptr': inputs.pointers[index, distance : distance + 1]}
        for slot, frame in enumerate([0, *range(FRAME - 6, FRAME)]):
            entries[frame]['maskmem_features'] = inputs.memories[index, slot][None]
            entries[frame]['maskmem_pos_enc'] = [memory_position]
        return {'cond_frame_outputs': {0: entries.pop(0)}, 'non_cond_frame_outputs': entries}

    banks = [bank(index) for index in range(objects)]

    def attend(index: int) -> Tensor:
        return network._prepare_memory_conditioned_features(
            frame_idx=FRAME, is_init_cond_frame=False, current_vision_feats=flat[:1],
            current_vision_pos_embeds=flat[1:], feat_sizes=sizes, output_dict=banks[index], num_frames=100,
        )  # fmt: skip

    def decode(index: int) -> Tensor:
        return network._forward_sam_heads(
            backbone_features=inputs.stride16 + network.no_mem_embed[0, 0, :, None, None],
            point_inputs={'point_coords': inputs.boxes[index][None], 'point_labels': labels},
            high_res_features=inputs.high_res,
            multimask_output=False,
        )[3][:, 0]

    def encode_memory(index: int) -> Tensor:
        masks = inputs.mask_logits[index][None, None]
        return network._encode_new_memory(flat[:1], sizes, masks, score, is_mask_from_pts=False)[0]

    def each(call: Callable[[int], Tensor]) -> Callable[[], Tensor]:
        return lambda: torch.cat([call(index) for index in range(objects)])

    return {
        'image encoder': lambda: network.forward_image(inputs.image)['backbone_fpn'][2],
        'memory attention': each(attend),
        'prompt encoder and mask decoder': each(decode),
        'memory encoder': each(encode_memory),
    }


def build(variant: str, *, image_size: int, objects: int, dtype: torch.dtype, device: torch.device) -> list[Component]:
    """The components of both networks with the same random weights."""
    ours = Sam2Network(VARIANTS[variant], image_size=image_size).eval().requires_grad_(False)
    weights = randomise(ours, seed=0)
    official = official_base(VARIANTS[variant], image_size=image_size).requires_grad_(False)
    load_official(official, weights)
    gaussian = weights['sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix'].clone()
    ours.to(device), official.to(device)
    inputs = make_inputs(ours, objects=objects, device=device)
    ours.to(dtype)
    ours.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix = gaussian.to(device)
    theirs = official_calls(official, inputs)
    return [Component(name, call, theirs[name]) for name, call in our_calls(ours, inputs).items()]


def measure(components: Sequence[Component], *, repeats: int, dtype: torch.dtype, device: torch.device) -> list[Timing]:
    """Alternate all calls `repeats` times after one warm-up."""
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)

    def run_official(call: Callable[[], Tensor]) -> Tensor:
        with autocast:
            return call()

    def seconds(call: Callable[[], Tensor]) -> float:
        start = time.perf_counter()
        call()
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    differences = []
    for component in components:
        expected = run_official(component.official).float()
        differences.append(float((component.ours().float() - expected).abs().max() / (expected.max() - expected.min())))
    ours: list[list[float]] = [[] for _ in components]
    official: list[list[float]] = [[] for _ in components]
    for _ in range(repeats):
        for index, component in enumerate(components):
            ours[index].append(seconds(component.ours))
            official[index].append(seconds(partial(run_official, component.official)))
    return [
        Timing(component.name, 1e3 * statistics.median(a), 1e3 * statistics.median(b), difference)
        for component, a, b, difference in zip(components, ours, official, differences, strict=True)
    ]


def table(timings: Sequence[Timing]) -> str:
    """As Markdown."""
    head = '| component | ours (ms) | official (ms) | official / ours | largest difference |'
    lines = [head, '|---|---:|---:|---:|---:|']
    for row in timings:
        factor = row.official_ms / row.ours_ms
        lines.append(
            f'| {row.name} | {row.ours_ms:.1f} | {row.official_ms:.1f} | {factor:.2f} | {row.difference:.1e} |'
        )
    total, total_official = sum(row.ours_ms for row in timings), sum(row.official_ms for row in timings)
    lines.append(f'| a tracked frame | {total:.1f} | {total_official:.1f} | {total_official / total:.2f} | |')
    return '\n'.join(lines)


def main(args: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    variants = [name for name, config in VARIANTS.items() if isinstance(config.trunk, HieraConfig)]
    parser.add_argument('--variant', choices=variants, default='sam2.1_hiera_tiny', help='of SAM 2')
    parser.add_argument('--image-size', type=int, help='side of the network input in pixels (default: the variant)')
    parser.add_argument('--objects', type=int, default=1)
    parser.add_argument('--dtype', choices=('float32', 'bfloat16'), default='float32')
    parser.add_argument('--device', type=torch.device, default=torch.device('cpu'))
    parser.add_argument('--repeats', type=int, default=5)
    options = parser.parse_args(args)
    dtype = getattr(torch, options.dtype)
    size = options.image_size or VARIANTS[options.variant].image_size
    with torch.inference_mode():
        components = build(
            options.variant, image_size=size, objects=options.objects, dtype=dtype, device=options.device
        )
        timings = measure(components, repeats=options.repeats, dtype=dtype, device=options.device)
    print(f'{options.variant}, {size} pixels, {options.objects} object(s), {options.dtype}, {options.device},')
    print(f'{MEMORIES} memories and {POINTERS} pointers, torch {torch.__version__}, {torch.get_num_threads()} threads,')
    print(f'median of {options.repeats}\n')
    print(table(timings))


if __name__ == '__main__':
    main()

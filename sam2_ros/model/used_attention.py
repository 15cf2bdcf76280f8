"""Attention of one head on a GPU, where each object uses some of the keys that lie in memory for it.

How many it uses is data on the device, so that a frame has the same shapes whatever an object remembers. Fused kernels
for that are not equally fast everywhere. Those that give the right result here are timed once, and the fastest is used.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

_log = logging.getLogger(__name__)

AttentionKernel = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

TRIAL_QUERIES, TRIAL_KEYS, TRIAL_OBJECTS = 4096, 4096 * 7 + 64, 2  # about those of a network at 1024 pixels
TRIAL_RUNS = 5
TRIAL_SCALE = 4.0  # of the queries, so that few keys have most of the weight
AGREEMENT = {torch.float32: 1e-3}  # largest difference to the reference, of numbers around 1
SLOW_IN_FLOAT32 = 'has no tensor cores for float32, and takes long to compile'  # why a kernel is not tried
TILED = 'triton '  # begins the names of our own kernel's versions
ROUGH_AGREEMENT = 0.05  # the same for other types


def attend_used(
    q: Tensor, k: Tensor, v: Tensor, used: Tensor | None = None, score_bias: Tensor | None = None
) -> Tensor:
    """Softmax attention of one head.

    Args:
        q: queries (N, Lq, C), not scaled.
        k: keys (N, Lk, C).
        v: values (N, Lk, Cv), Cv <= C.
        used: (N, 2) long: object n attends to its keys from `used[n, 0]` to before `used[n, 1]`. The others must be
            finite. None: to all of them.
        score_bias: (Lk,), added to the scores of every query.

    Returns:
        (N, Lq, Cv).
    """
    if used is None:
        return _widened(q, k, v, None if score_bias is None else score_bias[None])
    # the other kernels have no gradients and no bias, and are for CUDA
    if score_bias is not None or torch.is_grad_enabled() or q.device.type != 'cuda':
        return attend_masked(q, k, v, used, score_bias)
    return kernels()[chosen_kernel(q.device, q.dtype, q.shape[2], v.shape[2])](q, k, v, used)


def attend_masked(q: Tensor, k: Tensor, v: Tensor, used: Tensor, score_bias: Tensor | None = None) -> Tensor:
    """`attend_used` by torch's function with a mask, which works everywhere."""
    place = torch.arange(k.shape[1], device=k.device)
    mask = (place >= used[:, :1]) & (place < used[:, 1:])
    if score_bias is not None:
        mask = torch.where(mask, score_bias, -math.inf)
    return _widened(q, k, v, mask[:, None, None])


def attend_flash(q: Tensor, k: Tensor, v: Tensor, used: Tensor) -> Tensor:
    """`attend_used` by the flash attention that torch is built with, which takes lengths as data.

    The operator is not part of torch's documented API.
    """
    count, queries, channels = q.shape
    keys = k.shape[1]
    number = torch.arange(count + 1, device=q.device, dtype=torch.int32)
    first = number * keys
    first[:-1] += used[:, 0].int()
    flat = [one.reshape(-1, 1, channels) for one in (q, k, F.pad(v, (0, channels - v.shape[2])))]
    attended = torch.ops.aten._flash_attention_forward(
        *flat, number * queries, first, queries, keys, 0.0, False, False,
        seqused_k=(used[:, 1] - used[:, 0]).int(),
    )[0]  # fmt: skip
    return attended.view(count, queries, channels)[..., : v.shape[2]]


def _widened(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """torch's function, whose fused kernels need values as wide as keys. `mask` as there."""
    wide = F.pad(v, (0, q.shape[2] - v.shape[2]))
    attended = F.scaled_dot_product_attention(q[:, None], k[:, None], wide[:, None], attn_mask=mask)
    return attended[:, 0, :, : v.shape[2]]


@cache
def kernels() -> dict[str, AttentionKernel]:
    """Every kernel that this installation has; `masked` is the reference."""
    known: dict[str, AttentionKernel] = {'masked': attend_masked, 'flash': attend_flash}
    if find_spec('triton') is not None:
        from sam2_ros.model.attention_kernel import TILINGS, attend_tiled

        known |= {f'{TILED}{tiling}': _tiled(attend_tiled, tiling) for tiling in TILINGS}
    return known


def _tiled(attend: Callable[..., Tensor], tiling: object) -> AttentionKernel:
    return lambda q, k, v, used: attend(q, k, v, used, tiling)


@cache
def chosen_kernel(device: torch.device, dtype: torch.dtype, channels: int, value_channels: int) -> str:
    """Name of the fastest kernel on this device that agrees with the reference. Waits for the device."""
    found = kernel_times(device, dtype, channels, value_channels)
    times = {name: one for name, one in found.items() if isinstance(one, float)}
    best = min(times, key=times.__getitem__)
    _log.info('attention to memory: %s, %.2f ms; all: %s', best, times[best], found)
    return best


@cache
def kernel_times(
    device: torch.device, dtype: torch.dtype, channels: int, value_channels: int
) -> dict[str, float | str]:
    """Milliseconds that each kernel takes for TRIAL_OBJECTS objects; in words, why one cannot be used."""
    generator = torch.Generator(device).manual_seed(0)

    def numbers(length: int, width: int) -> Tensor:
        return torch.randn(TRIAL_OBJECTS, length, width, device=device, generator=generator)

    q, k, v = (
        TRIAL_SCALE * numbers(TRIAL_QUERIES, channels),
        numbers(TRIAL_KEYS, channels),
        numbers(TRIAL_KEYS, value_channels),
    )
    q, k, v = q.to(dtype), k.to(dtype), v.to(dtype)
    spans = [[number * TRIAL_KEYS // 7, TRIAL_KEYS - 3 * number] for number in range(TRIAL_OBJECTS)]
    used = torch.tensor(spans, device=device)
    expected = attend_masked(q, k, v, used).float()
    found: dict[str, float | str] = {}
    for name, kernel in kernels().items():
        if dtype == torch.float32 and name.startswith(TILED):
            found[name] = SLOW_IN_FLOAT32
            continue
        try:
            difference = (kernel(q, k, v, used).float() - expected).abs().max().item()
            within = difference <= AGREEMENT.get(dtype, ROUGH_AGREEMENT)  # and not NaN
            found[name] = _milliseconds(kernel, q, k, v, used) if within else f'is wrong by {difference:.2g}'
        except Exception as error:  # whatever a kernel's compiler may raise, others remain
            found[name] = f'{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ""}'
    return found


def _milliseconds(kernel: AttentionKernel, *given: Tensor) -> float:
    """The least time of some runs on the GPU of the arguments."""
    times: list[float] = []
    with torch.cuda.device_of(given[0]):
        for _ in range(TRIAL_RUNS):
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            kernel(*given)
            last.record()
            last.synchronize()
            times.append(first.elapsed_time(last))
    return min(times)

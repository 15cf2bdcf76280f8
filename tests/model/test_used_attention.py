"""The kernels of attention to memory agree. The one in Triton is run by its interpreter, where Triton is installed."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from sam2_ros.model import used_attention
from sam2_ros.model.memory_attention import attend_rotated
from sam2_ros.model.used_attention import attend_flash, attend_masked, attend_used

SPANS = [[0, 90], [30, 57], [64, 65]]


def problem(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    q, k, v = (torch.randn(3, length, width, generator=generator) for length, width in ((40, 32), (90, 32), (90, 16)))
    return (4 * q).to(dtype), k.to(dtype), v.to(dtype), torch.tensor(SPANS)


def expected(q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None = None) -> Tensor:
    rows = []
    bias = torch.zeros(k.shape[1]) if score_bias is None else score_bias
    for one, keys, values, (first, end) in zip(q.double(), k.double(), v.double(), SPANS, strict=True):
        scores = one @ keys[first:end].T / math.sqrt(q.shape[2]) + bias[first:end]
        rows.append(torch.softmax(scores, dim=1) @ values[first:end])
    return torch.stack(rows)


def rotated(q: Tensor, k: Tensor, v: Tensor, used: Tensor) -> Tensor:
    still = torch.ones(90, 16, dtype=torch.complex64)
    return attend_rotated(q, k, v, still[:40], still, used=used)


@pytest.mark.parametrize('attend', [attend_masked, attend_flash, rotated])
def test_only_the_keys_that_are_used_count(attend: Callable[..., Tensor]) -> None:
    q, k, v, used = problem()
    with torch.no_grad():
        if attend is attend_flash and not _has_lengths():
            pytest.skip('this torch has no flash attention with lengths on the CPU')
        ours = attend(q, k, v, used)
    torch.testing.assert_close(ours.double(), expected(q, k, v), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('used', [torch.tensor(SPANS), None])
def test_scores_may_be_raised(used: Tensor | None) -> None:
    q, k, v, _ = problem()
    bias = torch.linspace(-2, 2, k.shape[1])
    ours = attend_used(q, k, v, used, bias)
    whole = torch.softmax(q @ k.mT / math.sqrt(q.shape[2]) + bias, dim=2) @ v
    torch.testing.assert_close(ours, whole if used is None else expected(q, k, v, bias).float(), atol=1e-5, rtol=1e-5)


def _has_lengths() -> bool:
    try:
        attend_flash(*problem())
    except (RuntimeError, NotImplementedError):
        return False
    return True


@torch.inference_mode(mode=False)
def test_gradients_reach_the_keys_that_are_used_and_no_others() -> None:
    q, k, v, used = problem()
    leaves = [one.requires_grad_() for one in (q, k, v)]
    ours = attend_used(*leaves, used)
    torch.testing.assert_close(ours.double(), expected(q, k, v), atol=1e-5, rtol=1e-5)
    found = torch.autograd.grad(ours.square().sum(), leaves)
    wanted = torch.autograd.grad(expected(q, k, v).square().sum(), leaves)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    for row, (first, end) in enumerate(SPANS):
        assert not found[1][row, :first].any() and not found[1][row, end:].any()


def test_the_fastest_kernel_that_is_right_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Tensor) -> Tensor:
        raise RuntimeError('no kernel image\nmore')

    def off(*given: Tensor) -> Tensor:
        return attend_masked(*given) + 0.2

    known = {
        'masked': attend_masked,
        'triton 1x1': fails,
        'off': off,
        'fails': fails,
        'quick': lambda *given: attend_masked(*given),
    }
    times = {'masked': 3.0, 'off': 1.0, 'quick': 2.0}
    monkeypatch.setattr(used_attention, 'kernels', lambda: known)
    monkeypatch.setattr(used_attention, 'TRIAL_QUERIES', 16)
    monkeypatch.setattr(used_attention, 'TRIAL_KEYS', 70)
    monkeypatch.setattr(
        used_attention, '_milliseconds', lambda kernel, *_: next(times[n] for n, one in known.items() if one is kernel)
    )
    key = torch.device('cpu'), torch.float32, 32, 16
    try:
        assert used_attention.chosen_kernel(*key) == 'quick'
        found = used_attention.kernel_times(*key)
        assert found == {
            **times,
            'off': 'is wrong by 0.2',
            'fails': 'RuntimeError: no kernel image',
            'triton 1x1': used_attention.SLOW_IN_FLOAT32,
        }
    finally:
        used_attention.chosen_kernel.cache_clear()
        used_attention.kernel_times.cache_clear()


IN_THE_INTERPRETER = """
import sys, torch
from sam2_ros.model.attention_kernel import Tiling, attend_tiled
from tests.model.test_used_attention import expected, problem
for dtype, tolerance in ((torch.float32, 1e-5), (torch.float16, 4e-3)):
    for tiling in (Tiling(16, 16, 4, 1), Tiling(32, 64, 4, 2)):
        q, k, v, used = problem(dtype)
        k[1, :30] = v[1, 57:] = float('nan')  # what is not used is not even read
        ours = attend_tiled(q, k, v, used, tiling)
        wanted = expected(q, k, v)
        torch.testing.assert_close(ours.double(), wanted, atol=tolerance, rtol=tolerance)
print('agrees')
"""


@pytest.mark.skipif(find_spec('triton') is None, reason='Triton is not installed')
def test_the_triton_kernel_in_the_interpreter() -> None:
    run = subprocess.run(
        [sys.executable, '-c', IN_THE_INTERPRETER],
        env={**os.environ, 'TRITON_INTERPRET': '1'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.stdout == 'agrees\n', run.stderr

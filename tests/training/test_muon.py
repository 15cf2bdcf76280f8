"""Our Muon does what PyTorch's does, whose bfloat16 sets the tolerance."""

import pytest
import torch
from torch import nn

from sam2_ros.training.muon import Muon, orthogonalise

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # published (Jordan et al. 2024), PyTorch's defaults
SHAPES = [(64, 64), (64, 64), (128, 32), (32, 128), (1, 16)]


def _parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def test_steps_equal_those_of_pytorch() -> None:
    ours, theirs, begin = _parameters(), _parameters(), _parameters()
    optimizers = [
        Muon(ours, lr=0.01, weight_decay=0.1),
        torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1, adjust_lr_fn='match_rms_adamw'),
    ]
    generator = torch.Generator().manual_seed(1)
    for step in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            other.grad = mine.grad.clone()
        if step == 1:  # what learned nothing stays, and so does its momentum
            ours[2].grad = theirs[2].grad = None
        for optimizer in optimizers:
            optimizer.step()
    for mine, other, start in zip(ours, theirs, begin, strict=True):
        moved = (other - start).norm()
        assert moved > 0.01
        assert (mine - other).norm() < 0.05 * moved
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(
            optimizers[0].state[mine]['momentum_buffer'], optimizers[1].state[other]['momentum_buffer']
        )


@pytest.mark.parametrize('shape', [(3, 48, 48), (2, 96, 32), (2, 32, 96)])
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float32, 1e-3), (torch.bfloat16, 3e-2)])  # CPU and GPU
def test_singular_values_become_about_one(shape: tuple[int, ...], dtype: torch.dtype, tolerance: float) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(2)) * 100
    result = orthogonalise(matrices, coefficients=COEFFICIENTS, steps=5, eps=1e-7, dtype=dtype)
    before, after = torch.linalg.svdvals(matrices), torch.linalg.svdvals(result)
    large = before > 0.05 * before[:, :1]  # what is much smaller needs more iterations
    assert large.float().mean() > 0.9
    assert after[large].min() > 0.6 and after.max() < 1.3
    # the directions stay: projected on them, the product with the original is symmetric and positive
    product = result.mT @ matrices
    rounding = tolerance * float(before.max())
    torch.testing.assert_close(product, product.mT, atol=rounding, rtol=0)
    assert torch.linalg.eigvalsh(product).min() > -rounding


def test_a_zero_matrix_stays_zero() -> None:
    zero = torch.zeros(1, 4, 8)
    assert not orthogonalise(zero, coefficients=COEFFICIENTS, steps=5, eps=1e-7, dtype=torch.float32).any()

"""The products of the network on the CPU are those of plain arithmetic, however they are computed."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sam2_ros.model import linear as linear_module
from sam2_ros.model.attention import LEAST_QUERIES, LONG, PIECE_ELEMENTS, attend
from sam2_ros.model.linear import CONVOLUTION_ELEMENTS, POINTWISE_PRODUCTS, linear
from sam2_ros.model.memory_attention import attend_rotated

TOLERANCE = 1e-4  # of products of numbers around 1
PRODUCTS_ROWS = (POINTWISE_PRODUCTS - 1) // (2 * 64 * 48)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The activations of the products that oneDNN's operator was asked for."""
    seen: list[str] = []
    pointwise = linear_module._pointwise

    def counting(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
        seen.append(activation)
        return pointwise(x, weight, bias, activation)

    for dtype in (torch.float32, torch.bfloat16):
        linear_module._has_pointwise(dtype)  # asks the operator itself, once
    monkeypatch.setattr(linear_module, '_pointwise', counting)
    return seen


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 40), max_size=3), st.integers(1, 64), st.integers(1, 64), st.booleans())
def test_linear_is_a_matrix_product_of_any_shape(lead: list[int], c_in: int, c_out: int, biased: bool) -> None:
    x, weight = random(*lead, c_in), random(c_out, c_in)
    bias = random(c_out) if biased else None
    expected = x @ weight.T + (bias if bias is not None else 0)
    torch.testing.assert_close(linear(x, weight, bias), expected, atol=TOLERANCE, rtol=1e-4)


@pytest.mark.parametrize(('activation', 'function'), [('none', lambda x: x), ('relu', F.relu), ('gelu', F.gelu)])
@pytest.mark.parametrize(('rows', 'by_onednn'), [(PRODUCTS_ROWS, False), (PRODUCTS_ROWS + 1, True)])
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float32, TOLERANCE), (torch.bfloat16, 0.01)])
def test_an_activation_follows_on_both_sides_of_the_threshold(
    activation: str,
    function: Callable[[Tensor], Tensor],
    rows: int,
    by_onednn: bool,
    dtype: torch.dtype,
    tolerance: float,
    calls: list[str],
) -> None:
    x, weight, bias = (value.to(dtype) for value in (random(2, rows, 128)[..., ::2], random(48, 64), random(48)))
    ours = linear(x, weight, bias, activation=activation)
    assert ours.dtype == dtype
    assert calls == ([activation] if by_onednn and linear_module._has_pointwise(dtype) else [])
    expected = function(x.double() @ weight.double().T + bias.double())
    torch.testing.assert_close(ours.double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize('rows', [CONVOLUTION_ELEMENTS // 64, CONVOLUTION_ELEMENTS // 64 + 1])
@torch.inference_mode(mode=False)
def test_linear_and_its_gradients_are_the_same_on_both_sides_of_the_threshold(rows: int) -> None:
    x, weight, bias = (value.requires_grad_() for value in (random(rows, 64), random(48, 64), random(48)))
    gradients = torch.autograd.grad(linear(x, weight, bias).square().mean(), (x, weight, bias))
    expected = torch.autograd.grad((x @ weight.T + bias).square().mean(), (x, weight, bias))
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=1e-4)


@pytest.mark.parametrize(
    ('queries', 'keys'),
    [
        (1, 1),
        (300, 700),  # one piece
        (PIECE_ELEMENTS // 7000 + 1, 7000),  # a second piece of one query
        (LEAST_QUERIES + 5, PIECE_ELEMENTS // 50),  # more keys than a piece should have
    ],
)
@pytest.mark.parametrize('scale', [0.1, 30.0])  # nearly even weights, and all weight on one key
@pytest.mark.parametrize('with_operator', [True, False])  # of oneDNN, which not every torch has
def test_attention_in_pieces_is_softmax_attention(
    queries: int, keys: int, scale: float, with_operator: bool, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_operator:
        monkeypatch.setattr(linear_module, '_has_pointwise', lambda dtype: False)
    q, k, v = random(2, queries, 16) * scale, random(2, keys, 16), random(2, keys, 8)
    angles = random(max(queries, keys), 8)
    turns = torch.polar(torch.ones_like(angles), angles)
    ours = attend_rotated(q, k, v, turns[:queries], turns[:keys])
    products = turned(q.double(), angles[:queries]) @ turned(k.double(), angles[:keys]).mT
    expected = torch.softmax(products / math.sqrt(16), dim=-1) @ v.double()
    torch.testing.assert_close(ours, expected.float(), atol=TOLERANCE, rtol=1e-4)
    assert with_operator or not calls


@torch.inference_mode(mode=False)
def test_gradients_flow_through_attention_in_pieces() -> None:
    q, k, v = (value.requires_grad_() for value in (random(1, 600, 16), random(1, 8000, 16), random(1, 8000, 8)))
    angles = random(8000, 8)
    turns = torch.polar(torch.ones_like(angles), angles)
    ours = attend_rotated(q, k, v, turns[:600], turns)
    products = turned(q, angles[:600]) @ turned(k, angles).mT
    gradients = torch.autograd.grad(ours.square().sum(), (q, k, v))
    expected = torch.autograd.grad((torch.softmax(products / 4, dim=-1) @ v).square().sum(), (q, k, v))
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=1e-4)


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float32, TOLERANCE), (torch.bfloat16, 0.02)])
@pytest.mark.parametrize('length', [100, 1100])
def test_attention_of_several_heads_is_softmax_attention(length: int, dtype: torch.dtype, tolerance: float) -> None:
    q, k, v = (random(2, length, 3, 3 * 8)[..., at : at + 8].transpose(1, 2).to(dtype) for at in (0, 8, 16))
    assert (length**2 < LONG) is (length == 100)
    expected = torch.softmax(8 * q.double() @ k.double().mT / math.sqrt(8), dim=-1) @ v.double()
    torch.testing.assert_close(attend(8 * q, k, v).double(), expected, atol=tolerance, rtol=tolerance)


def turned(x: Tensor, angles: Tensor) -> Tensor:
    """Neighbouring channels of (N, L, C) rotated by (L, C/2)."""
    even, odd, cos, sin = x[..., 0::2], x[..., 1::2], angles.cos(), angles.sin()
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)

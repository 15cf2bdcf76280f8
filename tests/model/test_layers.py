"""The products of the network on the CPU are those of plain arithmetic, however they are computed."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sam2_ros.model.layers import CONVOLUTION_ELEMENTS, linear
from sam2_ros.model.memory_attention import BLOCK_ELEMENTS, MAX_BLOCK_QUERIES, attend

TOLERANCE = 1e-4  # of products of numbers around 1


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 40), max_size=3), st.integers(1, 64), st.integers(1, 64), st.booleans())
def test_linear_is_a_matrix_product_of_any_shape(lead: list[int], c_in: int, c_out: int, biased: bool) -> None:
    x, weight = random(*lead, c_in), random(c_out, c_in)
    bias = random(c_out) if biased else None
    expected = x @ weight.T + (bias if bias is not None else 0)
    torch.testing.assert_close(linear(x, weight, bias), expected, atol=TOLERANCE, rtol=1e-4)


@pytest.mark.parametrize('rows', [CONVOLUTION_ELEMENTS // 64, CONVOLUTION_ELEMENTS // 64 + 1])
@torch.inference_mode(mode=False)
def test_linear_and_its_gradients_are_the_same_on_both_sides_of_the_threshold(rows: int) -> None:
    x, weight, bias = (value.requires_grad_() for value in (random(rows, 64), random(48, 64), random(48)))
    gradients = torch.autograd.grad(linear(x, weight, bias).square().mean(), (x, weight, bias))
    expected = torch.autograd.grad((x @ weight.T + bias).square().mean(), (x, weight, bias))
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=1e-4)


@pytest.mark.parametrize(('queries', 'keys'), [
    (1, 1),
    (300, 700),  # one block
    (MAX_BLOCK_QUERIES, BLOCK_ELEMENTS // MAX_BLOCK_QUERIES + 1),  # a second block of one key
    (MAX_BLOCK_QUERIES + 5, 2500),  # uneven pieces both ways
])
@pytest.mark.parametrize('scale', [0.1, 30.0])  # nearly even weights, and all weight on one key
def test_attention_in_blocks_is_softmax_attention(queries: int, keys: int, scale: float) -> None:
    q, k, v = random(2, queries, 16) * scale, random(2, keys, 16), random(2, keys, 8)
    ours = attend(q, k, v)
    expected = torch.softmax(q.double() @ k.double().mT / math.sqrt(16), dim=-1) @ v.double()
    torch.testing.assert_close(ours, expected.float(), atol=TOLERANCE, rtol=1e-4)


@torch.inference_mode(mode=False)
def test_gradients_flow_through_attention_in_blocks() -> None:
    q, k, v = (value.requires_grad_() for value in (random(1, 1100, 16), random(1, 1500, 16), random(1, 1500, 8)))
    gradients = torch.autograd.grad(attend(q, k, v).square().sum(), (q, k, v))
    expected = torch.autograd.grad((torch.softmax(q @ k.mT / 4, dim=-1) @ v).square().sum(), (q, k, v))
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=1e-4)

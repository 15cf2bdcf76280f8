"""The Muon optimizer (Jordan et al. 2024) in a number format that is fast on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import torch
from torch import Tensor


def orthogonalise(
    matrices: Tensor, *, coefficients: tuple[float, float, float], steps: int, eps: float, dtype: torch.dtype
) -> Tensor:
    """Move the singular values of matrices close to 1 (0.7 to 1.2) by Newton-Schulz iterations.

    Singular values hundreds of times smaller than the largest one stay below that.

    Args:
        matrices: (B, M, N).
        coefficients: of the iteration.
        steps: number of iterations.
        eps: least norm that a matrix is divided by.
        dtype: of the computation.
    """
    a, b, c = coefficients
    result = matrices.to(dtype)
    tall = matrices.shape[1] > matrices.shape[2]
    result = result.mT if tall else result
    result = result / result.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = result @ result.mT
        result = torch.baddbmm(result, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return (result.mT if tall else result).to(matrices.dtype)


class Muon(torch.optim.Muon):
    """PyTorch's Muon with Nesterov momentum and updates as large as AdamW's, but another orthogonalisation.

    PyTorch orthogonalises in bfloat16 on every device. On a processor without bfloat16 instructions that took longer
    than the forward and backward passes together. Here it is float32 on a CPU. Matrices of one shape are one batch.

    Args:
        parameters: matrices.
        lr, weight_decay: as in PyTorch.
    """

    def __init__(self, parameters: Sequence[Tensor], *, lr: float, weight_decay: float) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, adjust_lr_fn='match_rms_adamw')

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rate, momentum = group['lr'], group['momentum']
            learning = [one for one in group['params'] if one.grad is not None]
            for shape in dict.fromkeys(one.shape for one in learning):
                parameters = [one for one in learning if one.shape == shape]
                gradients = [one.grad for one in parameters]
                buffers = [self._momentum(one) for one in parameters]
                torch._foreach_lerp_(buffers, gradients, 1 - momentum)
                ahead = torch.stack(torch._foreach_lerp(gradients, buffers, momentum))
                update = orthogonalise(
                    ahead,
                    coefficients=group['ns_coefficients'],
                    steps=group['ns_steps'],
                    eps=group['eps'],
                    dtype=torch.bfloat16 if ahead.is_cuda else torch.float32,
                )
                size = 0.2 * max(shape) ** 0.5  # root mean square of AdamW's updates
                torch._foreach_mul_(parameters, 1 - rate * group['weight_decay'])
                torch._foreach_add_(parameters, list(update), alpha=-rate * size)
        return loss

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if 'momentum_buffer' not in state:
            state['momentum_buffer'] = torch.zeros_like(parameter)
        return state['momentum_buffer']

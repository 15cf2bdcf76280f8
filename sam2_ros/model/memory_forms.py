"""How a network keeps its spatial memories, and what memory attention gets of them."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from sam2_ros.model.position_encoding import axial_rope_turns, sine_position_2d


class MemoryForm(Protocol):
    """Turns a fresh memory into what is stored, and what is stored into L tokens of Cm channels."""

    def __call__(self, memory: Tensor) -> Tensor:
        """Fresh memories (N, Cm, h, w) -> stored ones (N, *shape)."""

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """The shape of one stored memory of an image with h x w features."""

    def tokens(self, memories: Tensor) -> Tensor:
        """Stored memories (N, M, *shape) -> (N, M, L, Cm)."""

    def places(self, height: int, width: int, device: torch.device) -> Tensor:
        """Where in the image the tokens are: code (L, Cm), float32."""

    def turns(self, height: int, width: int, channels: int, device: torch.device) -> Tensor:
        """The same as a rotary code: unit complex numbers (L, channels / 2)."""


class WholeMaps(nn.Module):
    """The memory form of SAM 2: nothing is left out, every pixel is a token. Has no parameters."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, memory: Tensor) -> Tensor:
        return memory

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        return self.channels, height, width

    def tokens(self, memories: Tensor) -> Tensor:
        return memories.flatten(3).transpose(2, 3)

    def places(self, height: int, width: int, device: torch.device) -> Tensor:
        return sine_position_2d(height, width, self.channels, device).flatten(1).T

    def turns(self, height: int, width: int, channels: int, device: torch.device) -> Tensor:
        return axial_rope_turns(height, width, channels, device)

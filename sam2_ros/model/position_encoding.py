"""Position codes: 2-D sine maps, the random Fourier code of prompts, time codes of pointers, rotary tables.

All tables are float32; the rotary ones are complex numbers of two float32. Cached tables depend on their arguments
alone.
"""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE = 10000.0


@cache  # all are kept: graphs on a GPU read them where they lie
def sine_position_2d(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Sine map (channels, height, width): the first half of the channels encodes y, the second half x.

    Position 1..N is divided by N + 1e-6 and multiplied by 2 pi. Sine and cosine alternate (SAM 2
    `PositionEmbeddingSine`).
    """
    with torch.inference_mode(False):
        half = channels // 2
        frequency = TEMPERATURE ** (2 * (torch.arange(half, device=device, dtype=torch.float32) // 2) / half)

        def axis(size: int) -> Tensor:  # (size, half)
            position = torch.arange(1, size + 1, device=device, dtype=torch.float32) / (size + 1e-6) * 2 * math.pi
            angle = position[:, None] / frequency
            return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)

        y = axis(height)[:, None].expand(height, width, half)
        x = axis(width)[None].expand(height, width, half)
        return torch.cat((y, x), dim=-1).permute(2, 0, 1).contiguous()


@cache  # all are kept: graphs on a GPU read them where they lie
def axial_rope_turns(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Unit complex numbers (height * width, channels / 2) of the axial rotary encoding.

    The first half of the columns rotates with x, the second with y. Frequencies are 1e4 ** (-4 i / channels).
    """
    with torch.inference_mode(False):
        index = torch.arange(0, channels, 4, device=device, dtype=torch.float32)[: channels // 4]
        frequency = 1.0 / TEMPERATURE ** (index / channels)
        token = torch.arange(height * width, device=device, dtype=torch.float32)
        x, y = token % width, torch.div(token, width, rounding_mode='floor')
        angle = torch.cat((x[:, None] * frequency, y[:, None] * frequency), dim=1)
        return torch.complex(angle.cos(), angle.sin())


def sine_position_1d(position: Tensor, channels: int) -> Tensor:
    """Code (..., channels) of scalar positions (...): all sines, then all cosines."""
    half = channels // 2
    frequency = TEMPERATURE ** (2 * (torch.arange(half, device=position.device, dtype=torch.float32) // 2) / half)
    angle = position.float()[..., None] / frequency
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


def stretched(grid: Tensor, height: int, width: int) -> Tensor:
    """Bicubic interpolation of a learned grid (rows, columns, C) to (height, width, C)."""
    rows, columns = (
        _stretching(cells, side, grid.device) for cells, side in zip(grid.shape[:2], (height, width), strict=True)
    )
    along_rows = columns @ grid.float()  # (rows, width, C)
    return (rows @ along_rows.flatten(1)).view(height, width, -1).to(grid.dtype)


def _stretching(cells: int, side: int, device: torch.device) -> Tensor:
    """The matrix (side, cells) of bicubic interpolation along one axis.

    Two such products are faster than torch's interpolation in two dimensions.
    """
    unit = torch.eye(cells, device=device)[None, None]
    return F.interpolate(unit, size=(side, cells), mode='bicubic')[0, 0]


class RandomPositionEncoding(nn.Module):
    """Random Fourier code of points; prompts and the image grid share one matrix.

    The matrix product stays in float32 whatever the dtype of the model, also under autocast. In bfloat16, rounding
    would move clicks visibly.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer('positional_encoding_gaussian_matrix', torch.randn(2, channels // 2))
        self.positional_encoding_gaussian_matrix: Tensor

    def forward(self, points: Tensor) -> Tensor:
        """points (..., 2) as (x, y) in 0..1 -> float32 code (..., channels)."""
        with torch.autocast(points.device.type, enabled=False):
            angle = 2 * math.pi * ((2 * points.float() - 1) @ self.positional_encoding_gaussian_matrix.float())
        return torch.cat((angle.sin(), angle.cos()), dim=-1)

    def grid(self, size: int) -> Tensor:
        """Float32 code (1, channels, size, size) of the cell centres of a square grid."""
        centre = (torch.arange(size, device=self.positional_encoding_gaussian_matrix.device) + 0.5) / size
        y, x = torch.meshgrid(centre, centre, indexing='ij')
        return self(torch.stack((x, y), dim=-1)).permute(2, 0, 1)[None]

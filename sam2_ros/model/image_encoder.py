"""Image encoder: Hiera trunk and feature pyramid neck."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sam2_ros.model.config import ModelConfig
from sam2_ros.model.hiera import Hiera


class LateralConv(nn.Module):
    """1x1 convolution; the wrapper only keeps the published parameter name ``convs.i.conv``."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class FpnNeck(nn.Module):
    """Feature pyramid: ``convs.0`` belongs to the deepest level.

    Only the stride-16 level receives top-down features (from stride 32); strides 4 and 8 stay lateral.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.convs = nn.ModuleList(LateralConv(dim, config.hidden_dim) for dim in reversed(config.stage_dims))

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Trunk features of strides 4, 8, 16, 32 -> maps (B, C, H, W) of strides 4, 8, 16."""
        stride4, stride8, stride16, stride32 = features
        deep, *lateral = self.convs
        top_down = F.interpolate(deep(stride32).float(), scale_factor=2.0, mode='nearest')
        level16 = lateral[0](stride16)
        return lateral[2](stride4), lateral[1](stride8), (level16 + top_down).to(level16.dtype)


class ImageEncoder(nn.Module):
    """Image (B, 3, S, S), normalised -> three maps (B, C, S/4, S/4), (B, C, S/8, S/8), (B, C, S/16, S/16)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.trunk = Hiera(config)
        self.neck = FpnNeck(config)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.neck(self.trunk(images))

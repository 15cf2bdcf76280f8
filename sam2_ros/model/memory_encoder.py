"""Memory encoder: a frame's features and mask -> one spatial memory (SAM 2 section 4)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from sam2_ros.model.config import ModelConfig
from sam2_ros.model.layers import LayerNorm2d
from sam2_ros.model.linear import Linear

_CHANNELS = (1, 4, 16, 64, 256)  # four stride-2 convolutions: stride 16


class MaskDownsampler(nn.Module):
    """Mask (N, 1, S, S) -> (N, C, S/16, S/16)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential()
        for c_in, c_out in pairwise(_CHANNELS):
            self.encoder.append(nn.Conv2d(c_in, c_out, kernel_size=3, stride=2, padding=1))
            self.encoder.append(LayerNorm2d(c_out))
            self.encoder.append(nn.GELU())
        self.encoder.append(nn.Conv2d(_CHANNELS[-1], channels, kernel_size=1))

    def forward(self, mask: Tensor) -> Tensor:
        return self.encoder(mask)


class FuserBlock(nn.Module):
    """ConvNeXt block with layer scale (Liu et al. 2022)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, kernel_size=7, padding=3, groups=channels)
        self.norm = LayerNorm2d(channels)
        self.pwconv1 = Linear(channels, 4 * channels)
        self.pwconv2 = Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        y = self.gamma * self.pwconv2(self.pwconv1(y, 'gelu'))
        return x + y.permute(0, 3, 1, 2)


class Fuser(nn.Module):
    """Two blocks. The wrapper keeps the published names `fuser.layers.i`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(FuserBlock(channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class MemoryEncoder(nn.Module):
    """Features (1 or N, C, h, w) and masks (N, 1, S, S), from -10 (outside) to 10 (inside) -> (N, Cm, h, w)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.mask_downsampler = MaskDownsampler(config.hidden_dim)
        self.pix_feat_proj = nn.Conv2d(config.hidden_dim, config.hidden_dim, kernel_size=1)
        self.fuser = Fuser(config.hidden_dim)
        self.out_proj = nn.Conv2d(config.hidden_dim, config.memory_dim, kernel_size=1)

    def forward(self, features: Tensor, masks: Tensor) -> Tensor:
        return self.out_proj(self.fuser(self.pix_feat_proj(features) + self.mask_downsampler(masks)))

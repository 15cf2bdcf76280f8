"""RepViT trunk: a convolutional network made for phones (Wang et al. 2023, arXiv 2307.09283), the trunk of EdgeTAM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_ros.model.config import RepVitConfig

NORM_EPS = 1e-5
EXPANSION = 2  # hidden channels of the MLPs, in multiples of their inputs
SQUEEZE, SQUEEZE_MULTIPLE = 4, 8  # a quarter of the channels, rounded to multiples of 8


class FrozenBatchNorm(nn.Module):
    """Batch norm with the statistics of its training, which are constants: one scale and one shift per channel.

    They stay float32 in every precision, as under autocast in the published code: in float16 they may overflow.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer('running_mean', torch.zeros(channels))
        self.register_buffer('running_var', torch.ones(channels))
        self.running_mean: Tensor
        self.running_var: Tensor

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """(C,) and (C,), float32."""
        scale = self.weight * (self.running_var + NORM_EPS).rsqrt()
        return scale, self.bias - self.running_mean * scale

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        return super()._apply(lambda tensor: tensor.to(fn(tensor).device), recurse)


class ConvNorm(nn.Module):
    """Convolution and batch norm, as one convolution."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = FrozenBatchNorm(channels_out)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias (C_out,) of the one convolution, float32."""
        scale, shift = self.bn.scale_and_shift()
        return self.c.weight * scale[:, None, None, None], shift

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = (tensor.to(self.c.weight.dtype) for tensor in self.folded())
        return F.conv2d(x, weight, bias, self.c.stride, self.c.padding, groups=self.c.groups)


class TokenMixer(nn.Module):
    """Depthwise 3x3 and 1x1 convolutions and a residual, which were trained side by side, as one 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ConvNorm(channels, channels, 3, groups=channels)
        self.conv1 = ConvNorm(channels, channels, 1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.conv.folded()
        centre, centre_bias = self.conv1.folded()
        weight = weight + F.pad(centre + 1, (1, 1, 1, 1))
        dtype = self.conv.c.weight.dtype
        return F.conv2d(x, weight.to(dtype), (bias + centre_bias).to(dtype), padding=1, groups=len(weight))


class SqueezeExcite(nn.Module):
    """Every channel of (B, C, H, W) times a factor in 0..1, made of the means of all channels (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = (channels // SQUEEZE + SQUEEZE_MULTIPLE // 2) // SQUEEZE_MULTIPLE * SQUEEZE_MULTIPLE
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class ChannelMixer(nn.Module):
    """An MLP over the channels of every pixel, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, EXPANSION * channels, 1)
        self.conv2 = ConvNorm(EXPANSION * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.gelu(self.conv1(x)))


class RepVitBlock(nn.Module):
    """Mixes pixels, then channels."""

    def __init__(self, channels: int, *, squeeze: bool) -> None:
        super().__init__()
        self.token_mixer = TokenMixer(channels)
        self.se = SqueezeExcite(channels) if squeeze else nn.Identity()
        self.channel_mixer = ChannelMixer(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.channel_mixer(self.se(self.token_mixer(x)))


class Downsample(nn.Module):
    """(B, C_in, H, W) -> (B, C_out, H/2, W/2)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.pre_block = RepVitBlock(channels_in, squeeze=False)
        self.spatial_downsample = ConvNorm(channels_in, channels_in, 3, stride=2, groups=channels_in)
        self.channel_downsample = ConvNorm(channels_in, channels_out, 1)
        self.ffn = ChannelMixer(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.ffn(self.channel_downsample(self.spatial_downsample(self.pre_block(x))))


class Stage(nn.Module):
    """Blocks of one resolution; every second one, from the first on, has a squeeze-and-excite layer."""

    def __init__(self, channels_in: int, channels_out: int, depth: int) -> None:
        super().__init__()
        # the first stage has the resolution and the channels of the stem
        self.downsample = Downsample(channels_in, channels_out) if channels_in != channels_out else nn.Identity()
        self.blocks = nn.Sequential(*(RepVitBlock(channels_out, squeeze=index % 2 == 0) for index in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Stem(nn.Module):
    """(B, 3, S, S) -> (B, C, S/4, S/4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, channels // 2, 3, stride=2)
        self.conv2 = ConvNorm(channels // 2, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.gelu(self.conv1(x)))


class RepVit(nn.Module):
    """Image (B, 3, S, S) -> features of strides 4, 8, 16, 32 as (B, C, H, W), shallow to deep.

    The names below `body` are those of timm's `repvit_m1`.
    """

    def __init__(self, config: RepVitConfig) -> None:
        super().__init__()
        dims = config.stage_dims
        stages = zip((dims[0], *dims), dims, config.stages, strict=False)
        self.body = nn.ModuleDict({'stem': Stem(dims[0])})
        self.body.update({f'stages_{index}': Stage(*stage) for index, stage in enumerate(stages)})

    def forward(self, images: Tensor) -> list[Tensor]:
        stem, *stages = self.body.values()
        x, outputs = stem(images), []
        for stage in stages:
            x = stage(x)
            outputs.append(x)
        return outputs

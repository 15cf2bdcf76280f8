"""The encoder of EfficientTAM: a plain vision transformer (ViTDet, Li et al. 2022) and a neck."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from sam2_ros.model.config import PlainVitConfig
from sam2_ros.model.hiera import MultiScaleBlock, PatchEmbed
from sam2_ros.model.layers import LayerNorm2d
from sam2_ros.model.position_encoding import stretched

PATCH = 16  # pixels


class PlainVit(nn.Module):
    """Image (B, 3, S, S) -> features of stride 16, (B, C, S/16, S/16), as a list of one."""

    def __init__(self, config: PlainVitConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.patch_embed = PatchEmbed(dim, kernel=PATCH, stride=PATCH, padding=0)
        # the first of them belongs to a class token, which was there in pre-training only
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.pos_embed_side**2, dim))
        self.blocks = nn.ModuleList(
            MultiScaleBlock(
                dim,
                dim,
                config.num_heads,
                window=0 if index in config.global_attention_blocks else config.window,
                pool=False,
            )
            for index in range(config.depth)
        )
        self.pos_embed_side = config.pos_embed_side

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.patch_embed(images)
        grid = self.pos_embed[0, 1:].unflatten(0, (self.pos_embed_side, self.pos_embed_side))
        x = x + stretched(grid, *x.shape[1:3])
        for block in self.blocks:
            x = block(x)
        return [x.permute(0, 3, 1, 2)]


class PlainNeck(nn.Module):
    """Stride 16 alone: a 1x1 and a 3x3 convolution, a norm after each. The mask decoder gets no finer features."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        layers = OrderedDict(
            conv_1x1=nn.Conv2d(channels_in, channels_out, 1, bias=False),
            norm_0=LayerNorm2d(channels_out),
            conv_3x3=nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            norm_1=LayerNorm2d(channels_out),
        )
        self.convs = nn.ModuleList([nn.Sequential(layers)])

    def forward(self, features: list[Tensor], *, project4: None, project8: None) -> tuple[None, None, Tensor]:
        """Like `FpnNeck.forward`, without the maps of strides 4 and 8 and their projections."""
        return None, None, self.convs[0](features[0])

"""Image encoder: a trunk and a neck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from sam2_ros.model.config import ModelConfig, PlainVitConfig, RepVitConfig
from sam2_ros.model.hiera import Hiera
from sam2_ros.model.plain_vit import PlainNeck, PlainVit
from sam2_ros.model.repvit import RepVit

Maps = tuple[Tensor | None, Tensor | None, Tensor]  # maps of strides 4 and 8, where there are such, and 16


class LateralConv(nn.Module):
    """1x1 convolution; the wrapper only keeps the published parameter name `convs.i.conv`."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class FpnNeck(nn.Module):
    """Feature pyramid; `convs.0` belongs to the deepest level.

    Only stride 16 receives top-down features, from stride 32. Strides 4 and 8 get none.
    """

    def __init__(self, stage_dims: Sequence[int], hidden_dim: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(LateralConv(dim, hidden_dim) for dim in reversed(stage_dims))

    def forward(
        self, features: list[Tensor], *, project4: nn.Conv2d, project8: nn.Conv2d
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Make the three maps that the rest of the network reads.

        Args:
            features: of the trunk, strides 4, 8, 16 and 32.
            project4, project8: the mask decoder's 1x1 convolutions for strides 4 and 8.

        Returns:
            Maps of strides 4, 8 and 16, the first two after their projection.
        """
        stride4, stride8, stride16, stride32 = features
        deep, middle, *shallow = cast('list[LateralConv]', list(self.convs))
        top_down = F.interpolate(deep(stride32).float(), scale_factor=2.0, mode='nearest')
        level16 = middle(stride16)
        return (
            _as_one_convolution(stride4, shallow[1], project4),
            _as_one_convolution(stride8, shallow[0], project8),
            (level16 + top_down).to(level16.dtype),
        )


def _as_one_convolution(x: Tensor, first: LateralConv, second: nn.Conv2d) -> Tensor:
    """Apply two 1x1 convolutions as one.

    Nothing lies between them, so one product does for both, and the many channels in the middle need no memory.
    """
    weight = second.weight.flatten(1) @ first.conv.weight.flatten(1)
    assert first.conv.bias is not None
    bias = second(first.conv.bias[None, :, None, None]).flatten()
    return F.conv2d(x, weight[..., None, None], bias)


class ImageEncoder(nn.Module):
    """Normalised image (B, 3, S, S) -> maps (B, C/8, S/4, S/4), (B, C/4, S/8, S/8), (B, C, S/16, S/16).

    Only the mask decoder reads strides 4 and 8, after it has narrowed them with 1x1 convolutions. These convolutions
    are arguments here and are applied at once. Plain vision transformers have stride 16 alone.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.trunk: nn.Module
        self.neck: nn.Module
        match config.trunk:
            case PlainVitConfig() as trunk:
                self.trunk, self.neck = PlainVit(trunk), PlainNeck(trunk.embed_dim, config.hidden_dim)
            case RepVitConfig() as trunk:
                self.trunk, self.neck = RepVit(trunk), FpnNeck(trunk.stage_dims, config.hidden_dim)
            case trunk:
                self.trunk, self.neck = Hiera(trunk), FpnNeck(trunk.stage_dims, config.hidden_dim)

    def forward(self, images: Tensor, *, project4: nn.Conv2d | None, project8: nn.Conv2d | None) -> Maps:
        return self.neck(self.trunk(images), project4=project4, project8=project8)

"""What tests need of the official SAM 2 code beside `sam2_ros.evaluation.official`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from sam2_ros.evaluation.official import (
    load_official,
    official_base,
    official_image_encoder,
    official_video_predictor,
    official_video_state,
)

__all__ = [
    'assert_near',
    'load_official',
    'official_base',
    'official_image_encoder',
    'official_image_predictor',
    'official_video_predictor',
    'official_video_state',
]


def official_image_predictor(network: SAM2Base) -> Any:
    """The official image predictor around an official network, at the network's image size."""
    with _torchvision(), mock.patch.object(torch.jit, 'script', lambda module: module):  # scripting is deprecated
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        predictor = SAM2ImagePredictor(network)
    size = network.image_size
    predictor._bb_feat_sizes = [(size // stride, size // stride) for stride in (4, 8, 16)]  # written for 1024 only
    return predictor


class _ToTensor:
    """uint8 (H, W, 3) array -> float (3, H, W) in 0..1."""

    def __call__(self, image: Any) -> Tensor:
        return torch.from_numpy(image).permute(2, 0, 1).float() / 255


class _Resize(nn.Module):
    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.height, self.width = size

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(
            image[None], size=[self.height, self.width], mode='bilinear', align_corners=False, antialias=True
        )[0]


class _Normalize(nn.Module):
    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.mean, self.std = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


@contextmanager
def _torchvision() -> Iterator[None]:
    """Stand in for torchvision while the image predictor is imported.

    It needs three transforms of it and nothing else; the wheel on PyPI does not load beside a CPU build of torch.
    """
    transforms = ModuleType('torchvision.transforms')
    transforms.__dict__.update(ToTensor=_ToTensor, Resize=_Resize, Normalize=_Normalize)
    stand_in = {'torchvision': ModuleType('torchvision'), 'torchvision.transforms': transforms}
    with mock.patch.dict(sys.modules, stand_in):
        yield


def assert_near(ours: Tensor, official: Tensor, *, tolerance: float = 1e-4) -> None:
    """Largest difference within `tolerance` of the official value range (zero counts as part of the range)."""
    assert ours.shape == official.shape, (ours.shape, official.shape)
    span = official.max().clamp(min=0) - official.min().clamp(max=0)
    difference = (ours.float() - official.float()).abs().max()
    assert difference <= tolerance * span, f'differs by {difference:.3g}, the values span {span:.3g}'

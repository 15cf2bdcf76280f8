"""What tests need of the official SAM 2 code beside `sam2_ros.evaluation.official`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from sam2.modeling.sam2_base import SAM2Base
from scipy import ndimage
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
    'official_mask_generator',
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


def official_mask_generator(network: SAM2Base, **parameters: Any) -> Any:
    """The official `SAM2AutomaticMaskGenerator` around an official network, at the network's image size."""
    with _torchvision(), mock.patch.object(torch.jit, 'script', lambda module: module):
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

        generator = SAM2AutomaticMaskGenerator(network, **parameters)
    size = network.image_size
    generator.predictor._bb_feat_sizes = [(size // stride, size // stride) for stride in (4, 8, 16)]
    return generator


@contextmanager
def compiled_components() -> Iterator[None]:
    """Stand in for the CUDA extension of the official code that labels 8-connected pieces and counts their pixels."""

    def components(regions: Tensor) -> tuple[Tensor, Tensor]:
        labels, areas = torch.zeros_like(regions, dtype=torch.int32), torch.zeros_like(regions, dtype=torch.int32)
        for index, region in enumerate(regions[:, 0].numpy()):
            pieces, count = ndimage.label(region, np.ones((3, 3)))
            labels[index, 0] = torch.from_numpy(pieces)
            areas[index, 0] = torch.from_numpy(np.bincount(pieces.ravel(), minlength=count + 1)[pieces])
        return labels, areas

    with mock.patch('sam2.utils.misc.get_connected_components', components):
        yield


def naive_nms(boxes: Tensor, scores: Tensor, _: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression of one class as its definition says, in the place of torchvision's `batched_nms`."""

    def overlap(one: list[float], other: list[float]) -> float:
        sides = [min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1)]
        shared = max(0, sides[0]) * max(0, sides[1])
        union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - shared
        return shared / union if union else 0

    kept: list[int] = []
    for index in scores.argsort(descending=True, stable=True).tolist():
        if all(overlap(boxes[index].tolist(), boxes[other].tolist()) <= iou_threshold for other in kept):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)


def _box_area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


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
    """Stand in for torchvision while the image predictor and the mask generator are imported.

    They need three transforms and two functions on boxes; the wheel on PyPI does not load beside a CPU build of torch.
    """
    transforms = ModuleType('torchvision.transforms')
    transforms.__dict__.update(ToTensor=_ToTensor, Resize=_Resize, Normalize=_Normalize)
    boxes = ModuleType('torchvision.ops.boxes')
    boxes.__dict__.update(batched_nms=naive_nms, box_area=_box_area)
    stand_in = {
        'torchvision': ModuleType('torchvision'),
        'torchvision.transforms': transforms,
        'torchvision.ops': ModuleType('torchvision.ops'),
        'torchvision.ops.boxes': boxes,
    }
    with mock.patch.dict(sys.modules, stand_in):
        yield


def assert_near(ours: Tensor, official: Tensor, *, tolerance: float = 1e-4) -> None:
    """Largest difference within `tolerance` of the official value range (zero counts as part of the range)."""
    assert ours.shape == official.shape, (ours.shape, official.shape)
    span = official.max().clamp(min=0) - official.min().clamp(max=0)
    difference = (ours.float() - official.float()).abs().max()
    assert difference <= tolerance * span, f'differs by {difference:.3g}, the values span {span:.3g}'

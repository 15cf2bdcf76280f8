"""A network of a few operations, for tests of thousands of frames."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model import ImageFeatures, MaskDecoding, MemoryRead

CPU = torch.device('cpu')


@dataclass(frozen=True)
class CheapNetwork:
    """Has the verbs of `sam2_ros.model.Network`. An object is what is bright; its state is 12.5 KiB on each frame."""

    image_size: int = 128
    device: torch.device = CPU
    dtype: torch.dtype = torch.float32

    def encode_image(self, images: Tensor) -> ImageFeatures:
        return ImageFeatures(F.avg_pool2d(images, 4), F.avg_pool2d(images, 8), F.avg_pool2d(images, 16))

    def without_memory(self, stride16: Tensor) -> Tensor:
        return stride16

    def condition_on_memory(self, stride16: Tensor, read: MemoryRead) -> Tensor:
        memories = read.spatial.shape[1] if read.counts is None else read.counts[:, 0, None, None]
        return stride16 + 0.01 * (read.spatial.float().mean(dim=2).sum(dim=1) / memories)[:, None]

    def embed_prompts(self, points: Tensor, *_: Any) -> Any:
        return points

    def decode_masks(
        self, features: ImageFeatures, conditioned: Tensor, prompt: Any, multimask: Tensor, **_: Any
    ) -> MaskDecoding:
        seen = features.stride4.mean(dim=1) + 0.1 * conditioned.mean(dim=(1, 2, 3))[:, None, None]
        return self._decoding(seen)

    def use_mask_as_output(self, features: ImageFeatures, masks: Tensor, **_: Any) -> MaskDecoding:
        return self._decoding(20 * F.avg_pool2d(masks, 4) - 10)

    def encode_memory(
        self, stride16: Tensor, mask_logits: Tensor, object_score_logit: Tensor, binarize: Tensor
    ) -> Tensor:
        return F.avg_pool2d(mask_logits[:, None], 16).expand(-1, 64, -1, -1).to(torch.bfloat16)

    def _decoding(self, logits: Tensor) -> MaskDecoding:
        count = len(logits)
        return MaskDecoding(
            mask_logits=logits,
            predicted_iou=torch.ones(count),
            object_score_logit=logits.amax(dim=(1, 2)),
            object_pointer=logits.mean(dim=(1, 2))[:, None].repeat(1, 64),
            candidate_logits=logits[:, None].expand(-1, 3, -1, -1),
            candidate_ious=torch.ones(count, 3),
            chosen=torch.zeros(count, dtype=torch.long),
            candidate_tokens=torch.zeros(count, 3, 64),
        )

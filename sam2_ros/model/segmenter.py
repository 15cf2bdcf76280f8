"""Segments one still image interactively, without a video (SAM 2 section 3; the official image predictor)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sam2_ros.model.config import MASK_STRIDE
from sam2_ros.model.normalization import normalize
from sam2_ros.model.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, NEGATIVE, POSITIVE, PromptEmbedding
from sam2_ros.model.sam2_network import ImageFeatures, Sam2Network

LOGIT_LIMIT = 32.0  # low-resolution logits are returned within +- this, as by the official predictor


class ImageSegmenter:
    """Holds the features of one image; every `predict` is independent of earlier ones.

    Masks, scores and resizing are those of the official image predictor with its defaults. The image is resized with
    antialiased bilinear interpolation (the video predictor resizes differently), and the object score is ignored.
    """

    def __init__(self, model: Sam2Network) -> None:
        self.model = model
        self._features: ImageFeatures | None = None
        self._image_shape = (0, 0)

    @torch.inference_mode()
    def set_image(self, image: NDArray[np.uint8]) -> None:
        """Encode an RGB image (H, W, 3) uint8.

        If it is refused, the image that was set before stays set.

        Raises:
            TypeError: not a uint8 array.
            ValueError: not of that shape, or empty.
        """
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            raise TypeError(f'image must be a uint8 array, got {getattr(image, "dtype", type(image).__name__)}')
        if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(f'image must be (H, W, 3) RGB, got {image.shape}')
        size = self.model.image_size
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self.model.device)
        pixels = pixels.permute(2, 0, 1)[None].float() / 255
        pixels = F.interpolate(pixels, size=(size, size), mode='bilinear', antialias=True)
        self._features = self.model.encode_image(normalize(pixels))
        self._image_shape = (image.shape[0], image.shape[1])

    @torch.inference_mode()
    def predict(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        *,
        box: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        multimask: bool = True,
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
        """Segment one object in the image that is set.

        Args:
            points: (P, 2) as (x, y) in image pixels, x right, y down.
            labels: (P,) 1 on the object, 0 beside it.
            box: (x0, y0, x1, y1) in image pixels around the object; may come with points.
            mask: (S/4, S/4) or (1, S/4, S/4) logits, usually from an earlier call; alone or with points and box.
            multimask: True: three candidates, for an ambiguous prompt such as one point. False: one mask.

        Returns:
            Masks (K, H, W) bool, their predicted IoUs (K,) in 0..1, and low-resolution logits (K, S/4, S/4) within
            +-32. K is 3 or 1. Candidates are not sorted.

        Raises:
            RuntimeError: no image is set.
            ValueError: no prompt, or one of another shape or range.
        """
        if self._features is None:
            raise RuntimeError('no image is set: call set_image first')
        if points is None and box is None and mask is None:
            raise ValueError('a prompt is needed: points with labels, a box or a mask')
        prompt = self._embed(*self._point_tokens(points, labels, box), self._dense_prompt(mask))
        logits, ious = self._decode(self._features, prompt, multimask=multimask)
        masks = F.interpolate(logits, size=self._image_shape, mode='bilinear')[0] > 0
        low_res = logits[0].clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
        return masks.cpu().numpy(), ious[0].cpu().numpy(), low_res.cpu().numpy()

    @torch.inference_mode()
    def predict_each(
        self, points: ArrayLike, *, masks: Tensor | None = None, multimask: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Segment N objects at once, each from one point on it.

        Args:
            points: (N, 2) as for `predict`.
            masks: (N, S/4, S/4) logits, one dense prompt for each point.
            multimask: as for `predict`.

        Returns:
            Low-resolution logits (N, K, S/4, S/4), not limited, and predicted IoUs (N, K), on the network's device.

        Raises:
            RuntimeError: no image is set.
            ValueError: if the shapes do not fit.
        """
        if self._features is None:
            raise RuntimeError('no image is set: call set_image first')
        coordinates, labels = self._point_tokens(points, np.full(len(np.asarray(points)), POSITIVE), None)
        dense = None if masks is None else masks[:, None]
        prompt = self.model.embed_prompts(coordinates[0, :, None], labels[0, :, None], dense)
        return self._decode(self._features, prompt, multimask=multimask)

    def _decode(self, features: ImageFeatures, prompt: PromptEmbedding, *, multimask: bool) -> tuple[Tensor, Tensor]:
        """Logits (N, K, S/4, S/4) and predicted IoUs (N, K) of N prompts."""
        count = len(prompt.sparse)
        decoding = self.model.decode_masks(
            features,
            self.model.without_memory(features.stride16).expand(count, -1, -1, -1),
            prompt,
            torch.full((count,), multimask, device=self.model.device),
            occlusion_gate=False,
        )
        if multimask:
            return decoding.candidate_logits, decoding.candidate_ious
        return decoding.mask_logits[:, None], decoding.predicted_iou[:, None]

    def _point_tokens(
        self, points: ArrayLike | None, labels: ArrayLike | None, box: ArrayLike | None
    ) -> tuple[Tensor, Tensor]:
        """Box corners, then points, as (1, P, 2) model pixels with labels (1, P)."""
        if (points is None) != (labels is None):
            raise ValueError('points and labels must be given together')
        coordinates = np.zeros((0, 2), np.float32) if points is None else np.asarray(points, np.float32)
        kinds = np.zeros(0, np.int64) if labels is None else np.asarray(labels)
        if coordinates.ndim != 2 or coordinates.shape[1] != 2 or kinds.shape != coordinates.shape[:1]:
            raise ValueError(f'points must be (P, 2) with labels (P,), got {coordinates.shape} and {kinds.shape}')
        if not np.isin(kinds, (NEGATIVE, POSITIVE)).all():
            raise ValueError(f'labels must be 1 (on the object) or 0 (beside it), got {kinds.tolist()}')
        if box is not None:
            corners = np.asarray(box, np.float32)
            if corners.shape != (4,) or not (corners[:2] < corners[2:]).all():
                raise ValueError(f'box must be (x0, y0, x1, y1) with x0 < x1 and y0 < y1, got {corners.tolist()}')
            coordinates = np.concatenate((corners.reshape(2, 2), coordinates))
            kinds = np.concatenate(([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT], kinds))
        if not np.isfinite(coordinates).all():
            raise ValueError(f'coordinates must be finite, got {coordinates.tolist()}')
        device, (height, width) = self.model.device, self._image_shape
        tokens = torch.from_numpy(coordinates)[None].to(device)
        scaled = tokens / tokens.new_tensor((width, height)) * self.model.image_size
        return scaled, torch.from_numpy(kinds.astype(np.int64))[None].to(device)

    def _dense_prompt(self, mask: ArrayLike | None) -> Tensor | None:
        """Mask logits as (1, 1, S/4, S/4)."""
        if mask is None:
            return None
        logits = np.asarray(mask, np.float32)
        side = self.model.image_size // MASK_STRIDE
        if logits.shape not in ((side, side), (1, side, side)) or not np.isfinite(logits).all():
            raise ValueError(f'mask must be ({side}, {side}) finite logits, got {logits.shape}')
        return torch.from_numpy(logits).to(self.model.device).view(1, 1, side, side)

    def _embed(self, points: Tensor, labels: Tensor, mask_logits: Tensor | None) -> PromptEmbedding:
        prompt = self.model.embed_prompts(points, labels, mask_logits)
        if points.shape[1] == 0:  # here the official image predictor adds no padding, unlike the video predictor
            return PromptEmbedding(prompt.sparse[:, :0], prompt.dense)
        return prompt

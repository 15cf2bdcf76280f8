"""Segments everything in an image: a grid of points, and of all masks those that are good and not twice there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypedDict

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.images.crops import Crop, crops_of, point_grid
from sam2_ros.images.suppression import suppress_duplicates
from sam2_ros.model import ImageSegmenter, Sam2Network
from sam2_ros.model.segmenter import LOGIT_LIMIT

OUTPUT_MODES = ('binary_mask', 'uncompressed_rle', 'coco_rle')

_AT_ONCE = 16  # masks that are resized to the image together; bounds the memory
_EDGE = 20  # pixels within which a box touches the edge of its crop
_FILLED = 10.0  # how far from the threshold the logits of filled holes and removed specks are set


class MaskRecord(TypedDict):
    """One mask of an image, in the form of the official code.

    segmentation: (H, W) bool, or run lengths in the form of COCO.
    area: in pixels.
    bbox: x, y, width, height in pixels from the first to the last pixel: a mask of one pixel has width and height 0.
    predicted_iou: the network's own estimate of the quality, 0 to 1.
    point_coords: [[x, y]], the point in pixels of the image that the mask was asked for with.
    stability_score: 0 to 1, see `AutomaticMaskGenerator.stability_score_offset`; NaN for an empty mask.
    crop_box: x, y, width, height in pixels of the crop that the mask was found in.
    """

    segmentation: Any
    area: int
    bbox: list[float]
    predicted_iou: float
    point_coords: list[list[float]]
    stability_score: float
    crop_box: list[float]


@dataclass(frozen=True)
class _Found:
    """A mask that passed the filters; box x0, y0, x1, y1 (with the last pixel) and point in pixels of the image."""

    runs: RunLengths
    box: np.ndarray
    predicted_iou: float
    point: np.ndarray
    stability: float
    crop: Crop


@dataclass(frozen=True)
class AutomaticMaskGenerator:
    """Finds the masks of all objects and parts in an image.

    Parameters, records and masks are those of the official `SAM2AutomaticMaskGenerator`; its defaults are made for the
    largest network. Small networks are less sure: lower `pred_iou_thresh` and `stability_score_thresh`.

    Attributes:
        model: the network.
        points_per_side: the grid has so many points along each side; None if `point_grids` is given.
        points_per_batch: points that are decoded at once; more need more memory.
        pred_iou_thresh: masks whose predicted IoU is not higher are left out; 0 keeps all.
        stability_score_thresh: masks that are less stable are left out; 0 keeps all.
        stability_score_offset: a mask is stable if its area above `mask_threshold` plus this is nearly as large as that
            above `mask_threshold` minus this (logits); the score is their ratio.
        mask_threshold: logit from which on a pixel is of the object.
        box_nms_thresh: of masks whose boxes overlap more than this (IoU) the one with the highest predicted IoU stays.
        crop_n_layers: look at crops, too: 4 in the first layer, 16 in the next, and so on.
        crop_nms_thresh: like `box_nms_thresh`, between crops; the mask of the smaller crop stays.
        crop_overlap_ratio: part of the shorter side of the image by which the crops of the first layer overlap.
        crop_n_points_downscale_factor: in each layer the grid has by this factor fewer points per side.
        point_grids: the points for each layer, (P, 2) x, y in 0..1; instead of `points_per_side`.
        min_mask_region_area: holes and specks up to this area are filled and removed, in pixels of the logits (one is
            4 x 4 pixels of the network's input). The official code does so only where its CUDA extension is built.
        output_mode: 'binary_mask' for arrays, 'uncompressed_rle' or 'coco_rle' for run lengths.
        use_m2m: decode every mask a second time with itself as a prompt.
        multimask_output: three masks for each point instead of one.

    Raises:
        ValueError: for a parameter out of its range. The message says which, and what is accepted.
    """

    model: Sam2Network
    _: KW_ONLY
    points_per_side: int | None = 32
    points_per_batch: int = 64
    pred_iou_thresh: float = 0.8
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    mask_threshold: float = 0.0
    box_nms_thresh: float = 0.7
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    point_grids: Sequence[np.ndarray] | None = None
    min_mask_region_area: int = 0
    output_mode: str = 'binary_mask'
    use_m2m: bool = False
    multimask_output: bool = True

    def __post_init__(self) -> None:
        if (self.points_per_side is None) == (self.point_grids is None):
            raise ValueError('give either points_per_side or point_grids, the other must be None')
        if self.output_mode not in OUTPUT_MODES:
            raise ValueError(f'output_mode must be one of {", ".join(OUTPUT_MODES)}, got {self.output_mode!r}')
        for name in ('points_per_batch', 'crop_n_points_downscale_factor'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be 1 or more, got {getattr(self, name)}')
        for name in ('crop_n_layers', 'min_mask_region_area', 'stability_score_offset'):
            if getattr(self, name) < 0:
                raise ValueError(f'{name} must not be negative, got {getattr(self, name)}')
        for name in ('box_nms_thresh', 'crop_nms_thresh', 'crop_overlap_ratio'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'{name} must be from 0 to 1, got {getattr(self, name)}')
        for layer, grid in enumerate(self._grids()):
            if grid.ndim != 2 or grid.shape[1] != 2 or not len(grid):
                raise ValueError(f'the point grid of layer {layer} must be (P, 2) with a point or more')

    def _grids(self) -> list[np.ndarray]:
        """The points of each layer, (P, 2) in 0..1."""
        if self.point_grids is not None:
            if len(self.point_grids) <= self.crop_n_layers:
                raise ValueError(f'point_grids must have {self.crop_n_layers + 1} grids, one for each layer')
            return [np.asarray(grid) for grid in self.point_grids]
        assert self.points_per_side is not None
        sides = [
            int(self.points_per_side / self.crop_n_points_downscale_factor**layer)
            for layer in range(self.crop_n_layers + 1)
        ]
        if sides[-1] < 1:
            raise ValueError(f'points_per_side leaves no point in a layer: {sides}')
        return [point_grid(side) for side in sides]

    def generate(self, image: np.ndarray) -> list[MaskRecord]:
        """Find the masks.

        Args:
            image: RGB, (H, W, 3) uint8.

        Returns:
            Records; without crops the surest mask comes first, with crops those of the smallest crops. Masks may
            overlap.

        Raises:
            TypeError, ValueError: as `ImageSegmenter.set_image`.
        """
        segmenter = ImageSegmenter(self.model)
        segmenter.set_image(image)  # checks it before it is cut
        size = (image.shape[0], image.shape[1])
        grids = self._grids()
        found: list[_Found] = []
        crops = crops_of(size, layers=self.crop_n_layers, overlap_ratio=self.crop_overlap_ratio)
        for crop in crops:
            found += self._in_crop(segmenter, image, crop, grids[crop.layer])
        if len(crops) > 1:
            smallness = np.array([1 / np.float32(one.crop.area) for one in found], np.float32)
            found = _without_duplicates(found, smallness, overlap=self.crop_nms_thresh)
        return [self._record(one) for one in found]

    @torch.inference_mode()
    def _in_crop(self, segmenter: ImageSegmenter, image: np.ndarray, crop: Crop, grid: np.ndarray) -> list[_Found]:
        x0, y0, x1, y1 = crop.box
        if crop.layer:
            segmenter.set_image(np.ascontiguousarray(image[y0:y1, x0:x1]))
        points = (grid * np.array(crop.size)[::-1]).astype(np.float32)
        found: list[_Found] = []
        for first in range(0, len(points), self.points_per_batch):
            found += self._in_batch(segmenter, points[first : first + self.points_per_batch], crop, image.shape[:2])
        scores = np.array([one.predicted_iou for one in found], np.float32)
        return _without_duplicates(found, scores, overlap=self.box_nms_thresh)

    def _in_batch(
        self, segmenter: ImageSegmenter, points: np.ndarray, crop: Crop, size: tuple[int, ...]
    ) -> list[_Found]:
        """The good masks of a few points, which are in pixels of the crop."""
        logits, ious = segmenter.predict_each(points, multimask=self.multimask_output)
        points = points.repeat(logits.shape[1], axis=0)
        logits, ious = logits.flatten(0, 1), ious.flatten(0, 1)
        if self.use_m2m:
            logits, ious = self._refined(segmenter, points, logits)
        if self.pred_iou_thresh > 0:
            good = ious > self.pred_iou_thresh
            logits, ious, points = logits[good], ious[good], points[good.cpu().numpy()]
        logits = self._cleaned(logits)
        found = []
        for first in range(0, len(logits), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            full = F.interpolate(logits[part][:, None], crop.size, mode='bilinear')[:, 0]
            stability = self._stability(full)
            masks = (full > self.mask_threshold).cpu().numpy()
            for mask, iou, point, stable in zip(masks, ious[part], points[part], stability, strict=True):
                box = _inclusive_box(mask)
                if (self.stability_score_thresh <= 0 or stable >= self.stability_score_thresh) and not _is_cut(
                    box, crop, size
                ):
                    found.append(_in_image(mask, box, float(iou), point, float(stable), crop, size))
        return found

    def _refined(self, segmenter: ImageSegmenter, points: np.ndarray, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Masks (N, S/4, S/4) decoded again, each with itself as a prompt, and their predicted IoUs (N,)."""
        parts = []
        for first in range(0, len(points), self.points_per_batch):
            part = slice(first, first + self.points_per_batch)
            masks = logits[part].clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
            parts.append(segmenter.predict_each(points[part], masks=masks, multimask=False))
        refined, ious = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return refined[:, 0], ious[:, 0]

    def _cleaned(self, logits: Tensor) -> Tensor:
        """Fill small holes and remove small specks of masks (N, h, w)."""
        if not self.min_mask_region_area:
            return logits
        cleaned = logits.cpu().numpy().copy()
        for one in cleaned:
            above = one > self.mask_threshold
            holes, specks = (_small_regions(part, self.min_mask_region_area) for part in (~above, above))
            one[holes] = self.mask_threshold + _FILLED
            one[specks] = self.mask_threshold - _FILLED
        return torch.from_numpy(cleaned).to(logits.device)

    def _stability(self, logits: Tensor) -> np.ndarray:
        """Stability scores (N,) of masks (N, H, W)."""
        inner, outer = (
            (logits > self.mask_threshold + sign * self.stability_score_offset).flatten(1).sum(1) for sign in (1, -1)
        )
        return (inner / outer).cpu().numpy()

    def _record(self, found: _Found) -> MaskRecord:
        segmentation: Any = found.runs.mask()
        if self.output_mode != 'binary_mask':
            segmentation = found.runs.to_coco(short=self.output_mode == 'coco_rle')
        return MaskRecord(
            segmentation=segmentation,
            area=found.runs.area,
            bbox=_xywh(found.box),
            predicted_iou=found.predicted_iou,
            point_coords=[found.point.tolist()],
            stability_score=found.stability,
            crop_box=_xywh(found.crop.box),
        )


def _without_duplicates(found: Sequence[_Found], scores: np.ndarray, *, overlap: float) -> list[_Found]:
    if not found:
        return []
    kept = suppress_duplicates(np.stack([one.box for one in found]), scores, overlap=overlap)
    return [found[index] for index in kept]


def _inclusive_box(mask: np.ndarray) -> np.ndarray:
    """x0, y0, x1, y1 of the first and the last pixel, all 0 if there is none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.zeros(4, np.int64)
    return np.array((columns[0], rows[0], columns[-1], rows[-1]))


def _is_cut(box: np.ndarray, crop: Crop, size: tuple[int, ...]) -> bool:
    """Whether a box reaches an edge of the crop that is no edge of the image: another crop shows more of the object."""
    placed = box + np.array(crop.box[:2] * 2)
    near_crop = np.abs(placed - crop.box) <= _EDGE
    near_image = np.abs(placed - (0, 0, size[1], size[0])) <= _EDGE
    return bool((near_crop & ~near_image).any())


def _in_image(
    mask: np.ndarray,
    box: np.ndarray,
    iou: float,
    point: np.ndarray,
    stability: float,
    crop: Crop,
    size: tuple[int, ...],
) -> _Found:
    """Take a mask of a crop to its place in the image."""
    x0, y0, x1, y1 = crop.box
    whole = np.zeros(size, bool)
    whole[y0:y1, x0:x1] = mask
    moved = point + np.array((x0, y0), np.float32)
    return _Found(RunLengths.of(whole), box + np.array((x0, y0, x0, y0)), iou, moved, stability, crop)


def _small_regions(region: np.ndarray, largest: int) -> np.ndarray:
    """The 8-connected pieces (H, W) of a bool image that have at most so many pixels."""
    _, pieces, figures, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    small = figures[:, cv2.CC_STAT_AREA] <= largest
    small[0] = False  # what lies outside the region
    return small[pieces]


def _xywh(box: Sequence[int] | np.ndarray) -> list[float]:
    x0, y0, x1, y1 = (float(edge) for edge in box)
    return [x0, y0, x1 - x0, y1 - y0]

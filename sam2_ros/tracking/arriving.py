"""The numbers and masks of a frame on their way from the device to the host: all in one go, the masks as bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.tracking.candidates import KEPT, Extent, as_extents, extents_at, extents_of
from sam2_ros.tracking.host_numbers import HostNumbers
from sam2_ros.tracking.postprocessing import resize_logits

OBJECTS_AT_ONCE = 8  # whose masks are in memory together at the size of the image
SCORE, CHOSEN, IOU, PEAK, AREA, OUTSIDE_AREA = range(6)  # columns of the table, ...
EXTENT, OUTSIDE_EXTENT, NETWORK_EXTENT = slice(6, 10), slice(10, 14), slice(14, 18)  # ... and groups of four


@dataclass(frozen=True)
class DescribeMasks:
    """What the host wants to know of the candidate masks of N objects, computed on the device.

    Attributes:
        size: (height, width) of the image in pixels.
        image_size: of the network; None: nobody asks where the masks lie at its size.

    Takes candidate logits (N, 3, S/4, S/4), their predicted IoUs (N, 3), chosen candidates (N,) and object scores (N,).
    Gives a table (N, 3, L) float64 and the masks at the size of the image as bits, (N, 3, H, W / 8) uint8.
    """

    size: tuple[int, int]
    image_size: int | None = None

    def __call__(self, logits: Tensor, ious: Tensor, chosen: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
        parts = zip(logits.split(OBJECTS_AT_ONCE), chosen.split(OBJECTS_AT_ONCE), strict=True)
        places, bits = zip(*(self._lie(*part) for part in parts), strict=True)
        known = [score[:, None].expand_as(ious), chosen[:, None].expand_as(ious), ious, logits.amax(dim=(2, 3))]
        columns = [torch.stack([one.double() for one in known], dim=2), torch.cat(places).double()]
        if self.image_size is not None:
            columns.append(extents_at(logits, self.image_size).double())
        return torch.cat(columns, dim=2), torch.cat(bits)

    def _lie(self, logits: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Areas and extents (N, 3, 10), and bits."""
        masks = (resize_logits(logits.flatten(0, 1), self.size) > 0).unflatten(0, logits.shape[:2])
        target = masks[torch.arange(len(masks), device=masks.device), chosen]
        outside = masks & ~target[:, None]
        areas = [one.sum(dim=(2, 3))[..., None] for one in (masks, outside)]
        extents = [extents_of(one.flatten(0, 1)).unflatten(0, logits.shape[:2]) for one in (masks, outside)]
        return torch.cat([*areas, *extents], dim=2), _packed(masks)


def _packed(masks: Tensor) -> Tensor:
    """(..., W) bool -> (..., W / 8) uint8, the first pixel in the highest bit; rows are filled up with zeros."""
    groups = F.pad(masks, (0, -masks.shape[-1] % 8)).unflatten(-1, (-1, 8))
    values = (128 >> torch.arange(8, device=masks.device)).to(torch.uint8)
    return (groups * values).sum(dim=-1, dtype=torch.uint8)


class _Transfer:
    """Copies of a table and bits to the host, which have begun."""

    def __init__(self, table: Tensor, bits: Tensor) -> None:
        self._copies = [_to_host(table), _to_host(bits)]
        self._done = None
        if table.device.type == 'cuda':
            self._done = torch.cuda.Event()
            self._done.record(torch.cuda.current_stream(table.device))

    def wait(self) -> tuple[np.ndarray, np.ndarray]:
        if self._done is not None:
            self._done.synchronize()
        table, bits = self._copies
        return table.numpy(), bits.numpy()


def _to_host(tensor: Tensor) -> Tensor:
    if tensor.device.type != 'cuda':
        return tensor.cpu()
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)


@dataclass(frozen=True, eq=False)
class ArrivingMasks:
    """The numbers and masks of N objects. What is asked of them waits until they are there.

    Attributes:
        transfer: of all rows of the frame.
        size: (height, width) of the image in pixels.
        picks: of each object its row there, and which of the candidates is its mask, or KEPT.
    """

    transfer: _Transfer
    size: tuple[int, int]
    picks: tuple[tuple[int, int], ...]

    @classmethod
    def begin(cls, table: Tensor, bits: Tensor, *, size: tuple[int, int], count: int) -> ArrivingMasks:
        """Start the copies of what `DescribeMasks` gave; the first `count` rows are objects."""
        return cls(_Transfer(table[:count], bits[:count]), size, tuple((row, KEPT) for row in range(count)))

    def select(self, rows: Sequence[int]) -> ArrivingMasks:
        """These objects; one may come several times."""
        return ArrivingMasks(self.transfer, self.size, tuple(self.picks[row] for row in rows))

    def choose(self, candidates: Sequence[int]) -> ArrivingMasks:
        """With other candidates, one for each object; KEPT changes nothing."""
        picks = zip(self.picks, candidates, strict=True)
        changed = ((row, old if new == KEPT else new) for (row, old), new in picks)
        return ArrivingMasks(self.transfer, self.size, tuple(changed))

    def offers(self) -> np.ndarray:
        """Predicted IoUs of the candidates and the object score of each object, (N, 4)."""
        rows = self._rows()
        return np.concatenate([rows[:, :, IOU], rows[:, :1, SCORE]], axis=1)

    def extents(self) -> list[list[Extent]]:
        """See `candidates.candidate_extents`."""
        return as_extents(self._rows()[:, :, NETWORK_EXTENT].astype(int).tolist())

    def numbers(self) -> list[HostNumbers]:
        """What is known of each object and its mask."""
        _, bits = self.transfer.wait()
        return [
            self._one(row, bits[number], pick) for row, (number, pick) in zip(self._rows(), self.picks, strict=True)
        ]

    def _rows(self) -> np.ndarray:
        table, _ = self.transfer.wait()
        return table[[row for row, _ in self.picks]]

    def _one(self, row: np.ndarray, bits: np.ndarray, pick: int) -> HostNumbers:
        kept = int(row[0, CHOSEN])
        chosen = kept if pick == KEPT else pick
        own = row[chosen]
        others = [other for other in range(len(row)) if other != chosen]
        outside = [_extent(row[other], OUTSIDE_AREA, OUTSIDE_EXTENT) for other in others] if chosen == kept else None
        return HostNumbers(
            object_score_logit=float(own[SCORE]),
            predicted_iou=float(own[IOU]),
            peak_logit=float(own[PEAK]),
            chosen=chosen,
            mask=self._mask(row, bits, chosen),
            area=int(own[AREA]),
            alternatives=partial(self._masks, row, bits, others),
            extent=_extent(own, AREA, EXTENT),
            outside=outside,
        )

    def _masks(self, row: np.ndarray, bits: np.ndarray, candidates: Sequence[int]) -> list[np.ndarray]:
        return [self._mask(row, bits, candidate) for candidate in candidates]

    def _mask(self, row: np.ndarray, bits: np.ndarray, candidate: int) -> np.ndarray:
        mask = np.zeros(self.size, dtype=bool)
        extent = _extent(row[candidate], AREA, EXTENT)
        if extent is not None:  # only the lines in which there is something are unpacked
            lines = slice(extent[1], extent[3] + 1)
            mask[lines] = np.unpackbits(bits[candidate, lines], axis=1, count=self.size[1])
        return mask


def _extent(row: np.ndarray, area: int, place: slice) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 of the outermost pixels; None if there are none."""
    x0, y0, x1, y1 = row[place].astype(int).tolist()
    return (x0, y0, x1, y1) if row[area] else None

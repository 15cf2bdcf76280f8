"""Processes one image for a batch of objects: decodes, decides what to remember, and remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sam2_ros.model import ImageFeatures, Network
from sam2_ros.tracking.decoding import FrameDecoding, ObjectDecoder
from sam2_ros.tracking.distractor import AnchorCandidate, AreaHistory
from sam2_ros.tracking.masks import resolve_overlaps
from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry, MemoryPolicy
from sam2_ros.tracking.options import TrackerOptions
from sam2_ros.tracking.postprocessing import masks_at, resize_logits
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.track import Track


@dataclass(frozen=True, eq=False)
class Outcome:
    """One object after one image.

    Attributes:
        track: its state before the next image.
        mask: (H, W) bool at image size, after `non_overlap`.
        logits: (S/4, S/4) on the network's device; > 0 is object, before `non_overlap`.
        object_score_logit: > 0 where the network sees the object.
        predicted_iou: the network's estimate of the mask's quality, in [0, 1].
        written: kind of the memory entry that was written; None if there is none.
        memory_reason: why it was written, or why not, in words.
    """

    track: Track
    mask: np.ndarray
    logits: Tensor
    object_score_logit: float
    predicted_iou: float
    written: EntryKind | None
    memory_reason: str


@dataclass(frozen=True, eq=False)
class _Numbers:
    """The numbers, on the host, that decide what happens to one object."""

    object_score_logit: float
    predicted_iou: float
    peak_logit: float  # > 0: the low-resolution mask is not empty
    chosen: int  # which candidate the mask is
    mask: np.ndarray
    area: int


@dataclass(frozen=True, eq=False)
class _Plan:
    """What to remember of the frame: the kind of the memory entry, and the track without that entry."""

    written: EntryKind | None
    reason: str
    track: Track


class FrameStep:
    """Processes one image for any number of objects. Has no state."""

    def __init__(self, model: Network, policy: MemoryPolicy, options: TrackerOptions) -> None:
        self._model = model
        self._policy = policy
        self._options = options
        self._decoder = ObjectDecoder(model, policy, options)

    def run(
        self,
        features: ImageFeatures,
        size: tuple[int, int],
        *,
        tracks: Sequence[Track],
        prompts: Sequence[Sequence[Prompt]],
        time: float | None,
        non_overlap: bool = False,
    ) -> list[Outcome]:
        """Process one image for N >= 1 objects.

        Args:
            features: of the image.
            size: (height, width) of the image in pixels.
            tracks, prompts: see `ObjectDecoder.decode`.
            time: of the image in seconds, if known.
            non_overlap: the masks in the result share no pixels. Decisions about memory use the masks from before.

        Returns:
            One outcome for each track.
        """
        known = [not track.starts for track in tracks]
        if self._options.clear_on_correction:
            anew = [_said_anew(track, given) for track, given in zip(tracks, prompts, strict=True)]
            tracks, prompts = [track for track, _ in anew], [given for _, given in anew]
        decoding = self._decoder.decode(features, size, tracks=tracks, prompts=prompts)
        numbers = _to_host(decoding, size)
        masks = [number.mask for number in numbers]
        if non_overlap:
            logits = decoding.logits
            masks = resolve_overlaps(masks, lambda row: resize_logits(logits[row][None], size)[0].cpu().numpy())
        found = [bool(mask.any()) for mask in masks]
        plans = []
        for row, track in enumerate(tracks):
            visibility = track.visibility.update(visible=found[row], time=time)
            seen = replace(track, next_index=track.next_index + 1, visibility=visibility)
            if prompts[row]:
                first = ('prompted anew' if known[row] else 'first prompt') if track.starts else ''
                plans.append(self._plan_prompted(seen, first=first, empty=not found[row]))
            else:
                plans.append(self._plan_tracked(seen, numbers[row], decoding.network.candidate_logits[row]))
        entries = self._encode(features, decoding, plans, tracks)
        return [
            Outcome(
                track=plan.track if entry is None else replace(plan.track, bank=plan.track.bank.write(entry)),
                mask=mask,
                logits=logits,
                object_score_logit=number.object_score_logit,
                predicted_iou=number.predicted_iou,
                written=plan.written,
                memory_reason=plan.reason,
            )
            for plan, entry, number, mask, logits in zip(plans, entries, numbers, masks, decoding.logits, strict=True)
        ]

    def _plan_prompted(self, track: Track, *, first: str, empty: bool) -> _Plan:
        """`first`: why the object starts with this prompt, in words; empty for a correction."""
        found = '; the mask is empty' if empty else ''
        if first:
            return _Plan(EntryKind.PROMPT, first + found, track)
        if not self._options.clear_on_correction:
            return _Plan(EntryKind.CORRECTION, 'correction' + found, track)
        cleared = replace(track, bank=track.bank.drop_recent(), areas=AreaHistory())
        return _Plan(EntryKind.CORRECTION, 'correction; recent memories dropped' + found, cleared)

    def _plan_tracked(self, track: Track, numbers: _Numbers, candidates: Tensor) -> _Plan:
        objection = 'tracked'
        rule = self._policy.anchor_rule
        index = track.next_index - 1
        if rule is not None:
            areas = track.areas.add(numbers.area, rule.settings)
            track = replace(track, areas=areas)
            candidate = AnchorCandidate(
                predicted_iou=numbers.predicted_iou,
                area=numbers.area,
                area_ratio=areas.ratio(rule.settings),
                frames_since_anchor=None if track.last_anchor is None else index - track.last_anchor,
            )
            doubt = rule.objection(candidate)
            if doubt is None and rule.needs_distractor:
                # only now are the alternatives worth their full resolution
                others = [other for other in range(len(candidates)) if other != numbers.chosen]
                doubt = rule.distractor_objection(numbers.mask, masks_at(candidates[others], numbers.mask.shape))
            if doubt is None:
                return _Plan(EntryKind.ANCHOR, rule.reason, replace(track, last_anchor=index))
            objection = f'no anchor: {doubt}'
        if self._policy.writes(visible=numbers.peak_logit > 0):
            return _Plan(EntryKind.RECENT, objection, track)
        return _Plan(None, 'the target is absent', track)

    def _encode(
        self, features: ImageFeatures, decoding: FrameDecoding, plans: Sequence[_Plan], tracks: Sequence[Track]
    ) -> list[MemoryEntry | None]:
        """Memory entries of the objects whose plan is to write one."""
        entries: list[MemoryEntry | None] = [None] * len(plans)
        planned = [(row, plan.written) for row, plan in enumerate(plans) if plan.written is not None]
        if not planned:
            return entries
        network, size, device = decoding.network, self._model.image_size, self._model.device
        rows = [row for row, _ in planned]
        from_tracking = torch.tensor([kind is EntryKind.RECENT for _, kind in planned], device=device)
        # as in the official code: tracked frames are remembered as decoded, prompted frames and anchors as cleaned
        logits = torch.where(from_tracking[:, None, None], network.mask_logits[rows].float(), decoding.logits[rows])
        memory = self._model.encode_memory(
            features.stride16,
            resize_logits(logits, (size, size)),
            network.object_score_logit[rows],
            ~from_tracking & self._options.binarize_prompt_memory,
        )
        for (row, kind), one in zip(planned, memory, strict=True):
            # copied, so that an entry that lives long does not keep the whole batch alive
            pointer = network.object_pointer[row].clone()
            entries[row] = MemoryEntry(tracks[row].next_index, kind, one.clone(), pointer)
        return entries


def _said_anew(track: Track, prompts: Sequence[Prompt]) -> tuple[Track, Sequence[Prompt]]:
    """Start an object again with the last box or mask among its prompts.

    A box or a mask says anew what the object is, and the old memory and mask may be those of another thing. Two kinds
    of prompts do not start an object again: a box that was given before and now comes with more clicks, which refines
    the object as clicks do, and an empty mask, which only says 'hidden'.

    Returns:
        The track to go on from, and the prompts that still count.
    """
    for number in reversed(range(len(prompts))):
        prompt, before = prompts[number], prompts[number - 1].box if number else None
        same_box = before is not None and np.array_equal(before, prompt.box)
        if (prompt.mask is not None and prompt.mask.any()) or (prompt.box is not None and not same_box):
            return Track(MemoryBank(track.bank.policy), visibility=track.visibility), prompts[number:]
    return track, prompts


def _to_host(decoding: FrameDecoding, size: tuple[int, int]) -> list[_Numbers]:
    """Bring the numbers of all objects to the host in one transfer, and make their masks."""
    network = decoding.network
    peak = decoding.logits.flatten(1).amax(dim=1)
    columns = [network.object_score_logit, network.predicted_iou, peak, network.chosen]
    rows = torch.stack([column.float() for column in columns], dim=1).tolist()
    masks = masks_at(decoding.logits, size)
    return [
        _Numbers(score, iou, peak, int(chosen), mask, int(np.count_nonzero(mask)))
        for (score, iou, peak, chosen), mask in zip(rows, masks, strict=True)
    ]

"""Processes one image for a batch of objects: decodes, decides what to remember, and remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from sam2_ros.model import Network
from sam2_ros.tracking.decoding import FrameDecoding, ObjectDecoder
from sam2_ros.tracking.distractor import AnchorCandidate, AreaHistory
from sam2_ros.tracking.frame_encoder import EncodedImage
from sam2_ros.tracking.graphs import PLAIN, GraphRunner
from sam2_ros.tracking.host_numbers import HostNumbers
from sam2_ros.tracking.hypotheses import Hypothesis, HypothesisBatch
from sam2_ros.tracking.masks import resolve_overlaps
from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry, MemoryPolicy
from sam2_ros.tracking.memory_writes import encode_entries, to_host
from sam2_ros.tracking.options import TrackerOptions
from sam2_ros.tracking.postprocessing import resize_logits
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.track import Track
from sam2_ros.tracking.whole_frame import WholeFrame


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
class _Plan:
    """What to remember of the frame: the kind of the memory entry, and the track without that entry.

    `forget_recent`: see `MemoryBank.drop_recent`.
    """

    written: EntryKind | None
    reason: str
    track: Track
    forget_recent: bool = False

    def remember(self, hypotheses: Sequence[Hypothesis], entries: Sequence[MemoryEntry | None]) -> Track:
        """The track with the hypotheses that go on, best first; `entries`: by row."""
        banks: dict[int, MemoryBank] = {}  # by row: equal hypotheses stay the same bank
        for one in hypotheses:
            if one.row not in banks:
                banks[one.row] = one.remember(entries[one.row], forget_recent=self.forget_recent)
        best, *rivals = [banks[one.row] for one in hypotheses]
        return replace(self.track, bank=best, rivals=tuple(rivals))


class FrameStep:
    """Processes one image for any number of objects. Has no state."""

    def __init__(
        self, model: Network, policy: MemoryPolicy, options: TrackerOptions, graphs: GraphRunner | None = None
    ) -> None:
        """`graphs`: run frames without prompts, and the memory encoder. None: all is called plainly."""
        self._model = model
        self._policy = policy
        self._options = options
        self._decoder = ObjectDecoder(model, policy, options)
        self._runner = graphs or PLAIN
        cleans = options.max_hole_area or options.max_speck_area  # which is work of the host
        self._whole = WholeFrame(model, policy, graphs) if graphs and not cleans else None

    def run(
        self,
        image: EncodedImage,
        size: tuple[int, int],
        *,
        tracks: Sequence[Track],
        prompts: Sequence[Sequence[Prompt]],
        time: float | None,
        non_overlap: bool = False,
    ) -> list[Outcome]:
        """Process one image for N >= 1 objects.

        Args:
            image: at the network's size.
            size: (height, width) of the image in pixels.
            tracks: N >= 1 tracks. A track that starts here needs a prompt.
            prompts: for each track, its prompts on this image; may be empty.
            time: of the image in seconds, if known.
            non_overlap: the masks in the result share no pixels. Decisions about memory use the masks from before.

        Returns:
            One outcome for each track.
        """
        known = [not track.starts for track in tracks]
        if self._options.clear_on_correction:
            anew = [_start_anew(track, given) for track, given in zip(tracks, prompts, strict=True)]
            tracks, prompts = [track for track, _ in anew], [given for _, given in anew]
        batch = HypothesisBatch(tracks, prompts)
        decoding = self._decode(image, size, batch, tracks=tracks, prompts=prompts)
        survivors = batch.choose(self._policy.candidate_rule, decoding, self._decoder)
        shown = survivors.shown
        numbers = to_host(shown, size)
        masks = [number.mask for number in numbers]
        if non_overlap:
            logits = shown.logits
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
                best = survivors.by_object[row][0]
                plans.append(self._plan_tracked(seen, numbers[row], trusted=best.trusted))
        by_row = {one.row: number for number, heirs in enumerate(survivors.by_object) for one in heirs}
        owners = [by_row[row] for row in range(len(by_row))]
        entries = encode_entries(
            self._model,
            image.features,
            survivors.decoding,
            kinds=[plans[number].written for number in owners],
            frame_indices=[tracks[number].next_index for number in owners],
            binarize=self._options.binarize_prompt_memory,
            runner=self._runner,
        )
        return [
            Outcome(
                track=plan.remember(heirs, entries),
                mask=mask,
                logits=logits,
                object_score_logit=number.object_score_logit,
                predicted_iou=number.predicted_iou,
                written=plan.written,
                memory_reason=plan.reason,
            )
            for plan, heirs, number, mask, logits in zip(
                plans, survivors.by_object, numbers, masks, shown.logits, strict=True
            )
        ]

    def _decode(
        self,
        image: EncodedImage,
        size: tuple[int, int],
        batch: HypothesisBatch,
        *,
        tracks: Sequence[Track],
        prompts: Sequence[Sequence[Prompt]],
    ) -> FrameDecoding:
        """Decode every hypothesis from its own memory."""
        length = self._options.video_length
        reads = [
            None if tracks[number].starts else bank.read(tracks[number].next_index, video_length=length)
            for number, bank in zip(batch.objects, batch.banks, strict=True)
        ]
        known = [read for read in reads if read is not None]
        if self._whole and image.known is None and len(known) == len(reads) and not any(prompts):
            return self._whole.track(image, size, known)
        given = [prompts[number] for number in batch.objects]
        return self._decoder.decode(image.features, size, reads=reads, prompts=given)

    def _plan_prompted(self, track: Track, *, first: str, empty: bool) -> _Plan:
        """`first`: why the object starts with this prompt, in words; empty for a correction."""
        found = '; the mask is empty' if empty else ''
        if first:
            return _Plan(EntryKind.PROMPT, first + found, track)
        if not self._options.clear_on_correction:
            return _Plan(EntryKind.CORRECTION, 'correction' + found, track)
        reason = 'correction; recent memories dropped' + found
        return _Plan(EntryKind.CORRECTION, reason, replace(track, areas=AreaHistory()), forget_recent=True)

    def _plan_tracked(self, track: Track, numbers: HostNumbers, *, trusted: bool) -> _Plan:
        objection = 'tracked' if trusted else 'tracked, but not trusted'
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
                if numbers.extent is not None and numbers.outside is not None:
                    doubt = rule.extent_objection(numbers.extent, numbers.outside)
                if doubt is None:  # only now are the alternatives worth their full resolution
                    doubt = rule.distractor_objection(numbers.mask, numbers.alternatives())
            if doubt is None:
                return _Plan(EntryKind.ANCHOR, rule.reason, replace(track, last_anchor=index))
            objection = f'no anchor: {doubt}'
        if self._policy.writes(visible=numbers.peak_logit > 0):
            return _Plan(EntryKind.RECENT, objection, track)
        return _Plan(None, 'the target is absent', track)


def _start_anew(track: Track, prompts: Sequence[Prompt]) -> tuple[Track, Sequence[Prompt]]:
    """Start an object again with the last of its prompts that says anew what it is; see `Prompt.says_anew`.

    Returns:
        The track to go on from, and the prompts that still count.
    """
    for number in reversed(range(len(prompts))):
        if prompts[number].says_anew(prompts[number - 1] if number else None):
            return Track(MemoryBank(track.bank.policy), visibility=track.visibility), prompts[number:]
    return track, prompts

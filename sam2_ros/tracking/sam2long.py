"""The memory of SAM2Long: several hypotheses about an object, of which a later frame may prove another one right.

Ding, Qian, Dong, Zhang, Zang, Cao, Guo, Lin, Wang: SAM2Long: Enhancing SAM 2 for Long Video Segmentation with a
Training-Free Memory Tree (arXiv 2410.16268, 2024). Written from a description of what the published code computes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sam2_ros.tracking.candidates import Candidates, Choice
from sam2_ros.tracking.checks import check_number
from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry, MemorySelection
from sam2_ros.tracking.selection import (
    MAX_CONDITIONING,
    MAX_POINTERS,
    bounded,
    ranked_reads,
    retain_trusted,
    trusted_frames,
)

NUM_PATHWAYS = 3
CERTAIN_OBJECT_SCORE = 2.0  # beyond it, on either side of 0, the network is sure
IOU_OFFSET = 1e-5  # added to a predicted IoU before its logarithm is taken
IOU_DIGITS = 2  # candidates are alike if their predicted IoUs agree in so many decimals
MEMORY_IOU = 0.1  # a frame that is read for long has a predicted IoU above this,
MEMORY_OBJECT_SCORE = 0.0  # and an object score above this
FIRST_READ = 1  # the first frame after the prompted one
KEY_SCALES = (0.95, 1.05)  # of the memories of the lowest and of the highest object score
CONDITIONING_OBJECT_SCORE = 10.0  # stands for that of conditioning entries


@dataclass(frozen=True)
class PathwayRule:
    """Of the candidates of all hypotheses, those with the best cumulative score go on; its state is that score.

    The score is the sum of the logarithms of the predicted IoUs after the first frame that follows a prompt. Where no
    hypothesis is sure whether the object is there, candidates that are alike do not go on side by side.
    """

    presence_threshold: float = 0.0

    def __post_init__(self) -> None:
        check_number('presence_threshold', self.presence_threshold)

    def choose(self, hypotheses: Sequence[Candidates]) -> Sequence[Choice]:
        if hypotheses[0].state is None:  # the first frame after a prompt
            return [_choice(hypotheses, 0, hypotheses[0].best, score=0.0)] * NUM_PATHWAYS
        scores = {
            (number, candidate): float(one.state) + math.log(iou + IOU_OFFSET)  # type: ignore[arg-type]
            for number, one in enumerate(hypotheses)
            for candidate, iou in enumerate(one.predicted_ious)
        }
        ranking = sorted(scores, key=scores.__getitem__, reverse=True)  # of equal ones, the first comes first
        if max(abs(one.object_score_logit) for one in hypotheses) > CERTAIN_OBJECT_SCORE:
            chosen = ranking[:NUM_PATHWAYS]
        else:
            chosen = _diverse(hypotheses, ranking)
        return [_choice(hypotheses, *key, score=scores[key]) for key in chosen]

    def start(self, candidates: Candidates | None) -> None:
        return None


@dataclass(frozen=True)
class Sam2LongMemory:
    """Conditioning frames and the 6 newest frames that are trusted, of each hypothesis its own.

    The last frame is always among them; the temporal index is a rank. Pointers come from the newest trusted frames,
    however old; their position is a rank, too. Keys are weighted by the rank of the object score.

    The published predictor answers after the last frame of a video, with the masks of the hypothesis that is best then.
    A stream cannot wait: it gets the mask of the hypothesis that is best now.
    """

    candidate_rule: PathwayRule = PathwayRule()
    anchor_rule: None = None
    box_starts_as_mask: bool = False

    def writes(self, *, visible: bool) -> bool:
        return True

    def select(self, bank: MemoryBank, frame_index: int, *, video_length: int | None) -> MemorySelection:
        conditioning = bounded(bank.conditioning, MAX_CONDITIONING)
        last_rank = min(video_length or MAX_POINTERS, MAX_POINTERS) - 1
        recent = trusted_frames(bank.recent, frame_index, first=FIRST_READ)
        forced = [one for one in recent[-1:] if not one.trusted]
        recent = recent[-last_rank - len(forced) :]
        spatial = ranked_reads(conditioning, recent)
        pointers = [(one, (frame_index - one.frame_index) / last_rank) for one in conditioning]
        # as published, the oldest of these frames gives no pointer
        pointers += [(one, rank / last_rank) for rank, one in enumerate(reversed(recent[1:]), start=1)]
        if len(spatial) == 1:  # as published, nothing is weighted then
            return MemorySelection(spatial, tuple(pointers))
        weights = (*_key_weights([one for one, _ in spatial]), *_key_weights([one for one, _ in pointers]))
        return MemorySelection(spatial, tuple(pointers), weights)

    def retain(self, bank: MemoryBank) -> tuple[Sequence[MemoryEntry], Sequence[MemoryEntry]]:
        trusted = [one for one in bank.recent if one.trusted]
        return retain_trusted(bank, first=FIRST_READ, pointers=trusted[-MAX_POINTERS + 1 :])


def _choice(hypotheses: Sequence[Candidates], number: int, candidate: int, *, score: float) -> Choice:
    one = hypotheses[number]
    trusted = one.predicted_ious[candidate] > MEMORY_IOU and one.object_score_logit > MEMORY_OBJECT_SCORE
    return Choice(number, candidate, score, trusted)


def _diverse(hypotheses: Sequence[Candidates], ranking: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The best candidates that differ in predicted IoU, or in whether the object is there.

    Where there are too few, the best of each hypothesis that has none yet, in the order of the hypotheses.
    """
    chosen: dict[tuple[float, bool], tuple[int, int]] = {}
    for number, candidate in ranking:
        one = hypotheses[number]
        key = round(one.predicted_ious[candidate], IOU_DIGITS), one.object_score_logit > 0
        chosen.setdefault(key, (number, candidate))
    kept = list(chosen.values())[:NUM_PATHWAYS]
    represented = {number for number, _ in kept}
    for number in range(len(hypotheses)):
        if number not in represented and len(kept) < NUM_PATHWAYS:
            kept.append(next(key for key in ranking if key[0] == number))
    return kept


def _key_weights(entries: Sequence[MemoryEntry]) -> list[float]:
    """Equally spaced factors by rank of the object score; a single entry has the lowest."""
    scores = [one.object_score_logit if one.kind is EntryKind.RECENT else CONDITIONING_OBJECT_SCORE for one in entries]
    lowest, highest = KEY_SCALES
    step = (highest - lowest) / max(1, len(entries) - 1)
    weights = [0.0] * len(entries)
    for rank, place in enumerate(sorted(range(len(entries)), key=scores.__getitem__)):
        weights[place] = lowest + rank * step
    return weights

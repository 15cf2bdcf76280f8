"""The memory of SAMURAI: motion helps to choose among candidate masks, and only good frames are read for long.

Yang, Huang, Chai, Jiang, Hwang: SAMURAI: Adapting Segment Anything Model for Zero-Shot Visual Tracking with
Motion-Aware Memory (arXiv 2411.11922, 2024), and the code published with it. The constants are those of its
configurations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sam2_ros.tracking.box_motion import BoxMotion
from sam2_ros.tracking.candidates import Candidates, Choice
from sam2_ros.tracking.checks import check_number
from sam2_ros.tracking.memory_bank import MemoryBank, MemoryEntry, MemorySelection
from sam2_ros.tracking.selection import (
    MAX_CONDITIONING,
    MAX_POINTERS,
    bounded,
    newest_frame,
    pointer_window,
    pointers_in_horizon,
    ranked_reads,
    retain_trusted,
    trusted_frames,
)

STABLE_FRAMES = 15  # frames in a row that motion is learned from before it takes part in the choice
STABLE_IOU = 0.3  # predicted IoU that such a frame needs
MEMORY_IOU = 0.5  # a frame that is read for long has a predicted IoU above this,
MEMORY_OBJECT_SCORE = 0.0  # an object score above this,
MEMORY_MOTION_SCORE = 0.0  # and, once motion takes part, a motion score above this
FIRST_READ = 2  # frame 1 is read as the last frame only: the published search ends before it


@dataclass(frozen=True, eq=False)
class ObservedMotion:
    """The motion of an object, and from how many frames in a row it is known."""

    box: BoxMotion
    frames: int


@dataclass(frozen=True)
class MotionRule:
    """Candidates are scored by their predicted IoU and by the IoU of their box with the expected one.

    Motion is learned anew after every prompt and every frame whose predicted IoU is too low; until it is known, the
    predicted IoU decides alone. As in the published code, the object score does not matter to it: an empty mask of high
    predicted IoU counts as a box in the upper left corner. After a gap it is therefore often the predicted IoU that
    finds an object again, while its motion is on the way back.

    Attributes:
        motion_weight: share of the motion in the score, in [0, 1]. Published: 0.25 for the tiny, small and base_plus
            networks, 0.15 for large.
        presence_threshold: see `CandidateRule`. Memories mark the object as absent from 0 downwards, as in SAM 2.1.
    """

    motion_weight: float = 0.25
    presence_threshold: float = -1.0

    def __post_init__(self) -> None:
        check_number('motion_weight', self.motion_weight, least=0, most=1)
        check_number('presence_threshold', self.presence_threshold)

    def choose(self, hypotheses: Sequence[Candidates]) -> Sequence[Choice]:
        [candidates] = hypotheses
        ious, extents = candidates.predicted_ious, candidates.extents()
        motion, score, chosen = candidates.state, None, candidates.best
        state: ObservedMotion | None
        if not isinstance(motion, ObservedMotion):
            state = ObservedMotion(BoxMotion.begin(extents[chosen]), 1)
        else:
            expected = motion.box.predicted()
            known = motion.frames >= STABLE_FRAMES
            if known:
                scores = [expected.iou(extent) for extent in extents]
                weighted = [
                    self.motion_weight * score + (1 - self.motion_weight) * iou
                    for score, iou in zip(scores, ious, strict=True)
                ]
                chosen = max(range(len(ious)), key=weighted.__getitem__)
                score = scores[chosen]
            # as published: a predicted IoU of exactly the threshold is enough once motion is known, and not before
            good = ious[chosen] >= STABLE_IOU if known else ious[chosen] > STABLE_IOU
            frames = min(motion.frames + 1, STABLE_FRAMES)
            state = ObservedMotion(expected.corrected(extents[chosen]), frames) if good else None
        trusted = (
            ious[chosen] > MEMORY_IOU
            and candidates.object_score_logit > MEMORY_OBJECT_SCORE
            and (score is None or score > MEMORY_MOTION_SCORE)
        )
        return [Choice(0, chosen, state, trusted)]

    def start(self, candidates: Candidates | None) -> ObservedMotion | None:
        if candidates is None:
            return None
        return ObservedMotion(BoxMotion.begin(candidates.extents()[candidates.best]), 1)


@dataclass(frozen=True)
class SamuraiMemory:
    """Conditioning frames and the 6 newest frames that are trusted; the last frame is always among them.

    The temporal index is a rank. Pointers are read as by `sam2`, from trusted frames and others.
    """

    candidate_rule: MotionRule = MotionRule()
    anchor_rule: None = None
    box_starts_as_mask: bool = False

    def writes(self, *, visible: bool) -> bool:
        return True

    def select(self, bank: MemoryBank, frame_index: int, *, video_length: int | None) -> MemorySelection:
        conditioning = bounded(bank.conditioning, MAX_CONDITIONING)
        horizon = min(video_length or MAX_POINTERS, MAX_POINTERS)
        return MemorySelection(
            ranked_reads(conditioning, trusted_frames(bank.recent, frame_index, first=FIRST_READ)),
            pointers_in_horizon(conditioning, bank.recent, frame_index, horizon=horizon),
        )

    def retain(self, bank: MemoryBank) -> tuple[Sequence[MemoryEntry], Sequence[MemoryEntry]]:
        window = pointer_window(bank.recent, newest_frame(bank) + 1, MAX_POINTERS)
        return retain_trusted(bank, first=FIRST_READ, pointers=window)

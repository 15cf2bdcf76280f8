"""Hypotheses about objects: rows of one batch, of which the policy's candidate rule chooses those that go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import torch

from sam2_ros.tracking.candidates import KEPT, CandidateRule, Candidates, Choice, Extent, candidate_extents
from sam2_ros.tracking.decoding import FrameDecoding, ObjectDecoder, is_ambiguous
from sam2_ros.tracking.memory_bank import MemoryBank, MemoryEntry
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.track import Track


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A hypothesis about an object that goes on after a frame.

    Attributes:
        row: of the decoding of all that go on.
        bank: its memory without this frame, with its new state.
        object_score_logit, trusted: for the memory entry of this frame.
    """

    row: int
    bank: MemoryBank
    object_score_logit: float = 0.0
    trusted: bool = True

    def remember(self, entry: MemoryEntry | None, *, forget_recent: bool) -> MemoryBank:
        """Its memory after this frame.

        Args:
            entry: of this frame, without score and trust; None: nothing is remembered of it.
            forget_recent: see `MemoryBank.drop_recent`.
        """
        bank = self.bank.drop_recent() if forget_recent else self.bank
        if entry is None:
            return bank
        return bank.write(replace(entry, object_score_logit=self.object_score_logit, trusted=self.trusted))


@dataclass(frozen=True, eq=False)
class Survivors:
    """The hypotheses of N objects that go on after a frame.

    Attributes:
        by_object: for each object its hypotheses, best first. Equal ones are the same.
        decoding: a row for each of them; equal ones share a row.
        shown: a row for each object: its best hypothesis.
    """

    by_object: Sequence[Sequence[Hypothesis]]
    decoding: FrameDecoding
    shown: FrameDecoding


class HypothesisBatch:
    """The hypotheses of N objects before an image. Equal hypotheses of an object are one row.

    A prompt speaks of what was shown: of a prompted object the best hypothesis goes on alone.

    Args:
        tracks: of N >= 1 objects.
        prompts: for each, its prompts on the image; may be empty.

    Attributes:
        banks: the memory of each row.
        objects: the number of the object of each row.
    """

    def __init__(self, tracks: Sequence[Track], prompts: Sequence[Sequence[Prompt]]) -> None:
        self.banks: list[MemoryBank] = []
        self.objects: list[int] = []
        self._prompts = prompts
        self._rows: list[list[int]] = []  # for each object, the rows of its hypotheses
        for number, (track, given) in enumerate(zip(tracks, prompts, strict=True)):
            hypotheses = track.hypotheses[:1] if given else track.hypotheses
            distinct = list({id(bank): bank for bank in hypotheses}.values())
            rows = {id(bank): len(self.banks) + place for place, bank in enumerate(distinct)}
            self.banks += distinct
            self.objects += [number] * len(distinct)
            self._rows.append([rows[id(bank)] for bank in hypotheses])

    def choose(self, rule: CandidateRule | None, decoding: FrameDecoding, decoder: ObjectDecoder) -> Survivors:
        """Which hypotheses go on, with which masks.

        Args:
            rule: None: each object has one hypothesis, which goes on with the mask that the network took.
            decoding: of the rows.
            decoder: has decoded them.
        """
        if rule is None:
            return Survivors([[Hypothesis(row, bank)] for row, bank in enumerate(self.banks)], decoding, decoding)
        offers = self._offers(decoding, decoder)
        by_object: list[list[Hypothesis]] = []
        heirs: dict[tuple[int, int], Hypothesis] = {}  # by row and candidate
        for number, rows in enumerate(self._rows):
            chosen = []
            for choice in self._choices(rule, number, [offers[row] for row in rows]):
                key = rows[choice.hypothesis], choice.candidate
                if key not in heirs:
                    bank = replace(self.banks[key[0]], state=choice.state)
                    heirs[key] = Hypothesis(len(heirs), bank, offers[key[0]].object_score_logit, choice.trusted)
                chosen.append(heirs[key])
            by_object.append(chosen)
        parents, candidates = zip(*heirs, strict=True)
        survivors = decoder.choose(decoding, rows=parents, candidates=candidates)
        best = [chosen[0].row for chosen in by_object]
        return Survivors(by_object, survivors, survivors if best == list(range(len(heirs))) else survivors.select(best))

    def _choices(self, rule: CandidateRule, number: int, offers: Sequence[Candidates]) -> Sequence[Choice]:
        prompts = self._prompts[number]
        if not prompts:
            return rule.choose(offers)
        return [Choice(0, KEPT, rule.start(offers[0] if is_ambiguous(prompts[-1]) else None), trusted=True)]

    def _offers(self, decoding: FrameDecoding, decoder: ObjectDecoder) -> list[Candidates]:
        """What the decoder offers for each row, in one transfer to the host."""
        network, arriving = decoding.network, decoding.arriving

        @cache  # of all rows at once, when the first is asked for
        def extents() -> list[list[Extent]]:
            if arriving is not None:
                return arriving.extents()
            return candidate_extents(network.candidate_logits, decoder.image_size)

        if arriving is not None:
            numbers = arriving.offers().tolist()
        else:
            numbers = torch.cat([network.candidate_ious, network.object_score_logit[:, None]], dim=1).tolist()
        return [
            Candidates(bank.state, ious, score, partial(_row, extents, row))
            for row, (bank, (*ious, score)) in enumerate(zip(self.banks, numbers, strict=True))
        ]


def _row(extents: Callable[[], list[list[Extent]]], row: int) -> list[Extent]:
    return extents()[row]

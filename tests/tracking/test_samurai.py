"""The `samurai` policy against the published code: recorded decisions always, and the code itself where it is at hand.

`data/samurai_traces.json` was made by `run_samurai.py`, which says how. Each line is a frame: what a scripted decoder
offers (predicted IoUs, object score, boxes of three candidates), what the published code made of it (the candidate and
its motion score, the count of stable frames, the filtered box), and which frames it read before.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sam2_ros.model import build_sam2
from sam2_ros.model.mask_decoder import DecoderOutput
from sam2_ros.tracking import TrackerOptions, VideoTracker
from sam2_ros.tracking.box_motion import BoxMotion
from sam2_ros.tracking.candidates import Candidates, Choice, candidate_extents
from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry, MemorySelection
from sam2_ros.tracking.samurai import MotionRule, ObservedMotion, SamuraiMemory
from tests.common import MICRO, REPOSITORY
from tests.official_video import compare
from tests.tracking import samurai_script as script

TRACES = json.loads((Path(__file__).parent / 'data' / 'samurai_traces.json').read_text())
CODE = os.environ.get('SAMURAI_CODE')
needs_code = pytest.mark.skipif(
    not CODE, reason='SAMURAI_CODE is not set to a checkout of github.com/yangchris11/samurai, so its code is not run'
)
SOMETHING = torch.zeros(1)


def offered(row: dict[str, Any], state: object) -> Candidates:
    offer = script.Offer(row['ious'], row['score'], row['boxes'])
    logits = offer.logits() if offer.score > MotionRule().presence_threshold else torch.full_like(offer.logits(), -1024)
    return Candidates(state, offer.ious, offer.score, lambda: candidate_extents(logits[None], script.IMAGE_SIZE)[0])


@pytest.mark.parametrize('trace', TRACES)
def test_all_decisions_are_those_of_the_published_code(trace: list[dict[str, Any]]) -> None:
    rule = MotionRule()
    bank = MemoryBank(SamuraiMemory(rule)).write(MemoryEntry(0, EntryKind.PROMPT, SOMETHING, SOMETHING))
    for frame, row in enumerate(trace, start=1):
        read = bank.read(frame)
        assert [entry.frame_index for entry, _ in read.spatial] == row['reads'], frame
        assert [index for _, index in read.spatial] == [6, *range(len(read.spatial) - 2, -1, -1)]
        assert [entry.frame_index for entry, _ in read.pointers] == [0, *range(frame - 1, max(0, frame - 16), -1)]
        [choice] = rule.choose([offered(row, bank.state)])
        assert choice.candidate == row['chosen'], frame
        motion = choice.state
        assert (motion.frames if isinstance(motion, ObservedMotion) else 0) == row['stable_frames'], frame
        if isinstance(motion, ObservedMotion):  # otherwise it is begun anew, so that what it was does not matter
            assert motion.box.mean[:4] == pytest.approx(row['mean'], abs=2e-4)
        entry = MemoryEntry(frame, EntryKind.RECENT, SOMETHING, SOMETHING, row['score'], choice.trusted)
        bank = replace(bank, state=motion).write(entry)


def test_the_traces_show_all_that_can_happen() -> None:
    rows = [row for trace in TRACES for row in trace]
    assert sum(row['motion'] is not None and row['ious'][row['chosen']] < max(row['ious']) for row in rows) > 20
    assert sum(row['stable_frames'] == 0 for row in rows) > 3
    assert sum(row['score'] <= -1 for row in rows) > 5
    assert sum(-1 < row['score'] <= 0 for row in rows) > 20
    assert sum(row['motion'] == 0 for row in rows) > 5


def test_an_iou_of_exactly_the_threshold_is_enough_only_once_motion_is_known() -> None:
    rule = MotionRule()
    state: object = None
    row = {'score': 2.0, 'boxes': [[10, 10, 20, 20]] * 3}
    known = []
    for frame in range(1, 30):
        ious = [0.3, 0.1, 0.2] if frame in (8, 28) else [0.9, 0.1, 0.2]
        [choice] = rule.choose([offered({**row, 'ious': ious}, state)])
        state = choice.state
        known.append(state.frames if isinstance(state, ObservedMotion) else 0)
    assert known == [1, 2, 3, 4, 5, 6, 7, 0, *range(1, 16), 15, 15, 15, 15, 15, 15]


def test_motion_is_known_one_frame_earlier_after_a_prompt_of_one_point() -> None:
    """The network chooses among candidates for one point, and the published code takes that for a tracked frame."""
    rule = MotionRule()
    row = {'score': 2.0, 'boxes': [[10, 10, 20, 20], [30, 30, 50, 50], [0, 0, 0, 0]], 'ious': [0.6, 0.9, 0.5]}
    assert rule.start(None) is None
    assert rule.start(offered(row, None)).frames == 1
    assert rule.start(offered(row, None)).box.mean[:4].tolist() == [159.5, 159.5, 1.0, 79.0]


def test_the_filter_of_boxes_gives_the_known_numbers() -> None:
    """As computed with the filter of the published code for a box of 50 x 100 at (500, 500), then 62.4 x 104."""
    motion = BoxMotion.begin((475, 450, 525, 550)).predicted()
    assert motion.iou((475, 450, 525, 550)) == 1
    assert motion.iou((0, 0, 0, 0)) == motion.iou((600, 450, 650, 550)) == motion.iou((500, 500, 500, 500)) == 0
    assert motion.iou((475, 450, 525, 500)) == pytest.approx(0.5)
    motion = motion.corrected((478.8, 453, 541.2, 557))  # type: ignore[arg-type]
    expected = [508.677686, 504.338843, 0.501961, 103.471074, 2.066116, 1.033058, 0, 0.826446]
    assert motion.mean == pytest.approx(expected, abs=1e-6)
    assert np.diag(motion.covariance)[[0, 1, 3]] == pytest.approx([21.694215] * 3)
    assert np.diag(motion.covariance)[[4, 5, 7]] == pytest.approx([31.382361] * 3)
    assert motion.covariance[2, 2] == pytest.approx(1.96e-4, rel=1e-2)


@pytest.mark.parametrize('weight', [-0.1, 1.1, float('nan'), 'much'])
def test_a_weight_that_is_no_share_is_refused(weight: Any) -> None:
    with pytest.raises((TypeError, ValueError), match='motion_weight must be'):
        MotionRule(motion_weight=weight)


@dataclass(frozen=True)
class Watched(SamuraiMemory):
    """Notes what is read."""

    reads: Any = None

    def select(self, bank: MemoryBank, frame_index: int, *, video_length: int | None) -> MemorySelection:
        read = super().select(bank, frame_index, video_length=video_length)
        self.reads[frame_index] = [entry.frame_index for entry, _ in read.spatial]
        return read


@dataclass(frozen=True)
class WatchedRule(MotionRule):
    """Notes what is chosen, what would be without motion, and the state after it."""

    chosen: Any = None

    def choose(self, hypotheses: Sequence[Candidates]) -> Sequence[Choice]:
        [choice] = super().choose(hypotheses)
        self.chosen.append((choice.candidate, hypotheses[0].best, choice.state))
        return [choice]


def published(*arguments: str) -> str:
    """What `run_samurai.py` prints."""
    assert CODE is not None
    paths = [str(Path(CODE) / 'sam2'), str(REPOSITORY), os.environ.get('PYTHONPATH', '')]
    command = [sys.executable, 'tests/tracking/run_samurai.py', *arguments]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=600
    ).stdout


@pytest.mark.slow
@needs_code
@pytest.mark.parametrize(('kind', 'doubtful'), [('box', False), ('point', False), ('mask', True)])
def test_a_clip_is_tracked_as_by_the_published_code(
    micro_weights: Path, tmp_path: Path, kind: str, doubtful: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = json.loads(published('clip', str(tmp_path), kind, *['doubtful'] * doubtful))
    model = build_sam2(MICRO, checkpoint=micro_weights, image_size=script.CLIP_SIZE)
    decode, doubt = model.sam_mask_decoder.forward, script.Doubt(-1)  # the first call is for the prompt

    def decode_in_doubt(*args: Any, **maps: Any) -> DecoderOutput:
        output = decode(*args, **maps)
        return replace(output, ious=torch.cat([output.ious[:, :1], doubt(output.ious[:, 1:])], dim=1))

    if doubtful:
        monkeypatch.setattr(model.sam_mask_decoder, 'forward', decode_in_doubt)
    images, prompt = script.clip(kind)
    policy = Watched(WatchedRule(chosen=[]), reads={})
    tracker = VideoTracker(model, policy, options=TrackerOptions(video_length=len(images)))
    results = [tracker.step(image, [prompt] if not frame else ())['a'] for frame, image in enumerate(images)]
    rule = policy.candidate_rule
    known = [state.frames if isinstance(state, ObservedMotion) else 0 for *_, state in rule.chosen]
    assert [[read, frames] for read, frames in zip(policy.reads.values(), known, strict=True)] == seen
    expected = {(frame, 'a'): np.load(tmp_path / f'{frame}.npy') for frame in range(len(images))}
    compare({(frame, 'a'): one.mask_logits() for frame, one in enumerate(results)}, expected)
    assert any(chosen != best for chosen, best, _ in rule.chosen) == doubtful


@pytest.mark.slow
@needs_code
def test_the_traces_are_what_the_published_code_still_says() -> None:
    assert json.loads(published('scripted')) == TRACES

"""The `sam2` policy against the official video predictor: same weights, same images, fp32.

Each kind of prompt at 128 pixels, all of them together and the way from files to masks at 256.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sam2.sam2_video_predictor import SAM2VideoPredictor
from torch import Tensor

from sam2_ros.model import VARIANTS, Sam2Network
from sam2_ros.tracking import Prompt, TrackerOptions, VideoTracker
from tests.common import MICRO
from tests.official import load_official, official_video_predictor
from tests.official_video import Logits, add_prompt, compare, official_state
from tests.tracking.clips import Clip, moving_clip

pytestmark = pytest.mark.slow

KINDS = ('point', 'points', 'box', 'mask')
Script = Mapping[int, Sequence[Prompt]]  # prompts by frame


@pytest.fixture(scope='module')
def clip() -> Clip:
    return moving_clip()


@dataclass
class OfficialRun:
    """The official predictor over a clip, or a folder of its frames, prompted between partial propagations."""

    predictor: SAM2VideoPredictor
    clip: Clip
    script: Script
    folder: Path | None = None

    def __post_init__(self) -> None:
        self.logits: Logits = {}
        if self.folder is not None:
            self.state = self.predictor.init_state(str(self.folder))
            return
        self.state = official_state(self.predictor, [self.clip.image(frame) for frame in range(len(self.clip))])

    def run(self) -> Logits:
        starts = sorted(self.script)
        for start, end in zip(starts, [*starts[1:], len(self.clip)], strict=True):
            seen = {object_id for _, object_id in self.logits}
            if any(prompt.object_id in seen for prompt in self.script[start]):
                self.propagate(start, start)  # a corrected frame is tracked first
            for prompt in self.script[start]:
                add_prompt(self.predictor, self.state, start, prompt)
            self.propagate(start, end - 1)
        return self.logits

    def propagate(self, start: int, end: int) -> None:
        for frame, ids, logits in self.predictor.propagate_in_video(self.state, start, end - start):
            self.logits.update({(frame, one): logits[row, 0].numpy() for row, one in enumerate(ids)})


def run_ours(model: Sam2Network, clip: Clip, script: Script, options: TrackerOptions | None = None) -> Logits:
    tracker = VideoTracker(model, 'sam2', options=options or TrackerOptions(clear_on_correction=False))
    logits = {}
    for frame in range(len(clip)):
        result = tracker.step(clip.image(frame), script.get(frame, ()))
        for object_id in result:
            logits[frame, object_id] = result[object_id].mask_logits()
            assert (result[object_id].mask == (logits[frame, object_id] > 0)).all()
    return logits


@pytest.mark.parametrize('kind', KINDS)
def test_one_object_corrected_at_frame_12(
    remembering_micro128: Sam2Network, official_micro128: SAM2VideoPredictor, clip: Clip, kind: str
) -> None:
    script = {0: [clip.prompt('a', kind)], 12: [clip.prompt('a', kind, 12)]}
    compare(run_ours(remembering_micro128, clip, script), OfficialRun(official_micro128, clip, script).run())


@pytest.mark.parametrize('kind', KINDS)
def test_three_objects_one_added_at_frame_8(
    remembering_micro128: Sam2Network, official_micro128: SAM2VideoPredictor, clip: Clip, kind: str
) -> None:
    script = {0: [clip.prompt('a', kind), clip.prompt('b', kind)], 8: [clip.prompt('c', kind, 8)]}
    compare(run_ours(remembering_micro128, clip, script), OfficialRun(official_micro128, clip, script).run())


def test_mixed_prompts_late_object_and_correction(
    remembering_micro: Sam2Network, official_micro: SAM2VideoPredictor, clip: Clip
) -> None:
    """Two corrections of one frame are applied in turn, the second on top of the first."""
    script = {
        0: [clip.prompt('a', 'box'), clip.prompt('b', 'point'), clip.prompt('b', 'points')],
        8: [clip.prompt('c', 'mask', 8)],
        12: [clip.prompt('a', 'point', 12), clip.prompt('a', 'points', 12), clip.prompt('c', 'box', 12)],
    }
    compare(run_ours(remembering_micro, clip, script), OfficialRun(official_micro, clip, script).run())


@pytest.mark.parametrize('kind', KINDS)
def test_objects_that_are_gone_for_a_while(
    remembering_micro128: Sam2Network, official_micro128: SAM2VideoPredictor, clip: Clip, kind: str
) -> None:
    """Hidden frames have pointers and memories of their own, which the frames after them read."""
    hidden = range(6, 12)
    scenes = [
        replace(scene, image=np.full_like(scene.image, 128)) if frame in hidden else scene
        for frame, scene in enumerate(clip.scenes)
    ]
    script = {0: [clip.prompt('a', kind), clip.prompt('b', kind)]}
    gone = Clip(scenes)
    official = OfficialRun(official_micro128, gone, script).run()
    compare(run_ours(remembering_micro128, gone, script), official)
    assert all(official[frame, object_id].max() < 0 for frame in hidden for object_id in 'ab')
    assert any(official[frame, object_id].max() > 0 for frame in range(12, len(gone)) for object_id in 'ab')


def test_from_image_files_to_masks(
    remembering_micro: Sam2Network, official_micro: SAM2VideoPredictor, clip: Clip, tmp_path: Path
) -> None:
    """Nothing is shared but the files: the resizer and what follows it are compared as well."""
    files = [tmp_path / f'{frame:05d}.jpg' for frame in range(len(clip))]
    for frame, file in enumerate(files):
        Image.fromarray(clip.image(frame)).save(file, quality=90)
    decoded = Clip(
        [replace(scene, image=np.array(Image.open(file))) for scene, file in zip(clip.scenes, files, strict=True)]
    )
    script = {0: [clip.prompt('a', 'box'), clip.prompt('b', 'point')], 12: [clip.prompt('a', 'point', 12)]}
    options = TrackerOptions(clear_on_correction=False, resize='pillow')
    official = OfficialRun(official_micro, decoded, script, tmp_path).run()
    compare(run_ours(remembering_micro, decoded, script, options), official)


def test_a_known_short_length_changes_the_pointer_codes(
    remembering_micro: Sam2Network, official_micro: SAM2VideoPredictor, clip: Clip
) -> None:
    """The official predictor scales them with min(length, 16); a stream without an end counts as a long one."""
    short = Clip(clip.scenes[:8])
    script = {0: [short.prompt('a', 'box')]}
    official = OfficialRun(official_micro, short, script).run()
    compare(run_ours(remembering_micro, short, script, TrackerOptions(video_length=len(short))), official)
    unknown = run_ours(remembering_micro, short, script)
    assert max(np.abs(unknown[key] - official[key]).max() for key in official) > 1e-2


def test_non_overlapping_masks(
    remembering_micro: Sam2Network, micro_state_dict: Mapping[str, Tensor], clip: Clip
) -> None:
    official = official_video_predictor(
        VARIANTS[MICRO], image_size=256, binarize_mask_from_pts_for_mem_enc=True, non_overlap_masks=True
    )
    load_official(official, micro_state_dict)
    short = Clip(clip.scenes[:4])
    rivals = [Prompt('wide', box=(10, 10, 200, 160)), clip.prompt('a', 'point'), clip.prompt('b', 'point')]
    expected = OfficialRun(official, short, {0: rivals}).run()
    # the official code takes videos of less than 16 frames differently
    options = TrackerOptions(non_overlap=True, video_length=len(short))
    tracker = VideoTracker(remembering_micro, 'sam2', options=options)
    plain = VideoTracker(remembering_micro, 'sam2', options=replace(options, non_overlap=False))
    shared = 0
    for frame in range(len(short)):
        prompts = rivals if frame == 0 else ()
        result, overlapping = tracker.step(short.image(frame), prompts), plain.step(short.image(frame), prompts)
        shared += (sum(one.mask.astype(int) for one in overlapping.values()) > 1).sum()
        for object_id in result:
            different = result[object_id].mask != (expected[frame, object_id] > 0)
            assert different.mean() < 1e-3  # pixels where two objects are equally likely
    assert shared > 100, 'the objects never overlap: nothing was resolved'

"""The `sam2` policy against the official video predictor: same weights, same images, 256 pixels, fp32."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sam2.sam2_video_predictor import SAM2VideoPredictor
from torch import Tensor

from sam2_ros.model import VARIANTS, Sam2Network, build_sam2
from sam2_ros.model.normalization import normalize
from sam2_ros.tracking import Prompt, TrackerOptions, VideoTracker
from sam2_ros.tracking.preprocessing import shrink
from tests.common import MICRO
from tests.official import load_official, official_video_predictor, official_video_state
from tests.remembering import remembering
from tests.tracking.clips import Clip, moving_clip

pytestmark = pytest.mark.slow

LOGIT_TOLERANCE = 1e-3  # of the range of the clip's logits: the largest difference in a frame
MIN_IOU = 0.9999  # of each object, over all masks of the clip
# In a single frame of less than 10 000 pixels that IoU would mean equality to the pixel, but some may lie so close to 0
# that they are rounded the other way.
MAX_DIFFERENT_PIXELS = 1
KINDS = ('point', 'points', 'box', 'mask')
Script = Mapping[int, Sequence[Prompt]]  # prompts by frame
Logits = dict[tuple[int, str], np.ndarray]  # (H, W) by frame and object


@pytest.fixture(scope='module')
def clip() -> Clip:
    return moving_clip()


@pytest.fixture(scope='module')
def micro(micro_weights: Path) -> Sam2Network:
    """The trained micro network at 256 pixels."""
    model = build_sam2(MICRO, checkpoint=micro_weights, image_size=256)
    model.encode_image = remembering(model.encode_image)
    return model


@pytest.fixture(scope='module')
def predictor(micro_state_dict: Mapping[str, Tensor]) -> SAM2VideoPredictor:
    official = official_video_predictor(
        VARIANTS[MICRO],
        image_size=256,
        binarize_mask_from_pts_for_mem_enc=True,
        add_all_frames_to_correct_as_cond=True,
    )
    load_official(official, micro_state_dict)
    official.forward_image = remembering(official.forward_image)
    return official


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
        pixels = [shrink(self.clip.image(frame), 256, 'bicubic') for frame in range(len(self.clip))]
        images = torch.stack([normalize(one.float() / 255) for one in pixels])
        self.state = official_video_state(self.predictor, images, video_size=self.clip.image(0).shape[:2])

    def run(self) -> Logits:
        starts = sorted(self.script)
        for start, end in zip(starts, [*starts[1:], len(self.clip)], strict=True):
            seen = {object_id for _, object_id in self.logits}
            if any(prompt.object_id in seen for prompt in self.script[start]):
                self.propagate(start, start)  # a corrected frame is tracked first
            for prompt in self.script[start]:
                self.add(start, prompt)
            self.propagate(start, end - 1)
        return self.logits

    def add(self, frame: int, prompt: Prompt) -> None:
        if prompt.mask is not None:
            self.predictor.add_new_mask(self.state, frame, prompt.object_id, prompt.mask)
        else:
            clicks = {'points': prompt.points, 'labels': prompt.labels} if len(prompt.points) else {}
            self.predictor.add_new_points_or_box(self.state, frame, prompt.object_id, box=prompt.box, **clicks)

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


def compare(ours: Logits, official: Logits) -> None:
    assert set(ours) == set(official)
    scale = max(np.abs(logits).max() for logits in official.values() if logits.max() > -1024)
    both, either = defaultdict(int), defaultdict(int)
    for (frame, object_id), expected in official.items():
        logits = ours[frame, object_id]
        assert np.abs(logits - expected).max() <= LOGIT_TOLERANCE * scale, f'{object_id} in frame {frame}'
        shared, together = ((logits > 0) & (expected > 0)).sum(), ((logits > 0) | (expected > 0)).sum()
        assert together - shared <= MAX_DIFFERENT_PIXELS, f'{object_id} in frame {frame}'
        both[object_id] += shared
        either[object_id] += together
    for object_id in either:
        assert either[object_id] > 0, f'{object_id} is never seen: nothing was compared'
        assert both[object_id] / either[object_id] >= MIN_IOU


@pytest.mark.parametrize('kind', KINDS)
def test_one_object_corrected_at_frame_12(
    micro: Sam2Network, predictor: SAM2VideoPredictor, clip: Clip, kind: str
) -> None:
    script = {0: [clip.prompt('a', kind)], 12: [clip.prompt('a', kind, 12)]}
    compare(run_ours(micro, clip, script), OfficialRun(predictor, clip, script).run())


@pytest.mark.parametrize('kind', KINDS)
def test_three_objects_one_added_at_frame_8(
    micro: Sam2Network, predictor: SAM2VideoPredictor, clip: Clip, kind: str
) -> None:
    script = {0: [clip.prompt('a', kind), clip.prompt('b', kind)], 8: [clip.prompt('c', kind, 8)]}
    compare(run_ours(micro, clip, script), OfficialRun(predictor, clip, script).run())


def test_mixed_prompts_late_object_and_correction(
    micro: Sam2Network, predictor: SAM2VideoPredictor, clip: Clip
) -> None:
    """Two corrections of one frame are applied in turn, the second on top of the first."""
    script = {
        0: [clip.prompt('a', 'box'), clip.prompt('b', 'point'), clip.prompt('b', 'points')],
        8: [clip.prompt('c', 'mask', 8)],
        12: [clip.prompt('a', 'point', 12), clip.prompt('a', 'points', 12), clip.prompt('c', 'box', 12)],
    }
    compare(run_ours(micro, clip, script), OfficialRun(predictor, clip, script).run())


@pytest.mark.parametrize('kind', KINDS)
def test_objects_that_are_gone_for_a_while(
    micro: Sam2Network, predictor: SAM2VideoPredictor, clip: Clip, kind: str
) -> None:
    """Hidden frames have pointers and memories of their own, which the frames after them read."""
    hidden = range(6, 12)
    scenes = [
        replace(scene, image=np.full_like(scene.image, 128)) if frame in hidden else scene
        for frame, scene in enumerate(clip.scenes)
    ]
    script = {0: [clip.prompt('a', kind), clip.prompt('b', kind)]}
    gone = Clip(scenes)
    official = OfficialRun(predictor, gone, script).run()
    compare(run_ours(micro, gone, script), official)
    assert all(official[frame, object_id].max() < 0 for frame in hidden for object_id in 'ab')
    assert any(official[frame, object_id].max() > 0 for frame in range(12, len(gone)) for object_id in 'ab')


def test_from_image_files_to_masks(
    micro: Sam2Network, predictor: SAM2VideoPredictor, clip: Clip, tmp_path: Path
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
    official = OfficialRun(predictor, decoded, script, tmp_path).run()
    compare(run_ours(micro, decoded, script, options), official)


def test_a_known_short_length_changes_the_pointer_codes(
    micro: Sam2Network, predictor: SAM2VideoPredictor, clip: Clip
) -> None:
    """The official predictor scales them with min(length, 16); a stream without an end counts as a long one."""
    short = Clip(clip.scenes[:8])
    script = {0: [short.prompt('a', 'box')]}
    official = OfficialRun(predictor, short, script).run()
    compare(run_ours(micro, short, script, TrackerOptions(video_length=len(short))), official)
    unknown = run_ours(micro, short, script)
    assert max(np.abs(unknown[key] - official[key]).max() for key in official) > 1e-2


def test_non_overlapping_masks(micro: Sam2Network, micro_state_dict: Mapping[str, Tensor], clip: Clip) -> None:
    official = official_video_predictor(
        VARIANTS[MICRO], image_size=256, binarize_mask_from_pts_for_mem_enc=True, non_overlap_masks=True
    )
    load_official(official, micro_state_dict)
    short = Clip(clip.scenes[:4])
    rivals = [Prompt('wide', box=(10, 10, 200, 160)), clip.prompt('a', 'point'), clip.prompt('b', 'point')]
    expected = OfficialRun(official, short, {0: rivals}).run()
    # the official code takes videos of less than 16 frames differently
    options = TrackerOptions(non_overlap=True, video_length=len(short))
    tracker = VideoTracker(micro, 'sam2', options=options)
    plain = VideoTracker(micro, 'sam2', options=replace(options, non_overlap=False))
    shared = 0
    for frame in range(len(short)):
        prompts = rivals if frame == 0 else ()
        result, overlapping = tracker.step(short.image(frame), prompts), plain.step(short.image(frame), prompts)
        shared += (sum(one.mask.astype(int) for one in overlapping.values()) > 1).sum()
        for object_id in result:
            different = result[object_id].mask != (expected[frame, object_id] > 0)
            assert different.mean() < 1e-3  # pixels where two objects are equally likely
    assert shared > 100, 'the objects never overlap: nothing was resolved'

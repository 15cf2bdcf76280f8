"""What the weights that come with the package can do: they follow plain objects, by what they remember of places, and
resolve look-alikes surely enough for anchors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sam2_ros.evaluation.datasets.synthetic import SUBSETS, TargetClip, benchmark_clip
from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.protocols.first_prompts import box_prompt
from sam2_ros.model import MemoryRead, Sam2Network, build_sam2
from sam2_ros.tracking import MemoryEvent, ObjectResult, Prompt, VideoTracker
from tests.common import MICRO
from tests.nodes import tracker_scene as discs
from tests.remembering import remembering

pytestmark = pytest.mark.slow

FRAMES = 16
CROWDED_CLIP, CROWDED_FRAMES = 1, 24  # one of the few in which the bundled weights find a distractor


@pytest.fixture(scope='module')
def bundled() -> Sam2Network:
    """It encodes each image once, for all memories that are tried on the same clips."""
    model = build_sam2(MICRO)
    model.encode_image = remembering(model.encode_image)
    return model


@pytest.fixture(scope='module')
def clips() -> list[TargetClip]:
    """Held-out clips, begun as in the benchmark."""
    plain = SUBSETS['plain']
    return [benchmark_clip(replace(plain, scene=replace(plain.scene, frames=FRAMES)), number) for number in range(2)]


def overlaps_of(model: Sam2Network, clips: list[TargetClip]) -> list[float]:
    """Mean J of all frames but the prompted one of each clip, from a box."""
    overlaps = []
    for clip in clips:
        tracker = VideoTracker(model, 'sam2')
        tracker.step(clip.images[0], [box_prompt('target', clip.truth[0])])
        masks = np.stack([tracker.step(image)['target'].mask for image in clip.images[1:]])
        overlaps.append(float(region_similarity(masks, clip.truth[1:]).mean()))
    return overlaps


def test_it_follows_plain_objects_and_reads_places(
    bundled: Sam2Network, clips: list[TargetClip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Object pointers alone tell what to look for, not where it was: without the maps the object must get lost."""
    whole = overlaps_of(bundled, clips)
    condition = bundled.condition_on_memory

    def without_places(stride16: torch.Tensor, read: MemoryRead) -> torch.Tensor:
        return condition(stride16, replace(read, spatial=torch.zeros_like(read.spatial)))

    monkeypatch.setattr(bundled, 'condition_on_memory', without_places)
    blind = overlaps_of(bundled, clips)
    assert min(whole) > 0.5  # in each clip: a mean over more of them says less
    assert all(without < everything - 0.1 for without, everything in zip(blind, whole, strict=True))


@pytest.mark.parametrize('memory', ['sam2', 'dam'])
def test_after_a_correction_the_object_is_what_was_said(bundled: Sam2Network, memory: str) -> None:
    """Published defaults lose it: a few frames later the object is again what it was before."""
    tracker = VideoTracker(bundled, memory)
    prompts = {0: [Prompt('disc', box=discs.box('red', 0))], 5: [Prompt('disc', mask=discs.disc('blue', 5))]}
    for frame in range(20):
        mask = tracker.step(discs.picture(frame), prompts.get(frame, ()))['disc'].mask
        said, other = ('red', 'blue') if frame < 5 else ('blue', 'red')
        assert discs.overlap(mask, discs.disc(said, frame)) > 0.6
        assert discs.overlap(mask, discs.disc(other, frame)) < 0.1


def test_anchors_are_written_with_the_published_thresholds_and_change_the_masks(bundled: Sam2Network) -> None:
    """`interval` reads the same recent memory as `dam`: what differs from it is the anchors' doing."""
    lookalikes = SUBSETS['lookalikes']
    clip = benchmark_clip(replace(lookalikes, scene=replace(lookalikes.scene, frames=CROWDED_FRAMES)), CROWDED_CLIP)
    runs: dict[str, list[ObjectResult]] = {}
    for policy in ('dam', 'interval', 'sam2'):
        tracker = VideoTracker(bundled, policy)
        first = tracker.step(clip.images[0], [box_prompt('target', clip.truth[0])])
        runs[policy] = [result['target'] for result in (first, *map(tracker.step, clip.images[1:]))]
    anchors = [one.frame_index for one in runs['dam'] if one.memory_event is MemoryEvent.ANCHOR]
    assert anchors and runs['dam'][anchors[0]].memory_reason == 'tracked reliably, a distractor in view'
    differs = [bool((one.mask != two.mask).any()) for one, two in zip(runs['dam'], runs['interval'], strict=True)]
    assert not any(differs[: anchors[0] + 1])
    assert any(differs)
    assert any((one.mask != two.mask).any() for one, two in zip(runs['dam'], runs['sam2'], strict=True))

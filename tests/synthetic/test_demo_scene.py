"""The scene of the demo: true to its masks, and followed by the bundled model to its end."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.model import build_sam2
from sam2_ros.synthetic.demo_scene import PERIOD, PROMPTED, DemoScene
from sam2_ros.synthetic.sprites import FRAME_RATE
from sam2_ros.tools.demo import SCENE_FRAMES, scene_prompts
from sam2_ros.tracking import ObjectState, VideoTracker
from sam2_ros.video.prompts import prompts_by_frame

pytestmark = pytest.mark.slow

HIDING = PROMPTED[0]


@pytest.fixture(scope='module')
def scene() -> DemoScene:
    return DemoScene(180, 320)


def test_one_of_the_prompted_is_hidden_for_one_to_two_seconds(scene: DemoScene) -> None:
    areas = {name: np.array([scene.masks(index)[name].sum() for index in range(SCENE_FRAMES)]) for name in PROMPTED}
    for name, area in areas.items():
        assert area[0] > 0.9 * area.max(), name
        assert area[-1] > 0.9 * area.max(), name
        assert (area == 0).any() == (name == HIDING)
    hidden = np.flatnonzero(areas[HIDING] == 0)
    assert len(hidden) == hidden[-1] - hidden[0] + 1  # once, without a break
    assert 1 <= len(hidden) / FRAME_RATE <= 2


def test_masks_are_where_the_paint_is(scene: DemoScene) -> None:
    for index in range(0, PERIOD, 60):
        frame, masks = scene.frame(index).astype(int), scene.masks(index)
        everything = np.logical_or.reduce(list(masks.values()))
        assert sum(mask.sum() for mask in masks.values()) == everything.sum(), 'masks overlap'
        red, blue = (frame[..., channel] - frame[..., 1] > 60 for channel in (0, 2))
        assert (red & ~masks[HIDING] & ~masks['forklift']).sum() < 10, index
        assert (blue & ~masks['blue_robot']).sum() < 10, index
        if masks[HIDING].sum() > 100:  # not the last sliver beside the roof
            assert red[masks[HIDING]].mean() > 0.5, index
        assert blue[masks['blue_robot']].mean() > 0.5, index


def test_the_bundled_model_follows_the_scene_to_the_end() -> None:
    """Every third frame, as on a machine that cannot keep up: from one to the next, things move the farthest."""
    scene = DemoScene(360, 640)
    tracker = VideoTracker(build_sam2('sam2.1_hiera_micro'))
    prompts = prompts_by_frame(scene_prompts(scene))
    found_again = False
    for index in range(0, SCENE_FRAMES, 3):
        result, truth = tracker.step(scene.frame(index), prompts.get(index, ())), scene.masks(index)
        overlaps = {name: region_similarity(result[name].mask, truth[name]) for name in PROMPTED}
        for name in PROMPTED[1:]:
            assert overlaps[name] > 0.6, (index, name)
        if not truth[HIDING].any():
            assert result[HIDING].state is ObjectState.OCCLUDED, index
        elif index > SCENE_FRAMES / 3 and result[HIDING].mask.any():  # what it finds is not another one
            found = result[HIDING].mask
            assert np.count_nonzero(found & truth[HIDING]) > 0.6 * np.count_nonzero(found), index
            found_again = True
    assert found_again and min(overlaps.values()) > 0.6

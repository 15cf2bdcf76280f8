"""Segment everything: the records and masks of the official mask generator on the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.images import AutomaticMaskGenerator
from sam2_ros.model import Sam2Network
from tests.model.conftest import Pair
from tests.official import compiled_components, official_mask_generator
from tests.scenes import Scene, scene

HEIGHT, WIDTH = 150, 210
EASY = {'points_per_side': 8, 'pred_iou_thresh': 0.4, 'stability_score_thresh': 0.6}


@pytest.fixture(scope='module')
def picture() -> Scene:
    return scene(height=HEIGHT, width=WIDTH, seed=1)


def masks_of(records: list[dict[str, Any]]) -> np.ndarray:
    return np.stack([record['segmentation'] for record in records])


VARIATIONS: dict[str, dict[str, Any]] = {
    'plain': {},
    'all points': {'points_per_batch': 5},
    'one mask': {'multimask_output': False},
    'everything stays': {'pred_iou_thresh': 0.0, 'stability_score_thresh': 0.0, 'points_per_side': 4},
    'another threshold': {'mask_threshold': 1.0, 'stability_score_offset': 0.5, 'stability_score_thresh': 0.3},
    'strict': {'box_nms_thresh': 0.2},
    'refined': {'use_m2m': True},
    'refined single': {'use_m2m': True, 'multimask_output': False, 'points_per_batch': 7},
    'crops': {'crop_n_layers': 1, 'points_per_side': 6},
    'crops of crops': {
        'crop_n_layers': 2, 'points_per_side': 4, 'crop_n_points_downscale_factor': 2,
        'crop_overlap_ratio': 0.2, 'crop_nms_thresh': 0.5,
    },
    'own points': {'points_per_side': None, 'point_grids': [np.array([(0.3, 0.3), (0.7, 0.3), (0.5, 0.75)])]},
    'nothing': {'pred_iou_thresh': 1.0},
}  # fmt: skip


@pytest.mark.parametrize('variation', VARIATIONS)
def test_records_of_the_official_generator(trained_pair: Pair, picture: Scene, variation: str) -> None:
    parameters = EASY | VARIATIONS[variation]
    ours = AutomaticMaskGenerator(trained_pair.ours, **parameters).generate(picture.image)
    official = official_mask_generator(trained_pair.official, **parameters).generate(picture.image)
    assert bool(ours) == (variation != 'nothing')
    assert_same(ours, official)


def assert_same(ours: list[Any], official: list[dict[str, Any]]) -> None:
    assert len(ours) == len(official)
    for mine, theirs in zip(ours, official, strict=True):
        assert set(mine) == set(theirs)
        union = (mine['segmentation'] | theirs['segmentation']).sum()
        assert (mine['segmentation'] & theirs['segmentation']).sum() >= 0.999 * union
        assert mine['area'] == mine['segmentation'].sum()
        assert mine['area'] == pytest.approx(theirs['area'], rel=1e-3, abs=2)
        assert mine['crop_box'] == theirs['crop_box']
        np.testing.assert_allclose(mine['bbox'], theirs['bbox'], atol=1)
        np.testing.assert_allclose(mine['point_coords'], theirs['point_coords'], atol=1e-4)
        np.testing.assert_allclose(mine['predicted_iou'], theirs['predicted_iou'], atol=1e-4)
        np.testing.assert_allclose(mine['stability_score'], theirs['stability_score'], atol=2e-3)


def test_small_regions_go_as_in_the_official_code_with_its_extension(trained_pair: Pair, picture: Scene) -> None:
    parameters = EASY | {'points_per_side': 5, 'min_mask_region_area': 60}
    ours = AutomaticMaskGenerator(trained_pair.ours, **parameters).generate(picture.image)
    with compiled_components():
        official = official_mask_generator(trained_pair.official, **parameters).generate(picture.image)
    assert_same(ours, official)
    kept = AutomaticMaskGenerator(trained_pair.ours, **parameters | {'min_mask_region_area': 0}).generate(picture.image)
    assert [record['area'] for record in kept] != [record['area'] for record in ours]


def test_the_objects_of_a_picture_are_among_the_masks(micro: Sam2Network, picture: Scene) -> None:
    records = AutomaticMaskGenerator(micro, **EASY | {'points_per_side': 12}).generate(picture.image)
    found = masks_of(records)
    overlaps = [(found & truth).sum((1, 2)) / (found | truth).sum((1, 2)) for truth in picture.masks]
    assert sorted(overlap.max() for overlap in overlaps)[-2] > 0.8  # the bundled network does not find each of them


def test_run_lengths_hold_the_same_masks(micro: Sam2Network, picture: Scene) -> None:
    arrays, lists, texts = (
        AutomaticMaskGenerator(micro, **EASY, output_mode=mode).generate(picture.image)
        for mode in ('binary_mask', 'uncompressed_rle', 'coco_rle')
    )
    assert arrays
    for one, listed, text in zip(arrays, lists, texts, strict=True):
        assert isinstance(listed['segmentation']['counts'], list)
        assert isinstance(text['segmentation']['counts'], str)
        for record in (listed, text):
            np.testing.assert_array_equal(RunLengths.from_coco(record['segmentation']).mask(), one['segmentation'])


def test_batches_change_nothing_but_rounding(micro: Sam2Network, picture: Scene) -> None:
    small, large = (
        AutomaticMaskGenerator(micro, **EASY, points_per_batch=size).generate(picture.image) for size in (3, 64)
    )
    assert_same(small, large)


@pytest.mark.parametrize(
    ('parameters', 'message'),
    [
        ({'points_per_side': None}, 'either points_per_side or point_grids'),
        ({'point_grids': [np.zeros((1, 2))]}, 'either points_per_side or point_grids'),
        ({'points_per_side': None, 'point_grids': [np.zeros((1, 3))]}, r'\(P, 2\)'),
        ({'points_per_side': None, 'point_grids': [np.zeros((1, 2))], 'crop_n_layers': 1}, '2 grids'),
        ({'points_per_side': 2, 'crop_n_layers': 2, 'crop_n_points_downscale_factor': 2}, 'no point in a layer'),
        ({'points_per_side': 0}, 'no point in a layer'),
        ({'points_per_batch': 0}, 'points_per_batch must be 1 or more'),
        ({'min_mask_region_area': -1}, 'must not be negative'),
        ({'box_nms_thresh': 1.5}, 'from 0 to 1'),
        ({'output_mode': 'png'}, 'binary_mask, uncompressed_rle, coco_rle'),
    ],
)
def test_a_bad_parameter_is_refused(micro: Sam2Network, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutomaticMaskGenerator(micro, **parameters)


def test_a_bad_image_is_refused(micro: Sam2Network) -> None:
    with pytest.raises(ValueError, match=r'\(H, W, 3\)'):
        AutomaticMaskGenerator(micro).generate(np.zeros((5, 5), np.uint8))

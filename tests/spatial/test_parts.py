"""Labels, clusters, boxes, the filter, transforms: one by one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.spatial.boxes import BODY_OF_CAMERA, fit_box
from sam2_ros.spatial.clusters import depth_range
from sam2_ros.spatial.labels import Layer, Mask, draw_labels
from sam2_ros.spatial.motion import REJECTIONS, MotionFilter
from sam2_ros.spatial.transforms import TransformError, equal_frames_only, inverse, moved, quaternion_of, rigid

SECOND = 1_000_000_000


def test_core_rim_and_margin() -> None:
    labels = draw_labels([Mask((10, 10), np.ones((20, 20), np.uint8))], image_size=(60, 60), erosion=2)
    counts = np.bincount(labels.values.ravel() & 3, minlength=4)
    assert counts[Layer.CORE] == 16 * 16
    assert counts[Layer.RIM] == 20 * 20 - 16 * 16
    assert counts[Layer.MARGIN] == pytest.approx(24 * 24 - 20 * 20, abs=16)
    assert labels.box == (8, 8, 32, 32) and set(np.unique(labels.values >> 2)) == {0, 1}


def test_the_smaller_of_two_masks_is_on_top() -> None:
    table, cup = Mask((0, 0), np.ones((40, 40), bool)), Mask((10, 10), np.full((9, 9), 255, np.uint8))
    for masks, number in (([table, cup], 2), ([cup, table], 1)):
        labels = draw_labels(masks, image_size=(40, 40), erosion=1)
        assert (labels.values[10:19, 10:19] >> 2 == number).all()
        assert np.count_nonzero(labels.values >> 2 == number) == 81


def test_thin_masks_are_eroded_less() -> None:
    pen = Mask((5, 5), np.ones((30, 3), np.uint8))
    labels = draw_labels([pen], image_size=(50, 50), erosion=4)
    assert np.count_nonzero(labels.values & 3 == Layer.CORE) >= 28


@pytest.mark.parametrize('corner', [(-5, -5), (35, 35), (100, 100)])
def test_masks_beyond_the_image_are_cut(corner: tuple[int, int]) -> None:
    labels = draw_labels([Mask(corner, np.ones((10, 10), np.uint8))], image_size=(40, 40), erosion=2)
    expected = {(-5, -5): 25, (35, 35): 25, (100, 100): 0}[corner]
    assert np.count_nonzero(labels.values & 3 >= Layer.RIM) == expected


def test_no_mask_is_no_label() -> None:
    assert draw_labels([], image_size=(4, 5), erosion=2).box == (0, 0, 0, 0)
    assert not draw_labels([Mask((0, 0), np.zeros((3, 3), bool))], image_size=(4, 5), erosion=2).values.any()


def test_the_largest_cluster_wins_and_the_nearest_of_equal_ones() -> None:
    chair, wall = np.full(600, 2.0), np.full(900, 3.0)
    low, high = depth_range(np.concatenate([chair, wall]), gap=0.05)
    assert low < 3.0 < high and low > 2.5
    low, high = depth_range(np.concatenate([chair, wall[:700]]), gap=0.05)
    assert low < 2.0 < high < 2.5


def test_a_slope_is_one_cluster_and_few_flying_points_make_no_bridge() -> None:
    slope = np.linspace(1.0, 4.0, 2000)
    low, high = depth_range(slope, gap=0.05)
    assert low < 1.0 and high > 4.0
    flying = np.random.default_rng(0).uniform(2.0, 4.0, 40)
    low, high = depth_range(np.concatenate([np.full(5000, 2.0), np.full(3000, 4.0), flying]), gap=0.05)
    assert high < 2.4


def test_a_wider_gap_joins_what_a_narrow_one_parts() -> None:
    two = np.concatenate([np.full(50, 2.0), np.full(40, 2.3)])
    assert depth_range(two, gap=0.05)[1] < 2.3 < depth_range(two, gap=0.4)[1]


@given(st.lists(st.floats(0.11, 60.0), min_size=1, max_size=200), st.floats(0.005, 1.0))
def test_the_range_holds_points(depths: list[float], gap: float) -> None:
    low, high = depth_range(np.array(depths, np.float32), gap=gap)
    assert any(low <= depth <= high for depth in depths)


def corner(yaw: float, random: np.random.Generator) -> np.ndarray:
    """Two walls that meet, 0.8 and 0.5 m long: no top."""
    long, short = random.uniform(0, 0.8, 600), random.uniform(0, 0.5, 400)
    walls = np.concatenate(
        [np.column_stack([long, 0 * long, 0.3 * long]), np.column_stack([0 * short, short, 0.3 * short])]
    )
    sine, cosine = np.sin(yaw), np.cos(yaw)
    return walls @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]).T


@pytest.mark.parametrize('yaw', np.radians([-40, -10, 0, 17, 33]))
def test_the_box_of_two_walls_lies_along_them(yaw: float) -> None:
    found = fit_box(corner(yaw, np.random.default_rng(0)), 'upright')
    assert np.arctan2(found.rotation[1, 0], found.rotation[0, 0]) == pytest.approx(yaw, abs=0.02)
    assert found.size[:2] == pytest.approx((0.8, 0.5), rel=0.03)


def test_the_angle_goes_on_where_it_was() -> None:
    """Turned by more than 45 degrees, its sides would change names."""
    rotation, random = None, np.random.default_rng(0)
    for degrees in range(0, 200, 5):
        found = fit_box(corner(np.radians(degrees), random), 'upright', previous=rotation)
        rotation = found.rotation
        assert found.size[:2] == pytest.approx((0.8, 0.5), rel=0.05)
    assert np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0])) % 360 == pytest.approx(195, abs=4)


def test_a_round_thing_keeps_its_angle() -> None:
    random, rotation = np.random.default_rng(0), None
    for _ in range(10):
        angle = np.linspace(0, 2 * np.pi, 500) + random.uniform(0, 0.1, 500)
        points = np.column_stack([np.cos(angle), np.sin(angle), angle])
        found = fit_box(points, 'upright', previous=rotation)
        assert rotation is None or abs(np.arctan2(*(rotation.T @ found.rotation)[1::-1, 0])) < np.radians(10)
        rotation = found.rotation


def test_upright_in_the_frame_of_a_camera() -> None:
    """Up is -y there."""
    points = corner(0.3, np.random.default_rng(0)) @ BODY_OF_CAMERA.T
    found = fit_box(points, 'upright', optical=True)
    assert found.size == pytest.approx((0.8, 0.5, 0.24), rel=0.05)
    assert found.rotation[:, 2] == pytest.approx((0, -1, 0), abs=1e-9)


def test_along_the_axes_and_along_the_points() -> None:
    random = np.random.default_rng(0)
    turn = cv2.Rodrigues(np.array([0.3, -0.2, 0.5]))[0]
    points = random.uniform(-1, 1, (3000, 3)) * (0.5, 0.3, 0.1) @ turn.T + (1, 2, 3)
    found = fit_box(points, 'axis_aligned')
    assert np.allclose(found.rotation, np.eye(3)) and (found.size > (0.9, 0.6, 0.2)).all()
    found = fit_box(points, 'oriented', previous=turn)
    assert np.allclose(found.rotation, turn, atol=0.03) and found.size == pytest.approx((1.0, 0.6, 0.2), rel=0.05)
    assert found.centre == pytest.approx((1, 2, 3), abs=0.02)
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)


@pytest.mark.parametrize('kind', ['upright', 'axis_aligned', 'oriented'])
@pytest.mark.parametrize('number', [1, 2, 3])
def test_boxes_of_few_points(kind: str, number: int) -> None:
    points = np.array([[1.0, 2, 3], [1.2, 2, 3], [1.2, 2.5, 3]])[:number]
    found = fit_box(points, kind)
    assert np.isfinite(found.centre).all() and (found.size >= 0).all()
    assert np.allclose(found.rotation @ found.rotation.T, np.eye(3))


NOISE = 0.01**2 * np.eye(3)


def test_the_filter_takes_what_fits_and_begins_anew_after_three_that_do_not() -> None:
    moving = MotionFilter(np.zeros(3), NOISE, stamp_ns=0)
    for index in range(1, 11):
        assert moving.update(np.array((0.05 * index, 0, 0)), NOISE, stamp_ns=index * SECOND // 10, process_noise=0.2)
    state, covariance = moving.at(SECOND, process_noise=0.2)
    assert state[3:] == pytest.approx((0.5, 0, 0), abs=0.02)
    assert np.allclose(covariance, covariance.T) and (np.linalg.eigvalsh(covariance) > 0).all()
    far = np.array((5.0, 0, 0))
    taken = [
        moving.update(far, NOISE, stamp_ns=(11 + index) * SECOND // 10, process_noise=0.2)
        for index in range(REJECTIONS)
    ]
    assert taken == [False, False, True]
    assert moving.at(13 * SECOND // 10, process_noise=0.2)[0][:3] == pytest.approx(far)


def test_the_filter_refuses_what_is_not_newer() -> None:
    moving = MotionFilter(np.zeros(3), NOISE, stamp_ns=SECOND)
    for stamp_ns in (SECOND, SECOND // 2):
        assert not moving.update(np.ones(3), NOISE, stamp_ns=stamp_ns, process_noise=0.2)
    assert moving.rejected == 0


@given(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1), st.tuples(*[st.floats(-9, 9)] * 3))
def test_transforms_and_quaternions_agree(quaternion: tuple[float, ...], shift: tuple[float, ...]) -> None:
    matrix = rigid(shift, quaternion)
    assert np.allclose(matrix @ inverse(matrix), np.eye(4))
    assert np.allclose(rigid(shift, quaternion_of(matrix[:3, :3])), matrix)
    points = np.array([[1.0, 2, 3]])
    assert np.allclose(moved(moved(points, matrix), inverse(matrix)), points)


def test_transforms_that_are_none() -> None:
    with pytest.raises(TransformError, match='rotation'):
        rigid((0, 0, 0), (0, 0, 0, 0))
    assert np.array_equal(equal_frames_only(0, 'a', 'a'), np.eye(4))
    with pytest.raises(TransformError, match="'map' and 'camera' differ"):
        equal_frames_only(0, 'map', 'camera')

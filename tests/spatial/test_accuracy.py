"""How well objects are found in space: against what is true in the computed scene.

`surface` is the median of the visible surface, and is compared with that. `position` is the centre of a box around it:
where the edges of a body are seen, that is the centre of the body.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam2_ros.spatial.objects import SpatialObjects
from sam2_ros.synthetic.depth_scene import DepthScene, quantised, with_dropouts, with_flying_rims
from tests.spatial.rig import BALL, BOX, Degrade, Rig, camera, circling, standing, true_middle

LIMITS = {'registered': (0.01, 0.05), 'beside': (0.02, 0.08), 'lidar': (0.02, 0.08)}  # metres; share of the size


def bad(seed: int = 0) -> Degrade:
    """Millimetres, holes and flying pixels."""
    random = np.random.default_rng(seed)
    return lambda depth: quantised(with_dropouts(with_flying_rims(depth, random), 0.1, random))


@pytest.mark.parametrize('kind', list(LIMITS))
@pytest.mark.parametrize('degrade', [lambda depth: depth, quantised, bad()], ids=['32FC1', '16UC1', 'bad'])
def test_a_box_is_where_it_is_and_as_large_as_it_is(kind: str, degrade: Degrade) -> None:
    rig = Rig(kind=kind, degrade=degrade)
    found, (far, share) = rig.step(0.0)['box'], LIMITS[kind]
    assert np.linalg.norm(found.surface - true_middle(rig.surface('box', 0.0))) < far
    # of the far edge, seen at a low angle, flying pixels leave little
    assert np.linalg.norm(found.position - BOX.start) < 1.5 * far
    assert np.abs(found.size / BOX.size - 1).max() < share
    assert np.arctan2(found.rotation[1, 0], found.rotation[0, 0]) == pytest.approx(BOX.yaw, abs=0.03)
    assert found.measured and not found.truncated and found.points >= 100


@pytest.mark.parametrize('kind', list(LIMITS))
def test_a_ball_is_as_wide_as_what_is_seen_of_it(kind: str) -> None:
    """Less than half of it is seen, so it is as wide as it is, but not as deep."""
    rig = Rig(kind=kind, scene=DepthScene([replace(BALL, start=(2.0, 0.0, 0.15))]))
    found, (far, share) = rig.step(0.0)['ball'], LIMITS[kind]
    assert np.linalg.norm(found.surface - true_middle(rig.surface('ball', 0.0))) < far
    assert max(found.size[:2]) == pytest.approx(BALL.size[0], rel=share)


def test_depth_and_masks_of_other_resolutions_fit() -> None:
    rig = Rig(kind='beside', image=camera(720, 1280, 900.0), focal=900.0)
    found = rig.step(0.0)['box']
    assert np.linalg.norm(found.position - BOX.start) < 0.02
    assert np.abs(found.size / BOX.size - 1).max() < 0.08


@pytest.mark.parametrize('pose', [standing, circling])
@pytest.mark.parametrize(
    ('kind', 'name'), [('registered', 'box'), ('registered', 'ball'), ('beside', 'box'), ('lidar', 'box')]
)
def test_motion_is_known_after_a_second_and_through_hiding(kind: str, pose: object, name: str) -> None:
    """A body at 0.5 m/s; stamps of the depth jitter by 10 ms; then it is hidden for two seconds and comes back."""
    jitter = np.random.default_rng(3)
    scene = DepthScene(
        [
            replace(BOX, start=(2.3, -0.6, 0.25), velocity=(0.0, 0.5, 0.0)),
            replace(BALL, start=(1.9, 0.2, 0.15), velocity=(0.3, 0.4, 0.0)),
        ]
    )
    rig = Rig(scene=scene, pose=pose, kind=kind, degrade=bad(1), ids=[name])
    body = next(body for body in scene.bodies if body.name == name)
    for index in range(11):
        found = rig.step(0.1 * index, stamp=0.1 * index + jitter.uniform(-0.01, 0.01))[name]
    assert np.abs(found.velocity - body.velocity).max() < 0.05
    visible = found.position - body.centre(1.0)  # of what is seen, from the middle of the body
    spread = []
    for index in range(11, 31):
        found = rig.step(0.1 * index, hidden=[name], blind=True)[name]
        assert not found.measured and found.points == 0
        spread.append(np.linalg.det(found.covariance[:3, :3]))
    assert np.all(np.diff(spread) > 0)
    assert np.linalg.norm(found.position - body.centre(3.0) - visible) < 0.1
    found = rig.step(3.1)[name]
    assert found.measured and np.linalg.norm(found.position - body.centre(3.1)) < 0.15


def test_a_thing_that_stands_stays_put_while_the_camera_moves() -> None:
    rig = Rig(pose=circling, degrade=bad(2))
    places = np.array([rig.step(0.1 * index)['box'].position for index in range(20)])
    assert np.abs(places - BOX.start).max() < 0.02
    assert np.abs(rig.step(2.0)['box'].velocity).max() < 0.05


def test_a_body_that_goes_behind_another_is_predicted_from_its_full_speed() -> None:
    """The middle of what is still seen is slower than the body: it must not count as its speed."""
    wall = replace(BOX, name='wall', size=(0.05, 1.2, 1.4), start=(1.5, 0.9, 0.7), yaw=0.0)
    body = replace(BOX, start=(2.2, -0.7, 0.25), yaw=0.0, velocity=(0.0, 0.5, 0.0))
    rig = Rig(scene=DepthScene([body, wall]), ids=['box'])
    hidden_since = None
    for index in range(60):
        time = 0.1 * index
        found = rig.step(time)['box']
        hidden_since = hidden_since or (None if found.measured else time)
        if hidden_since and time > hidden_since + 1.0:
            break
    assert hidden_since
    assert np.linalg.norm((found.position - body.centre(time))[:2]) < 0.15
    assert found.velocity == pytest.approx(body.velocity, abs=0.05)


def test_what_the_tracker_gives_up_or_forgets_is_not_predicted() -> None:
    rig = Rig()
    rig.step(0.0)
    masks = [replace(tracked, mask=None, lost=tracked.object_id == 'box') for tracked in rig.masks(rig.view(0.1))]
    step = {'stamp_ns': 100_000_000, 'target_from_tracking': np.eye(4), 'options': rig.options}
    assert list(rig.objects.step(masks, None, **step)[0]) == ['ball']
    assert rig.objects.step(masks[:1], None, **step)[0] == {}
    assert rig.objects.step(masks, None, **step)[0] == {}


def test_what_is_hidden_for_longer_than_wanted_is_no_longer_predicted() -> None:
    rig = Rig()
    rig.step(0.0)
    assert 'box' in rig.step(4.9, hidden=['box'])
    assert 'box' not in rig.step(5.1, hidden=['box'])
    assert 'box' not in rig.step(5.2, hidden=['box'])


def test_without_depth_a_new_thing_has_no_place_and_an_old_one_is_predicted() -> None:
    rig = Rig()
    assert rig.step(0.0, blind=True) == {}
    rig.step(0.1)
    found = rig.step(0.2, blind=True)
    assert set(found) == {'box', 'ball'} and not found['box'].measured
    assert np.linalg.norm(found['box'].position - BOX.start) < 0.01


def test_depth_of_nothing_but_holes_is_survived() -> None:
    rig = Rig(degrade=lambda depth: np.zeros(depth.shape, np.uint16))
    assert rig.step(0.0) == {}
    rig.degrade = lambda depth: np.full(depth.shape, np.nan, np.float32)
    assert rig.step(0.1) == {}


def test_a_body_beyond_the_border_is_truncated() -> None:
    rig = Rig(scene=DepthScene([replace(BOX, start=(2.1, 1.25, 0.25))]))
    assert rig.step(0.0)['box'].truncated


def test_the_motion_of_what_never_fits_into_the_image_is_known() -> None:
    """Such as a person who stands near: legs and head are cut off."""
    tall = replace(BOX, size=(0.3, 0.4, 3.0), start=(1.6, -0.3, 1.5), velocity=(0.0, 0.3, 0.0))
    rig = Rig(scene=DepthScene([tall]))
    for index in range(13):
        found = rig.step(0.1 * index)['box']
    assert found.truncated and found.velocity == pytest.approx(tall.velocity, abs=0.08)


def test_background_that_shows_through_a_mask_is_no_part_of_the_object() -> None:
    """A mask of a frame with nothing in it: the hole shows the wall."""
    rig = Rig()
    masks = rig.masks(rig.view(0.0))
    for tracked in masks:
        tracked.mask.crop[:] = True  # the whole box around it
    found, _ = SpatialObjects().step(
        masks, rig.sight(masks, 0.0), stamp_ns=0, target_from_tracking=np.eye(4), options=rig.options
    )
    assert np.linalg.norm(found['ball'].surface[:2] - true_middle(rig.surface('ball', 0.0))[:2]) < 0.04


def test_few_points_are_no_measurement() -> None:
    rig = Rig(scene=DepthScene([replace(BALL, size=(0.01, 0.01, 0.01), start=(2.0, 0.0, 0.3))]))
    assert rig.step(0.0) == {}
    rig.options = replace(rig.options, min_points=2)
    assert set(rig.step(0.1)) == {'ball'}

"""The computed scene with depth is exact, and its faults are those that are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_ros.synthetic.depth_demo import DepthDemoScene
from sam2_ros.synthetic.depth_scene import (
    Body,
    DepthScene,
    lidar_rays,
    looking,
    pinhole_rays,
    quantised,
    with_dropouts,
    with_flying_rims,
)

BALL = Body('ball', (0.4, 0.4, 0.4), (2.0, 0.0, 1.0), (255, 0, 0), ball=True)
CUBE = Body('cube', (0.4, 0.6, 0.2), (2.0, 0.0, 1.0), (0, 255, 0), yaw=0.7, velocity=(0.0, 0.5, 0.0))
AHEAD = looking((0.0, 0.0, 1.0), (2.0, 0.0, 1.0))
RAYS = pinhole_rays(121, 161, focal=150.0)


@pytest.mark.parametrize('body', [BALL, CUBE])
def test_every_point_lies_on_the_body_it_is_said_to_be_of(body: Body) -> None:
    view = DepthScene([body]).look(RAYS, AHEAD, time=0.3)
    own = view.numbers == 1
    at = (RAYS[own] * view.depth[own][:, None]) @ AHEAD[:3, :3].T + AHEAD[:3, 3]
    inside = (at - body.centre(0.3)) @ body.axes
    assert own.sum() > 200
    if body.ball:
        assert np.allclose(np.linalg.norm(inside, axis=1), body.size[0] / 2, atol=1e-5)
    else:
        assert np.allclose(np.abs(inside / body.size).max(1), 0.5, atol=1e-5)


def test_floor_and_wall_are_where_they_are() -> None:
    view = DepthScene([], wall=4.0).look(RAYS, AHEAD)
    assert view.depth[60, 80] == pytest.approx(4.0)
    assert view.depth[120, 80] == pytest.approx(1.0 / (60 / 150.0))
    assert not np.isnan(view.depth).any() and view.numbers.max() == 0
    assert np.isnan(DepthScene([], wall=-1.0).look(RAYS, AHEAD).depth[:60]).all()


def test_distances_of_a_lidar() -> None:
    rays = lidar_rays(lines=32)
    assert len(rays) == 32 * 900 and np.allclose(np.linalg.norm(rays, axis=1), 1.0)
    pose = np.eye(4)
    pose[2, 3] = 1.0
    view = DepthScene([BALL]).look(rays, pose)
    straight = np.argmin(np.abs(rays - (1, 0, 0)).sum(1))
    assert view.depth[straight] == pytest.approx(1.8, abs=0.01)


def test_the_faults() -> None:
    random = np.random.default_rng(0)
    depth = DepthScene([BALL]).look(RAYS, AHEAD).depth
    assert np.abs(quantised(depth) * 0.001 - depth).max() <= 0.00051
    assert quantised(np.array([[np.nan, 100.0]])).tolist() == [[0, 65535]]
    assert np.isnan(with_dropouts(depth, 0.2, random)).mean() == pytest.approx(0.2, abs=0.03)
    flying = with_flying_rims(depth, random)
    changed = flying != depth
    assert 0 < changed.mean() < 0.05 and flying.min() >= depth.min() and flying.max() <= depth.max()


def test_the_demo_has_exact_depth_and_hides_a_parcel() -> None:
    scene = DepthDemoScene(120, 160)
    sizes = [scene.masks(index)['parcel'].sum() for index in range(0, scene.period, 4)]
    assert min(sizes) == 0 < max(sizes) and sizes[0] > 50
    assert scene.depth(3).shape == (120, 160) and scene.depth(3).dtype == np.float32
    body = scene.bodies(3)[2]
    assert np.nanmin(scene.depth(3)[scene.masks(3)['ball']]) < np.linalg.norm(body.start)

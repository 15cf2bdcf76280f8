"""Points that fall into masks: all paths give the same, and only what can be seen is looked at."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sam2_ros.spatial import points
from sam2_ros.spatial.camera import Camera
from sam2_ros.spatial.depth import in_metres
from sam2_ros.spatial.distortion import Distortion
from sam2_ros.spatial.objects import labels_of
from sam2_ros.synthetic.depth_scene import pinhole_rays
from tests.spatial.rig import FOCAL, HEIGHT, SCENE, WIDTH, Rig, camera, standing

LENS = Distortion(np.array([-0.28, 0.07, 0.0004, -0.0002, 0.0]), fisheye=False)


def labelled(image: Camera, focal: float, extrinsic: np.ndarray) -> points.LabelledPoints:
    rig = Rig(image=image, focal=focal)
    labels = labels_of(
        rig.masks(rig.view(0.0)),
        image_size=(image.height, image.width),
        focal=focal,
        sensor_focal=FOCAL,
        erosion=2,
    )
    rays = pinhole_rays(HEIGHT, WIDTH, focal=FOCAL)
    depth = in_metres(SCENE.look(rays, standing(0.0) @ extrinsic, paint=False).depth, unit=0.001, low=0.1, high=10.0)
    return points.label_depth(depth, camera(), labels, image_camera=image, image_from_depth=extrinsic, gap=0.05)


@pytest.mark.parametrize('lens', [None, LENS])
@pytest.mark.parametrize('turn', [0.0, 0.02, 0.1, 0.4])
@pytest.mark.parametrize('shift', [(0.05, 0.0, 0.0), (0.2, -0.1, 0.05), (0.0, 0.0, -0.3)])
def test_what_is_left_out_could_not_fall_into_a_mask(
    monkeypatch: pytest.MonkeyPatch, lens: Distortion | None, turn: float, shift: tuple[float, float, float]
) -> None:
    image = Camera(360, 640, camera(360, 640, 450.0).matrix, lens)
    extrinsic = np.eye(4)
    extrinsic[:3, :3], extrinsic[:3, 3] = cv2.Rodrigues(np.array([turn / 2, turn, turn / 5]))[0], shift
    found = labelled(image, 450.0, extrinsic)
    monkeypatch.setattr(points, '_window', lambda *_: (slice(0, HEIGHT), slice(0, WIDTH)))
    whole = labelled(image, 450.0, extrinsic)
    assert len(found.places) > 1000
    assert np.array_equal(found.places, whole.places) and np.array_equal(found.labels, whole.labels)
    assert np.allclose(found.points, whole.points)


def test_the_short_cut_for_depth_upon_the_image_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = labelled(camera(), FOCAL, np.eye(4))
    monkeypatch.setattr(Camera, 'is_like', lambda *_: False)
    other = labelled(camera(), FOCAL, np.eye(4))
    assert np.array_equal(found.places, other.places) and np.array_equal(found.labels, other.labels)
    assert np.allclose(found.points, other.points) and np.array_equal(found.alone, other.alone)


def test_flying_pixels_are_alone_and_edges_are_not() -> None:
    depth = np.full((9, 9), 2.0, np.float32)
    depth[:, 5:] = 4.0
    rows, columns = (places.ravel() for places in np.mgrid[0:9, 0:9])
    assert not points._alone(depth, rows, columns, 0.05).any()
    depth[4, 4] = 3.0
    assert np.flatnonzero(points._alone(depth, rows, columns, 0.05)).tolist() == [4 * 9 + 4]
    assert points._alone(depth, rows[:0], columns[:0], 0.05).tolist() == []

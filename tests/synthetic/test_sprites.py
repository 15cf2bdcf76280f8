"""What all drawn scenes have in common: repeatable, seamless, of any size."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_ros.synthetic.sprites import SpriteScene
from sam2_ros.video.source import SCENES


@pytest.fixture(scope='module', params=SCENES)
def kind(request: pytest.FixtureRequest) -> type[SpriteScene]:
    return SCENES[request.param]


def test_frames_do_not_depend_on_what_was_asked_before(kind: type[SpriteScene]) -> None:
    scene = kind(180, 320)
    frame = scene.frame(123)
    scene.frame(5)
    np.testing.assert_array_equal(scene.frame(123), frame)
    np.testing.assert_array_equal(kind(180, 320).frame(123), frame)


def test_they_repeat_without_a_seam(kind: type[SpriteScene]) -> None:
    scene = kind(180, 320)
    np.testing.assert_array_equal(scene.frame(kind.period), scene.frame(0))
    across = np.abs(scene.frame(kind.period - 1).astype(int) - scene.frame(0)).mean()
    within = np.abs(scene.frame(0).astype(int) - scene.frame(1)).mean()
    assert across < 3 * within


@pytest.mark.parametrize('size', [(64, 64), (64, 300), (200, 64)])
def test_other_shapes(kind: type[SpriteScene], size: tuple[int, int]) -> None:
    scene = kind(*size)
    for index in range(0, kind.period, 50):
        masks = scene.masks(index)
        assert scene.frame(index).shape == (*size, 3)
        assert set(masks) == set(scene.names) >= set(scene.prompted)
        assert all(mask.shape == size for mask in masks.values())
        assert np.sum(list(masks.values()), axis=0).max() <= 1, 'masks overlap'


def test_too_small(kind: type[SpriteScene]) -> None:
    with pytest.raises(ValueError, match='63 x 100 pixels, but needs at least 64 x 64'):
        kind(100, 63)

"""Still images: the same masks as the official image predictor."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sam2_ros.model import ImageSegmenter, Sam2Network
from tests.model.conftest import Pair
from tests.official import official_image_predictor
from tests.scenes import Scene, scene

HEIGHT, WIDTH = 200, 300


@pytest.fixture(scope='module')
def picture() -> Scene:
    return scene(height=HEIGHT, width=WIDTH, seed=1)


@pytest.fixture(scope='module')
def segmenter(micro: Sam2Network, picture: Scene) -> ImageSegmenter:
    segmenter = ImageSegmenter(micro)
    segmenter.set_image(picture.image)
    return segmenter


@pytest.fixture(scope='module')
def predictor(trained_pair: Pair, picture: Scene) -> Any:
    predictor = official_image_predictor(trained_pair.official)
    predictor.set_image(picture.image)
    return predictor


def prompt(picture: Scene, kind: str) -> dict[str, NDArray]:
    """Arguments of the official predictor."""
    x0, y0, x1, y1 = picture.boxes()[1]
    inside = picture.centres()[1]
    coarse = np.full((1, 64, 64), -6, np.float32)
    coarse[0, int(y0 / HEIGHT * 64) : int(y1 / HEIGHT * 64), int(x0 / WIDTH * 64) : int(x1 / WIDTH * 64)] = 6
    point = {'point_coords': inside[None], 'point_labels': np.array([1])}
    points = {'point_coords': np.stack([inside, [x0 - 4, y0 - 4]]), 'point_labels': np.array([1, 0])}
    return {
        'point': point,
        'points': points,
        'box': {'box': np.array([x0, y0, x1, y1])},
        'box+points': points | {'box': np.array([x0, y0, x1, y1])},
        'mask': {'mask_input': coarse},
        'mask+point': point | {'mask_input': coarse},
    }[kind]


def rename(arguments: dict[str, NDArray]) -> dict[str, NDArray]:
    names = {'point_coords': 'points', 'point_labels': 'labels', 'box': 'box', 'mask_input': 'mask'}
    return {names[key]: value for key, value in arguments.items()}


@pytest.mark.parametrize('multimask', [True, False])
@pytest.mark.parametrize('kind', ['point', 'points', 'box', 'box+points', 'mask', 'mask+point'])
def test_masks_of_the_official_predictor(
    segmenter: ImageSegmenter, predictor: Any, picture: Scene, kind: str, multimask: bool
) -> None:
    arguments = prompt(picture, kind)
    masks, ious, low_res = segmenter.predict(**rename(arguments), multimask=multimask)
    expected_masks, expected_ious, expected_low_res = predictor.predict(**arguments, multimask_output=multimask)
    assert masks.shape == (3 if multimask else 1, HEIGHT, WIDTH)
    assert masks.dtype == bool
    expected_masks = expected_masks > 0
    union = (masks | expected_masks).sum((1, 2))
    assert ((masks & expected_masks).sum((1, 2)) >= 0.999 * union).all()
    np.testing.assert_allclose(ious, expected_ious, atol=1e-4)
    np.testing.assert_allclose(low_res, expected_low_res, atol=1e-4 * np.ptp(expected_low_res))


@pytest.mark.parametrize('kind', ['point', 'points', 'box', 'box+points'])
def test_the_prompted_object_is_segmented(segmenter: ImageSegmenter, picture: Scene, kind: str) -> None:
    mask = segmenter.predict(**rename(prompt(picture, kind)), multimask=False)[0][0]
    overlaps = [(mask & truth).sum() / (mask | truth).sum() for truth in picture.masks]
    assert np.argmax(overlaps) == 1
    assert overlaps[1] > 0.4


def test_low_resolution_logits_are_a_valid_mask_prompt(segmenter: ImageSegmenter, picture: Scene) -> None:
    box = picture.boxes()[0]
    _, ious, low_res = segmenter.predict(box=box)
    assert abs(low_res).max() <= 32
    refined, _, _ = segmenter.predict(box=box, mask=low_res[ious.argmax()], multimask=False)
    first, _, _ = segmenter.predict(box=box, multimask=False)
    assert refined.any()
    assert (refined != first).any()


def test_another_image_replaces_the_first(micro: Sam2Network, picture: Scene) -> None:
    segmenter = ImageSegmenter(micro)
    segmenter.set_image(picture.image)
    first = segmenter.predict(box=picture.boxes()[0])[0]
    segmenter.set_image(np.zeros((50, 40, 3), np.uint8))
    assert segmenter.predict(box=(1, 1, 30, 30))[0].shape == (3, 50, 40)
    segmenter.set_image(picture.image)
    assert (segmenter.predict(box=picture.boxes()[0])[0] == first).all()


def test_an_image_comes_first(micro: Sam2Network) -> None:
    with pytest.raises(RuntimeError, match='set_image'):
        ImageSegmenter(micro).predict(box=(0, 0, 4, 4))


@pytest.mark.parametrize(
    ('image', 'error'),
    [
        (np.zeros((10, 10, 3), np.float32), TypeError),
        ([[0, 0, 0]], TypeError),
        (np.zeros((10, 10), np.uint8), ValueError),
        (np.zeros((10, 10, 4), np.uint8), ValueError),
        (np.zeros((0, 10, 3), np.uint8), ValueError),
    ],
)
def test_a_bad_image_is_refused_and_changes_nothing(
    segmenter: ImageSegmenter, image: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match='image must be'):
        segmenter.set_image(image)
    assert segmenter.predict(box=(0, 0, 9, 9))[0].shape == (3, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({}, 'a prompt is needed'),
        ({'points': [[1, 2]]}, 'together'),
        ({'labels': [1], 'box': [1, 2, 3, 4]}, 'together'),
        ({'points': [[1, 2, 3]], 'labels': [1]}, r'\(P, 2\)'),
        ({'points': [[1, 2]], 'labels': [1, 0]}, r'\(P, 2\)'),
        ({'points': [[1, 2]], 'labels': [2]}, 'labels must be'),
        ({'points': [[np.nan, 2]], 'labels': [1]}, 'finite'),
        ({'box': [1, 2, 3]}, 'box must be'),
        ({'box': [5, 2, 5, 8]}, 'box must be'),
        ({'box': [1, 2, np.inf, 8]}, 'finite'),
        ({'mask': np.zeros((32, 32))}, r'\(64, 64\)'),
        ({'mask': np.full((64, 64), np.nan)}, 'finite'),
    ],
)
def test_a_bad_prompt_is_refused(segmenter: ImageSegmenter, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        segmenter.predict(**arguments)

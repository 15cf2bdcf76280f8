"""The image encoder gives the official features."""

import pytest
import torch
from torch import Tensor

from sam2_ros.model import VARIANTS, Sam2Network
from sam2_ros.model.image_encoder import ImageEncoder
from tests.common import MICRO
from tests.official import assert_near, load_official, official_base, official_image_encoder
from tests.random_weights import randomise
from tests.scenes import network_input, scene

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('name', [f'sam2.1_hiera_{size}' for size in ('tiny', 'small', 'base_plus', 'large')])
def test_trunk_and_neck_of_the_published_sizes(name: str) -> None:
    """At 256 pixels; `test_chain` encodes one image at 1024."""
    official = official_image_encoder(VARIANTS[name])
    weights = randomise(official, seed=3)
    with torch.device('meta'):
        ours = ImageEncoder(VARIANTS[name]).eval()
    ours.load_state_dict(weights, assign=True)
    image = network_input(scene(height=200, width=300).image, 256)
    expected = official.trunk(image)
    features = ours.trunk(image)
    for level in range(4):
        assert_near(features[level], expected[level])
    expected_pyramid = official.neck(expected)[0]
    project4, project8 = (torch.nn.Conv2d(expected_pyramid[0].shape[1], channels, 1) for channels in (32, 64))
    stride4, stride8, stride16 = ours.neck(features, project4=project4, project8=project8)
    assert_near(stride4, project4(expected_pyramid[0]))
    assert_near(stride8, project8(expected_pyramid[1]))
    assert_near(stride16, expected_pyramid[2])


@pytest.mark.parametrize('image_size', [128, 224, 256, 416])
def test_encoded_image_of_the_trained_micro(image_size: int, micro_state_dict: dict[str, Tensor]) -> None:
    ours = Sam2Network(VARIANTS[MICRO], image_size=image_size).eval()
    ours.load_state_dict(micro_state_dict)
    official = official_base(VARIANTS[MICRO], image_size=image_size)
    load_official(official, micro_state_dict)
    images = torch.cat([network_input(scene(seed=seed).image, image_size) for seed in (1, 2)])
    features = ours.encode_image(images)
    expected = official.forward_image(images)['backbone_fpn']
    for level, official_level in zip((features.stride4, features.stride8, features.stride16), expected, strict=True):
        assert_near(level, official_level)
    assert not torch.allclose(features.stride16[0], features.stride16[1], atol=0.1)

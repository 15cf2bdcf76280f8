"""Our network beside the official one, with the same weights."""

from dataclasses import dataclass
from functools import cached_property

import pytest
import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from sam2_ros.model import VARIANTS, ImageFeatures, Sam2Network
from tests.common import MICRO
from tests.official import load_official, official_base
from tests.random_weights import randomise
from tests.scenes import Scene, network_input, scene


@dataclass(frozen=True)
class Pair:
    """Both networks."""

    ours: Sam2Network
    official: SAM2Base

    @cached_property
    def scene(self) -> Scene:
        """One picture at the size of the network, so that its pixels are model pixels."""
        return scene(height=self.ours.image_size, width=self.ours.image_size, seed=1)

    @cached_property
    def image(self) -> Tensor:
        return network_input(self.scene.image, self.ours.image_size)

    @cached_property
    def features(self) -> ImageFeatures:
        """Ours; `test_image_encoder` shows that they are the official ones."""
        return self.ours.encode_image(self.image)

    def flat_features(self, count: int) -> dict[str, list]:
        """The same features as the official code wants them: (HW, B, C) per level, positions, sizes."""
        maps = [self.features.stride4, self.features.stride8, self.features.stride16]
        encoding = self.official.image_encoder.neck.position_encoding
        positions = [encoding(level) for level in maps]
        return {
            'current_vision_feats': [x.expand(count, -1, -1, -1).flatten(2).permute(2, 0, 1) for x in maps],
            'current_vision_pos_embeds': [x.expand(count, -1, -1, -1).flatten(2).permute(2, 0, 1) for x in positions],
            'feat_sizes': [tuple(x.shape[-2:]) for x in maps],
        }


def make_pair(name: str, image_size: int, *, weights: dict[str, Tensor] | None) -> Pair:
    """`weights` None: random ones."""
    ours = Sam2Network(VARIANTS[name], image_size=image_size).eval().requires_grad_(False)
    if weights is None:
        randomise(ours, seed=0)
    else:
        ours.load_state_dict(weights)
    official = official_base(VARIANTS[name], image_size=image_size, binarize_mask_from_pts_for_mem_enc=True)
    load_official(official, ours.state_dict())
    return Pair(ours, official.requires_grad_(False))


@pytest.fixture(scope='session')
def trained_pair(micro_state_dict: dict[str, Tensor]) -> Pair:
    return make_pair(MICRO, 256, weights=micro_state_dict)


@pytest.fixture(scope='session', params=[MICRO, 'sam2.1_hiera_tiny', 'sam2_hiera_tiny'])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Trained micro; tiny of both releases with random weights. At 256 pixels, to save minutes."""
    if request.param == MICRO:
        return request.getfixturevalue('trained_pair')
    return make_pair(request.param, 256, weights=None)


@pytest.fixture(autouse=True)
def _no_gradients() -> object:
    with torch.inference_mode():
        yield

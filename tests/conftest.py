"""Fixtures shared by all tests."""

import gc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from torch import Tensor

from sam2_ros.model import Sam2Network, build_sam2
from sam2_ros.model.checkpoints import load_state_dict
from tests.common import MICRO, REPOSITORY
from tests.remembering import remembering_micro_network

# The same examples in every run, and no time limits: other tests share the processor.
settings.register_profile('repeatable', deadline=None, derandomize=True)
settings.load_profile('repeatable')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files without slow tests come last, so that no process of a run in several is busy alone for long at the end."""
    slow = {item.path for item in items if item.get_closest_marker('slow')}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What has been imported stays: no collection of garbage need look through it again, of which one took 0.3 s."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def micro_weights() -> Path:
    """File of trained weights of the micro variant: masks follow the prompt, objects come and go."""
    return REPOSITORY / f'sam2_ros/weights/{MICRO}.safetensors'


@pytest.fixture(scope='session')
def micro_state_dict(micro_weights: Path) -> dict[str, Tensor]:
    """Those weights in float32, under Meta's names."""
    return {key: tensor.float() for key, tensor in load_state_dict(micro_weights).items()}


@pytest.fixture(scope='session')
def micro(micro_weights: Path) -> Sam2Network:
    """The trained micro network at 256 pixels, float32 on the CPU; shared, so leave it as it is."""
    return build_sam2(MICRO, checkpoint=micro_weights, image_size=256)


@pytest.fixture(scope='session')
def micro128(micro_weights: Path) -> Sam2Network:
    """The same at 128 pixels, for tests that track many frames; shared, so leave it as it is."""
    return build_sam2(MICRO, checkpoint=micro_weights, image_size=128)


@pytest.fixture(scope='session')
def remembering_micro(micro_weights: Path) -> Sam2Network:
    """The trained micro network at 256 pixels, which encodes each picture once: for comparisons."""
    return remembering_micro_network(micro_weights, image_size=256)


@pytest.fixture(scope='session')
def remembering_micro128(micro_weights: Path) -> Sam2Network:
    """The same at 128 pixels, for comparisons over many frames."""
    return remembering_micro_network(micro_weights, image_size=128)


@pytest.fixture(scope='session')
def official_micro(micro_state_dict: dict[str, Tensor]) -> Any:
    """The official video predictor with the same weights and size; shared, so leave its switches as they are."""
    from tests.official_video import official_predictor  # slow to import

    return official_predictor(micro_state_dict, image_size=256)


@pytest.fixture(scope='session')
def official_micro128(micro_state_dict: dict[str, Tensor]) -> Any:
    """The same at 128 pixels."""
    from tests.official_video import official_predictor

    return official_predictor(micro_state_dict, image_size=128)

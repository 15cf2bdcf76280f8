"""A fresh network and small batches for the tests of training."""

import pytest
import torch

from sam2_ros.model import VARIANTS, Sam2Network
from sam2_ros.training.batches import BatchSettings, ClipBatch, ClipBatches
from tests.common import MICRO


@pytest.fixture
def untrained() -> Sam2Network:
    """The micro network at 64 pixels with random weights, in training mode."""
    torch.manual_seed(0)
    return Sam2Network(VARIANTS[MICRO], image_size=64).train()


@pytest.fixture(scope='session')
def batch() -> ClipBatch:
    """Two clips of four frames at 64 pixels, with every kind of prompt."""
    return ClipBatches(BatchSettings(size=64, clips=2, frames=4, objects=3, photos=0.0), seed=4)[0]

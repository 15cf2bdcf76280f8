"""An image encoder that knows the pictures it has seen, for tests that show the same ones again and again."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from sam2_ros.model import Sam2Network, build_sam2
from tests.common import MICRO

Features = TypeVar('Features')


def remembering(encode: Callable[[Tensor], Features]) -> Callable[[Tensor], Features]:
    """`encode`, but run once for each picture."""
    known: dict[bytes, Features] = {}

    def encode_once(images: Tensor) -> Features:
        key = hashlib.sha256(images.numpy().tobytes()).digest()
        if key not in known:
            known[key] = encode(images)
        return known[key]

    return encode_once


def remembering_micro_network(weights: Path, *, image_size: int) -> Sam2Network:
    """The micro network with these weights, which encodes each picture once: for comparisons."""
    model = build_sam2(MICRO, checkpoint=weights, image_size=image_size)
    model.encode_image = remembering(model.encode_image)
    return model

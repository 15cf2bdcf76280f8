"""An image encoder that knows the pictures it has seen, for tests that show the same ones again and again."""

import hashlib
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor

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

"""Which network is to run: small enough to send to another process, which loads the same weights or fails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import torch

from sam2_ros.model import Sam2Network, build_sam2


@dataclass(frozen=True)
class NetworkSource:
    """Which network to load. Small enough to send to another process, which loads the same weights or fails.

    Attributes:
        name: variant, a key of `VARIANTS`.
        checkpoint: file of the weights.
        image_size: side of the network input in pixels.
        device: of the network.
        dtype: of the weights; evaluations run in float32.
    """

    name: str
    checkpoint: Path
    image_size: int
    device: str = 'cpu'
    dtype: torch.dtype = torch.float32

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 of the checkpoint, computed when first asked for.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        return self._digest()

    def load(self) -> Sam2Network:
        """Build the network.

        Raises:
            ValueError: if the checkpoint has changed since `weights_digest` was computed.
        """
        model = build_sam2(self.name, self.checkpoint, device=self.device, dtype=self.dtype, image_size=self.image_size)
        if self.weights_digest != self._digest():
            raise ValueError(f'{self.checkpoint} has changed since this run began; copy it and start again')
        return model

    def _digest(self) -> str:
        if not self.checkpoint.is_file():
            raise FileNotFoundError(f'there is no checkpoint {self.checkpoint}')
        return hashlib.sha256(self.checkpoint.read_bytes()).hexdigest()


def loaded(source: NetworkSource) -> Sam2Network:
    """The network, built once in every process for the same weights. Raises the errors of `NetworkSource.load`."""
    return _loaded(source, source.weights_digest)


@lru_cache(maxsize=1)
def _loaded(source: NetworkSource, _digest: str) -> Sam2Network:
    return source.load()


def code_digest(patterns: Iterable[str]) -> str:
    """SHA-256 of all sources of the package that match these patterns, relative to its folder."""
    package = Path(__file__).resolve().parent.parent
    files = [file for pattern in patterns for file in sorted(package.glob(pattern))]
    return hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()

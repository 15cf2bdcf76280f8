"""Build a network by name and load its weights."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from sam2_ros.model.checkpoints import CheckpointError, load_checkpoint
from sam2_ros.model.config import VARIANTS
from sam2_ros.model.sam2_network import Sam2Network

WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / 'weights'


def bundled_weights(name: str) -> Path | None:
    """Path of the weights of variant `name` in this package; None if there are none."""
    path = WEIGHTS_FOLDER / f'{name}.safetensors'
    return path if path.is_file() else None


def build_sam2(
    name: str,
    checkpoint: str | Path | None = None,
    *,
    device: str | torch.device = 'cpu',
    dtype: torch.dtype = torch.float32,
    image_size: int | None = None,
) -> Sam2Network:
    """Build a network in evaluation mode, without gradients.

    Args:
        name: variant, a key of `VARIANTS`.
        checkpoint: a published `.pt`, a Hugging Face `model.safetensors` or our own `.safetensors`. Without it, bundled
            weights are used. Where there are none, weights are random, with a warning (for tests and benchmarks only).
        device: of the weights.
        dtype: of the weights.
        image_size: side of the network input in pixels, a multiple of 32 (EdgeTAM: of 256); the variant's own when left
            out.

    Raises:
        ValueError: for an unknown name or a wrong size.
        TypeError: for a dtype that is not floating point.
        FileNotFoundError: if there is no such file.
        CheckpointError: (a ValueError) for a file that does not fit.
    """
    if name not in VARIANTS:
        raise ValueError(f'unknown model {name!r}; available: {", ".join(VARIANTS)}')
    if not dtype.is_floating_point:
        raise TypeError(f'dtype must be a floating point type such as torch.float32, got {dtype}')
    model = Sam2Network(VARIANTS[name], image_size=image_size)
    path = checkpoint if checkpoint is not None else bundled_weights(name)
    if path is None:
        warnings.warn(
            f'{name} has no bundled weights and no checkpoint was given: its weights are random. '
            f'Get them with: python -m sam2_ros.tools.download_weights {name}',
            stacklevel=2,
        )
    else:
        load_checkpoint(model, path)
        _check_variant(name, Path(path))
    # the random Fourier matrix stays float32, see `RandomPositionEncoding`
    gaussian = model.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.clone()
    model.to(device=device, dtype=dtype)
    model.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix = gaussian.to(device)
    return model.eval().requires_grad_(False)


def _check_variant(name: str, path: Path) -> None:
    """The kinds of EfficientTAM have the same tensors, so the name of a published file tells them apart."""
    if path.stem in VARIANTS and path.stem != name:
        raise CheckpointError(
            f'{path} has the name of the published {path.stem}, which has the same tensors as {name}, but was trained '
            f'for another computation: take model {path.stem}, or rename the file if these are weights of your own'
        )

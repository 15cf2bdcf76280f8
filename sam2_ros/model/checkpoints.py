"""Strict loading of checkpoints: published `.pt` files, Hugging Face's and our own `.safetensors`.

The content decides how a file is read, not its name. Files are read on the CPU, and nothing in a file is executed.
"""

import pickle
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from sam2_ros.model.config import VARIANTS, ModelConfig
from sam2_ros.model.hugging_face import is_hugging_face, to_meta
from sam2_ros.model.official_files import OFFICIAL_FILES
from sam2_ros.model.sam2_network import Sam2Network

_ZIP_MAGIC = b'PK\x03\x04'  # first bytes of a file of torch.save
_KEYS_SHOWN = 3
_QUOTE = 200  # most characters of another library's message that ours repeats
_TRAINING_COUNTER = '.num_batches_tracked'  # of batch norms; only their training reads it
_MEMORY_PARTS = ('memory_attention.', 'memory_encoder.', 'obj_ptr_proj.', 'mask_downsample.')

Shapes = dict[str, tuple[int, ...]]


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or does not belong to the network it was given for."""


def load_checkpoint(model: nn.Module, path: str | Path) -> None:
    """Copy the weights of a checkpoint into `model`, cast to the dtype and device of its parameters.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, holds NaN, or its tensors are not exactly those of `model`. The message
            lists the first missing, unexpected and misshapen keys, and the variant that the file looks like. `model` is
            unchanged.
    """
    load_into(model, load_state_dict(path), source=str(path))


def load_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint on the CPU, in the dtype of the file, under Meta's names.

    Accepts Meta's layout (`torch.save({'model': state_dict})`), Hugging Face's safetensors, and safetensors with Meta's
    names. A file with the name of one of Meta's files must have the published size and SHA-256.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, of another format, or not what its name says.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no checkpoint {path}')
    _check_official(path)
    with open(path, 'rb') as file:
        is_torch = file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    state_dict = _read_torch(path) if is_torch else _read_safetensors(path)
    state_dict = {key: tensor for key, tensor in state_dict.items() if not key.endswith(_TRAINING_COUNTER)}
    for key, tensor in state_dict.items():
        if not tensor.is_floating_point():
            raise CheckpointError(f'{path}: {key} is {tensor.dtype}, weights are floating-point numbers')
    return to_meta(state_dict) if is_hugging_face(state_dict) else state_dict


def load_into(model: nn.Module, state_dict: Mapping[str, Tensor], *, source: str = 'the state dict') -> None:
    """Copy tensors in Meta's names into `model`, which must have exactly these names and shapes.

    Args:
        model: the network.
        state_dict: the tensors.
        source: where they come from, for error messages.

    Raises:
        CheckpointError: as in `load_checkpoint`.
    """
    expected, given = _shapes(model.state_dict()), _shapes(state_dict)
    if expected != given:
        raise CheckpointError(f'{source} does not fit the network: {_differences(expected, given)}. {_guess(given)}')
    wrong = [key for key, tensor in state_dict.items() if not torch.isfinite(tensor).all()]
    if wrong:
        raise CheckpointError(f'{source} has values that are not numbers (NaN or infinite) in {_first(wrong)}')
    model.load_state_dict(state_dict)


def _check_official(path: Path) -> None:
    official = OFFICIAL_FILES.get(path.stem)
    if official is None or official.name != path.name:
        return
    try:
        official.verify(path)
    except ValueError as error:
        raise CheckpointError(
            f'{error}: it is damaged or another file; download it again, or rename it if these are weights of your own'
        ) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        if asked := re.search(r'GLOBAL (\S+)', str(error)):
            raise CheckpointError(
                f'{path} holds more than weights: it asks for {asked[1][:_QUOTE]!r}, which could run anything. It was '
                'not run; take the file from a source you trust'
            ) from error
        raise CheckpointError(f'{path} cannot be read, it is truncated or damaged') from error
    except Exception as error:  # a wrong bit may raise anything: KeyError, UnicodeDecodeError, struct.error ...
        raise CheckpointError(f'{path} cannot be read, it is truncated or damaged: {_first_line(error)}') from error
    state_dict = content.get('model') if isinstance(content, dict) else None
    if not isinstance(state_dict, dict) or not all(isinstance(value, Tensor) for value in state_dict.values()):
        raise CheckpointError(f"{path} is no SAM 2 checkpoint: a dict {{'model': state_dict}} of tensors is expected")
    return state_dict


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path, device='cpu')
    except Exception as error:  # not only SafetensorError: damaged shapes and names raise others
        raise CheckpointError(
            f'{path} is neither a .pt nor a .safetensors file, or it is truncated or damaged: {_first_line(error)}'
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:_QUOTE]


def _shapes(state_dict: Mapping[str, Tensor]) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in state_dict.items()}


def _differences(expected: Shapes, given: Shapes) -> str:
    """How two sets of tensors differ, in words, with the first few names of each kind."""
    missing = [key for key in expected if key not in given]
    unexpected = [key for key in given if key not in expected]
    misshapen = [
        f'{key} {given[key]} instead of {shape}' for key, shape in expected.items() if given.get(key, shape) != shape
    ]
    kinds = (('missing', missing), ('unexpected', unexpected), ('misshapen', misshapen))
    return '; '.join(f'{len(keys)} {kind} ({_first(keys)})' for kind, keys in kinds if keys)


def _first(keys: list[str]) -> str:
    return ', '.join(keys[:_KEYS_SHOWN]) + (', ...' if len(keys) > _KEYS_SHOWN else '')


def _guess(given: Shapes) -> str:
    """Which variants have the most tensors in common with the given ones, in words."""
    shapes = {name: _variant_shapes(config) for name, config in VARIANTS.items()}
    same = [name for name, expected in shapes.items() if expected == given]
    if same:
        return f'It is a {" or ".join(same)}'
    shared = {name: len(expected.items() & given.items()) for name, expected in shapes.items()}
    most = max(shared.values())
    closest = [name for name in VARIANTS if shared[name] == most]
    if 2 * most < len(shapes[closest[0]]):
        return f'It looks like none of {", ".join(VARIANTS)}'
    if most == len(given) and not any(key.startswith(_MEMORY_PARTS) for key in given):
        return f'It looks like the image part of {" or ".join(closest)}: take the file of the video model'
    return f'It looks most like {" or ".join(closest)}: {most} of its {len(given)} tensors agree'


@cache
def _variant_shapes(config: ModelConfig) -> Shapes:
    with torch.device('meta'):
        return _shapes(Sam2Network(config).state_dict())

"""One training process: network, optimizers, averaged weights, and one step with them."""

from __future__ import annotations

import copy
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn

from sam2_ros.model import VARIANTS, Sam2Network
from sam2_ros.model.checkpoints import load_checkpoint
from sam2_ros.model.memory_attention import MemoryAttentionLayer
from sam2_ros.training.batches import ClipBatch
from sam2_ros.training.losses import FrameLoss
from sam2_ros.training.muon import Muon
from sam2_ros.training.rollout import MASK_LOGIT, Rollout, network_input
from sam2_ros.training.settings import StageSettings, TrainSettings, differences

_SAME_PLACE_BIAS = 2.0  # with this, attention falls to a tenth about two cells away
_EMA_RAMP = 10  # steps after which the average reaches far back


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: optimizer steps so far.
        batches: batches used of each stage: one for each process and step.
        seconds: time spent.
        share: of the budget that is spent.
    """

    step: int = 0
    batches: list[int] = field(default_factory=list)
    seconds: float = 0.0
    share: float = 0.0


def rate_scale(settings: TrainSettings, share: float) -> float:
    """Factor of the learning rate at a share of the budget: a short rise, then a cosine."""
    if share < settings.warmup:
        return (share + 1e-3) / (settings.warmup + 1e-3)
    fall = 0.5 * (1 + math.cos(math.pi * (share - settings.warmup) / (1 - settings.warmup)))
    return settings.final_rate + (1 - settings.final_rate) * fall


@torch.no_grad()
def look_at_same_place(model: Sam2Network) -> None:
    """Prepare the memory attention of a fresh network: each place reads the memory of its neighbourhood.

    Queries and keys start as equal constants. After rotation by their positions, they match best where positions are
    equal. Without this, attention starts uniform, and it takes many hundred steps to learn where to read.
    """
    for layer in model.memory_attention.layers:
        assert isinstance(layer, MemoryAttentionLayer)
        for projection in (layer.cross_attn_image.q_proj, layer.cross_attn_image.k_proj):
            projection.bias.fill_(_SAME_PLACE_BIAS)


@torch.no_grad()
def centre_memory(model: Sam2Network, batch: ClipBatch) -> None:
    """Remove from the memories of a fresh network what all places share: the mean over the first frames of a batch.

    That offset is many times larger than the differences between places. It would shift all attention logits of the
    memories, so object pointers would get all of the attention or none.
    """
    images = network_input(batch.images[:, 0])
    masks = batch.masks[:, 0].float()
    features = model.encode_image(images).select(batch.clip)
    sure = torch.full((len(masks),), MASK_LOGIT, device=masks.device)
    memory = model.encode_memory(features.stride16, masks * 2 * MASK_LOGIT - MASK_LOGIT, sure, sure > 0)
    bias = model.memory_encoder.out_proj.bias
    assert bias is not None
    bias -= memory.float().mean((0, 2, 3))


def make_optimizers(model: Sam2Network, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of linear layers, AdamW for all other parameters, with updates of equal size."""
    matrices = [layer.weight for layer in model.modules() if isinstance(layer, nn.Linear)]
    chosen = set(map(id, matrices))
    others = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
    return [
        Muon(matrices, lr=settings.learning_rate, weight_decay=settings.weight_decay),
        torch.optim.AdamW(
            others, lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay, foreach=True
        ),
    ]


class Trainer:
    """Owns everything that changes during a run. Several processes keep equal copies by averaging gradients.

    Args:
        settings: the recipe.
        device: of the network.
        start: file of the starting weights (any that `build_sam2` reads); None = random weights.
    """

    def __init__(self, settings: TrainSettings, device: torch.device, *, start: Path | None = None) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device
        self.start: dict[str, Tensor] | None = None  # the starting weights, if they were given
        self.model = Sam2Network(VARIANTS[settings.model], image_size=settings.stages[0].batch.size).to(device).train()
        if start is None:
            look_at_same_place(self.model)
        else:
            load_checkpoint(self.model, start)
            self.start = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimizers = make_optimizers(self.model, settings)
        self.progress = Progress(batches=[0] * len(settings.stages))

    def step(self, batch: ClipBatch, stage: StageSettings, *, seed: int, share: float) -> list[FrameLoss]:
        """One optimizer step.

        Args:
            batch: the clips.
            stage: how they are run.
            seed: of everything that the rollout draws.
            share: spent share of the budget, which decides the learning rate. With several processes, that of the first
                counts.

        Returns:
            The losses of all decodings.

        Raises:
            FloatingPointError: if the gradient is not finite.
        """
        self.model.image_size = stage.batch.size
        rollout = Rollout(self.model, batch.to(self.device), stage.rollout, self.settings.loss, seed)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.autocast):
            loss = rollout.run()
        loss.backward()
        self.progress.share = self._average_gradients(share)
        self._drop_zero_gradients()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        if not bool(torch.isfinite(norm)):
            raise FloatingPointError(
                f'the gradient is not finite at step {self.progress.step}; lower the learning rate'
            )
        rate = self.settings.learning_rate * rate_scale(self.settings, self.progress.share)
        for optimizer in self.optimizers:
            optimizer.param_groups[0]['lr'] = rate
            optimizer.step()
        self.model.zero_grad()
        self._average_weights()
        self.progress.step += 1
        return rollout.losses

    def _average_gradients(self, share: float) -> float:
        """Replace gradients by their mean over processes. Returns `share` of the first process."""
        if not dist.is_initialized():
            return share
        parameters = list(self.model.parameters())
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        pieces = flat.split([gradient.numel() for gradient in gradients])
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.grad = piece.view_as(parameter)
        told = torch.tensor(share, dtype=torch.float64, device=self.device)
        dist.broadcast(told, 0)
        return float(told)

    def _drop_zero_gradients(self) -> None:
        """Remove zero gradients, so that their parameters stay: Muon makes full steps along old momentum."""
        learning = [(one, one.grad) for one in self.model.parameters() if one.grad is not None]
        norms = torch.stack(torch._foreach_norm([gradient for _, gradient in learning]))
        for (parameter, _), norm in zip(learning, norms.tolist(), strict=True):
            if norm == 0:
                parameter.grad = None

    @torch.no_grad()
    def _average_weights(self) -> None:
        keep = min(self.settings.ema, (1 + self.progress.step) / (_EMA_RAMP + self.progress.step))
        ours: list[Tensor] = list(self.average.parameters())
        theirs: list[Tensor] = list(self.model.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - keep)

    @torch.no_grad()
    def keep_start(self) -> None:
        """Move the averaged weights towards the starting weights, as far as the recipe says."""
        if self.start is not None:
            for name, value in self.average.state_dict().items():
                value.lerp_(self.start[name], self.settings.keep_start)

    def save(self, path: Path) -> None:
        """Write everything that a run needs to go on. If this crashes, the previous file is still complete."""
        state = {
            'model': self.model.state_dict(),
            'average': self.average.state_dict(),
            'optimizers': [one.state_dict() for one in self.optimizers],
            'progress': vars(self.progress),
            'start': self.start,
            'recipe': asdict(self.settings),
        }
        partial = path.with_suffix('.partial')
        torch.save(state, partial)
        os.replace(partial, path)

    def load(self, path: Path) -> None:
        """Go on from a file of `save`.

        Raises:
            ValueError: if the file is damaged, or of another network, recipe or start.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
        except (RuntimeError, EOFError, UnpicklingError) as error:
            raise ValueError(f'{path} is damaged; delete it to begin anew') from error
        try:
            begun, changes = state['start'], differences(state['recipe'], asdict(self.settings))
            self.model.load_state_dict(state['model'])
            self.average.load_state_dict(state['average'])
            for optimizer, saved in zip(self.optimizers, state['optimizers'], strict=True):
                optimizer.load_state_dict(saved)
            self.progress = Progress(**state['progress'])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f'{path} does not hold a run of {self.settings.model}: {error}') from error
        if changes:
            raise ValueError(
                f'{path} holds a run of another recipe, with {", ".join(changes)}; go on with that one, '
                'or choose another --folder'
            )
        if self.start is not None and (
            begun is None or any(not torch.equal(value.cpu(), begun[name]) for name, value in self.start.items())
        ):
            raise ValueError(
                f'{path} holds a run that did not begin with the weights given; '
                'go on without --start, or choose another --folder'
            )
        self.start = begun and {name: value.to(self.device) for name, value in begun.items()}


def export_weights(model: nn.Module, path: Path) -> None:
    """Write a network's weights as float16 safetensors under Meta's names."""
    tensors = {key: value.detach().cpu().half().contiguous() for key, value in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix('.partial')
    save_file(tensors, str(partial), metadata={'format': 'pt'})
    os.replace(partial, path)

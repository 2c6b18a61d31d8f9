"""What a training run holds, and its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
import math
import os
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils._pytree import tree_map_only

from metrichmsr_ros.train_config import MUON, RunConfig

_Network = TypeVar('_Network', bound=nn.Module)

_MIN_SIDE = 32  # of a matrix that Muon takes


@dataclass
class TrainState(Generic[_Network]):
    """What changes while a run goes on.

    Attributes:
        model: The network that is trained.
        ema: Its average over time.
        optimizers: With their moments.
        step: Steps taken.
        seconds: Time spent, resumed runs included.
    """

    model: _Network
    ema: AveragedModel
    optimizers: list[torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write all of it; the file is replaced at once, so that a crash leaves the old one."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        state = {
            'model': self.model.state_dict(),
            'ema': self.ema.state_dict(),
            'optimizers': [optimizer.state_dict() for optimizer in self.optimizers],
            'step': self.step,
            'seconds': self.seconds,
            'rng': torch.get_rng_state(),
            'cuda_rng': cuda,
        }
        fresh = path.with_suffix('.new')
        torch.save(state, fresh)
        os.replace(fresh, path)

    def load(self, path: Path, device: torch.device) -> None:
        """Read all of it.

        Raises:
            ValueError: It is unreadable, or of a network of other sizes.
        """
        try:
            state = torch.load(path, map_location=device, weights_only=True)
            self.model.load_state_dict(state['model'])
            self.ema.load_state_dict(state['ema'])
            for optimizer, kept in zip(self.optimizers, state['optimizers'], strict=True):
                optimizer.load_state_dict(kept)
        except Exception as error:  # a corrupt file can raise anything
            raise ValueError(f'{path} does not fit this run: {error}') from error
        self.step, self.seconds = state['step'], state['seconds']
        torch.set_rng_state(state['rng'].cpu())
        if state['cuda_rng'] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([value.cpu() for value in state['cuda_rng']])


def make_optimizers(model: nn.Module, config: RunConfig) -> list[torch.optim.Optimizer]:
    """Return AdamW and, if ``config`` has it, Muon for the matrices; only matrices decay.

    Raises:
        ValueError: This torch has no Muon.
    """
    parameters = [value for value in model.parameters() if value.requires_grad]
    matrices = _matrices(model) if config.optimizer == MUON else []
    taken = {id(value) for value in matrices}
    rest = [value for value in parameters if id(value) not in taken]
    groups = [
        {'params': [p for p in rest if p.ndim > 1], 'weight_decay': config.weight_decay},
        {'params': [p for p in rest if p.ndim < 2], 'weight_decay': 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
    ]
    if matrices:
        if not hasattr(torch.optim, 'Muon'):
            raise ValueError(f'optimizer={MUON!r} needs torch 2.9, this is {torch.__version__}')
        # Steps of the length of AdamW's, so that one rate fits both.
        muon = torch.optim.Muon(
            matrices,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            adjust_lr_fn='match_rms_adamw',
        )
        optimizers.append(muon)
    return optimizers


def _matrices(model: nn.Module) -> list[Tensor]:
    """Return the weights of linear layers that are wide enough to have directions to balance."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    weights = [layer.weight for layer in layers if layer.weight.requires_grad]
    return [weight for weight in weights if min(weight.shape) >= _MIN_SIDE]


def make_average(model: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of ``model`` that follows it as an exponential average."""

    @torch.no_grad()
    def update(averaged: Any, current: Any, count: Tensor | int) -> None:
        # A young average follows faster: else it would still hold the random start.
        warm = min(decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(list(averaged), list(current), 1 - warm)

    return AveragedModel(model, multi_avg_fn=update)


def use_bfloat16(module: nn.Module, device: torch.device) -> None:
    """Make ``module`` compute in bfloat16 where that is safe, and return float32 as before."""
    autocast = torch.autocast(device.type, torch.bfloat16)

    def enter(*_: Any) -> None:
        autocast.__enter__()

    def leave(_: nn.Module, __: Any, output: Any) -> Any:
        autocast.__exit__(None, None, None)
        return tree_map_only(Tensor, Tensor.float, output)

    module.register_forward_pre_hook(enter)
    module.register_forward_hook(leave, always_call=True)


def learning_rate(progress: float, config: RunConfig) -> float:
    """Return the rate at a share of the run, 0..1: a linear rise, then half a cosine."""
    if progress < config.warmup:
        return config.learning_rate * max(progress / config.warmup, 1e-3)
    falling = (progress - config.warmup) / (1 - config.warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * min(falling, 1.0)))
    return config.learning_rate * (config.final_rate + (1 - config.final_rate) * cosine)


def find_device(name: str) -> torch.device:
    """Return the device of a run's ``device``.

    Raises:
        ValueError: It is 'cuda' and there is no GPU.
    """
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    elif name == 'cuda' and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch sees no GPU")
    return torch.device(name)


def check_folder(checkpoint: Path, *, resume: bool) -> None:
    """Raise a ``ValueError`` where a run would overwrite another, or has none to go on with."""
    if resume and not checkpoint.is_file():
        raise ValueError(f'nothing to resume: {checkpoint} does not exist')
    if checkpoint.is_file() and not resume:
        raise ValueError(f'{checkpoint} exists: give --resume=true, or another --out')

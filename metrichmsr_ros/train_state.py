"""What a training run holds, and its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils._pytree import tree_map_only

from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.train_config import TrainConfig


@dataclass
class TrainState:
    """What changes while a run goes on.

    Attributes:
        model: The network that is trained.
        ema: Its average over time.
        optimizer: With its moments.
        step: Steps taken.
        seconds: Time spent, resumed runs included.
    """

    model: MetricHMR
    ema: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write all of it; the file is replaced at once, so that a crash leaves the old one."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        state = {
            'model': self.model.state_dict(),
            'ema': self.ema.state_dict(),
            'optimizer': self.optimizer.state_dict(),
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
            self.optimizer.load_state_dict(state['optimizer'])
        except Exception as error:  # a corrupt file can raise anything
            raise ValueError(f'{path} does not fit this run: {error}') from error
        self.step, self.seconds = state['step'], state['seconds']
        torch.set_rng_state(state['rng'].cpu())
        if state['cuda_rng'] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([value.cpu() for value in state['cuda_rng']])


def make_optimizer(model: MetricHMR, config: TrainConfig) -> torch.optim.Optimizer:
    """Return AdamW; only matrices decay."""
    parameters = [value for value in model.parameters() if value.requires_grad]
    groups = [
        {'params': [p for p in parameters if p.ndim > 1], 'weight_decay': config.weight_decay},
        {'params': [p for p in parameters if p.ndim < 2], 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)


def make_average(model: MetricHMR, decay: float) -> AveragedModel:
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

"""Training of the network on sampled people: one loop, everything in sight.

Batch ``i`` depends on the seed and on ``i`` alone, so that neither the number of workers nor a
resumed run changes what is learnt: a run of ``steps`` that was stopped and resumed ends with the
same bits. A run of ``minutes`` fits its schedule to the clock instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
import logging
import math
import os
from pathlib import Path
import time
from typing import Any, TypeAlias

import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset

from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.losses import all_losses
from metrichmsr_ros.models.canonical import crop_frame
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.train_config import LossWeights, save_config, TrainConfig
from metrichmsr_ros.train_log import CsvLog
from metrichmsr_ros.validation import validate

logger = logging.getLogger(__name__)

Batch: TypeAlias = tuple[Evidence, Target]
SampleBatch: TypeAlias = Callable[[int, torch.Generator], Batch]

CHECKPOINT = 'checkpoint.pt'
MODEL = 'model'
_VALIDATION_SEED = 2**62  # beyond every batch of training, whatever its seed
_STEPS_PER_SEED = 2**31


class Batches(Dataset[Batch]):
    """Batches by number: the same number gives the same people.

    Args:
        sample: Makes ``batch_size`` people from a generator; picklable.
        batch_size: People per batch.
        first_seed: Seed of batch 0; batch i has ``first_seed + i``.
    """

    def __init__(self, sample: SampleBatch, *, batch_size: int, first_seed: int) -> None:
        self.sample = sample
        self.batch_size = batch_size
        self.first_seed = first_seed

    def __getitem__(self, index: int) -> Batch:
        generator = torch.Generator().manual_seed(self.first_seed + index)
        return self.sample(self.batch_size, generator)


@dataclass
class _Run:
    """What changes while a run goes on, and what a checkpoint holds."""

    model: nn.Module
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
        """Read all of it."""
        state = torch.load(path, map_location=device, weights_only=True)
        self.model.load_state_dict(state['model'])
        self.ema.load_state_dict(state['ema'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.step, self.seconds = state['step'], state['seconds']
        torch.set_rng_state(state['rng'].cpu())
        if state['cuda_rng'] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([value.cpu() for value in state['cuda_rng']])


def train(
    config: TrainConfig,
    *,
    model: nn.Module,
    sample: SampleBatch,
    heights: Callable[[Tensor], Tensor],
) -> dict[str, float]:
    """Train, and leave the averaged model in ``config.out / 'model'``.

    Args:
        config: The run.
        model: Evidence → Prediction, with ``save_pretrained(folder)``.
        sample: Makes n people from a generator, on the CPU.
        heights: Standing height of shapes, (B, 10) → (B,) metres.

    Returns:
        The last validation's figures, see ``validate``.

    Raises:
        ValueError: The folder holds a checkpoint and the run does not resume, or the reverse.
        FloatingPointError: The loss is not a number.
    """
    checkpoint = config.out / CHECKPOINT
    _check_folder(checkpoint, resume=config.resume)
    if config.threads:
        torch.set_num_threads(config.threads)
    device = _device(config.device)
    model = model.to(device)
    run = _Run(model, _averaged(model, config.ema_decay), _optimizer(model, config))
    if config.resume:
        run.load(checkpoint, device)
    config.out.mkdir(parents=True, exist_ok=True)
    save_config(config.out / 'config.json', config)
    held_out = Batches(sample, batch_size=config.batch_size, first_seed=_VALIDATION_SEED)
    validation = [held_out[i] for i in range(config.validation_batches)]
    log = CsvLog(config.out / 'log.csv', after_step=run.step)
    scores = CsvLog(config.out / 'validation.csv', after_step=run.step)

    def score() -> dict[str, float]:
        figures = validate(run.ema, validation, heights=heights, device=device)
        scores.write({'step': run.step, 'seconds': run.seconds, **figures})
        logger.info('%s', '  '.join(f'{name} {value:.4g}' for name, value in figures.items()))
        return figures

    started, saved, logged = time.monotonic() - run.seconds, time.monotonic(), run.step
    logged_at = time.monotonic()
    for batch in _loader(sample, config, first_step=run.step):
        run.seconds = time.monotonic() - started
        progress = _progress(config, run)
        if progress >= 1:
            break
        row = _step(run, batch, config, progress=progress, heights=heights, device=device)
        run.step += 1
        if run.step % config.log_every == 0:
            terms = {name: float(value) for name, value in row.items()}
            if not math.isfinite(terms['loss']):
                raise FloatingPointError(f'the loss is {terms["loss"]} at step {run.step}')
            now = time.monotonic()
            speed = (run.step - logged) * config.batch_size / (now - logged_at)
            logged, logged_at = run.step, now
            log.write({'step': run.step, 'seconds': run.seconds, 'samples_per_s': speed, **terms})
            _report(run, terms['loss'], progress=progress, speed=speed)
        if run.step % config.validate_every == 0:
            score()
        if time.monotonic() - saved > 60 * config.checkpoint_minutes:
            run.save(checkpoint)
            saved = time.monotonic()
    figures = score()
    run.save(checkpoint)
    run.ema.module.save_pretrained(config.out / MODEL)
    return figures


def _step(
    run: _Run,
    batch: Batch,
    config: TrainConfig,
    *,
    progress: float,
    heights: Callable[[Tensor], Tensor],
    device: torch.device,
) -> dict[str, Tensor | float]:
    """Take one step, and return the loss, its terms, the gradient's norm and the rate."""
    evidence, target = (half.to(device) for half in batch)
    rate = learning_rate(progress, config)
    for group in run.optimizer.param_groups:
        group['lr'] = rate
    run.model.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == 'cuda'):
        prediction = run.model(evidence)
    terms = all_losses(
        prediction,
        target,
        crop_angle=crop_frame(evidence.crop_rays).angle,
        height=heights(prediction.shape),
    )
    loss = weighted_sum(terms, config.loss)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(run.model.parameters(), config.clip_norm)
    if torch.isfinite(norm):  # one person whose geometry is degenerate must not end a run
        run.optimizer.step()
        run.ema.update_parameters(run.model)
    detached = {name: value.detach() for name, value in terms.items()}
    return {'loss': loss.detach(), **detached, 'grad_norm': norm, 'rate': rate}


def weighted_sum(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Return Σ weight · term; every weight needs its term."""
    weighted = [getattr(weights, item.name) * terms[item.name] for item in fields(weights)]
    return torch.stack(weighted).sum()


def learning_rate(progress: float, config: TrainConfig) -> float:
    """Return the rate at a share of the run, 0..1: a linear rise, then half a cosine."""
    if progress < config.warmup:
        return config.learning_rate * max(progress / config.warmup, 1e-3)
    falling = (progress - config.warmup) / (1 - config.warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * min(falling, 1.0)))
    return config.learning_rate * (config.final_rate + (1 - config.final_rate) * cosine)


def _progress(config: TrainConfig, run: _Run) -> float:
    return run.step / config.steps if config.steps else run.seconds / (60 * config.minutes)


def _report(run: _Run, loss: float, *, progress: float, speed: float) -> None:
    left = run.seconds * (1 - progress) / max(progress, 1e-6)
    minutes, seconds = divmod(int(left), 60)
    logger.info(
        'step %d  %.0f %%  loss %.4f  %.0f samples/s  %d:%02d left',
        run.step, 100 * progress, loss, speed, minutes, seconds,
    )  # fmt: skip


def _loader(sample: SampleBatch, config: TrainConfig, *, first_step: int) -> Iterator[Batch]:
    batches = Batches(
        sample, batch_size=config.batch_size, first_seed=config.seed * _STEPS_PER_SEED
    )
    steps = range(first_step, _STEPS_PER_SEED)
    options: dict[str, Any] = {'prefetch_factor': 4} if config.workers else {}
    return iter(
        DataLoader(batches, batch_size=None, sampler=steps, num_workers=config.workers, **options)
    )


def _optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    parameters = [value for value in model.parameters() if value.requires_grad]
    groups = [
        {'params': [p for p in parameters if p.ndim > 1], 'weight_decay': config.weight_decay},
        {'params': [p for p in parameters if p.ndim < 2], 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)


def _averaged(model: nn.Module, decay: float) -> AveragedModel:
    @torch.no_grad()
    def update(averaged: Any, current: Any, count: Tensor | int) -> None:
        # A young average follows faster: else it would still hold the random start.
        warm = min(decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(list(averaged), list(current), 1 - warm)

    return AveragedModel(model, multi_avg_fn=update)


def _device(name: str) -> torch.device:
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    elif name == 'cuda' and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch sees no GPU")
    return torch.device(name)


def _check_folder(checkpoint: Path, *, resume: bool) -> None:
    if resume and not checkpoint.is_file():
        raise ValueError(f'nothing to resume: {checkpoint} does not exist')
    if checkpoint.is_file() and not resume:
        raise ValueError(f'{checkpoint} exists: give --resume=true, or another --out')

"""Training of the depth refiner on rendered scenes: one command makes the scenes and learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import logging
import math
from pathlib import Path
import time

import numpy as np
import torch
from torch import nn, Tensor

from metrichmsr_ros.data.depth.examples import draw_batch, Example, ExampleConfig
from metrichmsr_ros.data.depth.shards import DepthScenes, read_scenes, render_scenes
from metrichmsr_ros.depth_losses import depth_losses, DepthLossWeights
from metrichmsr_ros.models.depth_refiner import Correction, DepthRefiner, DepthRefinerConfig
from metrichmsr_ros.models.depth_refiner_input import refiner_input, RefinerInput
from metrichmsr_ros.progress import ProgressBar
from metrichmsr_ros.train_config import at_least_one, RunConfig, save_config
from metrichmsr_ros.train_log import CsvLog
from metrichmsr_ros.train_state import (
    check_folder,
    find_device,
    learning_rate,
    make_average,
    make_optimizer,
    TrainState,
)

logger = logging.getLogger(__name__)

CHECKPOINT, MODEL = 'checkpoint.pt', 'model'
# Of the scenes: runs of other seeds learn from the same.
_TRAINING_SEED, _HELD_OUT_SEED = 1, 900
_VALIDATION_BATCHES = 32


@dataclass(frozen=True)
class TrainDepthConfig(RunConfig):
    """One training run of the depth refiner.

    Attributes:
        scenes: Rendered for training; kept in ``scenes_dir``, or in ``out`` where that is empty.
        held_out: Rendered for validation, of other people in other rooms.
        scenes_dir: Folder of scenes that several runs share.
        model: Sizes of the network.
        examples: Shares of the priors.
        loss: Weights of the terms.
    """

    out: Path = Path('runs/depth_refiner')
    minutes: float = 60.0
    batch_size: int = 16
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    scenes: int = 6144
    held_out: int = 384
    scenes_dir: str = ''
    model: DepthRefinerConfig = field(default_factory=DepthRefinerConfig)
    examples: ExampleConfig = field(default_factory=ExampleConfig)
    loss: DepthLossWeights = field(default_factory=DepthLossWeights)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, 'scenes')
        at_least_one(self, 'held_out')


def run(config: TrainDepthConfig) -> dict[str, float]:
    """Render what scenes are missing, train, and leave the averaged model in ``out / 'model'``.

    Returns:
        The last validation's figures, see ``validate``.

    Raises:
        ValueError: The folder holds a checkpoint and the run does not resume, or the reverse; or
            the checkpoint or the scenes do not fit the run.
        FloatingPointError: The loss is not a number.
    """
    check_folder(config.out / CHECKPOINT, resume=config.resume)
    if config.threads:
        torch.set_num_threads(config.threads)
    folder = Path(config.scenes_dir) if config.scenes_dir else config.out / 'scenes'
    train = _scenes(folder / 'training', count=config.scenes, seed=_TRAINING_SEED)
    held_out = _scenes(folder / 'held_out', count=config.held_out, seed=_HELD_OUT_SEED)
    return _Trainer(config, train, _fixed_batches(held_out, config)).fit()


def _scenes(folder: Path, *, count: int, seed: int) -> list[DepthScenes]:
    render_scenes(folder, scenes=count, seed=seed, progress=ProgressBar(count, 'scenes'))
    return read_scenes(folder)


def _fixed_batches(scenes: Sequence[DepthScenes], config: TrainDepthConfig) -> list[Example]:
    rng = np.random.default_rng(_HELD_OUT_SEED)
    size = 12  # not the run's, so that all runs are validated on the same
    return [draw_batch(scenes, size, rng, config.examples) for _ in range(_VALIDATION_BATCHES)]


class _Trainer:
    """The loop and what it writes."""

    def __init__(
        self, config: TrainDepthConfig, scenes: Sequence[DepthScenes], validation: list[Example]
    ) -> None:
        self.config, self.scenes, self.validation = config, scenes, validation
        self.device = find_device(config.device)
        torch.manual_seed(config.seed)
        model = DepthRefiner(config.model).to(self.device)
        average = make_average(model, config.ema_decay)
        self.state = TrainState(model, average, make_optimizer(model, config))
        if config.resume:
            self.state.load(config.out / CHECKPOINT, self.device)
        config.out.mkdir(parents=True, exist_ok=True)
        save_config(config.out / 'config.json', config)
        self.log = CsvLog(config.out / 'log.csv', after_step=self.state.step)
        self.scores = CsvLog(config.out / 'validation.csv', after_step=self.state.step)

    def fit(self) -> dict[str, float]:
        """Go on until the steps or the minutes are over; return the last figures."""
        config, state = self.config, self.state
        started = time.monotonic() - state.seconds
        saved = state.seconds
        while (progress := self._progress()) < 1:
            row = self._step(learning_rate(progress, config))
            state.step += 1
            state.seconds = time.monotonic() - started
            if state.step % config.log_every == 0:
                self._report(row)
            if state.step % config.validate_every == 0:
                self._score()
            if state.seconds - saved > 60 * config.checkpoint_minutes:
                state.save(config.out / CHECKPOINT)
                saved = state.seconds
        figures = self._score()
        state.save(config.out / CHECKPOINT)
        averaged = state.ema.module
        assert isinstance(averaged, DepthRefiner)
        averaged.save_pretrained(config.out / MODEL)
        return figures

    def _progress(self) -> float:
        config, state = self.config, self.state
        return state.step / config.steps if config.steps else state.seconds / 60 / config.minutes

    def _step(self, rate: float) -> dict[str, Tensor | float]:
        """Take one step, and return the loss, its terms, the gradient's norm and the rate."""
        config, state = self.config, self.state
        rng = np.random.default_rng((config.seed, state.step))
        example = draw_batch(self.scenes, config.batch_size, rng, config.examples)
        for group in state.optimizer.param_groups:
            group['lr'] = rate
        state.model.train()
        scene, correction = _corrected(state.model, example, self.device)
        terms = depth_losses(
            scene, correction,
            anchor_z=_tensor(example.anchor_z, self.device),
            anchor_sigma=_tensor(example.anchor_sigma, self.device),
            true_z=_tensor(example.true_z, self.device),
        )  # fmt: skip
        loss = torch.stack([getattr(config.loss, name) * terms[name] for name in terms]).sum()
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), config.clip_norm)
        if torch.isfinite(norm):
            state.optimizer.step()
            state.ema.update_parameters(state.model)
        detached = {name: value.detach() for name, value in terms.items()}
        return {'loss': loss.detach(), **detached, 'grad_norm': norm, 'rate': rate}

    def _report(self, row: dict[str, Tensor | float]) -> None:
        state = self.state
        terms = {name: float(value) for name, value in row.items()}
        if not math.isfinite(terms['loss']):
            raise FloatingPointError(f'the loss is {terms["loss"]} at step {state.step}')
        self.log.write({'step': state.step, 'seconds': state.seconds, **terms})
        progress = self._progress()
        left = int(state.seconds * max(1 - progress, 0.0) / progress)
        logger.info(
            'step %d  %.0f %%  loss %.4f  %d:%02d left',
            state.step, 100 * progress, terms['loss'], left // 60, left % 60,
        )  # fmt: skip

    def _score(self) -> dict[str, float]:
        """Validate the averaged weights."""
        state = self.state
        state.ema.eval()
        figures = validate(state.ema, self.validation, device=self.device)
        self.scores.write({'step': state.step, 'seconds': state.seconds, **figures})
        logger.info('%s', '  '.join(f'{name} {value:.4g}' for name, value in figures.items()))
        return figures


@torch.inference_mode()
def validate(
    model: nn.Module, batches: Sequence[Example], *, device: torch.device
) -> dict[str, float]:
    """Return mean absolute relative errors over scenes: prior, one correction, the network's.

    Args:
        model: Corrects them.
        batches: Held-out scenes.
        device: The model's.
    """
    errors: dict[str, list[Tensor]] = {'prior': [], 'affine': [], 'refined': []}
    for example in batches:
        scene, correction = _corrected(model, example, device)
        true_z = _tensor(example.true_z, device)
        prior_z = _tensor(example.prior_z, device)
        for name, depth_z in (
            ('prior', prior_z),
            ('affine', scene.depth_z),
            ('refined', correction.apply(scene.depth_z)),
        ):
            errors[name].append(_abs_rel(depth_z, true_z, scene.known))
    return {f'{name}_abs_rel': float(torch.cat(parts).mean()) for name, parts in errors.items()}


def _abs_rel(depth_z: Tensor, true_z: Tensor, known: Tensor) -> Tensor:
    """Return each scene's mean absolute relative error, of those that have any truth."""
    usable = known & torch.isfinite(true_z)
    error = torch.where(usable, (depth_z - true_z).abs() / true_z, 0.0)
    count = usable.sum((1, 2))
    return (error.sum((1, 2)) / count.clamp(min=1))[count > 0]


def _corrected(
    model: nn.Module, example: Example, device: torch.device
) -> tuple[RefinerInput, Correction]:
    scene = refiner_input(
        _tensor(example.image, device),
        _tensor(example.depth_z, device),
        _tensor(example.anchor_z, device),
        _tensor(example.anchor_sigma, device),
        _tensor(example.rays, device),
    )
    return scene, model(scene)


def _tensor(values: np.ndarray | Tensor, device: torch.device) -> Tensor:
    return torch.as_tensor(values).to(device)

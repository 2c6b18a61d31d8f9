"""The loop that all trainings share: schedule, steps, logs, validation, checkpoints.

A run of ``steps`` that was stopped and resumed ends with the same bits, if batch ``i`` depends on
the seed and on ``i`` alone. A run of ``minutes`` fits its schedule to the clock instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
import logging
import time
from typing import Any, Generic, TypeVar

import torch
from torch import nn, Tensor

from metrichmsr_ros.train_config import RunConfig, save_config
from metrichmsr_ros.train_log import CsvLog
from metrichmsr_ros.train_state import (
    find_device,
    learning_rate,
    make_average,
    make_optimizers,
    TrainState,
)

logger = logging.getLogger(__name__)

CHECKPOINT, MODEL = 'checkpoint.pt', 'model'
_MOST_SKIPPED = 10  # steps in a row

_Network = TypeVar('_Network', bound=nn.Module)
_Batch = TypeVar('_Batch')


class Trainer(ABC, Generic[_Network, _Batch]):
    """The loop and what it writes; what is learnt is for who inherits from it."""

    def __init__(self, config: RunConfig, network: _Network) -> None:
        """Prepare the run, or what its checkpoint holds.

        Args:
            config: The run.
            network: As it starts; has ``save_pretrained``.

        Raises:
            ValueError: The checkpoint does not fit, or the device does not exist.
        """
        self._run = config
        self.device = find_device(config.device)
        network = network.to(self.device)
        average = make_average(network, config.ema_decay)
        self.state = state = TrainState(network, average, make_optimizers(network, config))
        if config.resume:
            state.load(config.out / CHECKPOINT, self.device)
        config.out.mkdir(parents=True, exist_ok=True)
        save_config(config.out / 'config.json', config)
        self._log = CsvLog(config.out / 'log.csv', after_step=state.step)
        self._scores = CsvLog(config.out / 'validation.csv', after_step=state.step)
        self._logged = state.seconds
        self._skipped = 0

    @abstractmethod
    def losses(self, batch: _Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a batch, (), and the terms to log."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Return the figures of ``state.ema`` on what is held out."""

    def fit(self, batches: Iterable[_Batch]) -> dict[str, float]:
        """Go on until the steps or the minutes are over; return the last figures.

        Args:
            batches: From step ``state.step`` on.

        Raises:
            FloatingPointError: The gradient is not finite for many steps in a row.
        """
        config, state = self._run, self.state
        started = time.monotonic() - state.seconds
        saved = state.seconds
        for batch in batches:
            state.seconds = time.monotonic() - started
            progress = self._progress()
            if progress >= 1:
                break
            row = self._step(batch, learning_rate(progress, config))
            state.step += 1
            if state.step % config.log_every == 0:
                state.seconds = time.monotonic() - started
                self._report(row)
            if state.step % config.validate_every == 0:
                self._score()
            if state.seconds - saved > 60 * config.checkpoint_minutes:
                state.save(config.out / CHECKPOINT)
                saved = state.seconds
        figures = self._score()
        state.save(config.out / CHECKPOINT)
        averaged: Any = state.ema.module
        averaged.save_pretrained(config.out / MODEL)
        return figures

    def _progress(self) -> float:
        config, state = self._run, self.state
        return state.step / config.steps if config.steps else state.seconds / 60 / config.minutes

    def _step(self, batch: _Batch, rate: float) -> dict[str, Tensor | float]:
        """Take one step, and return the loss, its terms, the gradient's norm and the rate."""
        state = self.state
        for optimizer in state.optimizers:
            for group in optimizer.param_groups:
                group['lr'] = rate
        state.model.train()
        loss, terms = self.losses(batch)
        state.model.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), self._run.clip_norm)
        if torch.isfinite(norm):
            for optimizer in state.optimizers:
                optimizer.step()
            state.ema.update_parameters(state.model)
            self._skipped = 0
        else:
            self._skip(norm)
        detached = {name: value.detach() for name, value in terms.items()}
        return {'loss': loss.detach(), **detached, 'grad_norm': norm, 'rate': rate}

    def _skip(self, norm: Tensor) -> None:
        """Count a step that was not taken: one degenerate sample must not end a run, many must."""
        self._skipped += 1
        if self._skipped == _MOST_SKIPPED:
            raise FloatingPointError(
                f'the gradient was not finite in {_MOST_SKIPPED} steps in a row, '
                f'at step {self.state.step + 1} its norm is {float(norm)}'
            )

    def _report(self, row: dict[str, Tensor | float]) -> None:
        """Log the last step's terms, the speed and the time that is left."""
        config, state = self._run, self.state
        terms = {name: float(value) for name, value in row.items()}
        elapsed = max(state.seconds - self._logged, 1e-9)
        self._logged = state.seconds
        speed = config.log_every * config.batch_size / elapsed
        when = {'step': state.step, 'seconds': state.seconds}
        self._log.write({**when, 'samples_per_s': speed, **terms})
        progress = self._progress()
        left = state.seconds * max(1 - progress, 0.0) / progress
        minutes, seconds = divmod(int(left), 60)
        logger.info(
            'step %d  %.0f %%  loss %.4f  %.0f samples/s  %d:%02d left',
            state.step, 100 * progress, terms['loss'], speed, minutes, seconds,
        )  # fmt: skip

    def _score(self) -> dict[str, float]:
        """Validate the averaged weights."""
        state, figures = self.state, self.validate()
        self._scores.write({'step': state.step, 'seconds': state.seconds, **figures})
        logger.info('%s', '  '.join(f'{name} {value:.4g}' for name, value in figures.items()))
        return figures

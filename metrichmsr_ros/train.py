"""Training of the network on sampled people: one loop, everything in sight.

Batch ``i`` depends on the seed and on ``i`` alone, so that neither the number of workers nor a
resumed run changes what is learnt: a run of ``steps`` that was stopped and resumed ends with the
same bits. A run of ``minutes`` fits its schedule to the clock instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
import logging
import math
import time
from typing import Any

import torch
from torch import nn, Tensor
from torch.utils.data import DataLoader

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.sample import Batch, SampleBatch
from metrichmsr_ros.losses import all_losses, surface_points
from metrichmsr_ros.models.canonical import crop_frame
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.models.vitpose_encoder import VitPoseEncoder
from metrichmsr_ros.train_config import save_config, TrainConfig
from metrichmsr_ros.train_log import CsvLog
from metrichmsr_ros.train_people import Batches, draw_from
from metrichmsr_ros.train_state import (
    check_folder,
    find_device,
    learning_rate,
    make_average,
    make_optimizer,
    TrainState,
    use_bfloat16,
)
from metrichmsr_ros.validation import validate

logger = logging.getLogger(__name__)

CHECKPOINT = 'checkpoint.pt'
MODEL = 'model'
_VALIDATION_SEED = 2**62  # beyond every batch of training, whatever its seed
_STEPS_PER_SEED = 2**31
_VALIDATION_BATCH = 256  # not the run's, so that all runs are validated on the same people


def run(config: TrainConfig) -> dict[str, float]:
    """Train the network of ``config.model`` on the people that ``config`` names; see ``train``.

    Raises:
        ValueError: The network looks at pixels and there are no labelled photographs; or a file
            that ``config`` names does not fit.
    """
    torch.manual_seed(config.seed)
    # Two bodies: the network takes its own to its device, and people are drawn on the CPU.
    body, drawn = (BodyModel.load(config.body_model or None) for _ in range(2))
    people, held_out = draw_from(config, drawn)
    return train(
        config,
        model=_start(config, body),
        sample=people,
        held_out=held_out,
    )


def _start(config: TrainConfig, body: BodyModel) -> MetricHMR:
    if not config.init:
        model = MetricHMR(config.model, body)
        if config.vitpose:
            if not isinstance(model.image_encoder, VitPoseEncoder):
                raise ValueError(f'vitpose={config.vitpose!r}: a network without ViTPose')
            model.image_encoder.load_pretrained(config.vitpose)
        return model
    model = MetricHMR.from_pretrained(config.init, body=body)
    if model.config != config.model:
        raise ValueError(f'init={config.init!r} has other sizes than model')
    return model


def train(
    config: TrainConfig,
    *,
    model: MetricHMR,
    sample: SampleBatch,
    held_out: SampleBatch,
) -> dict[str, float]:
    """Train, and leave the averaged model in ``config.out / 'model'``.

    Args:
        config: The run.
        model: The network, as it starts.
        sample: Makes n people from a generator, on the CPU.
        held_out: The same for the validation set, from poses that ``sample`` does not know.

    Returns:
        The last validation's figures, see ``validate``.

    Raises:
        ValueError: The folder holds a checkpoint and the run does not resume, or the reverse; or
            the checkpoint does not fit the run.
        FloatingPointError: The loss is not a number.
    """
    check_folder(config.out / CHECKPOINT, resume=config.resume)
    if config.threads:
        torch.set_num_threads(config.threads)
    size = min(config.validation_people, _VALIDATION_BATCH)
    unseen = Batches(held_out, batch_size=size, first_seed=_VALIDATION_SEED)
    validation = [unseen[i] for i in range(config.validation_people // size)]
    trainer = _Trainer(config, model, validation=validation)
    return trainer.fit(_loader(sample, config, first_step=trainer.state.step))


class _Trainer:
    """The loop and what it writes."""

    def __init__(
        self,
        config: TrainConfig,
        model: MetricHMR,
        *,
        validation: Sequence[Batch],
    ) -> None:
        self.config = config
        self.validation = validation
        self.device = find_device(config.device)
        model = model.to(self.device)
        average = make_average(model, config.ema_decay)
        self.state = state = TrainState(model, average, make_optimizer(model, config))
        if config.resume:
            state.load(config.out / CHECKPOINT, self.device)
        if self.device.type == 'cuda':
            # Tokens only: geometry in bfloat16 would be wrong by centimetres.
            for module in (model.image_encoder, model.ray_encoder, *model.human_moe):
                use_bfloat16(module, self.device)
        config.out.mkdir(parents=True, exist_ok=True)
        save_config(config.out / 'config.json', config)
        self.log = CsvLog(config.out / 'log.csv', after_step=state.step)
        self.scores = CsvLog(config.out / 'validation.csv', after_step=state.step)

    def fit(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Go on until the steps or the minutes are over; return the last figures."""
        config, state = self.config, self.state
        started = time.monotonic() - state.seconds
        saved = self.logged = state.seconds
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
        averaged = state.ema.module
        assert isinstance(averaged, MetricHMR)
        averaged.save_pretrained(config.out / MODEL)
        return figures

    def _progress(self) -> float:
        config, state = self.config, self.state
        return state.step / config.steps if config.steps else state.seconds / 60 / config.minutes

    def _step(self, batch: Batch, rate: float) -> dict[str, Tensor | float]:
        """Take one step, and return the loss, its terms, the gradient's norm and the rate."""
        config, state = self.config, self.state
        evidence, target = batch[0].to(self.device), batch[1].to(self.device)
        for group in state.optimizer.param_groups:
            group['lr'] = rate
        state.model.train()
        *earlier, prediction = state.model.estimates(evidence)
        body = state.model.body
        terms_of = partial(
            all_losses,
            target=target,
            crop_angle=crop_frame(evidence.crop_rays).angle,
            body=body,
            vertices=surface_points(target, body) if config.loss.vertices > 0 else None,
        )
        terms = terms_of(prediction)
        loss = config.loss.total(terms)
        for estimate in earlier:
            own = config.loss.total(terms_of(estimate))
            loss = loss + config.earlier_stages / len(earlier) * own
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), config.clip_norm)
        if torch.isfinite(norm):  # one person whose geometry is degenerate must not end a run
            state.optimizer.step()
            state.ema.update_parameters(state.model)
        detached = {name: value.detach() for name, value in terms.items()}
        return {'loss': loss.detach(), **detached, 'grad_norm': norm, 'rate': rate}

    def _report(self, row: dict[str, Tensor | float]) -> None:
        """Log the last step's terms, the speed and the time that is left."""
        config, state = self.config, self.state
        terms = {name: float(value) for name, value in row.items()}
        if not math.isfinite(terms['loss']):
            raise FloatingPointError(f'the loss is {terms["loss"]} at step {state.step}')
        elapsed = max(state.seconds - self.logged, 1e-9)
        self.logged = state.seconds
        speed = config.log_every * config.batch_size / elapsed
        when = {'step': state.step, 'seconds': state.seconds}
        self.log.write({**when, 'samples_per_s': speed, **terms})
        progress = self._progress()
        left = state.seconds * max(1 - progress, 0.0) / progress
        minutes, seconds = divmod(int(left), 60)
        logger.info(
            'step %d  %.0f %%  loss %.4f  %.0f samples/s  %d:%02d left',
            state.step, 100 * progress, terms['loss'], speed, minutes, seconds,
        )  # fmt: skip

    def _score(self) -> dict[str, float]:
        """Validate the averaged weights."""
        state = self.state
        heights = state.model.body.heights
        figures = validate(state.ema, self.validation, heights=heights, device=self.device)
        self.scores.write({'step': state.step, 'seconds': state.seconds, **figures})
        logger.info('%s', '  '.join(f'{name} {value:.4g}' for name, value in figures.items()))
        return figures


def _loader(sample: SampleBatch, config: TrainConfig, *, first_step: int) -> DataLoader[Batch]:
    batches = Batches(
        sample, batch_size=config.batch_size, first_seed=config.seed * _STEPS_PER_SEED
    )
    steps = range(first_step, _STEPS_PER_SEED)
    options: dict[str, Any] = {'prefetch_factor': 4} if config.workers else {}
    return DataLoader(
        batches, batch_size=None, sampler=steps, num_workers=config.workers, **options
    )

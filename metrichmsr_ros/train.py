"""Training of the network on sampled people.

Batch ``i`` depends on the seed and on ``i`` alone, so that neither the number of workers nor a
resumed run changes what is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.sample import Batch, SampleBatch
from metrichmsr_ros.losses import all_losses, surface_points
from metrichmsr_ros.models.canonical import crop_frame
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.models.vitpose_encoder import VitPoseEncoder
from metrichmsr_ros.train_config import TrainConfig
from metrichmsr_ros.train_loop import CHECKPOINT, Trainer
from metrichmsr_ros.train_people import Batches, draw_from
from metrichmsr_ros.train_state import check_folder, use_bfloat16
from metrichmsr_ros.validation import validate

_TRAINING, _VALIDATION = 0, 1  # begin the keys of batches
_MAX_STEPS = 2**31
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
        FloatingPointError: The gradient is not finite for many steps in a row.
    """
    check_folder(config.out / CHECKPOINT, resume=config.resume)
    if config.threads:
        torch.set_num_threads(config.threads)
    size = min(config.validation_people, _VALIDATION_BATCH)
    unseen = Batches(held_out, batch_size=size, key=(_VALIDATION,))
    validation = [unseen[i] for i in range(config.validation_people // size)]
    trainer = _Trainer(config, model, validation=validation)
    return trainer.fit(_loader(sample, config, first_step=trainer.state.step))


class _Trainer(Trainer[MetricHMR, Batch]):
    def __init__(
        self,
        config: TrainConfig,
        model: MetricHMR,
        *,
        validation: Sequence[Batch],
    ) -> None:
        super().__init__(config, model)
        self.config = config
        self.validation = validation
        if self.device.type == 'cuda':
            # Tokens only: geometry in bfloat16 would be wrong by centimetres.
            for module in (model.image_encoder, model.ray_encoder, *model.human_moe):
                use_bfloat16(module, self.device)

    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of all stages, and the terms of the last."""
        config, model = self.config, self.state.model
        evidence, target = batch[0].to(self.device), batch[1].to(self.device)
        *earlier, prediction = model.estimates(evidence)
        terms_of = partial(
            all_losses,
            target=target,
            crop_angle=crop_frame(evidence.crop_rays).angle,
            body=model.body,
            vertices=surface_points(target, model.body) if config.loss.vertices > 0 else None,
        )
        terms = terms_of(prediction)
        loss = config.loss.total(terms)
        for estimate in earlier:
            own = config.loss.total(terms_of(estimate))
            loss = loss + config.earlier_stages / len(earlier) * own
        return loss, terms

    def validate(self) -> dict[str, float]:
        """Return the figures of ``validation.validate``."""
        heights = self.state.model.body.heights
        return validate(self.state.ema, self.validation, heights=heights, device=self.device)


def _loader(sample: SampleBatch, config: TrainConfig, *, first_step: int) -> DataLoader[Batch]:
    batches = Batches(sample, batch_size=config.batch_size, key=(_TRAINING, config.seed))
    steps = range(first_step, _MAX_STEPS)
    options: dict[str, Any] = {'prefetch_factor': 4} if config.workers else {}
    return DataLoader(
        batches, batch_size=None, sampler=steps, num_workers=config.workers, **options
    )

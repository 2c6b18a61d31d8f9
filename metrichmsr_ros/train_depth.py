"""Training of the depth refiner on rendered scenes: one command makes the scenes and learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import nn, Tensor

from metrichmsr_ros.data.depth.examples import draw_batch, Example, ExampleConfig
from metrichmsr_ros.data.depth.shards import DepthScenes, read_scenes, render_scenes
from metrichmsr_ros.depth_losses import depth_losses, DepthLossWeights
from metrichmsr_ros.models.depth_refiner import Correction, DepthRefiner, DepthRefinerConfig
from metrichmsr_ros.models.depth_refiner_input import refiner_input, RefinerInput
from metrichmsr_ros.progress import ProgressBar
from metrichmsr_ros.train_config import at_least_one, RunConfig
from metrichmsr_ros.train_loop import CHECKPOINT, Trainer
from metrichmsr_ros.train_state import check_folder

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
            a checkpoint or the scenes do not fit the run.
        FloatingPointError: The gradient is not finite for many steps in a row.
    """
    check_folder(config.out / CHECKPOINT, resume=config.resume)
    if config.threads:
        torch.set_num_threads(config.threads)
    folder = Path(config.scenes_dir) if config.scenes_dir else config.out / 'scenes'
    train = _scenes(folder / 'training', number=config.scenes, seed=_TRAINING_SEED)
    held_out = _scenes(folder / 'held_out', number=config.held_out, seed=_HELD_OUT_SEED)
    trainer = _Trainer(config, _fixed_batches(held_out, config))
    return trainer.fit(_batches(train, config, first_step=trainer.state.step))


def _scenes(folder: Path, *, number: int, seed: int) -> list[DepthScenes]:
    render_scenes(folder, scenes=number, seed=seed, progress=ProgressBar(number, 'scenes'))
    return read_scenes(folder)


def _fixed_batches(scenes: Sequence[DepthScenes], config: TrainDepthConfig) -> list[Example]:
    rng = np.random.default_rng(_HELD_OUT_SEED)
    size = 12  # not the run's, so that all runs are validated on the same
    return [draw_batch(scenes, size, rng, config.examples) for _ in range(_VALIDATION_BATCHES)]


class _Trainer(Trainer[DepthRefiner, Example]):
    def __init__(self, config: TrainDepthConfig, validation: Sequence[Example]) -> None:
        torch.manual_seed(config.seed)
        super().__init__(config, _start(config))
        self.config, self.validation = config, validation

    def losses(self, batch: Example) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of ``depth_losses``, and these."""
        scene, correction = _corrected(self.state.model, batch, self.device)
        terms = depth_losses(
            scene, correction,
            anchor_z=_tensor(batch.anchor_z, self.device),
            anchor_sigma=_tensor(batch.anchor_sigma, self.device),
            true_z=_tensor(batch.true_z, self.device),
        )  # fmt: skip
        weights = self.config.loss
        return torch.stack([getattr(weights, name) * terms[name] for name in terms]).sum(), terms

    def validate(self) -> dict[str, float]:
        """Return the figures of ``validate``."""
        self.state.ema.eval()
        return validate(self.state.ema, self.validation, device=self.device)


def _start(config: TrainDepthConfig) -> DepthRefiner:
    if not config.init:
        return DepthRefiner(config.model)
    refiner = DepthRefiner.from_pretrained(config.init)
    if refiner.config != config.model:
        raise ValueError(f'init={config.init!r} has other sizes than model')
    return refiner


def _batches(
    scenes: Sequence[DepthScenes], config: TrainDepthConfig, *, first_step: int
) -> Iterator[Example]:
    """Yield what the steps from ``first_step`` on learn from, without end."""
    for step in count(first_step):
        rng = np.random.default_rng((config.seed, step))
        yield draw_batch(scenes, config.batch_size, rng, config.examples)


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

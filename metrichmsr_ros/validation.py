"""The figures of the network on held-out samples, as the papers define them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn, Tensor

from metrichmsr_ros.data.people.sample import Batch
from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.geometry.alignment import similarity_align
from metrichmsr_ros.models.prediction import Prediction

ADULT_HEIGHT = 1.5  # metres


@torch.inference_mode()
def validate(
    model: nn.Module,
    batches: Sequence[Batch],
    *,
    heights: Callable[[Tensor], Tensor],
    device: torch.device,
) -> dict[str, float]:
    """Return means over all people of all batches, in float32.

    Args:
        model: Evidence → Prediction.
        batches: The held-out set.
        heights: Standing height of shapes, (B, 10) → (B,) metres.
        device: Where the model is.

    Returns:
        ``mpjpe`` and ``pa_mpjpe`` mm over the 24 joints; ``root_percent``, the error of the pelvis
        in per cent of its distance; ``height_mm``; ``within_sigma``, the share of the pelvis's
        errors that are smaller than their σ, which is 0.68 when it is calibrated. Two of them as
        ``_median``, two of ``_adults`` alone.
    """
    was_training = model.training
    model.eval()
    rows = [
        _errors(model(evidence.to(device)), target.to(device), heights)
        for evidence, target in batches
    ]
    model.train(was_training)
    errors = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    figures = {name: float(values.mean()) for name, values in errors.items()}
    for name in ('mpjpe', 'root_percent'):
        figures[f'{name}_median'] = float(np.median(errors[name]))
    adults = np.concatenate([_numpy(target.height) for _, target in batches]) > ADULT_HEIGHT
    for name in ('root_percent', 'height_mm'):
        figures[f'{name}_adults'] = float(errors[name][adults].mean()) if adults.any() else np.nan
    return figures


def _errors(
    prediction: Prediction, target: Target, heights: Callable[[Tensor], Tensor]
) -> dict[str, np.ndarray]:
    """Return one value per person, (B,)."""
    joints, truth = (
        (side.joints - side.joints[:, :1]).double().cpu().numpy() for side in (prediction, target)
    )
    offset = prediction.pelvis - target.pelvis
    inside = prediction.along_axes(offset).abs() < prediction.pelvis_log_sigma.exp()
    aligned = similarity_align(joints, truth).apply(joints)
    return {
        'mpjpe': 1000 * np.linalg.norm(joints - truth, axis=-1).mean(-1),
        'pa_mpjpe': 1000 * np.linalg.norm(aligned - truth, axis=-1).mean(-1),
        'root_percent': _numpy(100 * offset.norm(dim=-1) / target.pelvis.norm(dim=-1)),
        'height_mm': _numpy(1000 * (heights(prediction.shape) - target.height).abs()),
        'within_sigma': _numpy(inside.float().mean(-1)),
    }


def _numpy(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()

"""Losses of the depth refiner (MetricHMSR §1.6): L_depth, L_anchor, L_tv and L_var.

The paper names them and not their norms and weights, which are ours. All are of relative errors,
so that near and far count alike. Letters: B scenes of H by W.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metrichmsr_ros.models.depth_refiner import Correction
from metrichmsr_ros.models.depth_refiner_input import RefinerInput

_EDGE = 0.1  # difference of the prior's logarithm at which the field may change freely


@dataclass(frozen=True)
class DepthLossWeights:
    """Factors.

    Attributes:
        depth: The figure itself, the mean relative error.
        anchor: People err by some per cent: a hint where the truth is missing, no more.
        variation: Keeps the field smooth where the prior is.
        variance: Keeps it near one correction for all, where nothing tells more.
    """

    depth: float = 1.0
    anchor: float = 0.05
    variation: float = 0.2
    variance: float = 0.02


def depth_losses(
    scene: RefinerInput,
    correction: Correction,
    *,
    anchor_z: Tensor,
    anchor_sigma: Tensor,
    true_z: Tensor,
) -> dict[str, Tensor]:
    """Return the terms, named as in ``DepthLossWeights``, each ().

    Args:
        scene: B scenes.
        correction: Of them.
        anchor_z: What people say, (B, H, W), metres, NaN where they say nothing.
        anchor_sigma: Of their distance, over it, (B, H, W).
        true_z: (B, H, W), metres, NaN where unknown.
    """
    depth_z = correction.apply(scene.depth_z)
    trust = 1 / (1 + (anchor_sigma / 0.1).square())
    shift = correction.shift / scene.unit[:, None, None]
    fields = torch.stack([correction.log_scale, shift], 1)
    guide = scene.depth_z.log().unsqueeze(1)
    known = scene.known[:, None].to(fields)
    count = known.sum((-1, -2), keepdim=True).clamp(min=1)
    mean = (known * fields).sum((-1, -2), keepdim=True) / count
    spread = known * (fields - mean).square() / count
    return {
        'depth': _relative(depth_z, true_z, scene.known),
        'anchor': _relative(depth_z, anchor_z, scene.known, trust),
        'variation': _steps(fields, guide, -1) + _steps(fields, guide, -2),
        'variance': spread.sum((1, 2, 3)).mean(),
    }


def _relative(
    depth_z: Tensor, true_z: Tensor, known: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Return the mean relative error of what is known, each scene counting once, ()."""
    usable = known & torch.isfinite(true_z)
    true_z = torch.where(usable, true_z, 1.0)
    error = torch.where(usable, (depth_z - true_z).abs() / true_z, 0.0)
    weights = usable.to(error) if weight is None else usable * weight
    return ((weights * error).sum((1, 2)) / weights.sum((1, 2)).clamp(min=1.0)).mean()


def _steps(fields: Tensor, guide: Tensor, axis: int) -> Tensor:
    across = guide.diff(dim=axis).abs()
    return (fields.diff(dim=axis).abs() * torch.exp(-across / _EDGE)).mean()

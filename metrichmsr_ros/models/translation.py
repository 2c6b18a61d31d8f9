"""Where a posed body stands: a weighted least squares on rays, closed form and differentiable.

In crop axes, with a the crop's angle, a landmark's ray is (a u, a v, 1) and the landmark
(x, y, z) about the pelvis. With the pelvis at (X, Y, Z) and the canonical depth τ = a Z, which is
how many metres the crop's side spans there, the distance from the ray in x is
``x + X - u (a z + τ)``: linear in the unknowns, in metres, and alike for near and far. Summed with
weights, it is a regression with one slope τ and two intercepts X, Y. A guess of the network for
(X, Y, τ) enters as further observations, so that the answer exists whatever is seen.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MIN_SPAN = 0.2  # metres that a crop's side spans at least: it holds a good part of a person


def stand_on_rays(
    points: Tensor,
    plane: Tensor,
    weights: Tensor,
    *,
    angle: Tensor,
    guess: Tensor,
    trust: Tensor,
) -> Tensor:
    """Solve for the pelvis.

    Args:
        points: Landmarks about the pelvis, (B, K, 3), metres, crop axes.
        plane: Their rays' u, v, (B, K, 2).
        weights: (B, K), not negative.
        angle: a, (B,).
        guess: X, Y, τ, (B, 3), metres, τ > 0.
        trust: Weights of the guess's parts, (B, 3), positive.

    Returns:
        X, Y, τ, (B, 3), metres.
    """
    weights = weights.unsqueeze(-1)
    angle = angle[:, None, None]
    offsets = points[..., :2] - angle * plane * points[..., 2:]
    place, place_trust = guess[:, :2], trust[:, :2]
    total = weights.sum(1) + place_trust
    rays = (weights * plane).sum(1)
    pull = place_trust * place - (weights * offsets).sum(1)
    # Normal equations with X, Y eliminated.
    slope = (weights * plane * plane).sum(1) - rays * rays / total
    toward = (weights * plane * offsets).sum(1) + rays * pull / total
    span = (toward.sum(-1) + trust[:, 2] * guess[:, 2]) / (slope.sum(-1) + trust[:, 2])
    span = span.clamp(min=_MIN_SPAN).unsqueeze(-1)
    return torch.cat([(rays * span + pull) / total, span], dim=-1)

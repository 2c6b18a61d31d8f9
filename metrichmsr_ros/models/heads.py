"""The three heads: pose, shape and position.

All read the same hidden layer of a person, and predict in the crop's axes. They start at the rest
pose turned as the torso's landmarks are, the mean shape and a person who fills the crop.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn, Tensor
from torch.nn import functional

from metrichmsr_ros.geometry.rotations import rot6d_to_matrix
from metrichmsr_ros.models.image_encoder import LandmarkTokens
from metrichmsr_ros.models.translation import stand_on_rays
from metrichmsr_ros.structures import NUM_JOINTS, NUM_LANDMARKS, NUM_SHAPE

_MEAN_SPAN = 2.2  # metres that the side of BlazePose's crop of an adult spans
_START_TRUST = 0.01  # of the guess beside the rays, whose weights sum to one
_START_SIGMA = 0.1  # of the distance along the ray, metres across
_LOG_RANGE = 6.0  # of trusts and standard deviations about their starts


class Position(NamedTuple):
    """Where the pelvis is, in crop axes.

    Attributes:
        place: X, Y and span τ = angle · Z, (B, 3), metres.
        log_sigma: Along the ray relative to the distance, then right and down in metres, (B, 3).
        confidence_logit: (B,).
        weights: Of the landmarks' rays, (B, 33), sum to 1 where all are seen; 0 where not.
    """

    place: Tensor
    log_sigma: Tensor
    confidence_logit: Tensor
    weights: Tensor


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return norm, hidden layer and an output layer that starts near zero."""
    return nn.Sequential(
        nn.LayerNorm(inputs), nn.Linear(inputs, hidden), nn.GELU(), small_start(hidden, outputs)
    )


def small_start(inputs: int, outputs: int) -> nn.Linear:
    """Return a linear layer whose outputs are near zero at first."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


class PoseHead(nn.Module):
    """24 rotations through their first two columns."""

    rest: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layer = small_start(features, 6 * NUM_JOINTS)
        rest = torch.tensor([1.0, 0, 0, 0, 1, 0])
        self.register_buffer('rest', rest, persistent=False)

    def forward(self, person: Tensor, before: Tensor | None) -> Tensor:
        """Estimate the pose.

        Args:
            person: Features, (B, F).
            before: An earlier estimate to correct, as is returned, or None.

        Returns:
            Two columns of the rotation of each joint in its parent's axes, (B, 24, 6), not
            orthonormal yet; the root's in the axes of the torso.
        """
        change = self.layer(person).unflatten(-1, (NUM_JOINTS, 6))
        return change + (self.rest if before is None else before)


def joint_rotations(columns: Tensor, torso: Tensor) -> Tensor:
    """Return rotations (B, 24, 3, 3), the root's in crop axes.

    Args:
        columns: From ``PoseHead``, (B, 24, 6).
        torso: As in ``Canonical``, (B, 3, 3).
    """
    own = rot6d_to_matrix(columns)
    return torch.cat([torso.unsqueeze(1) @ own[:, :1], own[:, 1:]], dim=1)


class ShapeHead(nn.Module):
    """β."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layer = small_start(features, NUM_SHAPE)

    def forward(self, person: Tensor) -> Tensor:
        """Return β (B, 10) from features (B, F)."""
        return self.layer(person)


class PositionHead(nn.Module):
    """Least squares of the posed body on the landmarks' rays, then a correction of it.

    The correction sees what the least squares leave over, without a gradient: it must not bend
    the pose to what it can correct.
    """

    def __init__(self, features: int, token: int, hidden: int) -> None:
        """Prepare the head.

        Args:
            features: Of a person.
            token: Width of a landmark's token.
            hidden: Hidden units.
        """
        super().__init__()
        self.token_norm = nn.LayerNorm(token)
        # Of each landmark: several share the token of their part.
        self.own_weight = nn.Parameter(0.01 * torch.randn(NUM_LANDMARKS, token))
        self.guess = small_start(features, 6)
        # Residuals and weights of the landmarks, the place and the crop's angle.
        self.correct = perceptron(features + 3 * NUM_LANDMARKS + 4, hidden, 7)

    def forward(
        self, person: Tensor, found: LandmarkTokens, points: Tensor, *, angle: Tensor
    ) -> Position:
        """Place posed bodies.

        Args:
            person: Features, (B, F).
            found: The landmarks in the image.
            points: Landmarks of the posed body about its pelvis, (B, 33, 3), metres, crop axes.
            angle: Of the crop, (B,).
        """
        plane = found.plane
        scores = (self.own_weight * self.token_norm(found.tokens)).sum(-1)
        weights = scores.softmax(-1) * found.seen
        guess, trust = self.guess(person).split(3, dim=-1)
        guess = torch.cat([guess[:, :2], _MEAN_SPAN * guess[:, 2:].exp()], -1)
        fitted = stand_on_rays(
            points, plane, weights, angle=angle, guess=guess, trust=_START_TRUST * _exp(trust)
        )
        missed = _residuals(points, plane, fitted, angle) * weights.unsqueeze(-1).sqrt()
        evidence = [missed.flatten(1), weights, fitted, angle.log().unsqueeze(-1)]
        seen_by_head = torch.cat([person, torch.cat(evidence, -1).detach()], -1)
        change, log_sigma, confidence = self.correct(seen_by_head).split([3, 3, 1], dim=-1)
        # Nearer or farther along its ray, then across it.
        place = fitted * change[:, :1].exp()
        place = place + functional.pad(change[:, 1:], (0, 1))
        log_sigma = math.log(_START_SIGMA) + _bounded(log_sigma)
        return Position(place, log_sigma, confidence.squeeze(-1), weights)


def _residuals(points: Tensor, plane: Tensor, place: Tensor, angle: Tensor) -> Tensor:
    depth = angle[:, None, None] * points[..., 2:] + place[:, None, 2:]
    return points[..., :2] + place[:, None, :2] - plane * depth


def _bounded(values: Tensor) -> Tensor:
    return _LOG_RANGE * (values / _LOG_RANGE).tanh()


def _exp(values: Tensor) -> Tensor:
    return _bounded(values).exp()

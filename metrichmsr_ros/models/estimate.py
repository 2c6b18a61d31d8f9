"""One estimate of people in the axes of their crops, and what it leaves unexplained.

Ours. A regressor that answers at once leaves 2 % of the crop between the body and its evidence. So
after half of the blocks there is a first answer; how far its landmarks lie from the evidence goes
back into the tokens, and the rest of the blocks corrects it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn, Tensor

from metrichmsr_ros.body.body_points import BodyPoints, PosedPoints
from metrichmsr_ros.models.canonical import CropFrame
from metrichmsr_ros.models.heads import (
    joint_rotations,
    PoseHead,
    Position,
    PositionHead,
    ShapeHead,
)
from metrichmsr_ros.models.image_encoder import LandmarkTokens
from metrichmsr_ros.structures import NUM_JOINTS, NUM_LANDMARKS, NUM_SHAPE

_MIN_SPAN = 0.1  # metres that the crop spans where a landmark is
_HIPS = (23, 24)
# Bring crop sides and metres to the spread of the other numbers.
_PLANE_SCALE, _MAX_MISSED = 10.0, 2.0
_WORLD_SCALE, _POINT_SCALE = 5.0, 2.0
_NUM_FEATURES = 8


class Estimate(NamedTuple):
    """B people in crop axes.

    Attributes:
        columns: As from ``PoseHead``, (B, 24, 6).
        rotations: As from ``joint_rotations``, (B, 24, 3, 3).
        shape: β, (B, 10).
        points: Of the posed bodies about their pelvises.
        position: Where the pelvises are.
        found: The landmarks in the image that it rests on.
    """

    columns: Tensor
    rotations: Tensor
    shape: Tensor
    points: PosedPoints
    position: Position
    found: LandmarkTokens


class EstimateHeads(nn.Module):
    """The three heads of a stage, and the hidden layer that they share."""

    def __init__(self, features: int, token: int, hidden: int) -> None:
        """Prepare the heads.

        Args:
            features: Of a person, F.
            token: Width of a landmark's token, D.
            hidden: Hidden units.
        """
        super().__init__()
        self.hidden = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, hidden), nn.GELU())
        self.pose = PoseHead(hidden)
        self.shape = ShapeHead(hidden)
        self.position = PositionHead(hidden, token, hidden)

    def forward(
        self,
        person: Tensor,
        found: LandmarkTokens,
        *,
        body: BodyPoints,
        frame: CropFrame,
        torso: Tensor,
        before: Estimate | None,
    ) -> Estimate:
        """Estimate B people.

        Args:
            person: Features, (B, F).
            found: The landmarks in the image.
            body: Whose parameters are estimated.
            frame: The crops' axes.
            torso: As in ``Canonical``, (B, 3, 3).
            before: Estimate to correct, or None.
        """
        person = self.hidden(person)
        columns = self.pose(person, None if before is None else before.columns)
        rotations, shape = joint_rotations(columns, torso), self.shape(person)
        if before is not None:
            shape = shape + before.shape
        points = body(rotations, shape)
        position = self.position(person, found, points.landmarks, angle=frame.angle)
        return Estimate(columns, rotations, shape, points, position, found)


class Feedback(nn.Module):
    """What an estimate leaves unexplained, as additions to the image tokens."""

    share: Tensor | None

    def __init__(
        self, dim: int, *, person_tokens: int, hidden: int, landmark_share: Tensor | None
    ) -> None:
        """Prepare the feedback.

        Args:
            dim: D.
            person_tokens: P.
            hidden: Hidden units of the perceptron that tells the person tokens.
            landmark_share: As of ``ImageEncoder``; None = only person tokens are told.
        """
        super().__init__()
        self.person_tokens = person_tokens
        inputs = NUM_LANDMARKS * _NUM_FEATURES + NUM_JOINTS * 6 + NUM_SHAPE
        self.person = nn.Sequential(
            nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, person_tokens * dim)
        )
        self.register_buffer('share', landmark_share, persistent=False)
        if landmark_share is not None:
            weight = 0.1 * torch.randn(NUM_LANDMARKS, _NUM_FEATURES, dim)
            self.weight = nn.Parameter(weight)

    def forward(self, estimate: Estimate, angle: Tensor) -> Tensor:
        """Compare an estimate with the evidence.

        Args:
            estimate: Of B people.
            angle: Of the crops, (B,).

        Returns:
            To add to the first image tokens, (B, P, D) or (B, P + T, D).
        """
        features = _unexplained(estimate, angle)
        person = [features.flatten(1), estimate.columns.flatten(1), estimate.shape]
        person = self.person(torch.cat(person, -1)).unflatten(-1, (self.person_tokens, -1))
        if self.share is None:
            return person
        landmarks = (features.transpose(0, 1) @ self.weight).transpose(0, 1)
        return torch.cat([person, self.share @ landmarks], dim=1)


def _unexplained(estimate: Estimate, angle: Tensor) -> Tensor:
    """Return (B, 33, F): image residuals, 3D residuals, own points; 0 for unknown landmarks."""
    place, points = estimate.position.place.unsqueeze(1), estimate.points.landmarks
    found = estimate.found
    span = (angle[:, None, None] * points[..., 2:] + place[..., 2:]).clamp(min=_MIN_SPAN)
    missed = (points[..., :2] + place[..., :2]) / span - found.plane
    missed = (_PLANE_SCALE * missed).clamp(-_MAX_MISSED, _MAX_MISSED)
    own = points - points[:, _HIPS].mean(1, keepdim=True)
    columns = [missed, _WORLD_SCALE * (own - found.world), _POINT_SCALE * own]
    return torch.cat(columns, -1) * found.seen.unsqueeze(-1)

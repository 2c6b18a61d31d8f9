"""Image tokens out of BlazePose's findings: one for each landmark and a few of the person."""

from __future__ import annotations

import torch
from torch import nn, Tensor

from metrichmsr_ros.models.canonical import Canonical, canonical
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.image_encoder import LandmarkTokens
from metrichmsr_ros.structures import NUM_LANDMARKS

# Ray (2), world in crop axes (3) and in the torso's (3), relative depth, visibility, presence, the
# person's score, known at all.
_NUM_FEATURES = 13
_WORLD_SCALE = 2.0  # brings metres about the mid-hip to the spread of the other numbers


class BlazePoseEncoder(nn.Module):
    """33 landmark tokens and P person tokens of width D.

    Each landmark has weights of its own, which also say which landmark a token is. One that is not
    known is replaced by a learned token. The person tokens see all landmarks at once through a
    perceptron: cheap, as it runs once for a person and not once for a token.
    """

    def __init__(self, dim: int, *, person_tokens: int, person_hidden: int) -> None:
        """Prepare the encoder.

        Args:
            dim: D.
            person_tokens: P.
            person_hidden: Hidden units of the perceptron.
        """
        super().__init__()
        self.num_tokens = NUM_LANDMARKS + person_tokens
        self.person_tokens = person_tokens
        self.weight = nn.Parameter(torch.randn(NUM_LANDMARKS, _NUM_FEATURES, dim))
        nn.init.normal_(self.weight, std=_NUM_FEATURES**-0.5)
        self.name = nn.Parameter(0.5 * torch.randn(NUM_LANDMARKS, dim))
        self.missing = nn.Parameter(0.5 * torch.randn(NUM_LANDMARKS, dim))
        self.mix = nn.Sequential(nn.GELU(), nn.Linear(dim, dim))
        self.person = nn.Sequential(
            nn.Linear(NUM_LANDMARKS * _NUM_FEATURES, person_hidden),
            nn.GELU(),
            nn.LayerNorm(person_hidden),
            nn.Linear(person_hidden, person_hidden),
            nn.GELU(),
            nn.Linear(person_hidden, person_tokens * dim),
        )

    def canonical(self, evidence: Evidence) -> Canonical:
        """Bring evidence into the axes of its crops."""
        return canonical(evidence)

    def forward(self, evidence: Evidence, crop: Canonical) -> Tensor:
        """Encode the landmarks of B people.

        Args:
            evidence: The people.
            crop: The same evidence in crop axes.

        Returns:
            Tokens, (B, P + 33, D), the person's first.
        """
        features = _features(evidence, crop)
        known = features[..., -1:] > 0
        tokens = (features.transpose(0, 1) @ self.weight).transpose(0, 1) + self.name
        tokens = self.mix(torch.where(known, tokens, self.missing))
        person = self.person(features.flatten(1)).unflatten(-1, (self.person_tokens, -1))
        return torch.cat([person, tokens], dim=1)

    def landmarks(self, tokens: Tensor, crop: Canonical) -> LandmarkTokens:
        """Return the tokens (B, 33, D), which are the landmarks', with their rays."""
        return LandmarkTokens(tokens, crop.plane, crop.seen)


def _features(evidence: Evidence, crop: Canonical) -> Tensor:
    """Return (B, 33, F), zero for a landmark of which nothing is known."""
    columns = [
        evidence.relative_depth,
        evidence.visibility,
        evidence.presence,
        evidence.score[:, None].expand_as(evidence.presence),
        evidence.presence.new_ones(evidence.presence.shape),
    ]
    world = _WORLD_SCALE * crop.world
    # Where the person faces is known once; limbs about the torso look alike from all sides.
    points = [crop.plane, world, world @ crop.torso]
    features = torch.cat([*points, torch.stack(columns, -1)], dim=-1)
    return torch.where(crop.seen.unsqueeze(-1), features, 0.0)

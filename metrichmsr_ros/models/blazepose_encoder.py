"""Image tokens out of BlazePose's findings: one for each part of the body, some of the person."""

from __future__ import annotations

import torch
from torch import nn, Tensor
from torch.nn import functional

from metrichmsr_ros.models.canonical import Canonical, canonical
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.image_encoder import LandmarkTokens
from metrichmsr_ros.structures import NUM_LANDMARKS

# Ray (2), world in crop axes (3) and in the torso's (3), relative depth, visibility, presence, the
# person's score, known at all.
_NUM_FEATURES = 13
# The part of each landmark: head; shoulders, elbows, hands, hips, knees, feet, left ones first.
PART_OF_LANDMARK: tuple[int, ...] = (
    *(0,) * 11, 1, 2, 3, 4, *(5, 6) * 4, 7, 8, 9, 10, *(11, 12) * 3,
)  # fmt: skip
NUM_PARTS = 13
_SUMMARY = 32  # numbers that heads read of each part
_WORLD_SCALE = 2.0  # brings metres about the mid-hip to the spread of the other numbers


class BlazePoseEncoder(nn.Module):
    """13 part tokens and P person tokens of width D.

    Each landmark has weights of its own, which also say which one it is; one that is not known is
    replaced by learned numbers. A part is the sum of its landmarks: those of a face or a hand say
    nearly the same. The person tokens see all landmarks at once through a perceptron: cheap, as it
    runs once for a person and not once for a token.
    """

    landmark_share: Tensor

    def __init__(self, dim: int, *, person_tokens: int, person_hidden: int) -> None:
        """Prepare the encoder.

        Args:
            dim: D.
            person_tokens: P.
            person_hidden: Hidden units of the perceptron.
        """
        super().__init__()
        self.num_tokens = NUM_PARTS + person_tokens
        self.summary_width = NUM_PARTS * _SUMMARY
        self.summarize = nn.Linear(dim, _SUMMARY)
        share = functional.one_hot(torch.tensor(PART_OF_LANDMARK), NUM_PARTS).float().mT
        self.register_buffer('landmark_share', share, persistent=False)
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
            Tokens, (B, P + 13, D), the person's first.
        """
        features = _features(evidence, crop)
        known = features[..., -1:] > 0
        tokens = (features.transpose(0, 1) @ self.weight).transpose(0, 1) + self.name
        tokens = self.mix(self.landmark_share @ torch.where(known, tokens, self.missing))
        person = self.person(features.flatten(1)).unflatten(-1, (self.person_tokens, -1))
        return torch.cat([person, tokens], dim=1)

    def landmarks(self, tokens: Tensor, crop: Canonical) -> LandmarkTokens:
        """Return the landmarks' rays, each with the token of its part, given those (B, 13, D)."""
        own = self.landmark_share.mT @ tokens
        return LandmarkTokens(own, crop.plane, crop.seen, crop.world)

    def summary(self, tokens: Tensor) -> Tensor:
        """Return something of every part side by side, (B, S)."""
        return self.summarize(tokens).flatten(1)


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

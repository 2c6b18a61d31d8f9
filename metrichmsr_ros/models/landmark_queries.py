"""Landmarks out of image tokens: what BlazePose's landmarks are to the position head."""

from __future__ import annotations

import math

import torch
from torch import nn, Tensor

from metrichmsr_ros.models.heads import perceptron
from metrichmsr_ros.structures import NUM_LANDMARKS


class LandmarkQueries(nn.Module):
    """33 learned queries that look for their landmark among the image tokens.

    A query's attention is a heat map over the tokens. What it gathers is the landmark's token; the
    mean of the tokens' positions under it (a soft argmax) is where the landmark is, corrected by
    what the token says about the place within its patch.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        """Prepare the queries.

        Args:
            dim: Width of the tokens, D.
            hidden: Hidden units of the correction.
        """
        super().__init__()
        self.queries = nn.Parameter(torch.randn(NUM_LANDMARKS, dim))
        self.key, self.value = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim)
        self.offset = perceptron(dim, hidden, 2)
        self.scale = 1 / math.sqrt(dim)

    def forward(self, tokens: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Look for the landmarks of B people.

        Args:
            tokens: Of T patches, (B, T, D).
            positions: Middles of the patches in crop sides from the crop's middle, (B, T, 2).

        Returns:
            Landmark tokens, (B, 33, D), and where the landmarks are, (B, 33, 2), crop sides.
        """
        heat = (self.scale * self.queries @ self.key(tokens).mT).softmax(-1)
        found = self.queries + heat @ self.value(tokens)
        return found, heat @ positions + self.offset(found)

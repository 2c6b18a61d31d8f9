"""Tokens of a boundary camera ray map of the crop's own resolution, as the paper has them."""

from __future__ import annotations

import torch
from torch import nn, Tensor

from metrichmsr_ros.models.attention import SelfAttention
from metrichmsr_ros.models.image_evidence import RAY_MAP_SIZE

PATCH = 16


class VitRayEncoder(nn.Module):
    """A vision transformer with patches of 16 cells over the canonical ray map of 224 by 224."""

    def __init__(self, dim: int, *, width: int, layers: int, heads: int) -> None:
        """Prepare the encoder.

        Args:
            dim: Width of the tokens that come out, D.
            width: Of the transformer.
            layers: Its blocks.
            heads: Its attention heads.

        Raises:
            ValueError: ``heads`` does not divide ``width``.
        """
        super().__init__()
        self.num_tokens = (RAY_MAP_SIZE // PATCH) ** 2
        # The third channel is the log of the crop's angle: the paper's is constant.
        self.embed = nn.Conv2d(3, width, kernel_size=PATCH, stride=PATCH)
        self.position = nn.Parameter(0.02 * torch.randn(self.num_tokens, width))
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))

    def forward(self, ray_map: Tensor, angle: Tensor) -> Tensor:
        """Encode ray maps.

        Args:
            ray_map: x / z and y / z of the crop's cells over its angle, (B, 2, 224, 224).
            angle: Of the crop, (B,).

        Returns:
            Tokens, (B, 196, D).
        """
        log_angle = angle.log()[:, None, None, None].expand_as(ray_map[:, :1])
        patches = self.embed(torch.cat([ray_map, log_angle], dim=1))
        tokens = patches.flatten(2).mT + self.position
        for block in self.blocks:
            tokens = block(tokens)
        return self.leave(tokens)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.mlp(self.norm(tokens))

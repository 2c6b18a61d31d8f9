"""Tokens of the boundary camera ray map.

The paper takes ViT-Large with patches of 16 pixels. Rays vary so smoothly over a crop that a few
patches hold what there is: how wide the crop is, how far perspective and distortion bend it.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor

from metrichmsr_ros.models.attention import SelfAttention
from metrichmsr_ros.models.evidence import RAY_MAP_SIZE


class RayEncoder(nn.Module):
    """A small vision transformer over the canonical ray map."""

    def __init__(self, dim: int, *, heads: int, patch: int) -> None:
        """Prepare the encoder.

        Args:
            dim: D.
            heads: Attention heads.
            patch: Cells of the ray map along a patch's side.

        Raises:
            ValueError: ``patch`` does not divide the ray map.
        """
        super().__init__()
        if RAY_MAP_SIZE % patch:
            raise ValueError(f'patch is {patch}: it must divide {RAY_MAP_SIZE}')
        self.num_tokens = (RAY_MAP_SIZE // patch) ** 2
        # The third channel is the log of the crop's angle: the paper's is constant.
        self.embed = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)
        self.position = nn.Parameter(0.02 * torch.randn(self.num_tokens, dim))
        self.attention_norm, self.norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, ray_map: Tensor, angle: Tensor) -> Tensor:
        """Encode ray maps.

        Args:
            ray_map: As in ``Canonical``, (B, 2, h, w).
            angle: Of the crop, (B,).

        Returns:
            Tokens, (B, R, D).
        """
        log_angle = angle.log()[:, None, None, None].expand_as(ray_map[:, :1])
        patches = self.embed(torch.cat([ray_map, log_angle], dim=1))
        tokens = patches.flatten(2).mT + self.position
        tokens = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.mlp(self.norm(tokens))

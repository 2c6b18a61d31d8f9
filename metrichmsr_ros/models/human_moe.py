"""HumanMoE (MetricHMSR, Fig. 4, Eq. 3-4): transformer blocks with experts in place of the FFN.

Image tokens go through K routed experts, softly gated, and one shared expert that is always on;
ray tokens through an expert of their own. Patch blocks gate each token by itself, global blocks
all tokens of a person alike, by the mean of all of them.

A gated sum of two-layer experts is one two-layer network whose hidden units are multiplied by
their expert's gate: ``Σ gᵢ (Wᵢ φ(Vᵢ x) + bᵢ) = [W₁ … W_K] (g ⊙ φ([V₁; …; V_K] x)) + Σ gᵢ bᵢ``, so
all experts are two matrix products, whatever their number. Letters: B people, T image tokens, R
ray tokens, D width, H hidden units of an expert, K routed experts, L blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn, Tensor
from torch.nn import functional

from metrichmsr_ros.models.attention import SelfAttention

# Of the usual weights, at which branches start: nearly the identity trains fastest at first (after
# 7,700 samples 136 mm instead of 155).
_BRANCH_START = 0.2


class ImageExperts(nn.Module):
    """One shared and K routed experts of the image tokens."""

    def __init__(self, dim: int, hidden: int, routed: int) -> None:
        """Prepare the experts.

        Args:
            dim: D.
            hidden: H.
            routed: K, 0 for a plain FFN.
        """
        super().__init__()
        self.hidden, self.routed = hidden, routed
        self.enter = nn.Linear(dim, (1 + routed) * hidden)  # the shared expert's units first
        self.leave = nn.Linear((1 + routed) * hidden, dim)  # its bias is the shared expert's
        self.routed_bias = nn.Parameter(torch.zeros(routed, dim)) if routed else None
        nn.init.normal_(self.leave.weight, std=(6 * hidden) ** -0.5)

    def forward(self, tokens: Tensor, gates: Tensor) -> Tensor:
        """Return the gated sum of the experts.

        Args:
            tokens: (B, T, D).
            gates: (B, T or 1, K).

        Returns:
            (B, T, D).
        """
        units = functional.gelu(self.enter(tokens))
        if self.routed_bias is None:
            return self.leave(units)
        weights = functional.pad(gates, (1, 0), value=1.0).unsqueeze(-1)
        units = units.unflatten(-1, (1 + self.routed, self.hidden)) * weights
        return self.leave(units.flatten(-2)) + gates @ self.routed_bias


class Router(nn.Module):
    """Gates of the routed experts: a softmax over them."""

    def __init__(self, dim: int, routed: int) -> None:
        super().__init__()
        self.score = nn.Linear(dim, routed)
        nn.init.normal_(self.score.weight, std=0.02)
        nn.init.zeros_(self.score.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return gates that sum to one, (..., D) → (..., K)."""
        return self.score(features).softmax(-1)


class MoEBlock(nn.Module):
    """Attention over all tokens, then experts; both with a residual and a norm before."""

    def __init__(self, dim: int, *, heads: int, hidden: int, routed: int, per_token: bool) -> None:
        """Prepare a block.

        Args:
            dim: D.
            heads: Attention heads.
            hidden: H.
            routed: K.
            per_token: Whether each token is gated by itself (patch) or all alike (global).
        """
        super().__init__()
        self.per_token, self.routed = per_token, routed
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.expert_norm = nn.LayerNorm(dim)
        self.router = Router(dim, routed) if routed else None
        self.image_experts = ImageExperts(dim, hidden, routed)
        ray_out = nn.Linear(hidden, dim)
        self.ray_expert = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), ray_out)
        with torch.no_grad():
            for last in (self.attention.project_out, self.image_experts.leave, ray_out):
                last.weight.mul_(_BRANCH_START)

    def forward(self, tokens: Tensor, num_rays: int) -> tuple[Tensor, Tensor]:
        """Pass the tokens of B people, the last ``num_rays`` of whom are ray tokens.

        Args:
            tokens: (B, T + R, D).
            num_rays: R.

        Returns:
            Tokens, (B, T + R, D), and gates, (B, T, K).
        """
        tokens = tokens + self.attention(self.attention_norm(tokens))
        normed = self.expert_norm(tokens)
        num_images = tokens.shape[1] - num_rays
        image, rays = normed.split([num_images, num_rays], dim=1)
        gates = self._gates(normed, image)
        changes = torch.cat([self.image_experts(image, gates), self.ray_expert(rays)], dim=1)
        return tokens + changes, gates.expand(-1, num_images, -1)

    def _gates(self, normed: Tensor, image: Tensor) -> Tensor:
        if self.router is None:
            return image[..., :0]
        return self.router(image if self.per_token else normed.mean(1, keepdim=True))


class HumanMoE(nn.Module):
    """A stage: some blocks, and the norm through which heads read their tokens."""

    def __init__(
        self, dim: int, *, heads: int, hidden: int, routed: int, per_token: Sequence[bool]
    ) -> None:
        """Prepare the blocks.

        Args:
            dim: D.
            heads: Attention heads.
            hidden: H.
            routed: K, 0 for dense blocks.
            per_token: Of each block, whether it is a patch block or else a global one.
        """
        super().__init__()
        self.blocks = nn.ModuleList(
            MoEBlock(dim, heads=heads, hidden=hidden, routed=routed, per_token=patch)
            for patch in per_token
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, num_rays: int) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Mix the tokens of B people, the last ``num_rays`` of whom are ray tokens.

        Args:
            tokens: (B, T + R, D).
            num_rays: R.

        Returns:
            The tokens for the next stage and for heads, both (B, T + R, D), and each block's
            gates, (B, T, K).
        """
        router = []
        for block in self.blocks:
            tokens, gates = block(tokens, num_rays)
            router.append(gates)
        return tokens, self.norm(tokens), router


def stages(patch_blocks: int, global_blocks: int, count: int) -> list[list[bool]]:
    """Return for each of ``count`` stages which of its blocks are patch blocks; those come first.

    The blocks are spread evenly, later stages having one more where they do not divide.
    """
    blocks = [True] * patch_blocks + [False] * global_blocks
    ends = [len(blocks) * stage // count for stage in range(count + 1)]
    return [blocks[start:end] for start, end in pairwise(ends)]

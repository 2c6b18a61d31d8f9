"""Self-attention over a person's tokens."""

from __future__ import annotations

from torch import nn, Tensor
from torch.nn import functional


class SelfAttention(nn.Module):
    """Multi-head self-attention of (B, T, D) tokens; everybody attends to everybody."""

    def __init__(self, dim: int, heads: int) -> None:
        """Prepare the projections.

        Args:
            dim: D.
            heads: Number of heads.

        Raises:
            ValueError: ``heads`` does not divide ``dim``.
        """
        super().__init__()
        if dim % heads:
            raise ValueError(f'heads is {heads}: it must divide dim, {dim}')
        self.heads = heads
        self.project_in = nn.Linear(dim, 3 * dim)
        self.project_out = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what each token gathered, (B, T, D)."""
        packed = self.project_in(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
        gathered = functional.scaled_dot_product_attention(query, key, value)
        return self.project_out(gathered.transpose(1, 2).flatten(2))

"""Lengths of vectors in torch, of plain sums and roots: every export backend has those."""

from __future__ import annotations

from torch import Tensor

_SHORTEST = 1e-12  # below it a vector is no direction; keeps quotients and gradients finite


def length(vectors: Tensor) -> Tensor:
    """Return the lengths of (..., D) vectors, (..., 1), at least 1e-12."""
    return (vectors * vectors).sum(-1, keepdim=True).clamp(min=_SHORTEST**2).sqrt()


def unit(vectors: Tensor) -> Tensor:
    """Return (..., D) vectors with length 1, zero ones as they are."""
    return vectors / length(vectors)

"""Rotation representations in torch: roma's conversions, plus the continuous 6D one.

Batches of any shape (...). Names: ``aa`` axis-angle (..., 3) radians, ``matrix`` (..., 3, 3),
``rot6d`` (..., 6) the first two columns of the matrix, one after the other (Zhou et al., CVPR
2019). NumPy code uses ``scipy.spatial.transform.Rotation``.
"""

from __future__ import annotations

import roma
import torch

from metrichmsr_ros.geometry.vectors import unit

aa_to_matrix = roma.rotvec_to_rotmat
matrix_to_aa = roma.rotmat_to_rotvec


def matrix_to_rot6d(matrix: torch.Tensor) -> torch.Tensor:
    """Return the first two columns of (..., 3, 3) matrices as (..., 6)."""
    return matrix[..., :2].transpose(-1, -2).flatten(-2)


def rot6d_to_matrix(rot6d: torch.Tensor) -> torch.Tensor:
    """Return the (..., 3, 3) rotations of any (..., 6) whose two vectors are not parallel.

    Gram-Schmidt on the two vectors; continuous, so that a network can regress it.
    """
    first, second = rot6d.unflatten(-1, (2, 3)).unbind(-2)
    x = unit(first)
    y = unit(second - (second * x).sum(-1, keepdim=True) * x)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)

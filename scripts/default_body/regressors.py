"""Sparse regressors of points from vertices: exact over the shape space, and good when posed."""

from __future__ import annotations

import numpy as np
import torch

from metrichmsr_ros.body.joints import PARENTS
from metrichmsr_ros.body.skinning import ancestor_hops, forward_kinematics, rotation_matrices, skin

SUPPORT = 300
_RIDGE = 1e-3


def pose_randomly(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, *, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pose one body in random poses of moderate size.

    Returns:
        Vertices (count, V, 3), joints (count, 24, 3), rotations in body axes (count, 24, 3, 3).
    """
    generator = torch.Generator().manual_seed(seed)
    pose = 0.45 * torch.randn(count, len(PARENTS), 3, generator=generator, dtype=torch.float64)
    rest = torch.from_numpy(joints)
    rotations, posed = forward_kinematics(
        rotation_matrices(pose),
        rest.expand(count, -1, -1),
        parents=torch.tensor(PARENTS),
        hops=ancestor_hops(PARENTS),
    )
    shifts = posed - (rotations @ rest.unsqueeze(-1)).squeeze(-1)
    surface = skin(
        torch.from_numpy(vertices).expand(count, -1, -1),
        rotations,
        shifts,
        torch.from_numpy(weights),
    )
    return surface.numpy(), posed.numpy(), rotations.numpy()


def fit_regressor(
    basis: np.ndarray, target: np.ndarray, posed: np.ndarray, posed_target: np.ndarray
) -> np.ndarray:
    """Fit one point's weights over the vertices nearest to it.

    Minimises the error in the posed bodies and the weights' size, subject to sum one and an exact
    value on the mean body and on every shape component.

    Args:
        basis: Mean and components of the vertices, (1 + S, V, 3).
        target: Mean and components of the point, (1 + S, 3).
        posed: Posed vertices, (P, V, 3).
        posed_target: The point in those poses, (P, 3).

    Returns:
        Weights, (V,).
    """
    near = np.argsort(np.linalg.norm(basis[0] - target[0], axis=1), kind='stable')[:SUPPORT]
    equal = basis[:, near].transpose(0, 2, 1).reshape(-1, SUPPORT)
    equal = np.concatenate([equal, np.ones((1, SUPPORT))])
    wanted = np.concatenate([target.reshape(-1), [1.0]])
    rows = posed[:, near].transpose(0, 2, 1).reshape(-1, SUPPORT)
    hessian = rows.T @ rows / len(rows) + _RIDGE**2 * np.eye(SUPPORT)
    gradient = rows.T @ posed_target.reshape(-1) / len(rows)
    size = SUPPORT + len(equal)
    system = np.zeros((size, size))
    system[:SUPPORT, :SUPPORT], system[:SUPPORT, SUPPORT:] = hessian, equal.T
    system[SUPPORT:, :SUPPORT] = equal
    solution = np.linalg.lstsq(system, np.concatenate([gradient, wanted]), rcond=1e-14)[0]
    weights = np.zeros(basis.shape[1])
    weights[near] = solution[:SUPPORT]
    return weights

"""Linear blend skinning of an SMPL-format body in plain torch operations.

Pure functions without data-dependent control flow: differentiable, any float dtype, and clean
under ``torch.compile`` and ``torch.export``.

Letters: B batch, V vertices, J joints, S shape components. Lengths in metres, angles in radians.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def rotation_matrices(rotation_vectors: Tensor) -> Tensor:
    """Turn axis-angle vectors into rotation matrices; exact and differentiable at zero as well.

    Args:
        rotation_vectors: Axis times angle, (..., 3), radians.

    Returns:
        Rotation matrices, (..., 3, 3).
    """
    x, y, z = rotation_vectors.unbind(-1)
    squared = (rotation_vectors * rotation_vectors).sum(-1)
    small = squared < 1e-6
    # The square root has no gradient at zero, hence a harmless argument where the series is used.
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    sine = torch.where(small, 1 - squared / 6, angle.sin() / angle)
    half = (angle / 2).sin()
    versine = torch.where(small, 0.5 - squared / 24, 2 * half * half / (angle * angle))
    cosine = 1 - versine * squared
    sx, sy, sz = sine * x, sine * y, sine * z
    vx, vy, vz = versine * x, versine * y, versine * z
    rows = (
        cosine + vx * x, vx * y - sz, vx * z + sy,
        vx * y + sz, cosine + vy * y, vy * z - sx,
        vx * z - sy, vy * z + sx, cosine + vz * z,
    )  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def ancestor_hops(parents: Sequence[int]) -> Tensor:
    """List each joint's ancestor 1, 2, 4, … steps up, for :func:`forward_kinematics`.

    Args:
        parents: Parent of each joint, -1 for the root; parents come before their children.

    Returns:
        Joint indices, (hops, J + 1) int64; index J stands for 'above the root'.
    """
    num_joints = len(parents)
    hop = torch.tensor([p if p >= 0 else num_joints for p in parents] + [num_joints])
    hops = []
    while bool((hop < num_joints).any()):
        hops.append(hop)
        hop = hop[hop]
    return torch.stack(hops) if hops else hop.new_zeros(0, num_joints + 1)


def forward_kinematics(
    rotations: Tensor, rest_joints: Tensor, *, parents: Tensor, hops: Tensor
) -> tuple[Tensor, Tensor]:
    """Chain the joints' rotations along the kinematic tree.

    Args:
        rotations: Of each joint in its parent's axes, (B, J, 3, 3).
        rest_joints: Joints in the rest pose, (B, J, 3), metres.
        parents: Parent of each joint, (J,) int64; the root's own entry is ignored.
        hops: From :func:`ancestor_hops`.

    Returns:
        Rotations in body axes, (B, J, 3, 3), and joints, (B, J, 3), metres.
    """
    rest = rest_joints.unsqueeze(-1)
    offsets = torch.cat([rest[:, :1], rest[:, 1:] - rest[:, parents[1:]]], dim=1)
    transforms = torch.cat([rotations, offsets], dim=-1)
    above_root = torch.eye(3, 4, dtype=rest.dtype, device=rest.device)
    transforms = torch.cat([transforms, above_root.expand(rest.shape[0], 1, 3, 4)], dim=1)
    # After step n each transform spans 2ⁿ bones: log2(depth) products instead of one a bone.
    for hop in hops.unbind(0):
        upper = transforms[:, hop]
        product = upper[..., :3] @ transforms
        transforms = torch.cat([product[..., :3], product[..., 3:] + upper[..., 3:]], dim=-1)
    transforms = transforms[:, :-1]
    return transforms[..., :3], transforms[..., 3]


def pose_offsets(rotations: Tensor, posedirs: Tensor) -> Tensor:
    """Evaluate SMPL's pose-dependent corrective blendshapes.

    Args:
        rotations: Of each joint in its parent's axes, (B, J, 3, 3).
        posedirs: Corrective directions, (9·(J-1), V·3), metres.

    Returns:
        Vertex offsets in the rest pose, (B, V, 3), metres.
    """
    identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    feature = (rotations[:, 1:] - identity).flatten(1)
    return (feature @ posedirs).unflatten(-1, (-1, 3))


def skin(
    rest_vertices: Tensor, rotations: Tensor, translations: Tensor, weights: Tensor
) -> Tensor:
    """Blend the joints' rigid motions at every vertex.

    Args:
        rest_vertices: Surface in the rest pose, (B, V, 3), metres.
        rotations: Of each joint in body axes, (B, J, 3, 3).
        translations: Where each joint's motion takes the origin, (B, J, 3), metres.
        weights: Skinning weights, (V, J), rows sum to one.

    Returns:
        Skinned surface, (B, V, 3), metres.
    """
    motions = torch.cat([rotations, translations.unsqueeze(-1)], dim=-1)
    blended = (weights @ motions.flatten(2)).unflatten(-1, (3, 4))
    return (blended[..., :3] * rest_vertices.unsqueeze(-2)).sum(-1) + blended[..., 3]

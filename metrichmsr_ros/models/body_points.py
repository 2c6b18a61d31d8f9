"""Joints and landmarks of a posed body without its surface.

Under linear blend skinning a landmark that is a weighted sum of vertices is, exactly, a sum over
joints of that joint's motion of one point, and that point is linear in β. So 33 landmarks cost
33 x 24 small products instead of thousands of vertices. A body's pose-dependent corrections, which
move its landmarks by millimetres, are left out.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.skinning import forward_kinematics


class BodyPoints(nn.Module):
    """Forward kinematics of a body's joints and BlazePose landmarks about its pelvis."""

    share: Tensor
    points: Tensor
    point_shapedirs: Tensor

    def __init__(self, body: BodyModel) -> None:
        """Precompute what is linear in β."""
        super().__init__()
        self.body = body
        shapedirs = body.shapedirs.unflatten(0, (-1, 3))
        share = body.blazepose_regressor @ body.weights
        points, directions = [], []
        for weights in body.weights.T:  # (33, 24, V) at once would be large
            regressor = body.blazepose_regressor * weights
            points.append(regressor @ body.v_template)
            directions.append(torch.einsum('lv,vcs->lcs', regressor, shapedirs))
        joints = body.joint_template
        joint_dirs = body.joint_shapedirs.unflatten(0, (-1, 3))
        # Points relative to their joints in the rest pose.
        about = torch.stack(points, 1) - share.unsqueeze(-1) * joints
        about_dirs = torch.stack(directions, 1) - share[..., None, None] * joint_dirs
        self.register_buffer('share', share, persistent=False)
        self.register_buffer('points', about, persistent=False)
        self.register_buffer('point_shapedirs', about_dirs.flatten(0, 2), persistent=False)

    def forward(self, rotations: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """Pose the points.

        Args:
            rotations: Of each joint in its parent's axes, (B, 24, 3, 3).
            shape: β, (B, 10).

        Returns:
            Joints (B, 24, 3) and landmarks (B, 33, 3), metres, about the pelvis.
        """
        rest = self.body.rest_joints(shape)
        turned, joints = forward_kinematics(
            rotations, rest, parents=self.body.parent_index, hops=self.body.hops
        )
        joints = joints - joints[:, :1]
        moved = (shape @ self.point_shapedirs.T).unflatten(-1, self.points.shape)
        # [R | t] of all joints against [point; share] of all landmarks: one product.
        motions = torch.cat([turned, joints.unsqueeze(-1)], -1).transpose(1, 2).flatten(2)
        share = self.share.unsqueeze(-1).expand(shape.shape[0], -1, -1, 1)
        points = torch.cat([self.points + moved, share], -1).flatten(2)
        return joints, points @ motions.mT

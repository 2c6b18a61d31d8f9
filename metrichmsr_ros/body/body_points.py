"""Joints and BlazePose landmarks of posed bodies without their surface.

Under linear blend skinning a weighted sum of vertices is, exactly, a sum over joints of that
joint's motion of one point, and that point is linear in β. So 33 landmarks cost 33 x 24 small
products instead of thousands of vertices. A body's pose-dependent corrections (``posedirs``),
which move its landmarks by millimetres, are left out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn, Tensor
from torch.nn import functional

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.skinning import forward_kinematics
from metrichmsr_ros.structures import NUM_JOINTS, NUM_LANDMARKS


class PosedPoints(NamedTuple):
    """Points of B posed bodies about their pelvises, metres.

    Attributes:
        joints: SMPL joints, (B, 24, 3).
        landmarks: Where BlazePose marks its points, (B, 33, 3).
    """

    joints: Tensor
    landmarks: Tensor


class BodyPoints(nn.Module):
    """Forward kinematics of a body's joints and BlazePose landmarks about its pelvis."""

    points: Tensor
    point_shapedirs: Tensor

    def __init__(self, body: BodyModel) -> None:
        """Precompute what is linear in β."""
        super().__init__()
        self.body = body
        regressor, weights = body.blazepose_regressor.double(), body.weights.double()
        template, joints = body.v_template.double(), body.joint_template.double()
        shapedirs = body.shapedirs.double().unflatten(0, (-1, 3))
        joint_shapedirs = body.joint_shapedirs.double().unflatten(0, (-1, 3))
        share = regressor @ weights
        rows = [regressor * column for column in weights.T]  # (33, 24, V) at once would be large
        points = torch.stack([row @ template for row in rows], 1)
        directions = torch.stack([torch.einsum('lv,vcs->lcs', row, shapedirs) for row in rows], 1)
        # Points relative to their joints in the rest pose, and the joint's own share.
        points = torch.cat([points - share[..., None] * joints, share[..., None]], -1)
        directions = directions - share[..., None, None] * joint_shapedirs
        directions = functional.pad(directions, (0, 0, 0, 1))
        self.register_buffer('points', points.flatten().float(), persistent=False)
        self.register_buffer('point_shapedirs', directions.flatten(0, 2).float(), persistent=False)

    def forward(
        self, rotations: Tensor, shape: Tensor, *, moved: PosedPoints | None = None
    ) -> PosedPoints:
        """Pose the points.

        Args:
            rotations: Of each joint in its parent's axes, (B, 24, 3, 3).
            shape: β, (B, 10).
            moved: How far each point of these people lies from the body's at rest, metres.

        Returns:
            Joints and landmarks, in the axes that joint 0 turns into.
        """
        body = self.body
        rest = body.rest_joints(shape)
        if moved is not None:
            rest = rest + moved.joints
        turned, joints = forward_kinematics(
            rotations, rest, parents=body.parent_index, hops=body.hops
        )
        joints = joints - joints[:, :1]
        # [R | t] of all joints against [point; share] of all landmarks: one product.
        motions = torch.cat([turned, joints.unsqueeze(-1)], -1).transpose(1, 2).flatten(2)
        points = functional.linear(shape, self.point_shapedirs, self.points)
        if moved is not None:
            points = points + self._moved(moved)
        return PosedPoints(joints, points.unflatten(-1, (-1, motions.shape[-1])) @ motions.mT)

    def _moved(self, moved: PosedPoints) -> Tensor:
        share = self.points.unflatten(0, (NUM_LANDMARKS, NUM_JOINTS, 4))[..., 3:]
        about = share * (moved.landmarks.unsqueeze(2) - moved.joints.unsqueeze(1))
        return functional.pad(about, (0, 1)).flatten(1)

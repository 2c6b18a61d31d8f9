"""Joints and BlazePose landmarks of posed bodies without their 6890 vertices.

A landmark is a weighted sum of skinned vertices, and skinning is linear in the joints' motions:
each landmark is a sum over a few joints of a rigid motion applied to a point that is linear in β.
The hundred (landmark, joint) pairs give the same points as skinning and regressing, a few
hundred times cheaper. Pose-dependent correctives (``posedirs``) are left out: millimetres.

Letters: B people, J = 24 joints, L = 33 landmarks, P pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn, Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.skinning import forward_kinematics
from metrichmsr_ros.structures import NUM_LANDMARKS, NUM_SHAPE

_NO_WEIGHT = 1e-6


class RigOutput(NamedTuple):
    """A posed skeleton with the pelvis at the origin, metres.

    Attributes:
        joints: (B, 24, 3).
        landmarks: BlazePose's points, (B, 33, 3).
    """

    joints: Tensor
    landmarks: Tensor


class LandmarkRig(nn.Module):
    """Poses joints and BlazePose landmarks of one body."""

    moments: Tensor
    moment_shapes: Tensor
    pair_joint: Tensor
    pair_weight: Tensor
    gather: Tensor

    def __init__(self, body: BodyModel) -> None:
        """Collect the pairs of ``body``."""
        super().__init__()
        self.body = body
        # Share of each joint in each landmark, and the rest points that it moves.
        regressor, weights = body.blazepose_regressor.double(), body.weights.double()
        shares = torch.einsum('lv,vj->ljv', regressor, weights)
        landmark, joint = torch.nonzero(shares.abs().sum(-1) > _NO_WEIGHT, as_tuple=True)
        shares = shares[landmark, joint]
        template = body.v_template.double()
        shapedirs = body.shapedirs.double().unflatten(0, (-1, 3))
        moment_shapes = torch.einsum('pv,vcs->spc', shares, shapedirs).reshape(NUM_SHAPE, -1)
        gather = torch.zeros(NUM_LANDMARKS, len(landmark))
        gather[landmark, torch.arange(len(landmark))] = 1.0
        buffers = {
            'moments': (shares @ template).float(),
            'moment_shapes': moment_shapes.float(),
            'pair_joint': joint,
            'pair_weight': shares.sum(-1).float()[:, None],
            'gather': gather,
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, rotations: Tensor, shape: Tensor) -> RigOutput:
        """Pose the body.

        Args:
            rotations: Of each joint in its parent's axes, (B, 24, 3, 3).
            shape: β, (B, 10).

        Returns:
            Joints and landmarks relative to the pelvis, in the axes that joint 0 turns into.
        """
        body = self.body
        rest = body.rest_joints(shape)
        turned, joints = forward_kinematics(
            rotations, rest, parents=body.parent_index, hops=body.hops
        )
        joints = joints - joints[:, :1]
        motions = joints - (turned @ rest.unsqueeze(-1)).squeeze(-1)
        moments = self.moments + (shape @ self.moment_shapes).unflatten(-1, (-1, 3))
        parts = (turned[:, self.pair_joint] @ moments.unsqueeze(-1)).squeeze(-1)
        parts = parts + self.pair_weight * motions[:, self.pair_joint]
        return RigOutput(joints, self.gather @ parts)

"""The body: SMPL parameters in, surface, joints and landmarks out.

Body axes of the rest pose (T-pose): y up, z out of the chest, x to the body's left. Letters: B
batch, V vertices, F faces, J = 24 joints. Metres, radians; β in standard deviations of the body's
own shape space.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn, Tensor

from metrichmsr_ros.body import landmarks as landmark_sets
from metrichmsr_ros.body.joints import NUM_JOINTS, PARENTS
from metrichmsr_ros.body.model_file import ModelArrays, read_model_file
from metrichmsr_ros.body.skinning import (
    ancestor_hops,
    forward_kinematics,
    pose_offsets,
    rotation_matrices,
    skin,
)

DEFAULT_BODY = 'anny_smpl24'
_HEIGHT_STEPS = 3


class BodyOutput(NamedTuple):
    """A posed body; a named tuple because ``torch.export`` takes those apart by itself.

    Attributes:
        vertices: Skinned surface, (B, V, 3), metres.
        joints: SMPL joints, (B, 24, 3), metres; ``joints[:, 0]`` is the pelvis.
    """

    vertices: Tensor
    joints: Tensor


class BodyModel(nn.Module):
    """An SMPL-format body as a module without parameters.

    Attributes:
        name: Name of the body that θ, β and t belong to.
        faces: Triangles, (F, 3) int32 NumPy array, counter-clockwise seen from outside.
        parents: Parent of each joint, -1 for the pelvis.
    """

    v_template: Tensor
    shapedirs: Tensor
    posedirs: Tensor | None
    weights: Tensor
    joint_template: Tensor
    joint_shapedirs: Tensor
    landmark_regressor: Tensor
    blazepose_regressor: Tensor
    parent_index: Tensor
    hops: Tensor

    def __init__(self, arrays: ModelArrays) -> None:
        super().__init__()
        self.name = arrays.name
        self.faces = arrays.faces
        self.parents = PARENTS
        regressor = arrays.j_regressor
        posedirs = arrays.posedirs
        buffers = {
            'v_template': arrays.v_template,
            'shapedirs': arrays.shapedirs.reshape(-1, arrays.shapedirs.shape[2]),
            'posedirs': None if posedirs is None else posedirs.reshape(-1, posedirs.shape[2]).T,
            'weights': arrays.weights,
            # Joints are linear in β, so they need not wait for the surface.
            'joint_template': regressor @ arrays.v_template,
            'joint_shapedirs': np.einsum('jv,vcs->jcs', regressor, arrays.shapedirs).reshape(
                -1, arrays.shapedirs.shape[2]
            ),
            'landmark_regressor': landmark_sets.landmark_regressor(arrays),
            'blazepose_regressor': landmark_sets.blazepose_regressor(arrays),
        }
        for name, value in buffers.items():
            tensor = None if value is None else torch.tensor(value, dtype=torch.float32)
            self.register_buffer(name, tensor, persistent=False)
        self.register_buffer('parent_index', torch.tensor(PARENTS), persistent=False)
        self.register_buffer('hops', ancestor_hops(PARENTS), persistent=False)

    @classmethod
    def load(cls, path: str | PathLike[str] | None = None) -> BodyModel:
        """Load a body.

        Args:
            path: SMPL-format ``.npz`` or official ``.pkl`` file; None = the body that ships.

        Returns:
            The body on the CPU in float32.

        Raises:
            BodyModelError: The file is missing, unreadable or breaks a rule of the format.
        """
        if path is not None:
            return cls(read_model_file(Path(path)))
        with as_file(files('metrichmsr_ros.body.data') / f'{DEFAULT_BODY}.npz') as default:
            return cls(read_model_file(default))

    @property
    def num_vertices(self) -> int:
        """V."""
        return self.v_template.shape[0]

    def rest_joints(self, shape: Tensor) -> Tensor:
        """Return the joints of the unposed body.

        Args:
            shape: β, (B, 10).

        Returns:
            Joints in the T-pose, (B, 24, 3), metres, body axes.
        """
        return self.joint_template + (shape @ self.joint_shapedirs.T).unflatten(-1, (-1, 3))

    def rest_vertices(self, shape: Tensor) -> Tensor:
        """Return the surface of the unposed body.

        Args:
            shape: β, (B, 10).

        Returns:
            Vertices in the T-pose, (B, V, 3), metres, body axes.
        """
        return self.v_template + (shape @ self.shapedirs.T).unflatten(-1, (-1, 3))

    def forward(self, pose: Tensor, shape: Tensor, translation: Tensor) -> BodyOutput:
        """Pose the body.

        Args:
            pose: Axis-angle θ, (B, 24, 3), radians; joint 0 turns body axes into output axes.
            shape: β, (B, 10), standard deviations.
            translation: SMPL ``transl``, (B, 3), metres; the pelvis is it plus the rest pelvis.

        Returns:
            Vertices and joints in output axes.
        """
        return self.posed(rotation_matrices(pose), shape, translation)

    def posed(
        self, rotations: Tensor, shape: Tensor, translation: Tensor, *, every: int = 1
    ) -> BodyOutput:
        """Pose the body by rotation matrices.

        Args:
            rotations: Of each joint in its parent's axes, (B, 24, 3, 3).
            shape: As of ``forward``.
            translation: As of ``forward``.
            every: Only each so many-th vertex: losses need no more.
        """
        rest_joints = self.rest_joints(shape)
        vertices = self.rest_vertices(shape)[:, ::every]
        if self.posedirs is not None:
            vertices = vertices + pose_offsets(rotations, self.posedirs)[:, ::every]
        rotations, joints = forward_kinematics(
            rotations, rest_joints, parents=self.parent_index, hops=self.hops
        )
        joints = joints + translation.unsqueeze(1)
        motions = joints - (rotations @ rest_joints.unsqueeze(-1)).squeeze(-1)
        return BodyOutput(skin(vertices, rotations, motions, self.weights[::every]), joints)

    @torch.inference_mode()
    def pose_numpy(
        self, pose: np.ndarray, shape: np.ndarray, translation: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pose the body for callers outside torch; arguments and results as in :meth:`forward`.

        Args:
            pose: (B, 24, 3) or (B, 72).
            shape: (B, 10).
            translation: (B, 3).

        Returns:
            Vertices (B, V, 3) and joints (B, 24, 3), float32.
        """
        like = self.v_template
        tensors = (
            torch.tensor(np.asarray(value), dtype=like.dtype, device=like.device)
            for value in (np.reshape(pose, (len(pose), NUM_JOINTS, 3)), shape, translation)
        )
        output = self(*tensors)
        return output.vertices.float().cpu().numpy(), output.joints.float().cpu().numpy()

    def heights(self, shape: Tensor) -> Tensor:
        """Return the standing height: the vertical extent of the unposed body, sole to head top.

        Exact, not a linear fit: the extent over all vertices costs a tenth of a millisecond. The
        gradient is that of the highest and the lowest vertex.

        Args:
            shape: β, (B, 10).

        Returns:
            Heights, (B,), metres.
        """
        template, directions = self.v_template[:, 1], self.shapedirs[1::3]
        with torch.no_grad():  # through all vertices it was a fifth of a training step
            vertical = template + shape @ directions.T
            top, sole = vertical.max(-1).indices, vertical.min(-1).indices
        change = ((directions[top] - directions[sole]) * shape).sum(-1)
        return template[top] - template[sole] + change

    @torch.no_grad()
    def of_height(self, shape: Tensor, heights: Tensor) -> Tensor:
        """Return the likeliest build of a height for people of another one.

        β are standard deviations: of all builds of that height the nearest is meant.

        Args:
            shape: β, (B, 10).
            heights: Standing heights, (B,), metres.

        Returns:
            β, (B, 10).
        """
        units = torch.eye(shape.shape[-1], dtype=shape.dtype, device=shape.device)
        slope = self.heights(units) - self.heights(torch.zeros_like(units))
        for _ in range(_HEIGHT_STEPS):  # another vertex may become the highest or lowest
            missing = heights - self.heights(shape)
            shape = shape + missing.unsqueeze(-1) * slope / slope.square().sum()
        return shape

    def landmarks(self, vertices: Tensor) -> dict[str, Tensor]:
        """Return named anatomical points; ``pelvis`` is the mid-hip here, not joint 0.

        Args:
            vertices: Posed surface, (B, V, 3), metres.

        Returns:
            Name → point, (B, 3), metres, in the vertices' axes; the names are
            ``landmarks.LANDMARK_NAMES``.
        """
        points = self.landmark_regressor @ vertices
        return dict(zip(landmark_sets.LANDMARK_NAMES, points.unbind(-2), strict=True))

    def blazepose(self, vertices: Tensor) -> Tensor:
        """Return where BlazePose would mark its landmarks.

        Args:
            vertices: Posed surface, (B, V, 3), metres.

        Returns:
            Points in BlazePose's order, (B, 33, 3), metres, in the vertices' axes.
        """
        return self.blazepose_regressor @ vertices

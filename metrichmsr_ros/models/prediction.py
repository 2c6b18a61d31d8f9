"""What the network says about people."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.geometry.rotations import matrix_to_aa


@dataclass(frozen=True)
class Prediction:
    """B people in the camera optical frame, metres.

    Attributes:
        rotations: Of each joint in its parent's axes, (B, 24, 3, 3); the first turns body axes
            into camera axes.
        shape: β, (B, 10), standard deviations.
        pelvis: Joint 0, (B, 3).
        pelvis_axes: Orthonormal columns, (B, 3, 3): along the pelvis's ray, then right and down
            in the crop.
        pelvis_log_sigma: Log of the standard deviations of ``pelvis`` along these axes, (B, 3),
            log metres.
        confidence_logit: Logit of ``confidence``, (B,).
        joints: SMPL joints, (B, 24, 3).
        landmarks: Where BlazePose would mark its landmarks, (B, 33, 3).
        landmark_rays: Of the landmarks as given, or as found in the image with ViTPose (a
            reprojection loss on them teaches it where), (B, 33, 3), of any length.
        landmark_weights: How much the pelvis rests on each landmark's ray, (B, 33), 0..1.
        router: Gates of the routed experts, (B, L, T, K): L blocks in order, T image tokens.
    """

    rotations: Tensor
    shape: Tensor
    pelvis: Tensor
    pelvis_axes: Tensor
    pelvis_log_sigma: Tensor
    confidence_logit: Tensor
    joints: Tensor
    landmarks: Tensor
    landmark_rays: Tensor
    landmark_weights: Tensor
    router: Tensor

    def __len__(self) -> int:
        return len(self.shape)

    @property
    def confidence(self) -> Tensor:
        """Probability that the estimate is good, (B,), 0..1."""
        return self.confidence_logit.sigmoid()

    def pelvis_covariance(self) -> Tensor:
        """Return the covariance of ``pelvis``, (B, 3, 3), m², camera axes."""
        scaled = self.pelvis_axes * self.pelvis_log_sigma.exp().unsqueeze(-2)
        return scaled @ scaled.mT

    def along_axes(self, offsets: Tensor) -> Tensor:
        """Return vectors (B, 3) of the camera frame in ``pelvis_axes``: ray, right, down."""
        return (offsets.unsqueeze(-2) @ self.pelvis_axes).squeeze(-2)

    def pose(self) -> Tensor:
        """Return axis-angle θ, (B, 24, 3), radians."""
        return matrix_to_aa(self.rotations)

    def translation(self, body: BodyModel) -> Tensor:
        """Return SMPL's ``transl``, (B, 3), metres, for ``body``."""
        return self.pelvis - body.rest_joints(self.shape)[:, 0]

    def vertices(self, body: BodyModel) -> Tensor:
        """Return the skinned surface of ``body``, (B, V, 3), metres, camera frame."""
        return body(self.pose(), self.shape, self.translation(body)).vertices


torch.export.register_dataclass(Prediction)

"""Readings of rendered people as photographs of other people would have given them.

All rendered people have the same kind of face and are read by the same conventions, which
photographs do not share; and BlazePose, which learnt from photographs, reads renders worse. So, as
in tier (a), each person's marks are moved, and the errors of the reading drawn towards the truth.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.skinning import forward_kinematics
from metrichmsr_ros.data.people.crops import HIPS
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.noise import CLEAREST, depth_gain, draw_world_height
from metrichmsr_ros.data.people.observe import crop_width
from metrichmsr_ros.data.people.physique import BESIDE, draw_marks
from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.models.canonical import crop_frame
from metrichmsr_ros.models.evidence import Evidence

READ_HEIGHT = 1.69  # metres: of whomever BlazePose sees on renders, docs/synthetic_people.md
_MIN_DEPTH = 0.2  # metres; what is nearer keeps its mark


def clearer(
    draws: Draws,
    evidence: Evidence,
    target: Target,
    *,
    body: BodyModel,
    face: Tensor,
    physique: float = 1.0,
) -> Evidence:
    """Return what might have been read of B people on a photograph.

    A person keeps a share of the errors in the image, between ``CLEAREST`` and 1, and the root of
    that share of those of the world landmarks.

    Args:
        draws: Random numbers.
        evidence: What was read on renders.
        target: Its truth.
        body: Of the people.
        face: As for ``draw_marks``.
        physique: Factor on how far each mark is moved with its joint.
    """
    share = draws.log_uniform(CLEAREST, 1.0)
    world, relative_depth = _world(draws, evidence, target, share.sqrt()[:, None])
    marks = physique * _marks(draws, target, body, face, share)
    return replace(
        evidence,
        rays=_rays(evidence.rays, target.landmarks, marks, share[:, None, None]),
        world=world,
        relative_depth=relative_depth,
    )


def _marks(draws: Draws, target: Target, body: BodyModel, face: Tensor, share: Tensor) -> Tensor:
    """Return how far each landmark is moved, (B, 33, 3), metres, camera axes."""
    still = torch.zeros_like(target.joints)
    marks = draw_marks(draws, still, target.height, face, rendered=share)
    turned, _ = forward_kinematics(
        target.rotations, still, parents=body.parent_index, hops=body.hops
    )
    return (turned[:, list(BESIDE)] @ marks.unsqueeze(-1)).squeeze(-1)


def _rays(rays: Tensor, landmarks: Tensor, marks: Tensor, share: Tensor) -> Tensor:
    depth = landmarks[..., 2:].clamp(min=_MIN_DEPTH)
    points = landmarks + marks + share * (rays * depth - landmarks)
    moved = points / points[..., 2:].clamp(min=_MIN_DEPTH)
    return torch.where(landmarks[..., 2:] > _MIN_DEPTH, moved, rays)


def _world(
    draws: Draws, evidence: Evidence, target: Target, share: Tensor
) -> tuple[Tensor, Tensor]:
    """Return world landmarks, (B, 33, 3), and the z of the image landmarks, (B, 33)."""
    frame = crop_frame(evidence.crop_rays)
    hips = target.landmarks[:, HIPS].mean(1, keepdim=True)
    truth = (target.landmarks - hips) @ frame.axes
    depth = depth_gain() * truth[..., 2] / crop_width(target, evidence.crop_rays)[:, None]
    known = evidence.presence > 0
    size = (READ_HEIGHT / target.height)[:, None, None]
    truth = size * truth @ frame.roll
    world = truth + share[..., None] * (evidence.world - truth)
    world = (draw_world_height(draws) / READ_HEIGHT)[:, None, None] * world
    depth = depth + share * (evidence.relative_depth - depth)
    return world * known[..., None], depth * known

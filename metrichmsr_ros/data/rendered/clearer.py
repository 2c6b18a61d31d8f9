"""Readings of rendered people as photographs of other people would have given them.

All rendered people have the body's own proportions and the same kind of face, and are read by the
same conventions, which photographs do not share; and BlazePose, which learnt from photographs,
reads renders worse. So, as in tier (a), each person's bones and marks are moved, and the errors of
the reading drawn towards the truth.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints, PosedPoints
from metrichmsr_ros.data.people.crops import HIPS
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.noise import CLEAREST, depth_gain, draw_world_height
from metrichmsr_ros.data.people.observe import crop_width
from metrichmsr_ros.data.people.physique import (
    BESIDE,
    draw_growth,
    draw_marks,
    grown_height,
    turns_beside,
)
from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.models.canonical import crop_frame
from metrichmsr_ros.models.evidence import Evidence

READ_HEIGHT = 1.69  # metres: of whomever BlazePose sees on renders, docs/experiments.md
_MIN_DEPTH = 0.2  # metres; what is nearer keeps its mark


def clearer(
    draws: Draws,
    evidence: Evidence,
    target: Target,
    *,
    points: BodyPoints,
    face: Tensor,
    physique: float = 1.0,
) -> tuple[Evidence, Target]:
    """Return B people with bones of their own, and what might be read of them on a photograph.

    Of the errors in the image a person keeps a share between ``CLEAREST`` and 1, and of those of
    the world landmarks the root of that share.

    Args:
        draws: Random numbers.
        evidence: What was read on renders.
        target: Its truth, of people with the body's own bones.
        points: Of that body.
        face: As for ``draw_marks``.
        physique: Factor on how far bones and marks are moved.
    """
    share = draws.log_uniform(CLEAREST, 1.0)
    grown = _grown(draws, target, points, physique)
    marked = grown.landmarks + physique * _marks(draws, target, points.body, face, share)
    world, relative_depth = _world(draws, evidence, target, grown, share.sqrt()[:, None])
    rays = _rays(evidence.rays, target.landmarks, marked, share[:, None, None])
    return replace(evidence, rays=rays, world=world, relative_depth=relative_depth), grown


def _grown(draws: Draws, target: Target, points: BodyPoints, physique: float) -> Target:
    """Return the same people, their pelvises where they were, with bones of other lengths."""
    growth = physique * draw_growth(draws, points.body.rest_joints(target.shape))
    before = points(target.rotations, target.shape)
    after = points(
        target.rotations, target.shape, moved=PosedPoints(growth, growth[:, list(BESIDE)])
    )
    return replace(
        target,
        joints=target.joints + after.joints - before.joints,
        landmarks=target.landmarks + after.landmarks - before.landmarks,
        height=grown_height(target.height, growth),
    )


def _marks(draws: Draws, target: Target, body: BodyModel, face: Tensor, share: Tensor) -> Tensor:
    """Return how far each landmark is moved, (B, 33, 3), metres, camera axes."""
    still = torch.zeros_like(target.joints)
    marks = draw_marks(draws, still, target.height, face, rendered=share)
    return (turns_beside(target.rotations, body) @ marks.unsqueeze(-1)).squeeze(-1)


def _rays(rays: Tensor, landmarks: Tensor, marked: Tensor, share: Tensor) -> Tensor:
    """Return rays to ``marked``, off by a share of what ``rays`` miss ``landmarks`` by."""
    depth = landmarks[..., 2:].clamp(min=_MIN_DEPTH)
    points = marked + share * (rays * depth - landmarks)
    moved = points / points[..., 2:].clamp(min=_MIN_DEPTH)
    return torch.where(landmarks[..., 2:] > _MIN_DEPTH, moved, rays)


def _world(
    draws: Draws, evidence: Evidence, target: Target, grown: Target, share: Tensor
) -> tuple[Tensor, Tensor]:
    """Return world landmarks, (B, 33, 3), and the z of the image landmarks, (B, 33)."""
    (was, was_deep), (true, true_deep) = _said(evidence, target), _said(evidence, grown)
    world = true + share[..., None] * (evidence.world - was)
    world = (draw_world_height(draws) / READ_HEIGHT)[:, None, None] * world
    deep = true_deep + share * (evidence.relative_depth - was_deep)
    known = evidence.presence > 0
    return world * known[..., None], deep * known


def _said(evidence: Evidence, target: Target) -> tuple[Tensor, Tensor]:
    """Return the world landmarks and z that BlazePose would say if it erred in the size alone."""
    frame = crop_frame(evidence.crop_rays)
    points = target.landmarks - target.landmarks[:, HIPS].mean(1, keepdim=True)
    points = points @ frame.axes
    deep = depth_gain() * points[..., 2] / crop_width(target, evidence.crop_rays)[:, None]
    return (READ_HEIGHT / target.height)[:, None, None] * points @ frame.roll, deep

"""Losses of the network (MetricHMSR, Eq. 5), each a plain function that returns a scalar.

The paper names its terms but not their norms, weights, or where the absolute position is taught.
Our choices: joints and landmarks are compared about the pelvis, position by its own terms, and
points in the image by angles, so that lens and crop do not matter. Letters: B people, J joints, K
points. Metres, radians, camera frame. Predictions are ``pred_*``, truth is ``gt_*``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from metrichmsr_ros.geometry.rotations import matrix_to_rot6d

if TYPE_CHECKING:
    from metrichmsr_ros.body.body_model import BodyModel
    from metrichmsr_ros.data.people.target import Target
    from metrichmsr_ros.models.prediction import Prediction

# A Laplace variable of scale b lies within SIGMA_PER_SCALE · b of its centre in 68.27 % of cases.
ONE_SIGMA_SHARE = 0.6827
SIGMA_PER_SCALE = -math.log(1.0 - ONE_SIGMA_SHARE)
_MIN_LENGTH = 1e-6
_VERTEX_STRIDE = 16
_MIN_DEPTH = 0.1  # nearer joints have no meaningful place in the image, metres


def joints3d_loss(pred_joints: Tensor, gt_joints: Tensor) -> Tensor:
    """Return the mean over joints of |(p_j - p_0) - (q_j - q_0)|, metres.

    Args:
        pred_joints: p, (B, J, 3); joint 0 is the pelvis.
        gt_joints: q, (B, J, 3).
    """
    offset = (pred_joints - pred_joints[:, :1]) - (gt_joints - gt_joints[:, :1])
    return offset.norm(dim=-1).mean()


def points3d_loss(
    pred_points: Tensor, gt_points: Tensor, *, pred_pelvis: Tensor, gt_pelvis: Tensor
) -> Tensor:
    """Return the mean over points of |(p_k - pelvis_p) - (q_k - pelvis_q)|, metres.

    Of landmarks or of vertices (the paper's L_V3D).

    Args:
        pred_points: p, (B, K, 3).
        gt_points: q, (B, K, 3).
        pred_pelvis: (B, 3).
        gt_pelvis: (B, 3).
    """
    offset = (pred_points - pred_pelvis[:, None]) - (gt_points - gt_pelvis[:, None])
    return offset.norm(dim=-1).mean()


def reprojection_loss(
    pred_points: Tensor,
    gt_points: Tensor,
    *,
    weights: Tensor,
    crop_angle: Tensor,
    clamp: float = 0.25,
) -> Tensor:
    """Return the weighted mean of min(∠(p_k, q_k) / crop angle, clamp).

    Two points have the same pixel, whatever the lens, if and only if their rays are parallel; the
    angle is 2D error without any projection, and has a gradient behind the camera too. The clamp
    keeps a body that is still far off from outweighing all others.

    Args:
        pred_points: p, (B, K, 3).
        gt_points: q, (B, K, 3), z > 0.
        weights: (B, K), at least 0.
        crop_angle: Angle that the person's crop spans, (B,).
        clamp: Largest error of one point, in crop angles.
    """
    error = angle_between(pred_points, gt_points) / crop_angle[:, None]
    return (error.clamp(max=clamp) * weights).sum() / weights.sum().clamp(min=1.0)


def angle_between(a: Tensor, b: Tensor) -> Tensor:
    """Return atan2(|a x b|, a · b), (...), radians, of (..., 3) vectors of any length.

    Unlike the arc cosine it keeps its accuracy and its gradient at small angles.
    """
    a = a / a.norm(dim=-1, keepdim=True).clamp(min=_MIN_LENGTH)
    b = b / b.norm(dim=-1, keepdim=True).clamp(min=_MIN_LENGTH)
    return torch.atan2(torch.linalg.cross(a, b).norm(dim=-1), (a * b).sum(-1))


def rotation_loss(pred_rotations: Tensor, gt_rotations: Tensor) -> Tensor:
    """Return the mean of |R6d_p - R6d_q| over the entries of the first two columns.

    Args:
        pred_rotations: (B, J, 3, 3), each joint in its parent's frame.
        gt_rotations: (B, J, 3, 3).
    """
    return (matrix_to_rot6d(pred_rotations) - matrix_to_rot6d(gt_rotations)).abs().mean()


def shape_loss(pred_shape: Tensor, gt_shape: Tensor) -> Tensor:
    """Return the mean of |β_p - β_q|, standard deviations; (B, 10) each."""
    return (pred_shape - gt_shape).abs().mean()


def height_loss(pred_height: Tensor, gt_height: Tensor) -> Tensor:
    """Return the mean of |h_p - h_q|, metres; (B,) each."""
    return (pred_height - gt_height).abs().mean()


def log_depth_loss(pred_pelvis: Tensor, gt_pelvis: Tensor) -> Tensor:
    """Return the mean of |log|p| - log|q||: the relative error of the distance.

    Distance along the ray, not z: the same for a person in the image's corner.

    Args:
        pred_pelvis: p, (B, 3).
        gt_pelvis: q, (B, 3).
    """
    return (_log_length(pred_pelvis) - _log_length(gt_pelvis)).abs().mean()


def pelvis_likelihood_loss(error: Tensor, *, log_sigma: Tensor) -> Tensor:
    """Return the mean of |e| / b + log 2b: a Laplace likelihood of the pelvis's error.

    The errors have heavier tails than a Gauss law. σ is the half-width that holds 68.27 % of
    them, as users of a covariance take it: b = σ / 1.148. The error e is detached, so that this
    term teaches the uncertainty and never trades it for the position.

    Args:
        error: e, along the axes of σ, (B, 3), metres.
        log_sigma: log σ, (B, 3), log metres.
    """
    log_scale = log_sigma - math.log(SIGMA_PER_SCALE)
    return (error.detach().abs() * torch.exp(-log_scale) + log_scale + math.log(2.0)).mean()


def confidence_loss(
    confidence_logit: Tensor, pred_joints: Tensor, gt_joints: Tensor, *, good: float = 0.1
) -> Tensor:
    """Return the cross-entropy of "this body is good": its joints3d error is below ``good``.

    Args:
        confidence_logit: (B,).
        pred_joints: (B, J, 3); joint 0 is the pelvis. Detached, as in the likelihood.
        gt_joints: (B, J, 3).
        good: Mean distance of the joints about the pelvis, metres.
    """
    offset = (pred_joints - pred_joints[:, :1]) - (gt_joints - gt_joints[:, :1])
    is_good = (offset.detach().norm(dim=-1).mean(-1) < good).to(confidence_logit.dtype)
    return functional.binary_cross_entropy_with_logits(confidence_logit, is_good)


def balance_loss(gates: Tensor) -> Tensor:
    """Return K · Σ_i p_i² (Eq. 4), p_i the mean gate of routed expert i, averaged over blocks.

    Args:
        gates: (B, L, T, K), L blocks, T tokens, K experts, positive, summing to one over K.

    Returns:
        1 where all experts are used alike, K where one does everything; 0 without experts.
    """
    if not gates.numel():
        return gates.sum()
    share = gates.mean((0, 2))
    return gates.shape[-1] * share.square().sum(-1).mean()


def surface_points(side: Prediction | Target, body: BodyModel) -> Tensor:
    """Return every 16th vertex, for neighbours say the same; (B, V / 16, 3), metres.

    Args:
        side: B people, by their θ, β and pelvis alone.
        body: Theirs, on their device.
    """
    translation = side.pelvis - body.rest_joints(side.shape)[:, 0]
    return body.posed(side.rotations, side.shape, translation, every=_VERTEX_STRIDE).vertices


def all_losses(
    prediction: Prediction,
    target: Target,
    *,
    crop_angle: Tensor,
    body: BodyModel,
    vertices: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return every term; the names are those of ``LossWeights``.

    Args:
        prediction: Of B people.
        target: Their truth.
        crop_angle: Angle that each crop spans, (B,).
        body: Theirs, on their device.
        vertices: ``surface_points`` of the truth, or None: then that term is 0.
    """
    p, q = prediction, target
    pelvises = {'pred_pelvis': p.pelvis, 'gt_pelvis': q.pelvis}
    in_front = (q.joints[..., 2] > _MIN_DEPTH).float()
    return {
        'joints3d': joints3d_loss(p.joints, q.joints),
        'landmarks': points3d_loss(p.landmarks, q.landmarks, **pelvises),
        'reprojection': reprojection_loss(
            torch.cat((p.joints, p.landmarks), 1),
            torch.cat((q.joints, q.landmarks), 1),
            weights=torch.cat((in_front, q.valid2d.float()), 1),
            crop_angle=crop_angle,
        ),
        'landmark_rays': reprojection_loss(
            p.landmark_rays, q.landmarks, weights=q.valid2d.float(), crop_angle=crop_angle
        ),
        'rotations': rotation_loss(p.rotations, q.rotations),
        'shape': shape_loss(p.shape, q.shape),
        'vertices': p.shape.new_zeros(())
        if vertices is None
        else points3d_loss(surface_points(p, body), vertices, **pelvises),
        'height': height_loss(body.heights(p.shape), q.height),
        'log_depth': log_depth_loss(p.pelvis, q.pelvis),
        'pelvis_likelihood': pelvis_likelihood_loss(
            p.along_axes(p.pelvis - q.pelvis), log_sigma=p.pelvis_log_sigma
        ),
        'confidence': confidence_loss(p.confidence_logit, p.joints, q.joints),
        'balance': balance_loss(p.router),
    }


def _log_length(vectors: Tensor) -> Tensor:
    return vectors.norm(dim=-1).clamp(min=_MIN_LENGTH).log()

"""Turn and place a posed body so that its points lie on the rays through their pixels.

World landmarks are turned wrong by ten degrees as a whole, which the image shows. So three
Gauss-Newton steps follow the closed-form translation: over the body's turn about its origin, kept
small by a prior, and its translation, with the angles between points and rays as residuals.
Letters: N people, K points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrichmsr_ros.geometry.turns import apply, cross_matrix, inverse, matrix, rotvec
from metrichmsr_ros.models.ray_translation import across_rays, translation_from_rays

STEPS = 3
TURN_SIGMA = np.radians(8.0)  # of the landmarks' common turn, about each axis
# Standard deviation of a landmark over the spread (root mean square) of a person's landmarks: 2 %
# of the person's box.
LANDMARK_SIGMA = 0.07
_HUBER_WIDTH = 2.0  # of that, beyond which a point counts less
_MIN_WEIGHT = 1e-3


@dataclass(frozen=True)
class Placement:
    """How N bodies are turned and placed.

    Attributes:
        R: Turn of the points about their origin, (N, 3, 3) float64.
        translation: Where the origin goes, (N, 3) float64, metres, camera frame.
        covariance: Of the translation, as far as landmarks tell it, (N, 3, 3) float64, m².
    """

    R: np.ndarray
    translation: np.ndarray
    covariance: np.ndarray


def place_on_rays(points: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> Placement:
    """Fit turn and translation.

    Args:
        points: Points of the posed bodies about their origin, (N, K, 3), metres, camera axes.
        rays: Camera rays of their pixels with z = 1, (N, K, 3); NaN = no ray.
        weights: How much each point is trusted, (N, K), 0..1.

    Returns:
        The placement; translations are before the camera.
    """
    points = np.asarray(points, np.float64)
    known = np.isfinite(rays).all(axis=-1)
    rays = np.where(known[..., None], rays, [0.0, 0.0, 1.0])
    weights = np.where(known, np.maximum(weights, _MIN_WEIGHT), 0.0)
    translation = translation_from_rays(points, rays, weights)
    across, sigma = across_rays(rays), LANDMARK_SIGMA * _spread(rays, weights)
    R = np.broadcast_to(np.eye(3), (len(points), 3, 3))
    for _ in range(STEPS):
        turned = apply(R[:, None], points)
        equations = _normal_equations(turned, translation, across, weights, sigma)
        step = -np.linalg.solve(*_with_prior(*equations[:2], rotvec(R)))[..., 0]
        R = matrix(step[:, :3]) @ R
        translation = translation + step[:, 3:]
    turned = apply(R[:, None], points)
    information, gradient, misfit = _normal_equations(turned, translation, across, weights, sigma)
    information, _ = _with_prior(information, gradient, rotvec(R))
    covariance = np.linalg.inv(information)[:, 3:, 3:] * np.maximum(misfit, 1.0)[:, None, None]
    return Placement(R, translation, covariance)


def _spread(rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    share = (weights / weights.sum(axis=1, keepdims=True).clip(min=1e-12))[..., None]
    plane = rays[..., :2]
    centred = plane - (share * plane).sum(axis=1, keepdims=True)
    return np.sqrt((share * centred**2).sum(axis=(1, 2))).clip(min=1e-4)


def _normal_equations(
    points: np.ndarray,
    translation: np.ndarray,
    across: np.ndarray,
    weights: np.ndarray,
    sigma: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return information (N, 6, 6) and gradient (N, 6) over turn and translation, and the misfit.

    The misfit (N,) is the mean squared residual over what ``sigma`` lets expect.
    """
    placed = points + translation[:, None]
    scale = (np.linalg.norm(placed, axis=-1) * sigma[:, None]).clip(min=1e-6)
    residuals = apply(across, placed) / scale[..., None]
    # The scale is held during a step. With its derivative this would fit angles, which suits
    # noisy pixels of exact bodies; but most of a residual is the pose's error, in metres, and
    # people would be placed too far.
    J = np.concatenate([across @ inverse(cross_matrix(points)), across], axis=-1)
    J = J / scale[..., None, None]
    length = np.linalg.norm(residuals, axis=-1)
    robust = weights * np.minimum(1.0, _HUBER_WIDTH / np.maximum(length, 1e-9))
    weighted = inverse(J) * robust[..., None, None]
    misfit = (robust * length**2).sum(axis=1) / (2.0 * weights.sum(axis=1)).clip(min=1e-9)
    return (weighted @ J).sum(axis=1), apply(weighted, residuals).sum(axis=1), misfit


def _with_prior(
    information: np.ndarray, gradient: np.ndarray, turn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add the prior of the turn, and a ridge for people without any trusted point."""
    prior = np.diag([TURN_SIGMA**-2] * 3 + [1e-9] * 3)
    gradient = gradient + np.concatenate([turn, np.zeros_like(turn)], axis=1) @ prior
    return information + prior, gradient[..., None]

"""Where a posed body must stand so that its points lie on the rays through their pixels.

The closed form: the squared distance of a point ``p + t`` from the ray with unit direction ``d``
is ``|(I - d dᵀ)(p + t)|²``, so the weighted least-squares translation solves one 3x3 system.
Letters: N people, K points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HUBER_ROUNDS = 2
_HUBER_WIDTH = 1.5  # of the residuals' robust standard deviation, beyond which a point counts less
_MIN_WEIGHT = 1e-3
_MIN_DEPTH = 0.1  # nearer than this the answer is not a person before the camera, metres


@dataclass(frozen=True)
class RayTranslation:
    """Where N bodies are.

    Attributes:
        translation: (N, 3) float64, metres, camera frame.
        covariance: Of the least squares alone, from its residuals, (N, 3, 3) float64, m².
    """

    translation: np.ndarray
    covariance: np.ndarray


def translation_from_rays(
    points: np.ndarray, rays: np.ndarray, weights: np.ndarray
) -> RayTranslation:
    """Solve for the translations, with Huber rounds against wrong points.

    Args:
        points: Points of the posed bodies about their origin, (N, K, 3), metres, camera axes.
        rays: Camera rays of their pixels with any positive length, (N, K, 3); NaN = no ray.
        weights: How much each point is trusted, (N, K), 0..1.

    Returns:
        Translations before the camera and their covariances.
    """
    points = np.asarray(points, np.float64)
    known = np.isfinite(rays).all(-1)
    rays = np.where(known[..., None], rays, [0.0, 0.0, 1.0]).astype(np.float64)
    directions = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    across = np.eye(3) - directions[..., :, None] * directions[..., None, :]  # (N, K, 3, 3)
    trust = np.where(known, np.maximum(weights, _MIN_WEIGHT), 0.0)
    robust = trust
    for _ in range(HUBER_ROUNDS):
        translation = _solve(across, points, robust)
        residuals = _angular_residuals(across, points, translation)
        robust = trust * _huber(residuals, trust)
    translation = _solve(across, points, robust)
    behind = ~(translation[:, 2] > _MIN_DEPTH)
    if behind.any():
        translation = np.where(
            behind[:, None], _weak_perspective(points, rays, trust), translation
        )
    covariance = _covariance(across, points, translation, robust)
    return RayTranslation(translation=translation, covariance=covariance)


def _solve(across: np.ndarray, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    normal = np.einsum('nk,nkij->nij', weights, across) + 1e-9 * np.eye(3)
    target = -np.einsum('nk,nkij,nkj->ni', weights, across, points)
    return np.linalg.solve(normal, target[..., None])[..., 0]


def _angular_residuals(
    across: np.ndarray, points: np.ndarray, translation: np.ndarray
) -> np.ndarray:
    """Return the angles between points and their rays, (N, K), radians where they are small."""
    placed = points + translation[:, None]
    offsets = np.linalg.norm(np.einsum('nkij,nkj->nki', across, placed), axis=-1)
    return offsets / np.linalg.norm(placed, axis=-1).clip(min=1e-6)


def _huber(residuals: np.ndarray, trust: np.ndarray) -> np.ndarray:
    seen = np.where(trust > 0.5 * trust.max(axis=1, keepdims=True), residuals, np.nan)
    width = _HUBER_WIDTH * 1.4826 * np.nanmedian(seen, axis=1, keepdims=True)
    return np.minimum(1.0, width / np.maximum(residuals, 1e-12))


def _weak_perspective(points: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the translation at which the spread of the points matches that of the rays."""
    share = (weights / weights.sum(axis=1, keepdims=True).clip(min=1e-12))[..., None]
    plane = rays[..., :2] / np.maximum(rays[..., 2:], 1e-3)
    middle, centre = (share * plane).sum(axis=1), (share * points).sum(axis=1)
    wide = np.sqrt((share * (points[..., :2] - centre[:, None, :2]) ** 2).sum(axis=(1, 2)))
    seen = np.sqrt((share * (plane - middle[:, None]) ** 2).sum(axis=(1, 2)))
    depth = np.maximum(wide / np.maximum(seen, 1e-6), _MIN_DEPTH)
    ray = np.concatenate([middle, np.ones((len(middle), 1))], axis=1)
    return depth[:, None] * ray - centre


def _covariance(
    across: np.ndarray, points: np.ndarray, translation: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    placed = points + translation[:, None]
    squared = (np.einsum('nkij,nkj->nki', across, placed) ** 2).sum(axis=-1)
    degrees = np.maximum(2.0 * (weights > _MIN_WEIGHT).sum(axis=1) - 3.0, 1.0)
    share = weights / weights.sum(axis=1, keepdims=True).clip(min=1e-12)
    count = (weights > _MIN_WEIGHT).sum(axis=1).clip(min=1)
    variance = (share * squared).sum(axis=1) * count / degrees
    normal = np.einsum('nk,nkij->nij', share * count[:, None], across) + 1e-9 * np.eye(3)
    return variance[:, None, None] * np.linalg.inv(normal)

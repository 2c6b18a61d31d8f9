"""Where a posed body must stand so that its points lie on the rays through their pixels.

The squared distance of a point ``p + t`` from the ray with unit direction ``d`` is
``|(I - d dᵀ)(p + t)|²``, so the weighted least-squares translation solves one 3x3 system, and is
right for any lens. Letters: N people, K points.
"""

from __future__ import annotations

import numpy as np

HUBER_ROUNDS = 2
_HUBER_WIDTH = 1.5  # of the residuals' robust standard deviation, beyond which a point counts less
_MIN_DEPTH = 0.1  # nearer than this the answer is not a person before the camera, metres


def across_rays(rays: np.ndarray) -> np.ndarray:
    """Return the projections ``I - d dᵀ`` across rays of any length, (..., 3) → (..., 3, 3)."""
    directions = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    return np.eye(3) - directions[..., :, None] * directions[..., None, :]


def translation_from_rays(points: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Solve for the translations, with Huber rounds against wrong points.

    Args:
        points: Points of the posed bodies about their origin, (N, K, 3), metres, camera axes.
        rays: Camera rays of their pixels, z > 0, finite, (N, K, 3).
        weights: How much each point is trusted, (N, K), positive for some.

    Returns:
        Translations before the camera, (N, 3) float64, metres.
    """
    across = across_rays(rays)
    robust = weights
    for _ in range(HUBER_ROUNDS):
        translation = _solve(across, points, robust)
        robust = weights * _huber(_angles(across, points, translation), weights)
    translation = _solve(across, points, robust)
    behind = ~(translation[:, 2:] > _MIN_DEPTH)
    if behind.any():
        translation = np.where(behind, _weak_perspective(points, rays, weights), translation)
    return translation


def _solve(across: np.ndarray, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    share = weights / weights.sum(axis=1, keepdims=True).clip(min=1e-12)
    # The ridge only keeps the system solvable where no point is trusted.
    normal = np.einsum('nk,nkij->nij', share, across) + 1e-13 * np.eye(3)
    target = -np.einsum('nk,nkij,nkj->ni', share, across, points)
    return np.linalg.solve(normal, target[..., None])[..., 0]


def _angles(across: np.ndarray, points: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Return the angles between points and their rays, (N, K), radians where they are small."""
    placed = points + translation[:, None]
    offsets = np.linalg.norm(np.einsum('nkij,nkj->nki', across, placed), axis=-1)
    return offsets / np.linalg.norm(placed, axis=-1).clip(min=1e-6)


def _huber(residuals: np.ndarray, weights: np.ndarray) -> np.ndarray:
    trusted = weights >= 0.5 * weights.max(axis=1, keepdims=True)
    spread = 1.4826 * np.nanmedian(np.where(trusted, residuals, np.nan), axis=1, keepdims=True)
    return np.minimum(1.0, _HUBER_WIDTH * spread / np.maximum(residuals, 1e-12))


def _weak_perspective(points: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the translation at which the spread of the points matches that of the rays."""
    share = (weights / weights.sum(axis=1, keepdims=True).clip(min=1e-12))[..., None]
    plane = rays[..., :2] / rays[..., 2:]
    middle, centre = (share * plane).sum(axis=1), (share * points).sum(axis=1)
    wide = np.sqrt((share * (points[..., :2] - centre[:, None, :2]) ** 2).sum(axis=(1, 2)))
    seen = np.sqrt((share * (plane - middle[:, None]) ** 2).sum(axis=(1, 2)))
    depth = np.maximum(wide / np.maximum(seen, 1e-6), _MIN_DEPTH)
    ray = np.concatenate([middle, np.ones((len(middle), 1))], axis=1)
    return depth[:, None] * ray - centre

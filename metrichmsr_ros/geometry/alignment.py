"""Least-squares alignment of corresponding points: similarity and rigid (Umeyama, PAMI 1991)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Alignment:
    """The transform target ≈ scale · R · source + t.

    Attributes:
        scale: (...) float64.
        R: Rotation, (..., 3, 3) float64, determinant +1.
        t: (..., 3) float64, units of the points.
    """

    scale: np.ndarray
    R: np.ndarray
    t: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Return the transformed (..., n, 3) points."""
        turned = points @ np.swapaxes(self.R, -1, -2)
        return self.scale[..., None, None] * turned + self.t[..., None, :]


def similarity_align(source: np.ndarray, target: np.ndarray) -> Alignment:
    """Return the scale, rotation and translation that bring ``source`` nearest to ``target``.

    Args:
        source: (..., n, 3), n >= 3, finite.
        target: (..., n, 3), finite, same n.

    Raises:
        ValueError: Shapes that do not match, fewer than 3 points, a value that is not finite, or
            source points that all coincide.
    """
    return _align(source, target, with_scale=True)


def rigid_align(source: np.ndarray, target: np.ndarray) -> Alignment:
    """Return the rotation and translation (scale 1) that bring ``source`` nearest to ``target``.

    Arguments and errors as in ``similarity_align``.
    """
    return _align(source, target, with_scale=False)


def _align(source: np.ndarray, target: np.ndarray, *, with_scale: bool) -> Alignment:
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape[-2:] != target.shape[-2:] or source.ndim < 2 or source.shape[-1] != 3:
        raise ValueError(f'points must be (..., n, 3), got {source.shape} and {target.shape}')
    if source.shape[-2] < 3:
        raise ValueError(f'alignment needs at least 3 points, got {source.shape[-2]}')
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError('points to align must be finite')
    source_mean, target_mean = source.mean(-2, keepdims=True), target.mean(-2, keepdims=True)
    centred = source - source_mean
    covariance = np.swapaxes(target - target_mean, -1, -2) @ centred
    U, singular, Vh = np.linalg.svd(covariance)
    signs = np.ones_like(singular)
    signs[..., 2] = np.where(np.linalg.det(U @ Vh) < 0, -1, 1)  # a rotation, never a reflection
    R = (U * signs[..., None, :]) @ Vh
    scale = np.ones(R.shape[:-2])
    if with_scale:
        spread = (centred**2).sum((-1, -2))
        if not (spread > 0).all():
            raise ValueError('source points must not all coincide: their scale is undefined')
        scale = (singular * signs).sum(-1) / spread
    t = target_mean[..., 0, :] - scale[..., None] * (R @ np.swapaxes(source_mean, -1, -2))[..., 0]
    return Alignment(scale=scale, R=R, t=t)

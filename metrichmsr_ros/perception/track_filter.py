"""Constant-velocity Kalman filter of one pelvis, in metres, camera optical frame.

State: position and velocity, (6,), m and m/s. The time between two updates is whatever the stamps
say; splitting an interval into two predictions changes nothing.
"""

from __future__ import annotations

import numpy as np

ACCELERATION_DENSITY = 1.0  # m²/s³: people change their velocity by about 1 m/s within 1 s
START_SPEED = 1.5  # m/s, one sigma of a person never seen before
# Monocular errors that an estimator's own covariance tends to leave out (the person's unknown
# height above all), one sigma as a fraction of the distance.
DEPTH_NOISE = 0.04
ACROSS_NOISE = 0.01
# Used where the estimator gives no covariance.
UNKNOWN_DEPTH_NOISE = 0.08
UNKNOWN_ACROSS_NOISE = 0.02
FLOOR_NOISE = 0.02  # m


class PelvisFilter:
    """Kalman filter with white-noise acceleration.

    Args:
        pelvis: First measured position, (3,), metres.
        covariance: Its covariance, (3, 3), m², as ``measurement_noise`` returns it.
    """

    def __init__(self, pelvis: np.ndarray, covariance: np.ndarray) -> None:
        self._state = np.concatenate([pelvis, np.zeros(3)])
        self._covariance = np.zeros((6, 6))
        self._covariance[:3, :3] = covariance
        self._covariance[3:, 3:] = START_SPEED**2 * np.eye(3)

    @property
    def position(self) -> np.ndarray:
        """Position, (3,) float64, metres."""
        return self._state[:3]

    @property
    def velocity(self) -> np.ndarray:
        """Velocity, (3,) float64, m/s."""
        return self._state[3:]

    @property
    def position_covariance(self) -> np.ndarray:
        """Covariance of the position, (3, 3) float64, m²."""
        return self._covariance[:3, :3]

    def predict(self, seconds: float) -> None:
        """Move on by ``seconds`` ≥ 0 at constant velocity; the covariance grows."""
        move = np.eye(6)
        move[:3, 3:] = seconds * np.eye(3)
        noise = np.kron([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]], np.eye(3))
        self._state = move @ self._state
        self._covariance = move @ self._covariance @ move.T + ACCELERATION_DENSITY * noise

    def update(self, pelvis: np.ndarray, covariance: np.ndarray) -> None:
        """Correct by a measured position (3,) with covariance (3, 3)."""
        gain = self._covariance[:, :3] @ np.linalg.inv(self.position_covariance + covariance)
        self._state = self._state + gain @ (pelvis - self.position)
        keep = np.eye(6)
        keep[:, :3] -= gain
        # Joseph form: stays symmetric and positive over hours of updates.
        self._covariance = keep @ self._covariance @ keep.T + gain @ covariance @ gain.T


def measurement_noise(pelvis: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the covariance that a filter should give measured pelvises.

    Args:
        pelvis: Measured positions, (N, 3), metres.
        covariance: The estimator's own covariance, (N, 3, 3), m²; NaN where unknown.

    Returns:
        (N, 3, 3) float64, m²: along the ray far larger than across it.
    """
    pelvis = np.asarray(pelvis, np.float64)
    covariance = np.asarray(covariance, np.float64)
    known = np.isfinite(covariance).all(axis=(1, 2))
    distance = np.linalg.norm(pelvis, axis=1)
    ray = pelvis / np.maximum(distance, 1e-6)[:, None]
    along = ray[:, :, None] * ray[:, None, :]
    across = np.eye(3) - along
    depth_sigma = distance * np.where(known, DEPTH_NOISE, UNKNOWN_DEPTH_NOISE) + FLOOR_NOISE
    across_sigma = distance * np.where(known, ACROSS_NOISE, UNKNOWN_ACROSS_NOISE) + FLOOR_NOISE
    own = np.where(known[:, None, None], covariance, 0.0)
    return (
        own + depth_sigma[:, None, None] ** 2 * along + across_sigma[:, None, None] ** 2 * across
    )

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
# Of an estimator's standard deviation, what changes from frame to frame; the rest is one error
# that all frames of a person share (how tall he is, above all), which no averaging removes.
JITTER_SHARE = 0.25
GATE = 3.0  # sigmas of surprise


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
        """Correct by a measured position.

        An image is right about where a person is across the ray: a surprise there is a movement,
        his or the camera's, and is followed. Along the ray it is more likely to be a wrong size,
        and counts less.

        Args:
            pelvis: (3,), metres.
            covariance: Of what changes from frame to frame, (3, 3), m².
        """
        offset = pelvis - self.position
        ray = pelvis / np.linalg.norm(pelvis)
        along = np.outer(ray, ray)
        across = np.eye(3) - along
        spread = across @ (self.position_covariance + covariance)
        surprise = (offset @ across @ offset) / (np.trace(spread) / 2)
        self._covariance = self._covariance * max(1.0, surprise / GATE**2)
        variance = ray @ (self.position_covariance + covariance) @ ray
        doubt = max(1.0, abs(offset @ ray) / (GATE * np.sqrt(variance)))  # Huber's, inverted
        covariance = covariance + (doubt - 1.0) * variance * along
        gain = self._covariance[:, :3] @ np.linalg.inv(self.position_covariance + covariance)
        self._state = self._state + gain @ offset
        keep = np.eye(6)
        keep[:, :3] -= gain
        # Joseph form: stays symmetric and positive over hours of updates.
        self._covariance = keep @ self._covariance @ keep.T + gain @ covariance @ gain.T


def known_covariance(pelvis: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the estimator's covariance of pelvises (N, 3), (N, 3, 3), m².

    Where it says nothing, or that it knows the place exactly, it is a guess.
    """
    variances = np.trace(covariance, axis1=1, axis2=2)[:, None, None]
    known = np.isfinite(covariance).all(axis=(1, 2), keepdims=True) & (variances > 0)
    along, across, distance = _ray_parts(pelvis)
    guess = (UNKNOWN_DEPTH_NOISE * distance) ** 2 * along
    return np.where(known, covariance, guess + (UNKNOWN_ACROSS_NOISE * distance) ** 2 * across)


def measurement_noise(pelvis: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the covariance within which a measured pelvis may still be of the same person.

    Args:
        pelvis: Measured positions, (N, 3), metres.
        covariance: The estimator's own covariance, (N, 3, 3), m²; NaN where unknown.

    Returns:
        (N, 3, 3) float64, m²: along the ray far larger than across it.
    """
    along, across, distance = _ray_parts(pelvis)
    return (
        known_covariance(pelvis, covariance)
        + (DEPTH_NOISE * distance + FLOOR_NOISE) ** 2 * along
        + (ACROSS_NOISE * distance + FLOOR_NOISE) ** 2 * across
    )


def _ray_parts(pelvis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return projections along and across the rays, (N, 3, 3), and distances, (N, 1, 1)."""
    distance = np.linalg.norm(pelvis, axis=1)[:, None, None].astype(np.float64)
    ray = pelvis[:, :, None] / np.maximum(distance, 1e-6)
    along = ray * ray.swapaxes(1, 2)
    return along, np.eye(3) - along, distance

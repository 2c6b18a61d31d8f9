"""Kalman filter of the joint rotations of one person, on SO(3), in the tangent space.

State per joint: rotation and angular velocity, in the joint's own axes, so that turning the axes
in which a rotation is given (the camera's, for joint 0) turns the answer and nothing else. A limb
keeps its velocity for a moment only: an Ornstein-Uhlenbeck process, whose prediction may be split
at will. Noise is alike about all axes, so the covariance of a joint is three numbers: of the
angle, of angle with velocity, of the velocity.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

VELOCITY_TIME = 0.5  # s after which a limb's velocity is e times smaller, if nothing is seen
VELOCITY_SIGMA = 2.0  # rad/s
ROTATION_NOISE = 0.1  # rad, one sigma from frame to frame
GATE = 3.0  # sigmas of surprise from which on a joint is followed faster


class RotationFilter:
    """Filter of J rotations.

    Args:
        rotvecs: First measured rotations, (J, 3), axis-angle, radians.
    """

    def __init__(self, rotvecs: np.ndarray) -> None:
        self._rotations = Rotation.from_rotvec(rotvecs)
        self._velocities = np.zeros((len(rotvecs), 3))
        # Variance of the angle, covariance with the velocity, variance of the velocity, (3, J).
        self._covariance = np.zeros((3, len(rotvecs)))
        self._covariance[0] = ROTATION_NOISE**2
        self._covariance[2] = VELOCITY_SIGMA**2

    @property
    def rotvecs(self) -> np.ndarray:
        """Rotations, (J, 3) float64, axis-angle, radians."""
        return self._rotations.as_rotvec()

    @property
    def velocities(self) -> np.ndarray:
        """Angular velocities in the joints' own axes, (J, 3) float64, rad/s."""
        return self._velocities

    def predict(self, seconds: float) -> None:
        """Move on by ``seconds`` ≥ 0; the covariance grows."""
        x = seconds / VELOCITY_TIME
        decay, way = np.exp(-x), -VELOCITY_TIME * np.expm1(-x)
        self._rotations = self._rotations * Rotation.from_rotvec(way * self._velocities)
        self._velocities = decay * self._velocities
        angle, mixed, velocity = self._covariance
        spread = VELOCITY_SIGMA**2 * np.array(
            [
                VELOCITY_TIME * (2 * seconds - 3 * VELOCITY_TIME)
                + VELOCITY_TIME**2 * decay * (4 - decay),
                VELOCITY_TIME * (1 - decay) ** 2,
                1 - decay**2,
            ]
        )
        self._covariance = np.stack(
            [
                angle + 2 * way * mixed + way**2 * velocity + spread[0],
                decay * (mixed + way * velocity) + spread[1],
                decay**2 * velocity + spread[2],
            ]
        )

    def update(self, rotvecs: np.ndarray) -> None:
        """Correct by measured rotations (J, 3), axis-angle, radians.

        A surprise makes the filter less sure of what it knew, so that a sudden movement is
        followed in the frame that shows it.
        """
        noise = ROTATION_NOISE
        offset = (self._rotations.inv() * Rotation.from_rotvec(rotvecs)).as_rotvec()
        surprise = (offset**2).sum(axis=1) / (3 * (self._covariance[0] + noise**2))
        self._covariance = self._covariance * np.maximum(surprise / GATE**2, 1.0)
        angle, mixed, velocity = self._covariance
        gain, velocity_gain = angle / (angle + noise**2), mixed / (angle + noise**2)
        self._rotations = self._rotations * Rotation.from_rotvec(gain[:, None] * offset)
        self._velocities = self._velocities + velocity_gain[:, None] * offset
        self._covariance = np.stack(
            [(1 - gain) * angle, (1 - gain) * mixed, velocity - velocity_gain * mixed]
        )

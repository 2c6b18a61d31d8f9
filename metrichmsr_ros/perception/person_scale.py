"""How much farther away, and so larger, a person is than an estimator says, and why.

Size and distance are one in an image. An estimator's distance is wrong because the person is
taller or shorter than he looks, which stays, and because of how he moves, which does not. A sensor
measures both together. A floor does so too, through a camera that is mounted a little otherwise
than is believed. Each cause is a state of one Kalman filter: so a reading that errs alike in every
frame never makes the filter sure, and a height, once known, is known when nothing is measured.
"""

from __future__ import annotations

import numpy as np

BUILD, POSE, TILT, HEIGHT = range(4)
# One sigma of the log distance: what changes with a person's pose, and how soon.
POSE_SIGMA, POSE_SECONDS = 0.03, 1.0
BUILD_SECONDS = 20.0  # in which a build's information becomes e times less: ids get mixed up
# One sigma: of the camera's tilt, radians (a robot also pitches), and of its height's logarithm.
TILT_SIGMA, HEIGHT_SIGMA = 0.02, 0.03
GATE = 2.0  # sigmas of surprise


class PersonScale:
    """Log of true over estimated distance.

    Args:
        variance: Of it, as the estimator sees it.
    """

    def __init__(self, variance: float) -> None:
        pose = min(POSE_SIGMA**2, variance / 2)
        self._state = np.zeros(4)
        self._covariance = np.diag([variance - pose, pose, TILT_SIGMA**2, HEIGHT_SIGMA**2])
        self._build_variance, self._pose_variance = variance - pose, pose
        self._excess = 0.0  # of the build's variance, over what the estimator takes it for

    @property
    def value(self) -> float:
        """The log of true over estimated distance."""
        return float(self._state[BUILD] + self._state[POSE])

    @property
    def variance(self) -> float:
        """Of ``value``."""
        return float(self._covariance[: POSE + 1, : POSE + 1].sum())

    @property
    def build(self) -> float:
        """The part of ``value`` that stays: the log of the person's true over estimated size."""
        return float(self._state[BUILD])

    def predict(self, seconds: float) -> None:
        """Move on by ``seconds`` ≥ 0: the pose's part is forgotten, the build's hardly."""
        kept = np.exp(-seconds / POSE_SECONDS)
        self._state[POSE] *= kept
        self._covariance[POSE] *= kept
        self._covariance[:, POSE] *= kept
        self._covariance[BUILD, BUILD] *= np.exp(seconds / BUILD_SECONDS)
        self._covariance[POSE, POSE] += (1.0 - kept**2) * self._pose_variance

    def limit(self, variance: float) -> None:
        """Take in that the estimator is sure of its distance up to ``variance``.

        All frames share that error, so it is no new evidence in each of them: it keeps the
        build's variance from being larger than in the best frame, and what is beyond that in
        this one is the pose's.
        """
        least = variance - min(POSE_SIGMA**2, variance / 2)
        self._build_variance = min(self._build_variance, least)
        self._pose_variance = variance - self._build_variance
        most = self._build_variance + self._excess
        share = min(1.0, most / self._covariance[BUILD, BUILD])
        self._state[BUILD] *= share
        self._covariance[BUILD] *= np.sqrt(share)
        self._covariance[:, BUILD] *= np.sqrt(share)

    def update(self, value: float, variance: float, *, tilt: float | None = None) -> None:
        """Correct by a measured value.

        A surprise is somebody whom the estimator took for another size: a child is often taken
        for an adult. But who would be far larger than he looks stands on something: a floor is
        not believed then.

        Args:
            value: Log of measured over estimated distance.
            variance: Of its own error, in this frame alone.
            tilt: Of a floor, how much its value changes per radian of the camera's tilt; None for
                a sensor.
        """
        causes = np.array([1.0, 1.0, 0.0, 0.0] if tilt is None else [1.0, 1.0, tilt, 1.0])
        surprise = value - causes @ self._state
        spread = causes @ self._covariance @ causes + variance
        excess = max(0.0, surprise**2 - GATE**2 * spread)
        if excess and surprise > 0 and tilt is not None:
            return
        self._covariance[BUILD, BUILD] += excess
        self._excess += excess
        shared = self._covariance @ causes
        gain = shared / (causes @ shared + variance)
        self._state += gain * surprise
        keep = np.eye(4) - np.outer(gain, causes)
        # Joseph form: stays symmetric and positive over hours of updates.
        self._covariance = keep @ self._covariance @ keep.T + variance * np.outer(gain, gain)

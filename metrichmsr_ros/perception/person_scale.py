"""How much farther away, and so larger, a person is than an estimator says, and why.

Size and distance are one in an image. An estimator's distance is wrong because the person is
taller or shorter than he looks, which stays, and because of how he moves, which does not. A sensor
measures both together. A floor does so too, through a camera that is mounted a little otherwise
than is believed. Each cause is a state of one Kalman filter, so that a height that was measured is
known when nothing is. The mounting is only taken into account (Schmidt's consider states): one
person's feet, read thousands of times, must not teach it.
"""

from __future__ import annotations

import numpy as np

BUILD, POSE, TILT, CAMERA_HEIGHT = range(4)
# One sigma of the log distance: what changes with a person's pose, and how soon.
POSE_SIGMA, POSE_SECONDS = 0.03, 1.0
BUILD_SECONDS = 20.0  # in which a build's information becomes e times less: ids get mixed up
# One sigma: of the camera's tilt, radians (a robot also pitches), and of its height's logarithm.
TILT_SIGMA, HEIGHT_SIGMA = 0.02, 0.03
LEAST_SIGMA = 0.03  # of an estimator's distance, over it, however sure it is
# Sigmas of the estimator's distance beyond which a floor's is odd: it does not expect children.
NEARER, FARTHER = 1.0, 2.0
PATIENCE = 0.3  # s for which readings must be odd before they are believed
_SENSOR = np.array([1.0, 1.0, 0.0, 0.0])


class PersonScale:
    """Log of true over estimated distance, with what is unsure of the camera's mounting.

    Args:
        variance: Of the log distance, as the estimator sees it.
    """

    def __init__(self, variance: float) -> None:
        build, pose = _parts(variance)
        self._state = np.zeros(4)
        self._covariance = np.diag([build, pose, TILT_SIGMA**2, HEIGHT_SIGMA**2])
        self._build_variance, self._pose_variance = build, pose
        self._excess = 0.0  # of the build's variance, over what the estimator takes it for
        self._odd_seconds: float | None = None  # since readings have been odd

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
        kept, grown = np.exp(-seconds / POSE_SECONDS), np.exp(seconds / BUILD_SECONDS)
        self._state[POSE] *= kept
        self._covariance[POSE] *= kept
        self._covariance[:, POSE] *= kept
        self._covariance[BUILD, BUILD] *= grown
        self._covariance[POSE, POSE] += (1.0 - kept**2) * self._pose_variance
        self._build_variance *= grown
        self._excess /= grown
        if self._odd_seconds is not None:
            self._odd_seconds += seconds

    def limit(self, variance: float) -> None:
        """Take in that the estimator is sure of its distance up to ``variance``.

        All frames share that error, so it is no new evidence in each of them: it keeps the
        build's variance from being larger than in the best of the last frames, and what is beyond
        that in this one is the pose's.
        """
        least, _ = _parts(variance)
        self._build_variance = min(self._build_variance, least)
        self._pose_variance = max(variance, LEAST_SIGMA**2) - self._build_variance
        share = min(1.0, self._most / self._covariance[BUILD, BUILD])
        self._state[BUILD] *= share
        self._covariance[BUILD] *= np.sqrt(share)
        self._covariance[:, BUILD] *= np.sqrt(share)

    def resize(self, log_factor: float) -> None:
        """Take in that the estimator takes the person for larger from now on.

        What is known is a size, and not how much larger it is than was estimated.
        """
        known = max(0.0, 1.0 - self._covariance[BUILD, BUILD] / self._most)
        self._state[BUILD] -= known * log_factor

    def update(self, log_ratio: float, variance: float, causes: np.ndarray | None = None) -> None:
        """Correct by a measured distance.

        A floor's that is much nearer than the estimator's is of somebody of another size, as a
        child who was taken for an adult, if it stays so for ``PATIENCE``. Who would be much
        farther, and so larger, stands on something.

        Args:
            log_ratio: Log of the measured over the present distance.
            variance: Of its own error, in this frame alone.
            causes: How much ``log_ratio`` changes with build, pose, tilt and the camera's height,
                (4,); None for a sensor.
        """
        if causes is None:
            causes = _SENSOR
        elif not self._is_of_the_floor(log_ratio, variance, causes):
            return
        shared = self._covariance @ causes
        gain = shared / (causes @ shared + variance)
        gain[TILT:] = 0.0
        self._state += gain * log_ratio
        keep = np.eye(4) - np.outer(gain, causes)
        # Joseph's form: right for any gain, and symmetric over hours of updates.
        self._covariance = keep @ self._covariance @ keep.T + variance * np.outer(gain, gain)

    @property
    def _most(self) -> float:
        """The greatest variance of the build."""
        return self._build_variance + self._excess

    def _is_of_the_floor(self, log_ratio: float, variance: float, causes: np.ndarray) -> bool:
        """Tell whether a reading may be of the floor; make room for it where it is odd."""
        value = log_ratio + causes @ self._state
        expected = [self._build_variance, self._pose_variance, TILT_SIGMA**2, HEIGHT_SIGMA**2]
        gate = NEARER if value < 0 else FARTHER
        beyond = float(value**2 - gate**2 * (causes**2 @ expected + variance))
        if beyond <= 0:
            self._odd_seconds = None
            return True
        if value > 0:
            return False
        if self._odd_seconds is None:
            self._odd_seconds = 0.0
        if self._odd_seconds < PATIENCE:
            return False
        more = max(0.0, beyond - self._excess)
        self._excess += more
        self._covariance[BUILD, BUILD] += more
        return True


def _parts(variance: float) -> tuple[float, float]:
    """Return the variances of build and pose of an estimator's log distance."""
    variance = max(variance, LEAST_SIGMA**2)
    pose = min(POSE_SIGMA**2, variance / 2)
    return variance - pose, pose

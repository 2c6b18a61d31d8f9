"""What is known about one person over time: place, turns of the joints, build and scale.

An estimator sees size and distance as one: its error along the ray is nearly the same in all
frames of a person. So the pelvis is filtered where the estimator puts it, with only what changes
from frame to frame as noise, and how much nearer the person really is is a number of its own, the
scale: its variance stays what the estimator says until a depth sensor tells more.
"""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.perception.person_scale import PersonScale
from metrichmsr_ros.perception.rotation_filter import RotationFilter
from metrichmsr_ros.perception.track_filter import JITTER_SHARE, known_covariance, PelvisFilter
from metrichmsr_ros.structures import People

SHAPE_MEMORY = 20.0  # s after which a build counts e times less: ids may have been mixed up
STATURES = 0.7, 2.2  # m; nobody is smaller or larger
_SHARED = 1.0 - JITTER_SHARE**2


class ConstantShape:
    """Weighted mean of a person's β: people do not change their build between frames.

    Args:
        shape: First estimate, (10,).
        weight: How much it counts.
    """

    def __init__(self, shape: np.ndarray, weight: float) -> None:
        self.mean = np.asarray(shape, np.float64)
        self._weight = weight

    def predict(self, seconds: float) -> None:
        """Let what was seen count less after ``seconds`` ≥ 0."""
        self._weight *= np.exp(-seconds / SHAPE_MEMORY)

    def update(self, shape: np.ndarray, weight: float) -> None:
        """Take in another estimate (10,) that counts ``weight``."""
        self._weight += weight
        self.mean = self.mean + weight / self._weight * (shape - self.mean)


class PersonFilter:
    """All filters of one person.

    Args:
        pelvis: First estimate, (3,), metres.
        covariance: Its covariance, (3, 3), m².
        pose: θ, (24, 3), radians.
        shape: β, (10,).
    """

    def __init__(
        self, pelvis: np.ndarray, covariance: np.ndarray, pose: np.ndarray, shape: np.ndarray
    ) -> None:
        self.apparent = PelvisFilter(pelvis, JITTER_SHARE**2 * covariance)
        self.joints = RotationFilter(pose)
        self.scale = PersonScale(_SHARED * depth_variance(pelvis, covariance))
        self.shape = ConstantShape(shape, 1.0 / depth_variance(pelvis, covariance))
        self._across = _shared_across(pelvis, covariance)
        self._height: float | None = None

    @classmethod
    def of(cls, people: People, index: int) -> PersonFilter:
        """Start with one of the measured ``people``."""
        pelvis = people.pelvis[[index]].astype(np.float64)
        covariance = known_covariance(pelvis, people.pelvis_covariance[[index]])
        return cls(pelvis[0], covariance[0], people.pose[index], people.shape[index])

    @property
    def pelvis(self) -> np.ndarray:
        """Where the person is, (3,) float64, metres."""
        return np.exp(self.scale.value) * self.apparent.position

    @property
    def velocity(self) -> np.ndarray:
        """Of the pelvis, (3,) float64, m/s."""
        return np.exp(self.scale.value) * self.apparent.velocity

    @property
    def covariance(self) -> np.ndarray:
        """Of the pelvis, (3, 3) float64, m²: of the filter, the scale, and what frames share."""
        apparent = self.apparent.position
        scaled = np.outer(apparent, apparent) * self.scale.variance
        moving = self.apparent.position_covariance + scaled
        return np.exp(2 * self.scale.value) * moving + self._across

    def predict(self, seconds: float) -> None:
        """Move on by ``seconds`` ≥ 0."""
        for part in (self.apparent, self.joints, self.scale, self.shape):
            part.predict(seconds)

    def update(self, pelvis: np.ndarray, covariance: np.ndarray, pose: np.ndarray) -> None:
        """Correct by an estimate; arguments as of the constructor."""
        self.apparent.update(pelvis, JITTER_SHARE**2 * covariance)
        self.joints.update(pose)
        self.scale.limit(_SHARED * depth_variance(pelvis, covariance))
        self._across = _shared_across(pelvis, covariance)

    def set_height(self, height: float) -> None:
        """Say how tall somebody of this β is, metres; a size that was measured stays as it is."""
        if self._height is not None:
            self.scale.resize(float(np.log(height / self._height)))
        self._height = height


def depth_variance(pelvis: np.ndarray, covariance: np.ndarray) -> float:
    """Return the variance of the log distance of a pelvis (3,) with covariance (3, 3)."""
    return float(pelvis @ covariance @ pelvis / (pelvis @ pelvis) ** 2)


def _shared_across(pelvis: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the covariance across the ray, (3, 3), m², that all frames share."""
    across = np.eye(3) - np.outer(pelvis, pelvis) / (pelvis @ pelvis)
    return _SHARED * across @ covariance @ across

"""The wall between what sees people in the image and what makes them metric."""

from __future__ import annotations

from typing import Protocol

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.structures import Frame, Landmarks, People


class Estimator(Protocol):
    """Turns landmarks of one frame into metric people; keeps nothing from frame to frame.

    Attributes:
        name: Method name, as commands and reports write it.
        body: The body whose parameters it estimates.
    """

    name: str
    body: BodyModel

    def estimate(self, frame: Frame, landmarks: Landmarks) -> People:
        """Estimate the people.

        Args:
            frame: The image and its camera.
            landmarks: N people of that image.

        Returns:
            As many people, in the same order, not tracked yet: ids '', states NEW, velocities NaN.
        """
        ...
